"""The installed command at a terminal: a person who reads the screen and types."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from support.command_line import environment

# Its own session, whose controlling terminal standard input becomes: ^C is then for it alone.
# Not as preexec_fn: forking in Python would run gRPC's fork handlers in the child.
_LOG_IN = (
    "import os, sys; os.login_tty(0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


class Terminal:
    """A command whose standard input, output and error are one pseudo-terminal."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self._master = master
        self._process = process
        self._read = asyncio.Event()
        self._ended = asyncio.Event()
        self.screen = ""

    def on_readable(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side is closed: Linux answers EIO
            data = b""
        if data:
            self.screen += data.decode(errors="replace")
        else:
            asyncio.get_running_loop().remove_reader(self._master)
            self._ended.set()
        self._read.set()

    async def until(self, text: str, timeout_seconds: float = 20) -> None:
        """Wait until the screen shows `text`."""
        async with asyncio.timeout(timeout_seconds):
            while text not in self.screen:
                assert not self._ended.is_set(), f"no {text!r} on the screen:\n{self.screen}"
                self._read.clear()
                await self._read.wait()

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def send(self, number: signal.Signals) -> None:
        """Send the command a signal."""
        self._process.send_signal(number)

    @property
    def modes(self) -> list[Any]:
        """Its modes: termios(3)."""
        return termios.tcgetattr(self._master)

    async def code(self, timeout_seconds: float = 20) -> int:
        """Wait for the end; the exit code."""
        async with asyncio.timeout(timeout_seconds):
            code = await self._process.wait()
            await self._ended.wait()
        return code


@asynccontextmanager
async def at_terminal(
    *arguments: str, variables: Mapping[str, str] | None = None
) -> AsyncIterator[Terminal]:
    """Run `stigmer-ops` with `arguments` at a terminal of its own."""
    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _LOG_IN,
        "-m",
        "stigmer_ops",
        *arguments,
        env={"TERM": "xterm", **environment(variables)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    terminal = Terminal(master, process)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, terminal.on_readable)
    try:
        yield terminal
    finally:
        loop.remove_reader(master)
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(master)
