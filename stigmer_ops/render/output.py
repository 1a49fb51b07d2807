"""Results on standard output: a table for people, JSON, JSON Lines or YAML for machines.

The machine formats carry `schema_version` and `kind`, RFC 3339 times in UTC, and durations in
seconds under names that end in `_seconds`. Fields are added, never renamed, within one version.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any

from stigmer_ops.untrusted.json_text import OBEYED, harmless_json

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1

Record = Mapping[str, Any]


class OutputFormat(StrEnum):
    """The values of -o."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"

    @property
    def for_people(self) -> bool:
        """Whether a person reads it, so that prose and colour are welcome."""
        return self in (OutputFormat.TABLE, OutputFormat.WIDE)


@dataclass(frozen=True, slots=True)
class Document:
    """One result.

    Attributes:
        kind: What it is, in CamelCase, as the reader of the JSON sees it.
        body: Its fields, ready for JSON.
        lines: For JSON Lines: the records, each with its own kind; None writes the whole
            document as one line.
    """

    kind: str
    body: Record
    lines: Iterable[tuple[str, Record]] | None = None


def stamped(kind: str, body: Record) -> dict[str, Any]:
    """`body` with the schema version and kind in front."""
    return {"schema_version": SCHEMA_VERSION, "kind": kind, **body}


def write(
    document: Document,
    output: OutputFormat,
    *,
    table: Callable[[Console, bool], None],
    stream: IO[str] | None = None,
) -> None:
    """Write `document` to `stream` (standard output unless given).

    `table` draws it for people, given a console and whether it may be wide. A reader that closes
    the pipe early (`| head`) has what it wanted: the rest is dropped in silence.
    """
    stream = stream or sys.stdout
    try:
        if output.for_people:
            table(console(stream), output is OutputFormat.WIDE)
        else:
            stream.write(_serialised(document, output))
        stream.flush()
    except BrokenPipeError:
        _drop_rest(stream)


def write_line(kind: str, body: Record, stream: IO[str] | None = None) -> None:
    """Write one JSON Lines record at once, for streams that a program follows.

    Raises:
        BrokenPipeError: The reader went away; a stream has no reason to go on.
    """
    write_text(_json(stamped(kind, body)) + "\n", stream)


def write_text(text: str, stream: IO[str] | None = None) -> None:
    """Write text at once, for streams that a person follows through a pipe.

    Raises:
        BrokenPipeError: As for `write_line`.
    """
    stream = stream or sys.stdout
    stream.write(text)
    stream.flush()


def write_pieces(pieces: Iterable[str]) -> None:
    """Write a result that is made piece by piece; a reader that leaves early has what it wanted."""
    try:
        sys.stdout.writelines(pieces)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_rest(sys.stdout)


def console(stream: IO[str] | None = None) -> Console:
    """A Rich console that never guesses markup, emoji or numbers in foreign text."""
    from rich.console import Console  # noqa: PLC0415 - JSON output does without Rich

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            """Let the caller decide; Rich would end the process with 1, which means findings."""
            raise  # noqa: PLE0704 - Rich calls this while it handles the BrokenPipeError

        def print(self, *objects: Any, crop: bool = False, **how: Any) -> None:  # noqa: ANN401
            """Print as Rich does, but leave what is too long to the terminal: nothing is cut."""
            super().print(*objects, crop=crop, **how)

    stream = stream or sys.stdout
    return _Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
        # Away from a terminal nothing limits a line: full ids, one row a line, for grep.
        width=None if stream.isatty() else 10_000,
    )


def _serialised(document: Document, output: OutputFormat) -> str:
    if output is OutputFormat.JSONL:
        lines = document.lines
        if lines is None:
            lines = [(document.kind, document.body)]
        return "".join(_json(stamped(kind, body)) + "\n" for kind, body in lines)
    whole = stamped(document.kind, document.body)
    if output is OutputFormat.YAML:
        return _yaml(whole)
    return _json(whole, indent=2) + "\n"


def _yaml(whole: Record) -> str:
    import yaml  # noqa: PLC0415 - only YAML output pays for it

    def dumped(*, unicode: bool) -> str:
        text: str = yaml.safe_dump(whole, sort_keys=False, allow_unicode=unicode, width=1000)
        return text

    text = dumped(unicode=_speaks_unicode())
    # Only YAML itself knows where it may escape a character: then it does so with all of them.
    return dumped(unicode=False) if OBEYED.search(text) else text


@functools.cache
def _encoder(indent: int | None, *, ascii_only: bool) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=ascii_only, indent=indent)


def _json(whole: Record, indent: int | None = None) -> str:
    text = _encoder(indent, ascii_only=not _speaks_unicode()).encode(whole)
    return harmless_json(text)


def _speaks_unicode() -> bool:
    """Whether standard output can hold every character; what it cannot has to be escaped."""
    return (sys.stdout.encoding or "").lower() in ("utf-8", "utf8")


def _drop_rest(stream: IO[str]) -> None:
    # The interpreter flushes standard output once more at exit, and would complain there.
    if stream is sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
