"""Errors on standard error: what happened, what was not done, what to type next."""

from __future__ import annotations

import sys
import traceback
from typing import IO

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.render.output import OutputFormat, write_line
from stigmer_ops.render.text import visible


def write_error(
    error: StigmerOpsError, output: OutputFormat, stream: IO[str] | None = None
) -> None:
    """Write `error` for a person, or as one JSON line where the output is for a program."""
    stream = stream or sys.stderr
    if output.for_people:
        stream.write(error_text(error))
    else:
        write_line("Error", error_record(error), stream)


def error_text(error: StigmerOpsError) -> str:
    """The lines that a person sees."""
    first, *more = error.happened.split("\n")
    lines = [f"error: {visible(first)}", *(f"       {visible(line)}" for line in more)]
    if error.not_done:
        lines.append(f"  not done: {visible(error.not_done)}")
    lines.append(f"  next: {visible(error.advice)}")
    lines.append(f"  ({error.reference}, exit {error.exit_code.value})")
    return "\n".join(lines) + "\n"


def write_traceback(error: BaseException, stream: IO[str] | None = None) -> None:
    """Write the traceback of `error`, whose messages quote foreign text like any other."""
    stream = stream or sys.stderr
    text = "".join(traceback.format_exception(error))
    stream.writelines(visible(line) + "\n" for line in text.splitlines())


def error_record(error: StigmerOpsError) -> dict[str, object]:
    """The fields that a program sees."""
    return {
        "reference": error.reference,
        "exit_code": error.exit_code.value,
        "happened": error.happened,
        "not_done": error.not_done or None,
        "next": error.advice,
    }
