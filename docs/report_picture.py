"""Take the picture of `stigmer-ops report` in docs/pictures, from a sandbox with faults.

`PYTHONPATH=tests python docs/report_picture.py` does it; it needs Chromium.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stigmer_ops.sandbox.sandbox import Sandbox
from support.browser import browser

PICTURE = Path(__file__).parent / "pictures" / "report.png"
FAULTS = {"still-running": 6, "callback-fails": 3, "runner-missing": 2, "workflow-paused": 1}
WIDTH, HEIGHT = 1040, 1500
"""Pixels: the summary, and the first activity with its timeline."""

SECONDS = 100
"""How long all of it waits before somebody looks."""


def run(sandbox: Sandbox, folder: Path, *arguments: str) -> None:
    """Type a command; one that finds something wrong is no surprise here."""
    variables = {
        **os.environ,
        **sandbox.environment(),
        "STIGMER_OPS_AUDIT_PATH": str(folder / "audit.jsonl"),
    }
    subprocess.run([sys.executable, "-m", "stigmer_ops", *arguments], env=variables, check=False)


async def made(folder: Path) -> Path:
    """A report of an incident in which one activity was repaired."""
    page = folder / "report.html"
    async with Sandbox.start() as sandbox:
        handshakes = await sandbox.populate(FAULTS)
        await asyncio.sleep(SECONDS)
        (one, *_) = (each for each in handshakes if "callback-fails" in each.faults.values())
        named = ("-w", one.workflow_id, "-a", one.activity_ids[0])
        why = ("--reason", "INC-4711 callback lost", "--yes")
        commands: Sequence[tuple[str, ...]] = (
            ("activity", "redeliver", *named, *why),
            ("report", "--out", str(page)),
        )
        for command in commands:
            await asyncio.to_thread(run, sandbox, folder, *command)
    return page


async def main() -> None:
    """Take it."""
    with tempfile.TemporaryDirectory() as name:
        page = await made(Path(name))
        async with browser() as chromium:
            await chromium.look(width=WIDTH)
            await chromium.open(page)
            picture = await chromium.picture(height=HEIGHT)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(picture)


if __name__ == "__main__":
    asyncio.run(main())
