"""Take the picture of the dashboard in docs/pictures, from a sandbox in which much goes wrong.

`make picture` does it: minutes in which handshakes come in, some of them with faults, and then
`stigmer-ops dashboards preview`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from stigmer_ops.sandbox.monitoring import Monitoring, watch_of
from stigmer_ops.sandbox.plan import ActivitySettings
from stigmer_ops.sandbox.sandbox import Sandbox

PICTURE = Path(__file__).parent / "pictures" / "dashboard.png"
SECONDS = 200
"""How long handshakes come in; an hour and a half of the sandbox's time is more than is shown."""
SHOWN = "now-3m"

# Half an hour, nominally: the attempt is over while the picture is taken, not before.
_BRIEF = ActivitySettings(start_to_close=timedelta(minutes=30), max_attempts=1)
_RETRIED = ActivitySettings(start_to_close=timedelta(minutes=30), max_attempts=2)

FAULTS: Mapping[int, tuple[tuple[str, ActivitySettings | None], ...]] = {
    2: (("healthy", None),),
    3: (("healthy-java", None),),
    20: (("callback-fails", None), ("token-truncated", None)),
    30: (("still-running", None), ("token-not-passed", _BRIEF)),
    45: (("still-running", _RETRIED), ("stale-token", None)),
    60: (("unsafe-retries", None), ("near-deadline", None), ("callback-fails-java", None)),
}
"""Every so many seconds: a handshake of each of these faults."""

RUNNER_DOWN = (90, 105)
"""When nobody takes the agents' work, in seconds from the start."""


async def happenings(sandbox: Sandbox) -> None:
    """Let handshakes come in, and the runner go away and come back."""
    for second in range(1, SECONDS):
        for every, faults in FAULTS.items():
            if second % every == 0:
                for fault, settings in faults:
                    await sandbox.start_handshake(fault, settings=settings)
        if second == RUNNER_DOWN[0]:
            await sandbox.stop_worker("runner")
        if second == RUNNER_DOWN[1]:
            await sandbox.start_worker("runner")
        await asyncio.sleep(1)


async def main() -> int:
    """Take it; the exit code of `dashboards preview`."""
    async with Sandbox.start() as sandbox:
        watch = replace(watch_of(sandbox), inherited=dict(os.environ))
        async with Monitoring.start(watch) as monitoring:
            await happenings(sandbox)
            PICTURE.parent.mkdir(exist_ok=True)
            command = [
                *(sys.executable, "-m", "stigmer_ops", "dashboards", "preview"),
                *("--from", SHOWN, "--scrape-interval", "1s", "--png", str(PICTURE)),
            ]
            variables = {**os.environ, **monitoring.environment()}
            taken = await asyncio.to_thread(subprocess.run, command, env=variables, check=False)
    return taken.returncode


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
