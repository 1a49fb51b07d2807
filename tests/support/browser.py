"""A real Chromium without a window, told what to do by its DevTools protocol over a pipe."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 90.0
_LINE = 64 * 1024 * 1024
"""Bytes of a message, such as a picture, at most."""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


@dataclass
class Browser:
    """One page of it.

    Attributes:
        requests: The addresses that pages asked for.
        complaints: What the console was told, and what was thrown.
    """

    _reader: asyncio.StreamReader
    _writer: int
    _session: str = ""
    _number: int = 0
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _loaded: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        """Open an empty page, and listen to it."""
        target = await self.ask("Target.createTarget", url="about:blank")
        attached = await self.ask(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        data = json.dumps(message).encode() + b"\0"
        await asyncio.to_thread(_write_all, self._writer, data)
        found = await asyncio.wait_for(answer, PATIENCE_SECONDS)
        assert "error" not in found, f"{method}: {found}"
        result: dict[str, Any] = found["result"]
        return result

    async def listen(self) -> None:
        """Take what the browser says, until it ends."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                message = json.loads((await self._reader.readuntil(b"\0"))[:-1])
                if "id" in message:
                    self._waiting.pop(message["id"]).set_result(message)
                else:
                    self._heard(message["method"], message["params"])

    def _heard(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded.set()
        elif method in (
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
            "Page.javascriptDialogOpening",
        ):
            self.complaints.append(json.dumps(parameters))

    async def look(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Take a window of this size, and prefer these colours."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])

    async def open(self, file: Path) -> None:
        """Open a file, until it is loaded."""
        self._loaded.clear()
        await self.ask("Page.navigate", url=file.as_uri())
        await asyncio.wait_for(self._loaded.wait(), PATIENCE_SECONDS)

    async def value(self, expression: str) -> Any:
        """The value of an expression of JavaScript, in the page."""
        found = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def picture(self, *, scale: float = 1, height: int | None = None) -> bytes:
        """The page as PNG, the whole of it or its top."""
        size = await self.ask("Page.getLayoutMetrics")
        clip = {**size["cssContentSize"], "scale": scale}
        if height is not None:
            clip["height"] = height
        found = await self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(found["data"])

    async def pdf(self) -> bytes:
        """The page on paper."""
        found = await self.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(found["data"])


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A Chromium; it ends with the block."""
    commands, told = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The protocol's pipes are descriptors 3 and 4.
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            f'exec "$@" 3<&{commands[0]} 4>&{told[1]}',
            "bash",
            "chromium",
            *_FLAGS,
            f"--user-data-dir={profile}",
            pass_fds=(commands[0], told[1]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        os.close(commands[0])
        os.close(told[1])
        reader = asyncio.StreamReader(limit=_LINE)
        source = os.fdopen(told[0], "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), source
        )
        opened = Browser(reader, commands[1])
        listening = asyncio.create_task(opened.listen())
        try:
            await opened.begin()
            yield opened
        finally:
            os.close(commands[1])  # upon which it ends
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 10)
            if process.returncode is None:
                process.kill()
                await process.wait()
            listening.cancel()
            transport.close()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
