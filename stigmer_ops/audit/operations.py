"""Reading the audit trail by operation: an intent and its outcome as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from stigmer_ops.audit.line import Defect
from stigmer_ops.audit.record import AuditRecord, Result
from stigmer_ops.audit.verification import read_trail


@dataclass(frozen=True, slots=True)
class RecordedOperation:
    """What a trail says of one operation.

    Attributes:
        record: Its last record. Without an outcome, the operation is unfinished.
        intent: Its last record before a call; None when that is not in this file.
    """

    record: AuditRecord
    intent: AuditRecord | None

    @property
    def started(self) -> datetime | None:
        """When its intent was written; None when that is not in this file."""
        return None if self.intent is None else self.intent.time

    @property
    def asked(self) -> AuditRecord:
        """What says what was asked for: whoever only finds out the outcome knows less of it."""
        return self.intent or self.record

    @property
    def ended(self) -> datetime | None:
        """When its outcome was written, or None."""
        return None if self.record.outcome is None else self.record.time

    @property
    def result(self) -> Result | None:
        """How it ended; None of an unfinished operation."""
        return None if self.record.outcome is None else self.record.outcome.result


@dataclass(frozen=True, slots=True)
class RecordedOperations:
    """The operations that were asked for.

    Attributes:
        operations: By the time of their last record, the latest at the end.
        cut: Whether there are earlier ones, beyond the limit.
        unreadable: Number of lines that should be records and are not.
    """

    operations: tuple[RecordedOperation, ...] = ()
    cut: bool = False
    unreadable: int = 0


def read_operations(
    path: Path, *, wanted: Callable[[RecordedOperation], bool], limit: int | None = None
) -> RecordedOperations:
    """Read the latest operations that are wanted.

    Memory grows with `limit` and with the number of unfinished operations, not with the file.

    Args:
        path: The file.
        wanted: Whether an operation is asked for, as it stands after its last record.
        limit: How many at most; None for all.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    kept: dict[UUID, RecordedOperation] = {}
    intents: dict[UUID, AuditRecord] = {}
    cut, unreadable = False, 0
    for line in read_trail(path):
        if not isinstance(line.entry, AuditRecord):
            unreadable += line.entry is not Defect.TORN
            continue
        record = line.entry
        before = kept.pop(record.operation_id, None)
        if record.outcome is None:
            intents[record.operation_id] = record
            operation = RecordedOperation(record, record)
        else:
            known = None if before is None else before.intent
            operation = RecordedOperation(record, intents.pop(record.operation_id, known))
        if wanted(operation):
            kept[record.operation_id] = operation
        if limit is not None and len(kept) > limit:
            del kept[next(iter(kept))]
            cut = True
    return RecordedOperations(tuple(kept.values()), cut, unreadable)
