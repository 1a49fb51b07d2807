"""Plans as files: JSON Lines or YAML, read row by row, with the line of whatever is wrong.

A plan is checked once as a whole before anything is done, and then read again row by row, so that
memory does not grow with it. What is read then must be what was checked, or reading stops.
"""

from __future__ import annotations

import hashlib
import os
import stat
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import IO

from stigmer_ops.errors import InputError
from stigmer_ops.handshake.plan import PlanHeader, PlanRow, PlanTally, line_of
from stigmer_ops.handshake.plan_rules import (
    RESULT_LIMIT,
    header_of,
    row_of,
    wrong_in_header,
    wrong_in_row,
)
from stigmer_ops.procedures.plan_records import Parsed, Problem, parsed_records
from stigmer_ops.scratch import Scratch, scratch_file
from stigmer_ops.whole_files import write_whole

PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """A row, its number from 1, and the line of the file where it begins."""

    number: int
    line: int
    row: PlanRow


class PlanFile:
    """An open plan in which nothing is wrong.

    Attributes:
        path: As given.
        header: Whose plan it is.
        tally: Its counts.
        sha256: Digest of its content, in hexadecimal.
    """

    def __init__(self, path: Path, file: IO[bytes], checked: _Checked) -> None:
        self.path = path
        self.header = checked.header
        self.tally = checked.tally
        self.sha256 = checked.tally.sha256
        self._file = file
        self._digests = checked.digests

    @property
    def edited(self) -> bool:
        """Whether the content is not what the program wrote, so that its ids prove nothing."""
        return self.header.sha256 != self.sha256

    def rows(self) -> Iterator[NumberedRow]:
        """Read the rows from the first one on. One such reading at a time.

        Raises:
            InputError: The file is not as it was when it was checked.
        """
        records = _records(self._file, self.path)
        next(records)
        number = 0
        for number, found in enumerate(records, 1):
            row = self._as_checked(number, found)
            if row is None:
                raise self._changed(found.line)
            yield NumberedRow(number, found.line, row)
        if number != len(self._digests):
            raise self._changed(number)

    def _as_checked(self, number: int, found: Parsed | Problem) -> PlanRow | None:
        if isinstance(found, Problem) or number > len(self._digests):
            return None
        try:
            row = row_of(found.values)
            unchanged = _short(row.canonical()) == self._digests[number - 1]
        except (KeyError, TypeError, ValueError):
            return None
        return row if unchanged else None

    def _changed(self, line: int) -> InputError:
        return InputError(
            f"{self.path}:{line}: the plan was changed while it was in use",
            not_done="this row and those after it were not tried",
            next_step=f"stigmer-ops plan show {self.path}",
        )


@contextmanager
def open_plan(path: Path, *, result_limit: int = RESULT_LIMIT) -> Iterator[PlanFile]:
    """Open a plan and check all of it.

    Args:
        path: JSON Lines, or YAML; told from its first character.
        result_limit: Bytes of a result's JSON at most.

    Raises:
        InputError: It cannot be read, or something in it is wrong: with every line.
    """
    with _opened(path) as file:
        yield PlanFile(path, file, _checked(path, file, result_limit))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(
            f"cannot read the plan {path}: {error.strerror}",
            next_step="stigmer-ops diagnose --plan-out FILE, or stigmer-ops plan create, makes one",
        ) from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InputError(f"the plan {path} is not a file: it is read more than once")
        yield file


@dataclass(frozen=True, slots=True)
class _Checked:
    header: PlanHeader
    tally: PlanTally
    digests: array[int]


class _Check:
    """One pass over a plan, which remembers a few bytes of each row."""

    def __init__(self, path: Path, result_limit: int) -> None:
        self.problems: list[tuple[int, str]] = []
        self.found = 0
        self.digests = array("Q")
        self.targets = array("Q")
        self._path = path
        self._result_limit = result_limit

    def note(self, line: int, problem: str) -> None:
        self.found += 1
        if self.found <= PROBLEMS_SHOWN:
            self.problems.append((line, problem))

    def header(self, found: Parsed | Problem | None) -> PlanHeader:
        if found is None:
            self.note(1, "the plan is empty")
        elif isinstance(found, Problem):
            self.note(found.line, found.text)
        elif wrong := wrong_in_header(found.values):
            for one in wrong:
                self.note(found.line_of(one.key), one.text)
        else:
            return header_of(found.values)
        raise self.error()

    def row(self, found: Parsed | Problem, tally: PlanTally) -> None:
        if isinstance(found, Problem):
            self.note(found.line, found.text)
            return
        wrong = wrong_in_row(found.values, result_limit=self._result_limit)
        for one in wrong:
            self.note(found.line_of(one.key), one.text)
        if wrong:
            return
        row = row_of(found.values)
        canonical = row.canonical()
        tally.add(row, canonical)
        self.digests.append(_short(canonical))
        self.targets.extend(_targets(row))

    def error(self) -> InputError:
        lines = [f"{self._path}:{line}: {problem}" for line, problem in sorted(self.problems)]
        if self.found > len(lines):
            lines.append(f"and {self.found - len(lines)} more")
        return InputError(
            "\n".join(lines),
            not_done="nothing of the plan was carried out",
            next_step="docs/plan.md describes every field",
        )


def _checked(path: Path, file: IO[bytes], result_limit: int) -> _Checked:
    check = _Check(path, result_limit)
    records = _records(file, path)
    header = check.header(next(records, None))
    tally = PlanTally(header)
    for found in records:
        check.row(found, tally)
    if suspects := _repeated(check.targets):
        _note_duplicates(check, file, path, suspects)
    if check.found:
        raise check.error()
    return _Checked(header, tally, check.digests)


def _targets(row: PlanRow) -> Iterator[int]:
    """What no second row may name: the activity, and the event that scheduled it."""
    yield _short(f"{row.workflow_id}\0{row.run_id}\0{row.activity_id}".encode())
    if row.scheduled_event_id:
        yield _short(f"{row.workflow_id}\0{row.run_id}\0{row.scheduled_event_id}\0".encode())


def _short(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


def _repeated(values: array[int]) -> frozenset[int]:
    return frozenset(one for one, after in pairwise(sorted(values)) if one == after)


def _note_duplicates(check: _Check, file: IO[bytes], path: Path, suspects: frozenset[int]) -> None:
    lines: defaultdict[int, list[int]] = defaultdict(list)
    for found in _rows_again(file, path):
        for target in _targets(row_of(found.values)):
            if target in suspects:
                lines[target].append(found.line)
    told = set[tuple[int, ...]]()
    for where in lines.values():
        if tuple(where) not in told:
            told.add(tuple(where))
            check.note(
                where[-1], f"names the activity of line {where[0]} again: a plan has one row for it"
            )


def _rows_again(file: IO[bytes], path: Path) -> Iterator[Parsed]:
    records = _records(file, path)
    next(records)
    for found in records:
        if isinstance(found, Parsed) and not wrong_in_row(found.values):
            yield found


def _records(file: IO[bytes], path: Path) -> Iterator[Parsed | Problem]:
    file.seek(0)
    return parsed_records(file, path)


class PlanWriter:
    """Writes a new plan whose rows come one by one; the header, which counts them, is put first.

    Attributes:
        tally: Of the rows so far.
    """

    def __init__(self, header: PlanHeader, spool: Scratch) -> None:
        self.tally = PlanTally(header)
        self._header = header
        self._spool = spool

    def add(self, row: PlanRow) -> None:
        """Add a row."""
        self.tally.add(row)
        self._spool.write(line_of(row.as_record()).encode())


@contextmanager
def new_plan(path: Path, header: PlanHeader) -> Iterator[PlanWriter]:
    """Write a plan as JSON Lines; nothing is left where the block fails.

    Raises:
        InputError: The file exists, or cannot be written.
        UnavailableError: There is no room for a temporary file.
    """
    require_new(path)
    with scratch_file(f"the rows of {path}") as spool:
        writer = PlanWriter(header, spool)
        yield writer
        rows = spool.rewound()
        head = line_of(header.as_record(writer.tally)).encode()
        write_new(path, chain([head], iter(lambda: rows.read(1 << 20), b"")))


def require_new(path: Path) -> None:
    """Refuse a path where something is: a plan may have been reviewed.

    Raises:
        InputError: Something is there.
    """
    if os.path.lexists(path):
        raise _exists(path)


def write_new(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that was not there.

    Raises:
        InputError: It exists, or cannot be written.
    """
    try:
        write_whole(path, pieces, overwrite=False)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _unwritable(path, error) from error


def _exists(path: Path) -> InputError:
    return InputError(
        f"{path} exists, and a plan is never overwritten",
        not_done="the plan was not written",
        next_step="name another file, or remove it",
    )


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot write {path}: {error.strerror or error}", not_done="the plan was not written"
    )
