"""A program that serves HTTP on this machine, with a directory of its own."""

from __future__ import annotations

import asyncio
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stigmer_ops.sandbox.child import ChildServer

Command = Callable[[str, Path], Sequence[str]]
"""The command line of a program that is to listen at an address and write below a directory."""


class Program(ChildServer):
    """One program; its directory is gone when it has ended, however that went.

    Args:
        name: What messages call it.
        command: Its command line, for an address, as host:port, and a directory of its own.
        files: What is in the directory: name to text.
        environment: Its environment; None for that of this process.
        ready_path: Path of its HTTP server that answers 200 when it can be used.
    """

    def __init__(
        self,
        name: str,
        command: Command,
        *,
        files: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        ready_path: str = "/-/ready",
    ) -> None:
        super().__init__(name, environment=environment)
        self._command = command
        self._files = files or {}
        self._ready_path = ready_path

    @property
    def url(self) -> str:
        """The base URL of its HTTP server."""
        return f"http://{self.address}"

    def _supervised(self, port: int) -> Sequence[str]:
        directory = Path(tempfile.mkdtemp(prefix=f"stigmer-ops-{self.name.lower()}-"))
        for name, text in self._files.items():
            (directory / name).write_text(text, encoding="utf-8")
        return ["--remove", str(directory), *self._command(f"127.0.0.1:{port}", directory)]

    async def _answers(self) -> bool:
        return await asyncio.to_thread(self._serves)

    def _serves(self) -> bool:
        try:
            # Our own program, by http.
            with urllib.request.urlopen(f"{self.url}{self._ready_path}", timeout=1):  # noqa: S310
                return True
        except OSError:  # refused, or answered with an error: URLError is one
            return False
