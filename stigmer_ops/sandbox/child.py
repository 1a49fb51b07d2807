"""A server on this machine that runs as a child process and outlives nobody."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import IO, Self

from stigmer_ops.errors import UnavailableError
from stigmer_ops.sandbox import supervisor

READY_SECONDS = 30.0
"""How long a server may take to answer; those of the sandbox take about a second when idle."""

_POLL_SECONDS = 0.05
_ATTEMPTS = 3  # another process may take a free port before the server does
_LAST_WORDS_BYTES = 600


def free_ports(count: int) -> list[int]:
    """Ask the kernel for TCP ports of 127.0.0.1 that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def _refuse_taken(port: int, name: str) -> None:
    # Else the server that has it would answer for ours, which ends a little later.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UnavailableError(
                f"port {port} is in use: {error.strerror}", not_done=f"{name} was not started"
            ) from error


class ChildServer(ABC):
    """One server on 127.0.0.1; an async context manager.

    It ends with the process that started it, also when that one is killed (see `supervisor`).
    A kind of server says what to run and how to see that it answers.

    Args:
        name: What messages call it.
        port: Where it listens; a free port when None. It stays the same over restarts.
        environment: Its environment; None for that of this process.
    """

    def __init__(
        self, name: str, *, port: int | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._port = port
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._log: IO[bytes] | None = None

    @abstractmethod
    def _supervised(self, port: int) -> Sequence[str]:
        """The arguments of `supervisor` that run it at a port."""

    @abstractmethod
    async def _answers(self) -> bool:
        """True when it can be used."""

    @property
    def port(self) -> int:
        """Where it listens; the same over restarts.

        Raises:
            RuntimeError: If it was never started.
        """
        if self._port is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._port

    @property
    def address(self) -> str:
        """Where it listens, as host:port; the same over restarts.

        Raises:
            RuntimeError: If it was never started.
        """
        return f"127.0.0.1:{self.port}"

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
            CapabilityError: If its program is not installed.
            UnavailableError: If it ended at once (the port is taken) or did not answer in time;
                with its last words.
        """
        fixed = self._port
        attempts = 1 if fixed else _ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                await self._spawn()
                await self._wait_for(self._answers)
            except BaseException as error:
                await self.stop()
                self._port = fixed
                if attempt == attempts or not isinstance(error, UnavailableError):
                    raise
            else:
                return

    async def _spawn(self) -> None:
        if self._port is None:
            self._port = free_ports(1)[0]
        else:
            _refuse_taken(self._port, self.name)
        arguments = self._supervised(self._port)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", supervisor.__file__, *arguments),
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    async def _wait_for(self, answers: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await answers():
                    if not self.running:
                        raise self._failure("ended while it was starting")
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise self._failure(f"did not answer within {READY_SECONDS:.0f} s") from None

    def _failure(self, what: str) -> UnavailableError:
        said = b""
        if self._log is not None:
            # Read by position: the server writes through the same file offset.
            size = os.fstat(self._log.fileno()).st_size
            start = max(0, size - _LAST_WORDS_BYTES)
            said = os.pread(self._log.fileno(), _LAST_WORDS_BYTES, start).strip()
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
        """End it, and return when its process is gone. Does nothing when none runs."""
        process, self._process = self._process, None
        log, self._log = self._log, None
        if process is not None:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()
        if log is not None:
            log.close()


async def first_to_end(*ends: Awaitable[None]) -> None:
    """Wait until one of several servers ends by itself, and leave the others alone.

    Args:
        ends: Of each, its `ended`.

    Raises:
        UnavailableError: When one has.
    """
    waiting = [asyncio.ensure_future(end) for end in ends]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await done.pop()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
