"""The endpoint over real sockets: TLS, passwords, and clients that mean no good."""

from __future__ import annotations

import base64
import gzip
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt
import pytest
import trustme

from stigmer_ops.errors import UsageError
from stigmer_ops.exporter.collector import CatalogueCollector, registry_of
from stigmer_ops.exporter.log import Event
from stigmer_ops.exporter.readings import EXPORTED, Series, zeros
from stigmer_ops.exporter.web import server
from stigmer_ops.exporter.web.config import WebConfigFile
from stigmer_ops.exporter.web.server import Condition, Listen, served
from stigmer_ops.monitoring.catalogue import metrics as m

WELL = Condition(alive=True, ready=True, facts={"namespace <orders>": "read"})
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


class Endpoint:
    """A served page of zeros, and what was logged about it."""

    def __init__(self, stack: ExitStack, config: WebConfigFile | None) -> None:
        self.condition = WELL
        self.events: list[Event] = []
        self.collector = CatalogueCollector()
        self.collector.publish("zeros", zeros(EXPORTED, namespace=("orders",)))
        self.url = stack.enter_context(
            served(
                Listen("127.0.0.1", 0),
                registry_of(self.collector),
                lambda: self.condition,
                self.events.append,
                web_config=config,
            )
        )

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def ask(
        self,
        path: str = "/metrics",
        method: str = "GET",
        *,
        tls: ssl.SSLContext | None = None,
        **headers: str,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        host, port = self.address
        connection: http.client.HTTPConnection
        if tls is None:
            connection = http.client.HTTPConnection(host, port, timeout=20)
        else:
            connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=tls)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, headers=named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


@contextmanager
def endpoint(config: Path | None = None) -> Iterator[Endpoint]:
    with ExitStack() as stack:
        yield Endpoint(stack, None if config is None else WebConfigFile(config))


@pytest.fixture
def plain() -> Iterator[Endpoint]:
    with endpoint() as one:
        yield one


def test_formats_are_negotiated(plain: Endpoint) -> None:
    status, headers, body = plain.ask()
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert int(headers["Content-Length"]) == len(body)
    status, headers, packed = plain.ask(Accept=OPEN_METRICS, Accept_Encoding="gzip")
    assert headers["Content-Type"].startswith(OPEN_METRICS)
    assert gzip.decompress(packed).endswith(b"# EOF\n")
    _, _, one = plain.ask("/metrics?name[]=stigmer_ops_exporter_tracked_activities")
    assert [line for line in one.decode().splitlines() if not line.startswith("#")] == [
        'stigmer_ops_exporter_tracked_activities{namespace="orders"} 0.0'
    ]


def test_probes_follow_the_condition(plain: Endpoint) -> None:
    assert plain.ask("/-/healthy")[0] == plain.ask("/-/ready")[0] == 200
    plain.condition = Condition(alive=True, ready=False)
    assert plain.ask("/-/healthy")[0] == 200
    assert plain.ask("/-/ready")[::2] == (503, b"not ready\n")
    plain.condition = Condition(alive=False, ready=False)
    assert plain.ask("/-/healthy")[0] == 503


def test_landing_page_escapes_what_is_foreign(plain: Endpoint) -> None:
    status, headers, body = plain.ask("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<dt>namespace &lt;orders&gt;</dt><dd>read</dd>" in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(plain: Endpoint, method: str) -> None:
    status, headers, _ = plain.ask(method=method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_head_has_the_headers_of_get_and_no_body(plain: Endpoint) -> None:
    status, headers, body = plain.ask(method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == len(plain.ask()[2])


@pytest.mark.parametrize("path", ["/x", "/metrics/", "/../metrics", "/-/reload"])
def test_other_paths_are_not_found(plain: Endpoint, path: str) -> None:
    assert plain.ask(path)[0] == 404


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=x",
        "text/plain; version=a.b",
        "*/*;version=;=",
        "\xff",
    ],
)
def test_senseless_headers_are_answered(plain: Endpoint, accept: str) -> None:
    assert plain.ask(Accept=accept)[0] in (200, 400)
    assert plain.events == []


def test_second_listener_is_told_that_the_address_is_taken(plain: Endpoint) -> None:
    host, port = plain.address
    nothing = registry_of(CatalogueCollector())
    with (
        pytest.raises(UsageError, match=f"cannot listen on {host}:{port}: Address already in use"),
        served(Listen(host, port), nothing, lambda: WELL, print),
    ):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_every_address_means_both_protocols(address: str) -> None:
    nothing = registry_of(CatalogueCollector())
    with served(Listen("", 0), nothing, lambda: WELL, print) as url:
        port = urlsplit(url).port or 0
        with socket.create_connection((address, port), timeout=20) as client:
            client.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
            assert client.recv(20).startswith(b"HTTP/1.0 200 ")


# --- Clients that mean no good -------------------------------------------------------------------


def answering() -> list[threading.Thread]:
    """The threads of open connections."""
    return [each for each in threading.enumerate() if "process_request_thread" in each.name]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def connected(one: Endpoint) -> socket.socket:
    return socket.create_connection(one.address, timeout=20)


def test_silent_and_slow_clients_hold_up_nobody_and_are_cut_off(
    plain: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTION_SECONDS", 1.0)
    with connected(plain) as silent, connected(plain) as dripping:
        dripping.sendall(b"GET /metrics HTTP/1.1\r\nX-A")
        began = time.monotonic()
        assert plain.ask()[0] == 200
        assert time.monotonic() - began < 5
        with suppress(OSError):
            for _ in range(30):
                dripping.sendall(b"a")
                time.sleep(0.1)
        assert silent.recv(10) == b""
        with suppress(ConnectionError):
            assert dripping.recv(10) == b""
    assert plain.events == []


def test_client_that_does_not_read_is_cut_off(
    plain: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTION_SECONDS", 1.0)
    more_than_any_buffer: Series = {("orders", f"queue-{n}", "T" * 200): 1.0 for n in range(30_000)}
    plain.collector.publish("many", {m.PENDING_BY_TASK_QUEUE: more_than_any_buffer})
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.settimeout(20)
        deaf.connect(plain.address)
        deaf.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        until(lambda: bool(answering()))
        assert plain.ask("/-/ready")[0] == 200
        until(lambda: not answering())
    assert plain.events == []


def test_too_many_connections_are_closed_and_room_comes_back(
    plain: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 3)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connected(plain))
        until(lambda: len(answering()) == 3)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            plain.ask()
    until(lambda: not answering())
    assert plain.ask()[0] == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain endpoint
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"\x00" * 5000,
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_garbage_is_refused_and_not_logged(plain: Endpoint, raw: bytes) -> None:
    with connected(plain) as client, suppress(ConnectionError):
        client.sendall(raw)
        client.shutdown(socket.SHUT_WR)
        assert b" 200 " not in client.recv(100)
    assert plain.ask()[0] == 200
    assert plain.events == []


# --- TLS and passwords ---------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secured(authority: trustme.CA, tmp_path: Path) -> Path:
    """A web configuration file with TLS and a password."""
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    hashed = bcrypt.hashpw(b"sesame", bcrypt.gensalt(4)).decode()
    path = tmp_path / "web.yml"
    path.write_text(f"""
tls_server_config:
  cert_file: server.pem
  key_file: server.pem
http_server_config:
  headers:
    Strict-Transport-Security: max-age=60
basic_auth_users:
  prometheus: {hashed}
""")
    return path


def trusting(authority: trustme.CA, client: trustme.LeafCert | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if client is not None:
        client.configure_cert(context)
    return context


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"prometheus:{password}".encode()).decode()


def test_password_over_tls(secured: Path, authority: trustme.CA) -> None:
    with endpoint(secured) as one:
        assert one.url.startswith("https://")
        tls = trusting(authority)
        status, headers, body = one.ask(tls=tls, Authorization=basic("sesame"))
        assert status == 200
        assert headers["Strict-Transport-Security"] == "max-age=60"
        assert b"stigmer_" in body
        for path in ("/metrics", "/", "/-/ready"):
            status, headers, body = one.ask(path, tls=tls, Authorization=basic("wrong"))
            assert (status, body) == (401, b"unauthorized\n")
            assert headers["WWW-Authenticate"].startswith("Basic ")
        assert one.ask(tls=tls)[0] == 401


def test_handshake_that_never_ends_holds_up_nobody(
    secured: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTION_SECONDS", 1.0)
    with endpoint(secured) as one, connected(one) as silent, connected(one) as plain_text:
        plain_text.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert one.ask(tls=trusting(authority), Authorization=basic("sesame"))[0] == 200
        assert silent.recv(10) == b""
        assert one.events == []


def test_old_tls_is_refused(secured: Path, authority: trustme.CA) -> None:
    text = secured.read_text().replace("cert_file", "min_version: TLS13\n  cert_file")
    secured.write_text(text)
    tls = trusting(authority)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with endpoint(secured) as one, pytest.raises(ssl.SSLError):
        one.ask(tls=tls, Authorization=basic("sesame"))


def test_client_certificate_is_required_where_the_file_says_so(
    secured: Path, authority: trustme.CA
) -> None:
    wanted = "client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  cert_file"
    secured.write_text(secured.read_text().replace("cert_file", wanted, 1))
    with endpoint(secured) as one:
        known = trusting(authority, authority.issue_cert("prometheus"))
        assert one.ask(tls=known, Authorization=basic("sesame"))[0] == 200
        stranger = trusting(authority, trustme.CA().issue_cert("prometheus"))
        for context in (trusting(authority), stranger):
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                one.ask(tls=context, Authorization=basic("sesame"))
        assert one.events == []


def test_certificate_that_was_renewed_is_used_at_once(secured: Path, authority: trustme.CA) -> None:
    renewed = trustme.CA()
    with endpoint(secured) as one:
        assert one.ask(tls=trusting(authority), Authorization=basic("sesame"))[0] == 200
        certificate = renewed.issue_cert("localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(secured.parent / "server.pem"))
        assert one.ask(tls=trusting(renewed), Authorization=basic("sesame"))[0] == 200
        secured.write_text("nonsense: 1\n")
        assert one.ask(tls=trusting(renewed), Authorization=basic("sesame"))[0] == 200
        assert [event.message for event in one.events] == ["the web configuration is not valid"]
