"""Reading the audit trail, and proving that nothing was taken from it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from stigmer_ops.audit.file import TAIL_LIMIT, lock
from stigmer_ops.audit.line import Defect, decode, digest
from stigmer_ops.audit.record import GENESIS, AuditRecord, Fingerprint, Result
from stigmer_ops.errors import InputError

_LOCK_TIMEOUT = timedelta(seconds=10)


class Reason(StrEnum):
    """How the chain is broken."""

    EDITED = "edited"
    """A line was changed."""
    REMOVED = "removed"
    """Records are missing."""
    INSERTED = "inserted"
    """A sequence number occurs a second time."""
    REORDERED = "reordered"
    """Records are all there, in another order."""
    TORN = "torn"
    """The last write was interrupted (power loss, kill). The next write repairs it, and says so."""
    UNKNOWN_SCHEMA = "unknown schema"
    """A later version of stigmer-ops wrote this line."""
    HEAD_MISSING = "head missing"
    """The digest noted earlier is nowhere in the file: its end was cut, or all was rewritten."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file.

    Attributes:
        number: From 1.
        content: The bytes, without the newline.
        entry: The record, or why it is none.
    """

    number: int
    content: bytes = field(repr=False)
    entry: AuditRecord | Defect


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the chain does not hold.

    Attributes:
        line: Line number, from 1.
        reason: What happened there, as far as the file tells.
        detail: One sentence for a person.
    """

    line: int
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What a trail holds, and whether its chain does.

    Attributes:
        path: The file.
        records: Number of records.
        head: SHA-256 of the last record's line; `GENESIS` of an empty trail. Note it elsewhere.
        outcomes: Number of outcomes by result.
        unfinished: Intents without an outcome: the program was killed, or is running now.
        sealed: Number of interrupted writes that a later record has accounted for.
        broken: The first place where the chain does not hold, or None.
    """

    path: Path
    records: int
    head: str
    outcomes: Mapping[Result, int]
    unfinished: tuple[AuditRecord, ...]
    sealed: int
    broken: Break | None

    @property
    def intact(self) -> bool:
        """Whether the chain holds from the first record to the last."""
        return self.broken is None


def read_trail(path: Path) -> Iterator[Line]:
    """Read the lines that are in the file now; later ones are not waited for.

    Memory stays flat: a line longer than any that is written comes in pieces.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    try:
        yield from _read(path)
    except FileNotFoundError as error:
        raise InputError(
            f"there is no audit trail at {path}",
            next_step="the first write makes it; STIGMER_OPS_AUDIT_PATH names another file",
        ) from error
    except OSError as error:
        raise InputError(
            f"cannot read the audit trail {path}: {error.strerror or error}",
            next_step=f"ls -ld {path.parent} {path}",
        ) from error


def verify(path: Path, *, expect: str | None = None) -> AuditReport:
    """Follow the chain through the whole file.

    Args:
        path: The file.
        expect: A head that was noted earlier. It must still be in the trail, at its end or before.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    chain = _Chain(expect=expect.lower() if expect else None)
    for line in read_trail(path):
        chain.follow(line)
    return chain.report(path)


def _read(path: Path) -> Iterator[Line]:
    # A pipe has no size, so all of it would be left out; to open one may wait for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("not a regular file")
    with path.open("rb") as stream:
        # A writer holds the exclusive lock while a line is half written. What is there once it is
        # released stays as it is, so the lock need not be held while reading.
        lock(stream.fileno(), fcntl.LOCK_SH, timeout=_LOCK_TIMEOUT)
        remaining = os.fstat(stream.fileno()).st_size
        fcntl.flock(stream.fileno(), fcntl.LOCK_UN)
        number, ended = 0, True
        while piece := stream.readline(min(TAIL_LIMIT, remaining)):
            remaining -= len(piece)
            number += ended
            ended = piece.endswith(b"\n")
            content = piece.removesuffix(b"\n")
            yield Line(number, content, decode(content))


class _Remains:
    """What lies between two records, summed up as `Tail.torn` was by the writer."""

    def __init__(self, line: int) -> None:
        self.line = line
        self._size = -1
        self._hash = hashlib.sha256()

    def add(self, content: bytes) -> None:
        if self._size >= 0:
            self._hash.update(b"\n")
        self._hash.update(content)
        self._size += 1 + len(content)

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(sha256=self._hash.hexdigest(), size_bytes=self._size)


@dataclass
class _Chain:
    """The state of following a trail: the last record, what came since, what is wrong."""

    expect: str | None
    records: int = 0
    sequence: int = 0
    head: str = GENESIS
    last_line: int = 0
    sealed: int = 0
    missing: int | None = None
    remains: _Remains | None = None
    broken: Break | None = None
    outcomes: Counter[Result] = field(default_factory=Counter)
    unfinished: dict[UUID, AuditRecord] = field(default_factory=dict)

    def follow(self, line: Line) -> None:
        if isinstance(line.entry, AuditRecord):
            self._follow_record(line, line.entry)
        else:
            self._follow_defect(line, line.entry)

    def report(self, path: Path) -> AuditReport:
        if self.remains is not None:
            self._break(
                self.remains.line,
                Reason.TORN,
                "the last write was interrupted; the next one seals it",
            )
        if self.expect is not None and self.expect != GENESIS:
            self._break(
                self.last_line,
                Reason.HEAD_MISSING,
                f"no line has the digest {self.expect}: records were cut off at the end, or the "
                "file was rewritten",
            )
        return AuditReport(
            path=path,
            records=self.records,
            head=self.head,
            outcomes=dict(self.outcomes),
            unfinished=tuple(self.unfinished.values()),
            sealed=self.sealed,
            broken=self.broken,
        )

    def _follow_defect(self, line: Line, defect: Defect) -> None:
        if defect is not Defect.TORN:
            self._break(line.number, Reason(defect.value), _DEFECT_TEXTS[defect])
            return
        self.remains = self.remains or _Remains(line.number)
        self.remains.add(line.content)

    def _follow_record(self, line: Line, record: AuditRecord) -> None:
        self._compare_remains(line, record)
        self._compare_sequence(line, record)
        if record.previous != self.head:
            self._break(
                max(self.last_line, 1),
                Reason.EDITED,
                f"line {line.number} was written after another line than this one",
            )
        self.records += 1
        self.sequence, self.head, self.last_line = (
            record.sequence,
            digest(line.content),
            line.number,
        )
        if self.head == self.expect:
            self.expect = None
        self._tally(record)

    def _compare_remains(self, line: Line, record: AuditRecord) -> None:
        found = self.remains.fingerprint() if self.remains else None
        if found == record.torn:
            self.sealed += found is not None
        elif self.remains:
            self._break(self.remains.line, Reason.EDITED, _DEFECT_TEXTS[Defect.EDITED])
        else:
            self._break(
                line.number,
                Reason.REMOVED,
                "the remains of an interrupted write, which this record accounts for, are gone",
            )
        self.remains = None

    def _compare_sequence(self, line: Line, record: AuditRecord) -> None:
        if record.sequence == self.missing and self.broken:
            self.broken = Break(
                self.broken.line,
                Reason.REORDERED,
                f"record {record.sequence} belongs here and is on line {line.number}",
            )
            self.missing = None
        expected = self.sequence + 1
        if record.sequence > expected:
            if self.broken is None:
                self.missing = expected
            self._break(
                line.number,
                Reason.REMOVED,
                f"{_records(expected, record.sequence - 1)} missing before this line",
            )
        elif record.sequence < expected:
            self._break(
                line.number,
                Reason.INSERTED,
                f"record {record.sequence} comes after record {self.sequence}",
            )

    def _tally(self, record: AuditRecord) -> None:
        if record.outcome is None:
            self.unfinished[record.operation_id] = record
        else:
            self.outcomes[record.outcome.result] += 1
            self.unfinished.pop(record.operation_id, None)

    def _break(self, line: int, reason: Reason, detail: str) -> None:
        """Keep the first break only: those after it may be its consequences."""
        if self.broken is None:
            self.broken = Break(line, reason, detail)


_DEFECT_TEXTS = {
    Defect.EDITED: "this line is not one that stigmer-ops wrote",
    Defect.UNKNOWN_SCHEMA: "this line was written by a later version of stigmer-ops",
}


def _records(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"
