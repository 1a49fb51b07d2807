"""A server that gives one answer to everything."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def answering(
    status: int = 200, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Iterator[tuple[str, list[str]]]:
    """Serve on the loopback interface: its URL, and the credentials that it is given.

    Where the headers give the body another length, the connection ends before or after it.
    """
    given: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def answer(self) -> None:
            given.append(self.headers["Authorization"] or "")
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", given
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
