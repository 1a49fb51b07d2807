"""A codec server that really transforms payloads, as one that encrypts would."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

ENCODING = b"binary/reversed"


class ReversingCodec(PayloadCodec):
    """Wraps each payload and turns its bytes round, so that nobody reads it by accident."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [_wrap(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [_unwrap(payload) for payload in payloads]


def _wrap(payload: Payload) -> Payload:
    return Payload(metadata={"encoding": ENCODING}, data=payload.SerializeToString()[::-1])


def _unwrap(payload: Payload) -> Payload:
    if payload.metadata.get("encoding") != ENCODING:
        return payload
    return Payload.FromString(payload.data[::-1])


@dataclass
class RunningCodecServer:
    """Its endpoint, and what was asked of it: path and namespace header of each request."""

    endpoint: str
    requests: list[tuple[str, str]] = field(default_factory=list)


@asynccontextmanager
async def codec_server(*, authorization: str | None = None) -> AsyncIterator[RunningCodecServer]:
    """Serve `ReversingCodec` over HTTP on a free port of loopback.

    Args:
        authorization: The Authorization header that it demands; others get 401.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if authorization is not None and self.headers["Authorization"] != authorization:
                self.send_error(401)
                return
            running.requests.append((self.path, self.headers["X-Namespace"] or ""))
            body = self.rfile.read(int(self.headers["Content-Length"]))
            payloads = json_format.Parse(body, Payloads()).payloads
            convert = _wrap if self.path.endswith("/encode") else _unwrap
            answer = json_format.MessageToJson(Payloads(payloads=map(convert, payloads))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = RunningCodecServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield running
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()
