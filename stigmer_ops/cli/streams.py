"""The standard streams of the process, as they may be found: closed, full, or without a locale."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import ClassVar

from stigmer_ops.errors import ExitCode, StigmerOpsError


class OutputLostError(StigmerOpsError):
    """The result could not be written to standard output, for example to a full disk.

    What the command did otherwise, it did: writes are in the audit trail.
    """

    reference = "output-lost"
    exit_code = ExitCode.UNAVAILABLE
    usual_next_step: ClassVar[str] = (
        "free some space, and read again; what was written to Temporal: stigmer-ops audit show"
    )


class _Results(io.TextIOWrapper):
    """Standard output. A reader that left is for the writer to judge; anything else is told."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._lost(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> OutputLostError:
        # What is left in the buffer would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        return OutputLostError(
            f"cannot write standard output: {error.strerror or error}",
            not_done="the result is not whole there",
        )


class _Messages(io.TextIOWrapper):
    """Standard error. What nobody can take is lost; that ends no exporter, and changes no code."""

    def write(self, text: str, /) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def prepare_streams() -> None:
    """Make the standard streams ones that can be used, whatever the process was started with."""
    _have_all()
    for name, kind in (("stdout", _Results), ("stderr", _Messages)):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            made = _made(kind, stream)
            setattr(sys, name, made)
            # Textual draws on this one, and shutil asks it for the size of the terminal.
            setattr(sys, f"__{name}__", made)


def _have_all() -> None:
    """Read nothing from, and write nowhere to, a standard stream that was closed (`>&-`).

    Otherwise the next file that is opened would get its number: a connection, or the audit trail.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - it lives as long as the process


def _made(kind: type[io.TextIOWrapper], stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The same stream, which escapes what it cannot encode: a foreign id may hold anything."""
    encoding, by_line, at_once = stream.encoding, stream.line_buffering, stream.write_through
    return kind(
        stream.detach(),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=by_line,
        write_through=at_once,
    )
