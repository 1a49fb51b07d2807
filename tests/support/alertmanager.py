"""A real Alertmanager for tests, which tells nobody."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.sandbox.child import free_ports
from support.http_program import serving

_CONFIGURATION = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@contextmanager
def running_alertmanager(directory: Path) -> Iterator[str]:
    """Start one that keeps its state in `directory`; its base URL."""
    executable = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if executable is None:
        pytest.skip("Alertmanager is not installed")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "alertmanager.yml").write_text(_CONFIGURATION, encoding="utf-8")
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    command = [
        executable,
        f"--config.file={directory / 'alertmanager.yml'}",
        f"--storage.path={directory / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with serving(command, url, directory / "log"):
        yield url


def silences(url: str) -> list[dict[str, Any]]:
    """All silences that it keeps, with their states."""
    with urllib.request.urlopen(f"{url}/api/v2/silences", timeout=5) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found
