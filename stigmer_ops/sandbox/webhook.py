"""Who is told of alerts in the sandbox: a webhook that takes what Alertmanager sends.

The form of a notification is that of Alertmanager's webhook_config, version 4
(https://prometheus.io/docs/alerting/latest/configuration/#webhook_config).
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Notification:
    """What a receiver is told of one alert.

    Attributes:
        receiver: Name of the receiver in Alertmanager's configuration.
        status: firing or resolved.
        labels: All labels, alertname and severity included.
        annotations: As Prometheus rendered them.
    """

    receiver: str
    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def firing(self) -> bool:
        """Whether it begins; else it ends."""
        return self.status == "firing"

    @property
    def message(self) -> str:
        """The same in one line, for a person."""
        description = self.annotations.get("description", "").partition("\n")[0]
        name, severity = self.labels.get("alertname", "?"), self.labels.get("severity", "?")
        return f"{self.status.upper()} {severity} {name} ({self.receiver}): {description}"


@contextmanager
def webhook(tell: Callable[[Notification], None]) -> Iterator[str]:
    """Listen on a free port of 127.0.0.1; its base URL, below which receivers are paths.

    Alertmanager repeats what it has told of a group whenever the group changes; only what is new
    is passed on, in the running event loop.

    Args:
        tell: Called for each alert that begins or ends.
    """
    loop = asyncio.get_running_loop()
    known: dict[tuple[str, str], tuple[str, str]] = {}

    def take(told: Mapping[str, Any]) -> None:
        for alert in told["alerts"]:
            key = told["receiver"], alert["fingerprint"]
            state = alert["status"], alert["startsAt"]
            if known.get(key) != state:
                known[key] = state
                tell(
                    Notification(
                        told["receiver"], alert["status"], alert["labels"], alert["annotations"]
                    )
                )

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            loop.call_soon_threadsafe(take, json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: what arrives is told."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
