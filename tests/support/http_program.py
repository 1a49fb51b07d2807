"""Real programs that serve HTTP, for tests without an event loop of their own."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE_SECONDS = 20.0


@contextmanager
def serving(command: Sequence[str], url: str, log: Path) -> Iterator[str]:
    """Run a program until the block ends; its base URL, when it is ready.

    Args:
        command: The program and its arguments.
        url: Where it will listen.
        log: What it says is added here.
    """
    with log.open("ab") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} is not ready: {log.read_text(errors='replace')[-500:]}")
