"""Files that a program writes and a repository keeps: written, or compared with what is there.

A file belongs to a generator if its first line is the generator's header. Such files that it no
longer writes are removed, so that a rule that is gone from the catalogue is gone from Prometheus.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stigmer_ops.errors import InputError
from stigmer_ops.whole_files import write_whole


class State(StrEnum):
    """How a file relates to what it should be."""

    SAME = "same"
    CHANGED = "changed"
    MISSING = "missing"
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """One file.

    Attributes:
        path: Where it is or should be.
        state: How it relates to what it should be.
        found: Its text; empty if it is missing.
        wanted: What its text should be; empty if it is surplus.
    """

    path: Path
    state: State
    found: str
    wanted: str

    @property
    def difference(self) -> str:
        """From what is there to what should be, as a unified diff."""
        lines = difflib.unified_diff(
            self.found.splitlines(True),
            self.wanted.splitlines(True),
            str(self.path),
            f"{self.path} (generated)",
        )
        return "".join(lines)


def compare(directory: Path, wanted: Mapping[str, str], header: str) -> list[GeneratedFile]:
    """Every file that is to be below `directory`, and every one that a former run left there.

    Args:
        directory: Need not exist.
        wanted: Path below `directory` to text; each text begins with `header`.
        header: The generator's first line, without the line break.

    Raises:
        InputError: A file cannot be read.
    """
    files = [_compared(directory / name, text) for name, text in sorted(wanted.items())]
    folders = sorted({directory, *(file.path.parent for file in files)})
    known = {file.path for file in files}
    others = (path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()))
    surplus = [
        GeneratedFile(path, State.SURPLUS, text, "")
        for path in others
        if path not in known and path.is_file() and (text := _text(path)).startswith(f"{header}\n")
    ]
    return files + surplus


def write(files: list[GeneratedFile]) -> None:
    """Make every file what it should be.

    Raises:
        InputError: A file cannot be written or removed.
    """
    for file in files:
        try:
            if file.state is State.SURPLUS:
                file.path.unlink()
            elif file.state is not State.SAME:
                file.path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(file.path, [file.wanted.encode()], overwrite=True)
        except OSError as error:
            raise InputError(f"cannot write {file.path}: {error.strerror}") from error


def _compared(path: Path, wanted: str) -> GeneratedFile:
    if not path.exists():
        return GeneratedFile(path, State.MISSING, "", wanted)
    found = _text(path)
    return GeneratedFile(path, State.SAME if found == wanted else State.CHANGED, found, wanted)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
