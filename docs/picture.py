"""Take the picture of the dashboard in docs/pictures, from a sandbox in which things go wrong.

`make picture` does it: minutes in which handshakes come in, some of them with faults, and then
`stigmer-ops dashboards preview`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from PIL import Image

from stigmer_ops.sandbox.monitoring import Monitoring, watch_of
from stigmer_ops.sandbox.plan import ActivitySettings
from stigmer_ops.sandbox.sandbox import Sandbox

PICTURE = Path(__file__).parent / "pictures" / "dashboard.png"
WIDTH = 960
COLOURS = 96
SECONDS = 240
SHOWN = f"now-{SECONDS}s"
WINDOW = {"STIGMER_OPS_MONITORING_WINDOW": "20m"}
"""Nominal: 20 s here, so that a ratio soon shows that something is mended."""

Span = tuple[int, int]
USUAL: Mapping[str, int] = {"healthy": 2, "healthy-java": 3, "still-running": 30}
"""Faults, and every how many seconds a handshake with it comes in."""
CALLBACKS_FAIL: Span = (100, 112)
TEMPORAL_RESTARTS = 150
RUNNER_DOWN: Span = (190, 198)
RETRIED = 20
"""When an activity comes in that times out, is retried, and times out again."""


async def happenings(sandbox: Sandbox) -> None:
    """Let handshakes come in, and each trouble happen in its time."""
    for second in range(1, SECONDS):
        await come_in(sandbox, second)
        if second == TEMPORAL_RESTARTS:
            await sandbox.server.stop()
            await asyncio.sleep(3)
            await sandbox.server.start()
        if second == RUNNER_DOWN[0]:
            await sandbox.stop_worker("runner")
        if second == RUNNER_DOWN[1]:
            await sandbox.start_worker("runner")
        await asyncio.sleep(1)


async def come_in(sandbox: Sandbox, second: int) -> None:
    """Start the handshakes of a second."""
    for fault, every in USUAL.items():
        if second % every == 0:
            await sandbox.start_handshake(fault)
    if second in range(*CALLBACKS_FAIL):
        await sandbox.start_handshake("callback-fails")
    if second == RETRIED:
        brief = ActivitySettings(start_to_close=timedelta(minutes=20), max_attempts=2)
        await sandbox.start_handshake("still-running", settings=brief)


def shrink(path: Path) -> None:
    """Make the picture small enough for a repository: narrower, and with few colours."""
    with Image.open(path) as image:
        height = round(image.height * WIDTH / image.width)
        small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    # Thin lines keep their colours, however few pixels they have.
    few = small.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


async def main() -> int:
    """Take it; the exit code of `dashboards preview`."""
    with tempfile.TemporaryDirectory() as directory:
        async with Sandbox.start(db_filename=Path(directory) / "temporal.db") as sandbox:
            watch = watch_of(sandbox)
            watch = replace(
                watch, environment={**watch.environment, **WINDOW}, inherited=dict(os.environ)
            )
            async with Monitoring.start(watch) as monitoring:
                await happenings(sandbox)
                PICTURE.parent.mkdir(exist_ok=True)
                command = [
                    *(sys.executable, "-m", "stigmer_ops", "dashboards", "preview"),
                    *("--from", SHOWN, "--scrape-interval", "1s", "--png", str(PICTURE)),
                ]
                variables = {**os.environ, **monitoring.environment()}
                taken = await asyncio.to_thread(subprocess.run, command, env=variables, check=False)
    if taken.returncode == 0:
        shrink(PICTURE)
    return taken.returncode


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
