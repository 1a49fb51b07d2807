"""A program that serves HTTP on this machine, as a child process that outlives nobody."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from stigmer_ops.errors import UnavailableError
from stigmer_ops.sandbox import supervisor
from stigmer_ops.sandbox.server import free_ports

READY_SECONDS = 30.0
"""How long a program may take to answer; those of the sandbox take about a second."""

_POLL_SECONDS = 0.1
_ATTEMPTS = 3  # another process may take a free port before the program does

Command = Callable[[str, Path], Sequence[str]]
"""The command line of a program that is to listen at an address and write below a directory."""


class Program:
    """One program on 127.0.0.1; an async context manager.

    It ends with the process that started it, also when that one is killed, and its directory is
    then gone (see `supervisor`).

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
        self.name = name
        self._command = command
        self._files = files or {}
        self._environment = environment
        self._ready_path = ready_path
        self._address: str | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._log: IO[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it listens, as host:port; the same over restarts.

        Raises:
            RuntimeError: If it was never started.
        """
        if self._address is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._address

    @property
    def url(self) -> str:
        """The base URL of its HTTP server."""
        return f"http://{self.address}"

    @property
    def running(self) -> bool:
        """True from a successful `start` until `stop`, or until it ended by itself."""
        return self._process is not None and self._process.returncode is None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> None:
        """Start, and return when it can be used.

        Raises:
            UnavailableError: If it ended at once or did not answer in time; with its last words.
        """
        fixed = self._address
        attempts = 1 if fixed else _ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                await self._spawn()
                await self._until_ready()
            except BaseException as error:
                await self.stop()
                self._address = fixed
                if attempt == attempts or not isinstance(error, UnavailableError):
                    raise
            else:
                return

    async def _spawn(self) -> None:
        self._address = self._address or f"127.0.0.1:{free_ports(1)[0]}"
        directory = Path(tempfile.mkdtemp(prefix=f"stigmer-ops-{self.name.lower()}-"))
        for name, text in self._files.items():
            (directory / name).write_text(text, encoding="utf-8")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", supervisor.__file__, "--remove", str(directory)),
            *self._command(self._address, directory),
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await asyncio.to_thread(self._answers):
                    if not self.running:
                        raise self._failure("ended while it was starting")
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise self._failure(f"did not answer within {READY_SECONDS:.0f} s") from None

    def _answers(self) -> bool:
        try:
            # Our own program, by http.
            with urllib.request.urlopen(f"{self.url}{self._ready_path}", timeout=1):  # noqa: S310
                return True
        except OSError:  # refused, or answered with an error: URLError is one
            return False

    def _failure(self, what: str) -> UnavailableError:
        said = b""
        if self._log is not None:
            # Read by position: the program writes through the same file offset.
            size = os.fstat(self._log.fileno()).st_size
            said = os.pread(self._log.fileno(), 600, max(0, size - 600)).strip()
        return UnavailableError(
            f"{self.name} at {self.address} {what}: "
            f"{said.decode('utf-8', 'replace') or 'it said nothing'}"
        )

    async def ended(self) -> None:
        """Wait until it ends by itself.

        Raises:
            UnavailableError: When it has.
        """
        if self._process is not None:
            await self._process.wait()
        raise self._failure("ended")

    async def stop(self) -> None:
        """End it, and return when process and directory are gone. Does nothing when none runs."""
        process, self._process = self._process, None
        log, self._log = self._log, None
        if process is not None:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()
        if log is not None:
            log.close()
