"""Files that nobody sees half written: not where the disk is full, nor where we are killed.

Functions here raise OSError as the system does; what that means is the caller's to say.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, pieces: Iterable[bytes], *, overwrite: bool) -> None:
    """Write a file beside its place, see that it is on disk, and move it there.

    Args:
        path: The file. What a link leads to is replaced, and keeps its mode; a device or a pipe is
            written to.
        pieces: What it is to hold.
        overwrite: Whether to take the place of a file that is there.

    Raises:
        FileExistsError: It is there and `overwrite` was not given.
        OSError: It cannot be written. What was there is there still, and nothing else is.
    """
    if overwrite:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                file.writelines(pieces)
            return
        path = path.resolve()
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            with suppress(FileNotFoundError):
                shutil.copymode(path, beside)
            beside.replace(path)
        else:
            _link(beside, path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _link(beside: Path, path: Path) -> None:
    """A link fails where a file has come in between; a rename would take its place."""
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(path):
            raise FileExistsError from None
        beside.replace(path)
