"""What a write to an activity will do, as one value: shown, confirmed, audited, then sent.

A dry run and a real run build the same plan; what follows it is all that differs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.extension import TimeoutChange
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.shape import ResultShape


class Fencing(StrEnum):
    """Who makes sure that the write reaches the attempt that was inspected, and no other."""

    SERVER = "server"
    """The server: the write carries a task token, whose attempt it compares."""
    REREAD = "reread"
    """We: the attempt is read again just before. The server has no fence for this call."""
    NONE = "none"
    """Nobody: by id, the server acts on whichever attempt is pending."""


@dataclass(frozen=True, slots=True)
class ResultContent:
    """The result to deliver.

    Attributes:
        text: The JSON text as given. Shown only on request.
        sha256: Of the bytes as given, so that `sha256sum FILE` can be compared.
        size_bytes: Of the bytes as given.
        encoded_bytes: Of the payloads as sent, after converter and codec: what the limit is for.
        shape: How it looks from outside.
        is_default: Whether it is the stock result, because none was given.
    """

    text: str = field(repr=False)
    sha256: str
    size_bytes: int
    encoded_bytes: int
    shape: ResultShape
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class FailureContent:
    """The failure to report.

    Attributes:
        message: In the operator's words. Shown only on request.
        type: `ApplicationFailureInfo.type`.
        retryable: Whether the activity's retry policy may start another attempt.
    """

    message: str = field(repr=False)
    type: str
    retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePlan:
    """One write to one activity.

    Attributes:
        server_address: Temporal frontend, host:port.
        namespace: Its name.
        activity: The activity as it was read.
        fence: The attempt that is meant.
        change: What is done to it.
        fencing: What keeps it from reaching another attempt.
        identity: What the history will keep as the caller.
        reason: Why, in the operator's words; empty only in a dry run.
        delivered_from: Whose outcome is delivered and where it was read, where the operator did
            not give the content.
    """

    server_address: str
    namespace: str
    activity: PendingActivity
    fence: AttemptFence
    change: ResultContent | FailureContent | TimeoutChange
    fencing: Fencing
    identity: str
    reason: str
    delivered_from: str = ""

    @property
    def verb(self) -> str:
        """The subcommand of `activity`: complete, fail, redeliver or extend."""
        if self.delivered_from:
            return "redeliver"
        match self.change:
            case ResultContent():
                return "complete"
            case FailureContent():
                return "fail"
            case TimeoutChange():
                return "extend"

    @property
    def effect(self) -> str:
        """What the server will do, in one sentence."""
        match self.change:
            case ResultContent():
                return self._completion()
            case FailureContent(retryable=retryable):
                return self._retry() if retryable else self._failure()
            case TimeoutChange():
                return "the attempt gets more time; its task token stays valid"

    def _completion(self) -> str:
        if self.activity.state.token_is_live:
            return f"attempt {self.fence.attempt} completes and its waiter gets the result"
        return (
            "no worker ever takes this attempt: the server writes a started event in our name, "
            "completes the activity and its waiter gets the result"
        )

    def _failure(self) -> str:
        return "the activity fails for good, without another attempt; its waiter gets the failure"

    def _retry(self) -> str:
        maximum = self.activity.maximum_attempts
        if maximum and self.fence.attempt >= maximum:
            return f"the activity fails for good: attempt {self.fence.attempt} of {maximum} is over"
        return (
            f"attempt {self.fence.attempt + 1} is scheduled by the retry policy: the external work "
            "starts AGAIN, and all tokens of this attempt are void"
        )


class Aftermath(StrEnum):
    """What the workflow made of the write, as far as it showed in a moment."""

    RESUMED = "resumed"
    """A workflow task completed after it, or the workflow closed."""
    TASK_FAILED = "task-failed"
    """The workflow task after it failed: the workflow cannot digest the result, perhaps."""
    WAITING = "waiting"
    """No worker has taken the workflow up yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was read back after a write, and shows that it took effect.

    Attributes:
        outcome: COMPLETED or FAILED, as the history says; RETRYING after a retryable failure;
            EXTENDED.
        event_id: The history event; None where none is written: retries, extensions, standalone
            activities, and events that the server holds back until a workflow task is done.
        time: Of the event, or of the close.
        identity: As the event keeps it.
        attempt: The attempt that is current now; None where the activity is closed.
        answer_lost: Whether the server's own answer never came, so that this is all we know.
        change: The timeouts as read back, after an extension.
        aftermath: What the workflow did next; None where that was not looked at.
        aftermath_detail: The event that shows it, or the failure's message.
    """

    outcome: str
    event_id: int | None = None
    time: datetime | None = None
    identity: str = ""
    attempt: int | None = None
    answer_lost: bool = False
    change: TimeoutChange | None = None
    aftermath: Aftermath | None = None
    aftermath_detail: str = ""


def exit_reason(plan: WritePlan, proof: Proof | None) -> str:
    """Why the command ends as it does: dry-run, done, or what is not as it was meant."""
    if proof is None:
        return "dry-run"
    if proof.aftermath is Aftermath.TASK_FAILED:
        return "workflow-task-failed"
    if proof.change is not None:
        assert isinstance(plan.change, TimeoutChange)
        return "clamped" if proof.change.deadline < plan.change.deadline else "done"
    if proof.outcome not in expected_outcomes(plan):
        return "other-outcome"
    return "done-without-event" if proof.outcome == "ACCEPTED" else "done"


def expected_outcomes(plan: WritePlan) -> frozenset[str]:
    """What `Proof.outcome` may be where the write did what it was for."""
    match plan.change:
        case ResultContent():
            return frozenset({"COMPLETED", "ACCEPTED"})
        case FailureContent(retryable=True):
            return frozenset({"RETRYING", "FAILED", "ACCEPTED"})
        case FailureContent():
            return frozenset({"FAILED", "ACCEPTED"})
        case TimeoutChange():
            return frozenset({"EXTENDED"})
