"""Take the picture of `watch` in docs/pictures, from a sandbox in which handshakes go wrong.

`python docs/watch_picture.py` does it, in about a minute and a half.
"""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.exporter.live.reader import LiveReader
from stigmer_ops.handshake.live import Choice
from stigmer_ops.render.watch.app import WatchApp
from stigmer_ops.render.watch.source import Manner
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings_sources import load
from stigmer_ops.temporal.connection import ConnectionOptions, connect, resolve
from stigmer_ops.temporal.frontend import Pace

PICTURE = Path(__file__).parent / "pictures" / "watch.svg"
SIZE = (120, 30)
SECONDS = 75
"""How long handshakes come in."""
RUNNER_DOWN = 65
"""When nobody takes the agents' work any more, in seconds from the start."""
EVERY = timedelta(seconds=2)

FAULTS = {2: "healthy", 5: "still-running", 11: "callback-fails", 17: "token-not-passed"}
"""Every so many seconds: a handshake of this fault."""

_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""What a picture would fetch from elsewhere when it is looked at."""


async def happenings(sandbox: Sandbox) -> None:
    """Let handshakes come in, and the agents' runner go away."""
    await sandbox.start_handshake("near-deadline")
    await sandbox.start_handshake("token-truncated")
    for second in range(1, SECONDS):
        for every, fault in FAULTS.items():
            if second % every == 0:
                await sandbox.start_handshake(fault)
        if second == RUNNER_DOWN:
            await sandbox.stop_worker("runner")
        await asyncio.sleep(1)


async def reader_of(sandbox: Sandbox) -> LiveReader:
    """A reader of the sandbox, to which everything is soon old."""
    environment = {
        **sandbox.environment(),
        "STIGMER_OPS_THRESHOLDS_STUCK_AFTER": "20s",
        "STIGMER_OPS_EXPORTER_QUEUES_EVERY": "2s",
    }
    own = {name: value for name, value in environment.items() if name.startswith("STIGMER_OPS_")}
    frontend = await connect(resolve(ConnectionOptions(), environment), pace=Pace(rps=0))
    return LiveReader(
        Systems(frontend, frontend),
        load(None, own).settings,
        interval=EVERY,
        round_every=EVERY,
        clock=lambda: datetime.now(UTC),
    )


async def main() -> int:
    """Take it."""
    async with Sandbox.start() as sandbox:
        app = WatchApp(await reader_of(sandbox), Manner(EVERY, None, Choice()))
        async with app.run_test(size=SIZE) as pilot:
            await happenings(sandbox)
            await pilot.press("j", "j", "d")
            await pilot.pause(3 * EVERY.total_seconds())
            picture = app.export_screenshot(title="stigmer-ops watch")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(_FONTS.sub("", picture), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
