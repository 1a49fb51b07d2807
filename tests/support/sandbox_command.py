"""`sandbox` as a person runs it, in a terminal of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.command_line import environment


@asynccontextmanager
async def running(*arguments: str, home: Path) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """The command with JSON output: its process id, and what it says when all is in place."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stigmer_ops", "sandbox", "-o", "json"),
        *arguments,
        env=environment({"TMPDIR": str(home), "TEMPORAL_NAMESPACE": "production"}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        text = b""
        async with asyncio.timeout(120):
            while True:
                text += await process.stdout.readline()
                try:
                    body = json.loads(text)
                except ValueError:
                    assert process.returncode is None, await process.stderr.read()  # type: ignore[union-attr]
                else:
                    break
        yield process.pid, body
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
