"""The report of a plan: one outcome for each of its rows, from the journal, in the plan's order."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from stigmer_ops.errors import InputError, UsageError
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.journal import Journal
from stigmer_ops.procedures.plan_file import NumberedRow, PlanFile
from stigmer_ops.scratch import Scratch, scratch_file
from stigmer_ops.untrusted.json_text import harmless_json


@dataclass(frozen=True, slots=True)
class ReportedRow:
    """A row of the plan and what became of it.

    Attributes:
        numbered: The row.
        outcome: Its outcome.
        operation_id: Of the audit records about it; empty where nothing was begun.
    """

    numbered: NumberedRow
    outcome: RowOutcome
    operation_id: str = ""


def report_rows(plan: PlanFile, journal: Journal | None) -> Iterator[ReportedRow]:
    """Every row, read from disk as it is asked for.

    Raises:
        StigmerOpsError: Plan or journal cannot be read any more.
    """
    for numbered in plan.rows():
        if numbered.row.action is Action.SKIP:
            yield ReportedRow(numbered, RowOutcome(RowState.SKIPPED, "the plan says so"))
        elif journal is None:
            yield ReportedRow(numbered, RowOutcome(RowState.NOT_TRIED))
        else:
            record = journal.record(numbered.number)
            operation_id = record.get("operation_id", "")
            yield ReportedRow(numbered, journal.outcome(numbered.number), operation_id)


def counted(plan: PlanFile, journal: Journal | None) -> Counter[RowState]:
    """How many rows there are of each outcome."""
    skipped = plan.tally.by_action[Action.SKIP]
    states = Counter({RowState.NOT_TRIED: plan.tally.rows})
    if journal is not None:
        states = journal.counts()
    states[RowState.NOT_TRIED] -= skipped
    states[RowState.SKIPPED] += skipped
    return states


Record = Mapping[str, Any]


class RowSpool:
    """Records on disk, to be read again when their number is known."""

    def __init__(self, file: Scratch) -> None:
        self._file = file

    def add(self, record: Record) -> None:
        """Keep a record.

        Raises:
            UnavailableError: There is no room for it.
        """
        self._file.write(json.dumps(record).encode() + b"\n")

    def records(self) -> Iterator[dict[str, Any]]:
        """All records in the order in which they came."""
        return (json.loads(line) for line in self._file.rewound())


@contextmanager
def row_spool() -> Iterator[RowSpool]:
    """A spool that is gone when the block is left.

    Raises:
        UnavailableError: There is no room for a temporary file.
    """
    with scratch_file("the rows of the report") as file:
        yield RowSpool(file)


_Write = Callable[[IO[str], Iterable[Record]], None]


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a formula of a cell in a spreadsheet, whoever chose the id that begins with it."""


def _cell(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """A value as text that a spreadsheet shows and does not run."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _write_csv(file: IO[str], records: Iterable[Record]) -> None:
    writer: csv.DictWriter[str] | None = None
    for record in records:
        if writer is None:
            writer = csv.DictWriter(file, fieldnames=list(record))
            writer.writeheader()
        writer.writerow({name: _cell(value) for name, value in record.items()})


def _write_json_lines(file: IO[str], records: Iterable[Record]) -> None:
    for record in records:
        file.write(harmless_json(json.dumps(record, ensure_ascii=False)) + "\n")


_FORMATS: dict[str, _Write] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".ndjson": _write_json_lines,
}


@contextmanager
def report_file(path: Path) -> Iterator[Callable[[Iterable[Record]], None]]:
    """A file that a report will be written to, opened before anything is done.

    An older report of that name stays until the new one is whole.

    Yields:
        What writes it; the extension of the name says how.

    Raises:
        UsageError: The extension is of no known format.
        InputError: It cannot be written.
    """
    written = _FORMATS.get(path.suffix.lower())
    if written is None:
        raise UsageError(
            f"the report {path} is to be of no known format",
            not_done="nothing was sent to Temporal",
            next_step=f"end its name in {' or '.join(_FORMATS)}",
        )
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error, "nothing was sent to Temporal") from error

    def write(records: Iterable[Record]) -> None:
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="", closefd=False) as file:
                written(file, records)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except OSError as error:
            raise _unwritable(path, error, "the report was not written") from error

    try:
        yield write
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError, not_done: str) -> InputError:
    return InputError(
        f"cannot write the report {path}: {error.strerror or error}",
        not_done=not_done,
        next_step="running the same command again writes it, and does nothing twice",
    )
