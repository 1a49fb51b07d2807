"""A page of HTML as a picture, by a Chromium without a window."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stigmer_ops.errors import UnavailableError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_PATIENCE_SECONDS = 60.0
_FIRST_HEIGHT = 1000
_TALLEST = 16_000
"""Pixels; beyond that, Chromium draws nothing."""
_SHARPNESS = 1.5
"""Pixels of the picture for each of the page."""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def photograph(page: str, measuring: str, width: int) -> bytes:
    """The whole page as PNG.

    Args:
        page: HTML that needs nothing from elsewhere.
        measuring: The same with a script that writes its height into `data-height` of the root.
        width: Of the page in pixels.

    Raises:
        UnavailableError: There is no Chromium, or it fails.
    """
    executable = next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        raise UnavailableError(
            "there is no Chromium to draw a PNG with",
            next_step="apt-get install chromium, or use --html",
        )
    with tempfile.TemporaryDirectory(prefix="stigmer-ops-") as directory:
        folder = Path(directory)
        for name, text in (("page.html", page), ("measuring.html", measuring)):
            (folder / name).write_text(text, encoding="utf-8")
        chromium = [executable, *_FLAGS, f"--user-data-dir={folder / 'profile'}"]
        size = f"--window-size={width},{_FIRST_HEIGHT}"
        dom = _run([*chromium, size, "--dump-dom", (folder / "measuring.html").as_uri()])
        picture = folder / "page.png"
        _run(
            [
                *chromium,
                f"--window-size={width},{_height(dom)}",
                f"--force-device-scale-factor={_SHARPNESS}",
                f"--screenshot={picture}",
                (folder / "page.html").as_uri(),
            ]
        )
        if not picture.exists():
            raise UnavailableError(f"{executable} drew nothing")
        return picture.read_bytes()


def _height(dom: str) -> int:
    match = re.search(r'data-height="(\d+)"', dom)
    if match is None:
        raise UnavailableError("Chromium did not run the page")
    return min(int(match[1]), _TALLEST)


def _run(command: Sequence[str]) -> str:
    try:
        finished = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"cannot run {command[0]}: {error}") from error
    if finished.returncode != 0:
        last = finished.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise UnavailableError(f"{command[0]} fails: {' '.join(last)}")
    return finished.stdout.decode(errors="replace")
