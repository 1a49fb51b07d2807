"""The two forms of a plan's file, parsed one record at a time, each value with its line.

JSON Lines: the header on the first line, a row on each further one. YAML: one mapping, the header's
keys and `rows`, a list. The file is never in memory as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

from stigmer_ops.errors import InputError

LINE_LIMIT = 8 * 1024 * 1024
"""Bytes of a line: more than any result may have, less than memory."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A mapping of the file.

    Attributes:
        line: Where it begins, from 1.
        values: Its keys and values.
        lines: Where each key is, if not on `line`.
    """

    line: int
    values: dict[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)

    def line_of(self, name: str) -> int:
        """Where a key is."""
        return self.lines.get(name, self.line)


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that holds no mapping, and why."""

    line: int
    text: str


def parsed_records(file: IO[bytes], path: Path) -> Iterator[Parsed | Problem]:
    """The header and then the rows.

    Args:
        file: At its beginning.
        path: For messages.

    Raises:
        InputError: The rest of the file cannot be parsed.
    """
    start = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    file.seek(0)
    if b"\0" in start:
        raise InputError(
            f"{path}:1: not UTF-8, but UTF-16 as it seems, which PowerShell writes",
            not_done="nothing of the plan was carried out",
            next_step=f"iconv -f UTF-16 -t UTF-8 {path}, or Out-File -Encoding utf8",
        )
    if start and not start.startswith(b"{"):
        from stigmer_ops.procedures.plan_yaml import yaml_records  # noqa: PLC0415 - few are YAML

        yield from yaml_records(file, path)
        return
    yield from _json_lines(file, path)


def _json_lines(file: IO[bytes], path: Path) -> Iterator[Parsed | Problem]:
    number = 0
    while content := file.readline(LINE_LIMIT + 1):
        number += 1
        if len(content) > LINE_LIMIT:
            raise InputError(f"{path}:{number}: the line has more than {LINE_LIMIT} bytes")
        if content.strip():
            yield _json_record(content, number)


def _json_record(content: bytes, line: int) -> Parsed | Problem:
    try:
        value = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError as error:
        return Problem(line, f"not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        return Problem(line, f"not JSON at column {error.colno}: {error.msg}")
    except (ValueError, RecursionError) as error:
        text = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return Problem(line, text)
    if not isinstance(value, dict):
        return Problem(line, "not a JSON object")
    return Parsed(line, value)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen = set[str]()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value] # add returns None, which is the point
        raise ValueError(f"{twice[:40]!r} is given twice")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")
