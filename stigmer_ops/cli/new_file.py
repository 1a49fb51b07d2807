"""Files that a command makes for people: whole or not at all, and never over another one."""

from __future__ import annotations

import os
from pathlib import Path

from stigmer_ops.errors import InputError


def require_new(path: Path, *, overwrite: bool) -> None:
    """Refuse at once what `write_new_file` would refuse after all the work.

    Raises:
        InputError: The folder is not there, or the file is, and `overwrite` was not given.
    """
    if not os.path.isdir(path.parent):  # noqa: PTH112 - pathlib raises where one may not look
        raise InputError(
            f"there is no folder {path.parent}",
            not_done="nothing was written",
            next_step="make it, or name another file with --out",
        )
    if os.path.lexists(path) and not overwrite:
        raise _exists(path)


def write_new_file(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a file that nobody sees half written, even where the disk is full or we are killed.

    Args:
        path: The file.
        text: What it is to hold.
        overwrite: Whether to take the place of a file that is there.

    Raises:
        InputError: It cannot be written, or is there and `overwrite` was not given.
    """
    from stigmer_ops.whole_files import write_whole

    try:
        write_whole(path, [text.encode()], overwrite=overwrite)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}", not_done="nothing was written"
        ) from error


def _exists(path: Path) -> InputError:
    return InputError(
        f"{path} exists",
        not_done="nothing was written",
        next_step="name another file with --out, or add --overwrite",
    )
