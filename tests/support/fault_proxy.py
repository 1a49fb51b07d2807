"""A bad network between a command and its Temporal server: latency, and connections that are reset.

It relays TCP as bytes, one level below `gateway`: what breaks here is the connection under all the
calls that are under way, with whatever half of an answer was on its way.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 1 << 16
_LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)  # closing then sends RST instead of FIN


@dataclass(frozen=True, slots=True)
class Faults:
    """What the network does.

    Attributes:
        delay: Seconds that every byte is under way, each way.
        resets: Share of the chunks (as they are read, at most 64 KiB) at which the connection is
            reset, before the chunk arrives.
        seed: Of the random choice: the same chunks of the same connection meet the same fate.
    """

    delay: float = 0.0
    resets: float = 0.0
    seed: int = 0


@dataclass
class FaultProxy:
    """A running proxy.

    Attributes:
        upstream: host:port of the real server.
        faults: May be changed while it runs.
        port: Where it listens, on 127.0.0.1.
        connections: How many were taken.
        resets: How many of them were reset.
    """

    upstream: str
    faults: Faults
    port: int = 0
    connections: int = 0
    resets: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def address(self) -> str:
        """host:port to give to a client."""
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection until one side ends it, or chance does."""
        self.connections += 1
        fate = random.Random(f"{self.faults.seed}/{self.connections}")
        host, port = self.upstream.rsplit(":", 1)
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            _reset(writer)
            return
        ways = [
            asyncio.create_task(self._relay(reader, far_writer, fate)),
            asyncio.create_task(self._relay(far_reader, writer, fate)),
        ]
        self._open.update(ways)
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._open.difference_update(ways)
            _reset(writer)
            _reset(far_writer)
            await asyncio.gather(*ways, return_exceptions=True)

    async def _relay(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, fate: random.Random
    ) -> None:
        """Carry chunks one way, each `delay` after it came, until the end or a reset."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(_deliver(under_way, sink))
        clock = asyncio.get_running_loop().time
        try:
            with suppress(OSError):
                while chunk := await source.read(_CHUNK):
                    if fate.random() < self.faults.resets:
                        self.resets += 1
                        return
                    under_way.put_nowait((clock() + self.faults.delay, chunk))
                await under_way.join()
        finally:
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)

    async def cut(self) -> None:
        """Reset every connection that is open now."""
        for way in list(self._open):
            way.cancel()


async def _deliver(
    under_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due, chunk = await under_way.get()
        await asyncio.sleep(max(due - clock(), 0))
        with suppress(OSError):
            sink.write(chunk)
            await sink.drain()
        under_way.task_done()


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
    writer.transport.abort()


@asynccontextmanager
async def fault_proxy(upstream: str, faults: Faults) -> AsyncIterator[FaultProxy]:
    """Listen on a free port of loopback, and relay to `upstream` as `faults` say."""
    proxy = FaultProxy(upstream, faults)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.cut()
        await server.wait_closed()
