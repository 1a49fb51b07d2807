"""The exporter's HTTP endpoint: threads of their own, so that no client can hold up the reading.

Each request is a connection of its own (HTTP/1.0), which has a few seconds in all, TLS handshake
included; whoever is slower, or one too many, is cut off.
"""

from __future__ import annotations

import html
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, make_wsgi_app

from stigmer_ops.errors import InputError, UsageError
from stigmer_ops.exporter.log import Event, Level, Log, told
from stigmer_ops.exporter.web.config import WebConfig, WebConfigFile
from stigmer_ops.exporter.web.passwords import Passwords

CONNECTION_SECONDS = 15.0
"""How long a connection may last in all. Prometheus gives up after 10 seconds."""
CONNECTIONS = 50
"""How many may be open at once."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen.

    Attributes:
        host: Address or name; empty for every address.
        port: 0 for a free one.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Read host:port, [IPv6]:port or :port.

        Raises:
            ValueError: It is none of these.
        """
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host) != bracketed:
            raise ValueError(f"{text!r} is not host:port, [address]:port or :port")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Condition:
    """How the exporter fares, as a probe asks for it.

    Attributes:
        alive: Whether it still works at all.
        ready: Whether its values are worth scraping.
        facts: For the page that a person sees: what is watched, and how that goes.
    """

    alive: bool
    ready: bool
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain; charset=utf-8"),)


@contextmanager
def served(
    listen: Listen,
    registry: CollectorRegistry,
    condition: Callable[[], Condition],
    log: Log,
    *,
    web_config: WebConfigFile | None = None,
) -> Iterator[str]:
    """Serve until the end of the block.

    Args:
        listen: Where.
        registry: What /metrics shows.
        condition: Asked for /-/healthy, /-/ready and the landing page.
        log: For what goes wrong.
        web_config: TLS, passwords and headers; None for none of them.

    Yields:
        The URL, without a path.

    Raises:
        UsageError: Somebody else listens there, or the address is not ours.
    """
    server = _bound(listen, registry, condition, log, web_config)
    thread = threading.Thread(
        target=server.serve_forever, args=(_POLL_SECONDS,), name="web", daemon=True
    )
    thread.start()
    host, port = server.server_address[:2]
    scheme = "https" if web_config is not None and web_config.context else "http"
    try:
        yield f"{scheme}://{Listen(str(host), int(port))}"
    finally:
        server.shutdown()
        server.server_close()


def _bound(listen: Listen, *parts: Any) -> _Server:  # noqa: ANN401 - those of _Server
    try:
        return _Server(*_address_of(listen), *parts)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {listen}: {error.strerror}",
            not_done="nothing is served",
            next_step="choose another address with --listen",
        ) from None


def _address_of(listen: Listen) -> tuple[int, Any]:
    """Family and address to bind; every address means those of both protocols, where that goes."""
    if not listen.host and socket.has_dualstack_ipv6():
        return socket.AF_INET6, ("::", listen.port)
    found = socket.getaddrinfo(
        listen.host or None, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, *_, address = found[0]
    return family, address


class _Server(ThreadingMixIn, TCPServer):
    """One thread a connection, and a limit to both their number and their duration."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        family: int,
        address: Any,  # noqa: ANN401 - as getaddrinfo gives it
        registry: CollectorRegistry,
        condition: Callable[[], Condition],
        log: Log,
        web_config: WebConfigFile | None,
    ) -> None:
        self.address_family = family
        self.exposition = make_wsgi_app(registry)
        self.condition = condition
        self.log = log
        self.passwords = Passwords()
        self._file = web_config
        self._open: dict[socket.socket, float] = {}
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind; a socket for every IPv6 address takes those of IPv4 too."""
        if self.address_family == socket.AF_INET6:
            only = int(self.server_address[0] != "::")
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        super().server_bind()

    @property
    def config(self) -> WebConfig:
        """What the web configuration file says now."""
        return WebConfig() if self._file is None else self._file.config

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection. The TLS handshake is left to its thread: it may never end."""
        connection, address = super().get_request()
        if self._file is not None:
            self._file.refresh(self._not_valid)
            if self._file.context is not None:
                connection = self._file.context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
        return connection, address

    def _not_valid(self, error: InputError) -> None:
        self.log(Event(Level.ERROR, "the web configuration is not valid", told(error), error))

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        """Start its thread, unless there are too many."""
        if len(self._open) >= CONNECTIONS:
            self.shutdown_request(request)
            return
        self._open[request] = time.monotonic() + CONNECTION_SECONDS
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Cut off whoever takes too long; called several times a second."""
        now = time.monotonic()
        for connection, deadline in tuple(self._open.items()):
            if deadline < now:
                self._open.pop(connection, None)
                # Of the socket itself: TLS would wait for the client to say goodbye.
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as above
        """End a connection."""
        self._open.pop(request, None)
        with suppress(OSError):
            socket.socket.shutdown(request, socket.SHUT_WR)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """Log what a handler did not foresee; of clients that went away nothing is said."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self.log(Event(Level.ERROR, "a request could not be answered", told(error), error))


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of a few paths."""

    server: _Server
    timeout = CONNECTION_SECONDS

    def version_string(self) -> str:
        """What the Server header says: not which Python runs here."""
        return "stigmer-ops"

    def do_GET(self) -> None:
        """Answer with a body."""
        answer = self._answer()
        self._head(answer)
        self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        """Answer as GET would, without the body."""
        self._head(self._answer())

    def _refuse(self) -> None:
        allow = (("Allow", "GET, HEAD"),)
        self._head(_Answer(HTTPStatus.METHOD_NOT_ALLOWED, b"", allow))

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse

    def _head(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        for name, value in (
            *answer.headers,
            *self.server.config.http_server_config.headers.items(),
        ):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()

    def _answer(self) -> _Answer:
        users = self.server.config.basic_auth_users
        if not self.server.passwords.admit(self.headers.get("Authorization"), users):
            realm = (("WWW-Authenticate", 'Basic realm="stigmer-ops"'),)
            return _Answer(HTTPStatus.UNAUTHORIZED, b"unauthorized\n", realm)
        match urlsplit(self.path).path:
            case "/metrics":
                return self._metrics()
            case "/-/healthy":
                return _probe(self.server.condition().alive, "healthy")
            case "/-/ready":
                return _probe(self.server.condition().ready, "ready")
            case "/":
                return _landing(self.server.condition())
            case _:
                return _Answer(HTTPStatus.NOT_FOUND, b"not found; the metrics are at /metrics\n")

    def _metrics(self) -> _Answer:
        environment = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/metrics",
            "QUERY_STRING": urlsplit(self.path).query,
            "HTTP_ACCEPT": self.headers.get("Accept", ""),
            "HTTP_ACCEPT_ENCODING": self.headers.get("Accept-Encoding", ""),
        }
        started: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            pieces = self.server.exposition(environment, lambda *begun: started.append(begun))
        except (TypeError, ValueError):
            # prometheus_client takes whatever is after version= for numbers.
            return _Answer(HTTPStatus.BAD_REQUEST, b"the Accept header makes no sense\n")
        status, headers = started[0]
        return _Answer(HTTPStatus(int(status.split()[0])), b"".join(pieces), tuple(headers))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests."""


def _probe(holds: bool, what: str) -> _Answer:
    if holds:
        return _Answer(HTTPStatus.OK, f"{what}\n".encode())
    return _Answer(HTTPStatus.SERVICE_UNAVAILABLE, f"not {what}\n".encode())


_LANDING = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>stigmer-ops exporter</title>
<h1>stigmer-ops exporter</h1>
<p>What external activities wait for, computed from Temporal.</p>
<ul>
<li><a href="/metrics">metrics</a></li>
<li><a href="/-/healthy">healthy</a></li>
<li><a href="/-/ready">ready</a></li>
</ul>
<dl>
{facts}
</dl>
</html>
"""


def _landing(condition: Condition) -> _Answer:
    facts = "\n".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in condition.facts.items()
    )
    return _Answer(
        HTTPStatus.OK,
        _LANDING.format(facts=facts).encode(),
        (("Content-Type", "text/html; charset=utf-8"),),
    )
