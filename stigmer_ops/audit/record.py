"""What an audit record says, as typed values.

There is no free-form mapping in here, so that no caller can put a task token or a payload into the
trail by accident: content appears as its `Fingerprint` only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

SCHEMA_VERSION = 1
"""Raised by one whenever a field is added, so that an older reader says that it cannot tell."""

GENESIS = "0" * 64
"""What the first record of a trail has in place of the digest of the line before it."""

DETAIL_LIMIT = 2_000
"""Characters of an outcome's detail that are kept: an outcome must always fit (see `line`)."""


class Phase(StrEnum):
    """When a record was written: before the call to Temporal, or after it."""

    INTENT = "intent"
    OUTCOME = "outcome"


class Result(StrEnum):
    """How an operation ended."""

    DONE = "done"
    """The server accepted it."""
    REFUSED = "refused"
    """Refused, by us or by the server's fence: the attempt was no longer the pending one."""
    FAILED = "failed"
    """The server answered, and the answer was an error: nothing was changed."""
    UNKNOWN = "unknown"
    """No answer came, or the program broke off: look at the workflow's history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Stands for content that is not recorded: a payload, or a message.

    Attributes:
        sha256: Hexadecimal digest of the content, 64 characters.
        size_bytes: Length of the content.
    """

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, content: bytes) -> Fingerprint:
        """Return the fingerprint of `content`."""
        return cls(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The attempt of an activity that is written to; a standalone activity has no workflow."""

    workflow_id: str | None = None
    run_id: str | None = None
    activity_id: str | None = None
    scheduled_event_id: int | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What was asked for, as far as it is not secret.

    Attributes:
        fenced: Whether the server was made to compare the attempt.
        token_fingerprint: Shortened SHA-256 of the task token that was used.
        result: Stands for the result that was delivered.
        failure_type: `ApplicationFailureInfo.type`.
        failure_message: Stands for the failure's message.
        retryable: Whether the failure lets the activity's retry policy run on.
        start_to_close_timeout: The new timeout, counted from the start of the attempt.
        schedule_to_close_timeout: The new timeout, counted from the first scheduling.
        schedule_to_start_timeout: The new timeout, counted from the scheduling of the attempt.
        heartbeat_timeout: The new timeout, counted from the last heartbeat.
        start_to_close_timeout_before: As it was, where it is changed: what to put back.
        schedule_to_close_timeout_before: Likewise.
        schedule_to_start_timeout_before: Likewise.
        heartbeat_timeout_before: Likewise.
        task_queue: The queue that was probed or configured.
        execution_id: The Stigmer execution whose result was delivered.
        plan_sha256: Digest of the plan that this operation is part of.
    """

    fenced: bool | None = None
    token_fingerprint: str | None = None
    result: Fingerprint | None = None
    failure_type: str | None = None
    failure_message: Fingerprint | None = None
    retryable: bool | None = None
    start_to_close_timeout: timedelta | None = None
    schedule_to_close_timeout: timedelta | None = None
    schedule_to_start_timeout: timedelta | None = None
    heartbeat_timeout: timedelta | None = None
    start_to_close_timeout_before: timedelta | None = None
    schedule_to_close_timeout_before: timedelta | None = None
    schedule_to_start_timeout_before: timedelta | None = None
    heartbeat_timeout_before: timedelta | None = None
    task_queue: str | None = None
    execution_id: str | None = None
    plan_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An operation that is about to be made.

    Attributes:
        command: The command as typed, without its values: `activity complete`.
        operator: Login name of the person.
        host: Where the command runs.
        identity: What the workflow's history keeps as the identity of the caller.
        reason: Why, in the operator's words, as a rule with a ticket.
        namespace: Temporal namespace.
        server_address: Temporal frontend, host:port.
        target: What is written to; None for an operation on more than one activity.
        parameters: What is asked for.
    """

    command: str
    operator: str
    host: str
    identity: str
    reason: str
    namespace: str
    server_address: str
    target: Target | None = None
    parameters: Parameters = field(default_factory=Parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an operation ended.

    Attributes:
        result: The verdict.
        detail: One sentence for a person, cut to `DETAIL_LIMIT` characters. No payload, no token.
        proof_event_id: The event of the workflow's history that shows the operation's effect.
    """

    result: Result
    detail: str = ""
    proof_event_id: int | None = None

    def __post_init__(self) -> None:
        if len(self.detail) > DETAIL_LIMIT:
            object.__setattr__(self, "detail", self.detail[: DETAIL_LIMIT - 1] + "…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a caller hands to the trail; the trail adds sequence, time and digests.

    Attributes:
        operation_id: Joins an outcome to its intent.
        intent: The operation.
        outcome: How it ended; None before the call.
    """

    operation_id: UUID
    intent: Intent
    outcome: Outcome | None = None

    @classmethod
    def opening(cls, intent: Intent) -> Entry:
        """Return the entry to append before the call, with a new operation id."""
        return cls(operation_id=uuid4(), intent=intent)

    def closing(self, outcome: Outcome) -> Entry:
        """Return the entry to append after the call."""
        return Entry(operation_id=self.operation_id, intent=self.intent, outcome=outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One line of the trail.

    Attributes:
        sequence: Position in the trail, from 1, without gaps.
        time: When the record was written; UTC aware.
        operation_id: Joins an outcome to its intent.
        intent: The operation; an outcome repeats it, so that each line can be read on its own.
        outcome: How the operation ended; None in an intent.
        torn: Stands for the remains of an interrupted write that lie between the previous record
            and this one; None when there are none.
        previous: SHA-256 of the previous record's line, without its newline; `GENESIS` at first.
    """

    sequence: int
    time: datetime
    operation_id: UUID
    intent: Intent
    outcome: Outcome | None = None
    torn: Fingerprint | None = None
    previous: str

    @property
    def phase(self) -> Phase:
        """Whether this was written before or after the call."""
        return Phase.INTENT if self.outcome is None else Phase.OUTCOME
