"""Temporary files, for what is too much for memory: written, then read, then gone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from stigmer_ops.errors import UnavailableError


class Scratch:
    """A temporary file. One that cannot be written, or made, is no defect of ours."""

    def __init__(self, file: IO[bytes], what: str) -> None:
        self._file = file
        self._what = what

    def write(self, content: bytes) -> None:
        """Add to its end.

        Raises:
            UnavailableError: There is no room for it.
        """
        with _room_for(self._what):
            self._file.write(content)

    def rewound(self) -> IO[bytes]:
        """What was written, from its beginning. One reading at a time.

        Raises:
            UnavailableError: There is no room for the last of it.
        """
        with _room_for(self._what):
            self._file.seek(0)
        return self._file


@contextmanager
def scratch_file(what: str) -> Iterator[Scratch]:
    """A temporary file that is gone when the block is left.

    Args:
        what: What it is to hold, for the error: "the rows of plan.jsonl".

    Raises:
        UnavailableError: None can be made.
    """
    with _room_for(what):
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    try:
        yield Scratch(file, what)
    finally:
        with suppress(OSError):  # what was not written yet is not wanted any more
            file.close()


@contextmanager
def _room_for(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"cannot write a temporary file for {what}: {error.strerror or error}",
            not_done="the command stopped there",
            next_step="set TMPDIR to a folder with room for it",
        ) from error
