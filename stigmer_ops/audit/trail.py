"""Writing the audit trail."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from stigmer_ops.audit.file import Tail, TailError, append_durably, open_locked, read_tail
from stigmer_ops.audit.line import INTENT_LIMIT, Defect, digest, encode
from stigmer_ops.audit.record import AuditRecord, Entry, Intent, Outcome, Result
from stigmer_ops.errors import (
    AuditError,
    CapabilityError,
    DeniedError,
    ExitCode,
    InputError,
    RefusedError,
    SettingsError,
    StigmerOpsError,
    UsageError,
)

_LOCK_TIMEOUT = timedelta(seconds=10)

_RESULT_OF_ERROR: tuple[tuple[type[StigmerOpsError], Result], ...] = (
    (RefusedError, Result.REFUSED),
    (DeniedError, Result.FAILED),
    (CapabilityError, Result.FAILED),
    (UsageError, Result.FAILED),
    (InputError, Result.FAILED),
    (SettingsError, Result.FAILED),
)
"""Errors after which it is certain that nothing was changed. After any other, it is not."""

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class OutcomeNotRecordedError(AuditError):
    """The call to Temporal was made, but how it ended could not be written to the audit trail.

    The trail shows the operation as unfinished. The workflow's history says what became of it.
    """

    reference = "audit-outcome-missing"
    exit_code = ExitCode.PARTIAL


class Operation:
    """An operation whose intent is on disk; say once how it ended.

    Attributes:
        operation_id: Joins the two records.
        outcome: How it ended; None as long as that was not said.
    """

    def __init__(self, trail: AuditTrail, entry: Entry) -> None:
        self._trail = trail
        self._entry = entry
        self.outcome: Outcome | None = None

    @property
    def operation_id(self) -> UUID:
        """Joins the two records."""
        return self._entry.operation_id

    def done(self, *, proof_event_id: int | None = None, detail: str = "") -> None:
        """Record that the server accepted it, with the history event that proves it."""
        self.settle(Outcome(result=Result.DONE, detail=detail, proof_event_id=proof_event_id))

    def refused(self, detail: str) -> None:
        """Record that it was refused because the attempt is no longer the pending one."""
        self.settle(Outcome(result=Result.REFUSED, detail=detail))

    def failed(self, detail: str) -> None:
        """Record that the server answered with an error, so that nothing was changed."""
        self.settle(Outcome(result=Result.FAILED, detail=detail))

    def unknown(self, detail: str) -> None:
        """Record that nobody knows: no answer came."""
        self.settle(Outcome(result=Result.UNKNOWN, detail=detail))

    def settle(self, outcome: Outcome) -> None:
        """Record how it ended, on disk when this returns.

        Raises:
            OutcomeNotRecordedError: The trail cannot be written.
            ValueError: It was said already.
        """
        if self.outcome is not None:
            raise ValueError(f"operation {self.operation_id} has ended: {self.outcome.result}")
        self._trail.append(self._entry.closing(outcome))
        self.outcome = outcome


class AuditTrail:
    """Adds records to an audit file. Any number of threads and processes may do so at once.

    Each append waits for the disk (milliseconds) and at most `lock_timeout` for other writers: from
    a coroutine that has other work to do, call it through `asyncio.to_thread`.

    Args:
        path: The file; made with mode 0600 if it is missing, and its directory with mode 0700.
        now: Returns the time, UTC aware.
        lock_timeout: How long to wait for other writers.
    """

    def __init__(
        self, path: Path, *, now: Callable[[], datetime], lock_timeout: timedelta = _LOCK_TIMEOUT
    ) -> None:
        self.path = path
        self._now = now
        self._lock_timeout = lock_timeout

    @contextlib.contextmanager
    def operation(self, intent: Intent) -> Iterator[Operation]:
        """Record an intent, let the block make the call, and see that an outcome is recorded.

        A block that leaves by an exception without having said how the operation ended leaves an
        outcome all the same: refused or failed after an error that makes this certain, otherwise
        unknown. The text of an exception that is not ours is left out: it may quote a payload.

        Raises:
            AuditError: The intent cannot be recorded; the block does not run.
            OutcomeNotRecordedError: The outcome cannot be recorded.
        """
        entry = Entry.opening(intent)
        self.append(entry)
        operation = Operation(self, entry)
        try:
            yield operation
        except BaseException as error:
            if operation.outcome is None and not isinstance(error, OutcomeNotRecordedError):
                operation.settle(_outcome_of(error))
            raise
        if operation.outcome is None:
            operation.unknown("the command ended without saying how the operation did")

    def append(self, entry: Entry) -> AuditRecord:
        """Add one record; it is on disk when this returns. See `append_many` for errors."""
        return self.append_many([entry])[0]

    def append_many(self, entries: Iterable[Entry]) -> list[AuditRecord]:
        """Add records with one wait for the disk: all of them, or none.

        Args:
            entries: What happened; each becomes a record.

        Returns:
            The records as written, in the order of `entries`.

        Raises:
            AuditError: They cannot be written, and none of them tells of a call that was made.
            OutcomeNotRecordedError: They cannot be written, and the calls were made.
        """
        batch = list(entries)
        if not batch:
            return []
        try:
            with open_locked(self.path, timeout=self._lock_timeout) as descriptor:
                records, content = self._chain(batch, read_tail(descriptor))
                append_durably(descriptor, content, directory=self.path.parent)
        except OSError as error:
            what = error.strerror or str(error)
            happened = f"cannot write the audit trail {self.path}: {what}"
            raise _not_recorded(batch, happened, _way_out(error, self.path)) from error
        except TailError as error:
            happened, next_step = _TAIL_TEXTS[error.defect]
            raise _not_recorded(batch, happened.format(self.path), next_step) from error
        return records

    def _chain(self, batch: list[Entry], tail: Tail) -> tuple[list[AuditRecord], bytes]:
        """Return the records that follow `tail`, and the bytes to append for them."""
        time = self._now().astimezone(UTC)
        records, content = [], bytearray(b"" if tail.ended else b"\n")
        for entry in batch:
            record = AuditRecord(
                sequence=tail.sequence + 1,
                time=time,
                operation_id=entry.operation_id,
                intent=entry.intent,
                outcome=entry.outcome,
                torn=tail.torn,
                previous=tail.digest,
            )
            line = encode(record)
            if entry.outcome is None and len(line) > INTENT_LIMIT:
                happened = (
                    f"the audit record would have {len(line)} of {INTENT_LIMIT} bytes at most"
                )
                raise _not_recorded(batch, happened, "give a shorter --reason")
            tail = Tail(sequence=record.sequence, digest=digest(line))
            records.append(record)
            content += line + b"\n"
        return records, bytes(content)


_TAIL_TEXTS = {
    Defect.EDITED: (
        "the last line of the audit trail {} is not one that stigmer-ops wrote: it was changed, or "
        "this is another kind of file",
        "stigmer-ops audit verify; then move the file aside and keep it: a new trail begins",
    ),
    Defect.UNKNOWN_SCHEMA: (
        "the last line of the audit trail {} was written by a later version of stigmer-ops",
        "use that version here too, or set STIGMER_OPS_AUDIT_PATH to another file",
    ),
}


def _not_recorded(batch: list[Entry], happened: str, next_step: str) -> AuditError:
    closing = [entry for entry in batch if entry.outcome is not None]
    if not closing:
        return AuditError(happened, not_done="nothing was sent to Temporal", next_step=next_step)
    more = f" and {len(closing) - 1} more" if len(closing) > 1 else ""
    return OutcomeNotRecordedError(
        happened,
        not_done="the call to Temporal was made; how it ended was not recorded "
        f"(operation {closing[0].operation_id}{more})",
        next_step=f"{next_step}; the workflow's history shows whether the call had its effect",
    )


def _way_out(error: OSError, path: Path) -> str:
    elsewhere = "or set STIGMER_OPS_AUDIT_PATH to another file"
    if error.errno in _NO_SPACE:
        return f"df -h {path.parent}; free some space, {elsewhere}"
    if isinstance(error, TimeoutError):
        return f"fuser -v {path} shows which process it is"
    return f"ls -ld {path.parent} {path}; put it right, {elsewhere}"


def _outcome_of(error: BaseException) -> Outcome:
    if not isinstance(error, StigmerOpsError):
        return Outcome(result=Result.UNKNOWN, detail=type(error).__qualname__)
    certain = (result for kind, result in _RESULT_OF_ERROR if isinstance(error, kind))
    return Outcome(result=next(certain, Result.UNKNOWN), detail=error.happened)
