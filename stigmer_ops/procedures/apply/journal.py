"""The journal of a plan: what was begun and what became of it, on disk before the next step.

JSON Lines beside the plan. A row's intent is written before its call is made; a row with an intent
and no outcome is *in doubt*, and what became of it is read from Temporal before anything else is
done about it. The file is also the lock: two runs of one plan cannot have it open at once.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from stigmer_ops.audit.file import append_durably
from stigmer_ops.errors import ExitCode, RefusedError, StigmerOpsError
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.procedures.plan_file import PlanFile
from stigmer_ops.scratch import scratch_file
from stigmer_ops.untrusted.json_text import json_value

SCHEMA_VERSION = 1
_UNTOUCHED, _IN_DOUBT = 0, 1
_STATES = tuple(RowState)
_FIRST_STATE = 2
_LINE_LIMIT = 64 * 1024
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class JournalError(StigmerOpsError):
    """The journal of a plan cannot be read or written, or belongs to another plan.

    A row whose intent cannot be written is not sent.
    """

    reference = "journal"
    exit_code = ExitCode.REFUSED
    usual_next_step = "see what the histories hold of the plan: stigmer-ops plan verify"


class PlanLockedError(RefusedError):
    """Another process is applying the same plan, and holds the lock of its journal."""

    reference = "plan-locked"


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A line to be written, and the row that it is about; row 0 for none."""

    row: int
    record: dict[str, Any]

    @property
    def state(self) -> int:
        """What the row is after it, as the index keeps it."""
        outcome = self.record.get("outcome")
        return _IN_DOUBT if outcome is None else _FIRST_STATE + _STATES.index(RowState(outcome))


def intent_line(row: int, *, operation_id: str, time: str, until: str = "") -> JournalLine:
    """What is written before a row's call."""
    record = {"kind": "RowIntent", "row": row, "operation_id": operation_id, "time": time}
    return JournalLine(row, record | ({"until": until} if until else {}))


def outcome_line(
    row: int, outcome: RowOutcome, *, operation_id: str, time: str, until: str = ""
) -> JournalLine:
    """What is written when a row's outcome is known."""
    record: dict[str, Any] = {
        "kind": "RowOutcome",
        "row": row,
        "operation_id": operation_id,
        "time": time,
        "until": until,
        "outcome": outcome.state.value,
        "detail": outcome.detail,
        "by": outcome.by,
        "ended_time": outcome.time and outcome.time.isoformat(),
        "event_id": outcome.event_id,
    }
    return JournalLine(row, {name: value for name, value in record.items() if value})


def outcome_of(record: dict[str, Any]) -> RowOutcome:
    """The outcome that a line tells."""
    ended = record.get("ended_time")
    return RowOutcome(
        RowState(record["outcome"]),
        detail=record.get("detail", ""),
        by=record.get("by", ""),
        time=datetime.fromisoformat(ended) if ended else None,
        event_id=record.get("event_id", 0),
    )


class Journal:
    """What is known of each row of a plan, and where it stands in the file.

    It keeps nine bytes of a row in memory.
    """

    def __init__(self, path: Path, descriptor: int, rows: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._states = bytearray(rows + 1)
        self._places = array("Q", bytes(8 * (rows + 1)))
        self.last_run: dict[str, Any] = {}

    @property
    def rows(self) -> int:
        """How many rows the plan has."""
        return len(self._states) - 1

    def in_doubt(self, row: int) -> bool:
        """Whether the row was begun and its outcome is not known."""
        return self._states[row] == _IN_DOUBT

    def state(self, row: int) -> RowState:
        """What became of a row, as far as it is known: in doubt is failed, untouched not tried."""
        code = self._states[row]
        if code >= _FIRST_STATE:
            return _STATES[code - _FIRST_STATE]
        return RowState.FAILED if code == _IN_DOUBT else RowState.NOT_TRIED

    def counts(self) -> Counter[RowState]:
        """How many rows there are of each state."""
        return Counter(self.state(row) for row in range(1, len(self._states)))

    def record(self, row: int) -> dict[str, Any]:
        """The last line about a row; empty where there is none.

        Raises:
            JournalError: It cannot be read.
        """
        if self._states[row] == _UNTOUCHED:
            return {}
        try:
            content = os.pread(self._descriptor, _LINE_LIMIT, self._places[row])
        except OSError as error:
            raise self._error(error, "read") from error
        found: dict[str, Any] = json.loads(content[: content.index(b"\n")])
        return found

    def outcome(self, row: int) -> RowOutcome:
        """The outcome of a row with what is told of it."""
        record = self.record(row)
        if "outcome" in record:
            return outcome_of(record)
        if record:
            detail = "it was begun, and what became of it was not read: run the plan again"
            return RowOutcome(RowState.FAILED, detail)
        return RowOutcome(RowState.NOT_TRIED)

    def append(self, lines: Sequence[JournalLine]) -> None:
        """Write lines, on disk when this returns; all of them, or none.

        Raises:
            JournalError: They cannot be written.
        """
        if not lines:
            return
        encoded = [_encoded(line.record) for line in lines]
        try:
            place = os.fstat(self._descriptor).st_size
            append_durably(self._descriptor, b"".join(encoded), directory=self.path.parent)
        except OSError as error:
            raise self._error(error, "write") from error
        for line, content in zip(lines, encoded, strict=True):
            self._note(line, place)
            place += len(content)

    def _note(self, line: JournalLine, place: int) -> None:
        if line.row:
            self._states[line.row] = line.state
            self._places[line.row] = place
        else:
            self.last_run = line.record

    def load(self, plan: PlanFile) -> int:
        """Read what is there; returns how many bytes of it are whole.

        Raises:
            JournalError: It is of another plan, or something in it is not of a journal.
        """
        place = whole = number = 0
        torn = 0
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            for number, content in enumerate(file, 1):
                line = self._parsed(content)
                if line is None:
                    torn = torn or number
                elif torn:
                    raise self._damaged(torn)
                elif number == 1:
                    self._require_same(line.record, plan)
                else:
                    self._note(line, place)
                place += len(content)
                whole = whole if torn else place
        return whole

    def _parsed(self, content: bytes) -> JournalLine | None:
        if not content.endswith(b"\n") or len(content) > _LINE_LIMIT:
            return None
        try:
            record = json_value(content)
            line = JournalLine(record.get("row", 0), record)
            known = line.row in range(self.rows + 1) and line.state is not None
            if "outcome" in record:
                outcome_of(record)
        except (ValueError, TypeError, AttributeError):
            return None
        return line if known else None

    def _require_same(self, record: dict[str, Any], plan: PlanFile) -> None:
        if record.get("kind") != "PlanJournal" or record.get("schema_version") != SCHEMA_VERSION:
            raise self._damaged(1)
        if record.get("plan_sha256") != plan.sha256:
            raise JournalError(
                f"{self.path} is the journal of another plan, or {plan.path} was edited after it "
                "had been begun",
                not_done="nothing was sent to Temporal",
                next_step="give the edited plan another name: what is done already is found there; "
                f"stigmer-ops plan show {plan.path}",
            )

    def _damaged(self, line: int) -> JournalError:
        return JournalError(
            f"{self.path}:{line}: this is not a line of a plan's journal",
            not_done="nothing was sent to Temporal",
            next_step="move the journal aside: without it every row is checked against Temporal",
        )

    def _error(self, error: OSError, doing: str) -> JournalError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        way_out = f"df -h {self.path.parent}" if full else f"ls -ld {self.path.parent} {self.path}"
        return JournalError(
            f"cannot {doing} the journal {self.path}: {error.strerror or error}",
            not_done="no further row was begun",
            next_step=f"{way_out}; then run the same command again: it resumes",
        )


def journal_path(plan: Path) -> Path:
    """Where the journal of a plan is: beside the file itself, wherever links to it are."""
    real = plan.resolve()
    return real.with_name(f"{real.name}.journal.jsonl")


@contextmanager
def open_journal(plan: PlanFile) -> Iterator[Journal]:
    """Open the journal of a plan to write to it, made where there is none, and hold its lock.

    The lock is `flock(2)`: the system gives it back when the process dies, however it dies.

    Raises:
        PlanLockedError: Another process holds it.
        JournalError: It cannot be used.
    """
    path = journal_path(plan.path)
    journal = Journal(path, -1, plan.tally.rows)
    try:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise journal._error(error, "open") from error
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        journal = Journal(path, file.fileno(), plan.tally.rows)
        _lock(journal, file)
        _repair(journal, file, plan)
        yield journal


@contextmanager
def read_journal(plan: PlanFile) -> Iterator[Journal | None]:
    """Open the journal of a plan to read it; None where there is none.

    Raises:
        JournalError: It is of another plan, or cannot be read.
    """
    path = journal_path(plan.path)
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise Journal(path, -1, 0)._error(error, "read") from error
    with file:
        journal = Journal(path, file.fileno(), plan.tally.rows)
        journal.load(plan)
        yield journal


@contextmanager
def scratch_journal(plan: PlanFile) -> Iterator[Journal]:
    """A copy of the journal of a plan, which a dry run writes to and nobody keeps.

    Raises:
        JournalError: The journal is of another plan, or cannot be read.
        UnavailableError: There is no room for a temporary file.
    """
    path = journal_path(plan.path)
    with scratch_file("the dry run") as scratch:
        try:
            with path.open("rb") as original:
                for piece in iter(lambda: original.read(1 << 20), b""):
                    scratch.write(piece)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Journal(path, -1, plan.tally.rows)._error(error, "read") from error
        file = scratch.rewound()
        journal = Journal(path, file.fileno(), plan.tally.rows)
        file.truncate(journal.load(plan))
        file.seek(0, os.SEEK_END)
        yield journal


def _lock(journal: Journal, file: IO[bytes]) -> None:
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise journal._damaged(1)
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise PlanLockedError(
            f"another process is applying this plan: it holds the lock of {journal.path}",
            not_done="nothing was sent to Temporal",
            next_step=f"fuser -v {journal.path} shows which process it is",
        ) from error


def _repair(journal: Journal, file: IO[bytes], plan: PlanFile) -> None:
    """Read the journal, and cut off what an interrupted write left at its end."""
    try:
        whole = journal.load(plan)
        if whole < os.fstat(file.fileno()).st_size:
            os.ftruncate(file.fileno(), whole)
    except OSError as error:
        raise journal._error(error, "read") from error
    if whole == 0:
        journal.append(
            [
                JournalLine(
                    0,
                    {
                        "schema_version": SCHEMA_VERSION,
                        "kind": "PlanJournal",
                        "plan_sha256": plan.sha256,
                        "namespace": plan.header.namespace,
                        "rows": plan.tally.rows,
                    },
                )
            ]
        )
        journal.last_run = {}


def _encoded(record: dict[str, Any]) -> bytes:
    return _ENCODER.encode(record).encode() + b"\n"
