"""The journal of a run: what was begun, and what became of it, on disk before the next effect.

JSON Lines in a folder of its own, beside whatever the steps keep there. A step that has a beginning
and no end was cut off, and is called again with its notes. The file is also the lock: two programs
cannot carry the same run on.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from stigmer_ops.audit.file import append_durably, open_locked
from stigmer_ops.errors import ExitCode, RefusedError, StigmerOpsError
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.procedures.runner.step import StepResult, StepState
from stigmer_ops.untrusted.json_text import json_value

SCHEMA_VERSION = 1
FILE_NAME = "journal.jsonl"
_AT_ONCE = timedelta(0)
_ENCODER = json.JSONEncoder(separators=(",", ":"))

Record = dict[str, Any]


class ProcedureJournalError(StigmerOpsError):
    """The journal of a procedure cannot be read or written.

    A step whose beginning cannot be written is not begun.
    """

    reference = "procedure-journal"
    exit_code = ExitCode.REFUSED
    usual_next_step = "put right what is named there; then run the same command again: it resumes"


class ProcedureLockedError(RefusedError):
    """Another process is carrying the same procedure on, and holds the lock of its journal."""

    reference = "procedure-locked"
    usual_next_step = "wait until it has ended, or see who it is with fuser -v"


@dataclass(slots=True)
class Progress:
    """What the journal tells of one task.

    Attributes:
        state: How far it has come.
        detail: A clause about it.
        data: What its action returned.
        lines: What it found, or what is to be typed.
        notes: What its action wrote down, oldest first.
        operation_id: Of its audit records; None before its first beginning.
        began: When it was first begun.
        ended: When it last came to an end.
        confirmed: Whether somebody said that it was done by hand.
    """

    state: StepState = StepState.PENDING
    detail: str = ""
    data: Record = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    notes: list[Record] = field(default_factory=list)
    operation_id: UUID | None = None
    began: datetime | None = None
    ended: datetime | None = None
    confirmed: bool = False


class ProcedureJournal:
    """What is known of every task of one run.

    Attributes:
        folder: Its folder, where steps may keep files of their own.
        head: What it is a run of, when it was begun, and with which parameters.
        tasks: What is known of each task that was ever begun, by `Task.key`.
    """

    def __init__(self, folder: Path, descriptor: int = -1) -> None:
        self.folder = folder
        self.head: Record = {}
        self.tasks: dict[str, Progress] = {}
        self._descriptor = descriptor

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / FILE_NAME

    @property
    def parameters(self) -> Record:
        """What the run was begun with."""
        parameters: Record = self.head.get("parameters", {})
        return parameters

    def progress(self, key: str) -> Progress:
        """What is known of a task; of one that was never begun, that."""
        return self.tasks.get(key) or Progress()

    def open_head(self, procedure: str, parameters: Mapping[str, Any], time: datetime) -> None:
        """Write down what this is a run of.

        Raises:
            ProcedureJournalError: It cannot be written.
        """
        self._append(
            {
                "schema_version": SCHEMA_VERSION,
                "kind": "ProcedureJournal",
                "procedure": procedure,
                "time": timestamp(time),
                "parameters": dict(parameters),
            }
        )

    def begin(self, key: str, time: datetime, *, confirmed: bool = False) -> Progress:
        """Write down that a task is begun, before anything of it is done.

        Raises:
            ProcedureJournalError: It cannot be written.
        """
        before = self.progress(key)
        cut_off = before.state is StepState.BEGUN  # its audit record has no outcome yet
        self._append(
            {
                "kind": "TaskBegun",
                "task": key,
                "time": timestamp(time),
                "operation_id": str(before.operation_id if cut_off else uuid4()),
                **({"confirmed": True} if confirmed else {}),
            }
        )
        return self.tasks[key]

    def note(self, key: str, note: Mapping[str, Any], time: datetime) -> None:
        """Write down what a task must know when it is called again.

        Raises:
            ProcedureJournalError: It cannot be written.
        """
        self._append(
            {"kind": "TaskNoted", "task": key, "time": timestamp(time), "note": dict(note)}
        )

    def end(self, key: str, result: StepResult, time: datetime) -> None:
        """Write down what became of a task.

        Raises:
            ProcedureJournalError: It cannot be written.
        """
        self._append(
            {
                "kind": "TaskEnded",
                "task": key,
                "time": timestamp(time),
                "state": result.state.value,
                "detail": result.detail,
                "data": dict(result.data),
                "lines": list(result.lines),
            }
        )

    def _append(self, record: Record) -> None:
        content = _ENCODER.encode(record).encode() + b"\n"
        try:
            append_durably(self._descriptor, content, directory=self.folder)
        except OSError as error:
            raise self._error(error, "write") from error
        self._take(record)

    def load(self, content: bytes) -> int:
        """Take in the lines of a journal; returns how many bytes of it are whole.

        Raises:
            ProcedureJournalError: A line is not of a journal.
        """
        whole = 0
        lines = content.splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            try:
                self._take(json_value(line) if line.endswith(b"\n") else {})
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if number == len(lines):  # an interrupted write
                    break
                raise self._damaged(number) from error
            whole += len(line)
        return whole

    def _take(self, record: Record) -> None:
        kind = record["kind"]
        time = datetime.fromisoformat(record["time"])
        if kind == "ProcedureJournal":
            self.head = record
            return
        progress = self.tasks.setdefault(record["task"], Progress())
        if kind == "TaskNoted":
            progress.notes.append(record["note"])
        elif kind == "TaskBegun":
            progress.state = StepState.BEGUN
            progress.operation_id = UUID(record["operation_id"])
            progress.began = progress.began or time
            progress.confirmed = record.get("confirmed", False)
        elif kind == "TaskEnded":
            progress.state = StepState(record["state"])
            progress.detail, progress.data = record["detail"], record["data"]
            progress.lines, progress.ended = tuple(record["lines"]), time
        else:
            raise ValueError(kind)

    def _damaged(self, line: int) -> ProcedureJournalError:
        return ProcedureJournalError(
            f"{self.path}:{line}: this is not a line of a procedure's journal",
            not_done="nothing was changed",
            next_step="restore the file: without it nobody knows what has to be taken back",
        )

    def _error(self, error: OSError, doing: str) -> ProcedureJournalError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        way_out = f"df -h {self.folder}" if full else f"ls -ld {self.folder} {self.path}"
        return ProcedureJournalError(
            f"cannot {doing} the journal {self.path}: {error.strerror or error}",
            not_done="no further step was begun",
            next_step=f"{way_out}; then run the same command again: it resumes",
        )


class StepRecord:
    """What an action is given of the journal: its own notes, and what other tasks left.

    Attributes:
        resumed: Whether the task was cut off before, or failed: look before you do it again.
        confirmed: Whether somebody said that it was done by hand.
        reported: Answers how much of it is done, and of how much; asked by the progress bar.
        now: The clock.
    """

    def __init__(
        self,
        journal: ProcedureJournal,
        key: str,
        now: Callable[[], datetime],
        *,
        resumed: bool = False,
    ) -> None:
        self.resumed = resumed
        self.confirmed = journal.progress(key).confirmed
        self.reported: Callable[[], tuple[int, int | None]] = lambda: (0, None)
        self.now = now
        self._journal = journal
        self._key = key

    @property
    def folder(self) -> Path:
        """The run's folder, where steps keep files of their own."""
        return self._journal.folder

    @property
    def parameters(self) -> Record:
        """What the run was begun with."""
        return self._journal.parameters

    @property
    def notes(self) -> list[Record]:
        """What this task has written down so far, by earlier calls too, oldest first."""
        return self.of(self._key).notes

    def of(self, key: str) -> Progress:
        """What is known of another task. An undo finds what its step left by the step's id."""
        return self._journal.progress(key)

    def note(self, **note: Any) -> None:  # noqa: ANN401 - plain JSON
        """Write down what has to be known if this is cut off; on disk when it returns.

        Raises:
            ProcedureJournalError: It cannot be written: change nothing then.
        """
        self._journal.note(self._key, note, self.now())

    def report(self, done: int, total: int | None = None) -> None:
        """Say how far the action has come."""
        self.reported = lambda: (done, total)


@contextmanager
def open_journal(folder: Path) -> Iterator[ProcedureJournal]:
    """Open the journal in `folder` to write to it, made where there is none, and hold its lock.

    Raises:
        ProcedureLockedError: Another process holds it.
        ProcedureJournalError: It cannot be used.
    """
    journal = ProcedureJournal(folder)
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(open_locked(journal.path, timeout=_AT_ONCE))
            journal = ProcedureJournal(folder, descriptor)
            content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
            os.ftruncate(descriptor, journal.load(content))
        except TimeoutError as error:
            raise ProcedureLockedError(
                f"another process carries this on: it holds the lock of {journal.path}",
                not_done="nothing was changed",
                next_step=f"fuser -v {journal.path} shows which process it is",
            ) from error
        except OSError as error:
            raise journal._error(error, "open") from error
        yield journal


def read_journal(folder: Path) -> ProcedureJournal:
    """Read the journal in `folder`; somebody else may be writing to it.

    Raises:
        ProcedureJournalError: It cannot be read.
    """
    journal = ProcedureJournal(folder)
    try:
        journal.load(journal.path.read_bytes())
    except FileNotFoundError:  # killed between making the folder and writing to it
        return journal
    except OSError as error:
        raise journal._error(error, "read") from error
    return journal


def runs(parent: Path) -> list[Path]:
    """The folders of the runs below `parent`, oldest first.

    Raises:
        ProcedureJournalError: The folder cannot be read.
    """
    try:
        return sorted(each for each in parent.iterdir() if each.name.isdecimal())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ProcedureJournalError(
            f"cannot read the folder of journals {parent}: {error.strerror or error}",
            not_done="nothing was changed",
            next_step=f"ls -ld {parent}; put it right, or set STIGMER_OPS_PROCEDURES_PATH to "
            "another folder",
        ) from error


def next_run(parent: Path) -> Path:
    """The folder of the run after the latest one below `parent`; `open_journal` makes it.

    Two programs that begin at once get the same one, and only one of them its lock.
    """
    known = runs(parent)
    return parent / f"{int(known[-1].name) + 1 if known else 1:04d}"
