"""A real Alertmanager for tests, which tells nobody."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.sandbox.child import free_ports

_CONFIGURATION = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
_PATIENCE_SECONDS = 20.0


@contextmanager
def running_alertmanager(directory: Path) -> Iterator[str]:
    """Start one that keeps its state in `directory`; its base URL."""
    executable = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if executable is None:
        pytest.skip("Alertmanager is not installed")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "alertmanager.yml").write_text(_CONFIGURATION, encoding="utf-8")
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                executable,
                f"--config.file={directory / 'alertmanager.yml'}",
                f"--storage.path={directory / 'data'}",
                f"--web.listen-address={url.removeprefix('http://')}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(url, process, directory / "log")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=_PATIENCE_SECONDS)


def silences(url: str) -> list[dict[str, Any]]:
    """All silences that it keeps, with their states."""
    with urllib.request.urlopen(f"{url}/api/v2/silences", timeout=5) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"Alertmanager did not start: {log.read_text(errors='replace')[-500:]}")
