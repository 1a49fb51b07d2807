"""Files that a command makes for people: whole or not at all, and never over another one."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from stigmer_ops.errors import InputError


def require_new(path: Path, *, overwrite: bool) -> None:
    """Refuse at once what `write_whole` would refuse after all the work.

    Raises:
        InputError: The folder is not there, or the file is, and `overwrite` was not given.
    """
    if not path.parent.is_dir():
        raise InputError(
            f"there is no folder {path.parent}",
            not_done="nothing was written",
            next_step="make it, or name another file with --out",
        )
    if path.exists() and not overwrite:
        raise _exists(path)


def write_whole(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a file that nobody sees half written, even where the disk is full or we are killed.

    Args:
        path: The file.
        text: What it is to hold.
        overwrite: Whether to take the place of a file that is there.

    Raises:
        InputError: It cannot be written, or is there and `overwrite` was not given.
    """
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    try:
        with beside.open("x", encoding="utf-8") as file:
            file.write(text)
        if overwrite:
            beside.replace(path)
        else:
            _into_place(beside, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}", not_done="nothing was written"
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _into_place(beside: Path, path: Path) -> None:
    """A link fails where a file has come in between; a rename would take its place."""
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError from None
        beside.replace(path)


def _exists(path: Path) -> InputError:
    return InputError(
        f"{path} exists",
        not_done="nothing was written",
        next_step="name another file with --out, or add --overwrite",
    )
