"""A reader of the live view on a real server, and what its screen shows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from textual.pilot import Pilot

from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.exporter.live.reader import LiveReader
from stigmer_ops.handshake.live import Choice
from stigmer_ops.render.watch.app import WatchApp
from stigmer_ops.render.watch.source import Left, Manner
from stigmer_ops.settings_sources import load
from stigmer_ops.temporal.connection import ConnectionOptions, connect, resolve
from stigmer_ops.temporal.frontend import Frontend, Pace

EVERY = timedelta(seconds=1)

AT_ONCE = {
    "STIGMER_OPS_THRESHOLDS_STUCK_AFTER": "0s",
    "STIGMER_OPS_THRESHOLDS_HANDSHAKE_GRACE": "0s",
}
"""Everything that waits is old, and has had its time."""


async def reader_of(
    environment: Mapping[str, str], *, interval: timedelta = EVERY, round_every: timedelta = EVERY
) -> LiveReader:
    """A reader of what TEMPORAL_* and STIGMER_OPS_* variables name."""
    own = {name: value for name, value in environment.items() if name.startswith("STIGMER_OPS_")}
    settings = load(None, own).settings

    async def frontend(namespace: str | None) -> Frontend:
        options = ConnectionOptions(namespace=namespace)
        return await connect(resolve(options, environment), pace=Pace(rps=0))

    external = await frontend(None)
    named = settings.stigmer.namespace
    stigmer = external if named in (None, external.namespace) else await frontend(named)
    return LiveReader(
        Systems(external, stigmer),
        settings,
        interval=interval,
        round_every=round_every,
        clock=lambda: datetime.now(UTC),
    )


def app_of(reader: LiveReader, *, refreshes: int | None = None, words: str = "") -> WatchApp:
    return WatchApp(reader, Manner(EVERY, refreshes, Choice(words=words)))


@dataclass
class Looked:
    """A screen under test: keys go in, lines come out."""

    app: WatchApp
    pilot: Pilot[Left]

    @property
    def lines(self) -> list[str]:
        """What the terminal shows, line by line."""
        strips = self.app.screen._compositor.render_strips()  # Textual has no public way
        return [strip.text for strip in strips]

    async def until(self, *texts: str, timeout_seconds: float = 60) -> list[str]:
        """Wait until the screen shows all of `texts`; its lines."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not all(text in "\n".join(self.lines) for text in texts):
                    await self.pilot.pause(0.05)
        except TimeoutError:
            raise AssertionError(f"no {texts} on the screen:\n" + "\n".join(self.lines)) from None
        return self.lines
