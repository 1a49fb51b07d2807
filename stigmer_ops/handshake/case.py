"""One external activity with everything that was found about it, and what is concluded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.execution import ExecutionTrace, StigmerExecution, TaskQueueState
from stigmer_ops.handshake.verdicts import Action, Verdict


@dataclass(frozen=True, slots=True)
class Expectations:
    """What counts as normal; from the settings.

    Attributes:
        now: The time to which ages and deadlines refer.
        namespace_id: The UUID of the external activities' namespace.
        grace: An attempt that started less than this ago may not have reached Stigmer yet.
        near_deadline_share: Share of the timeout past which the deadline is near.
        longest_timeout: A start-to-close timeout beyond this is too long for anybody to be told.
        agent_run_timeout: Run timeout of the agent Stigmer workflow.
        callback_activity_type: The callback's activity type in the Go edition.
        unreadable_executions: How many Stigmer workflows could not be read: one of them may hold
            the token that no other does.
    """

    now: datetime
    namespace_id: str
    grace: timedelta = timedelta(minutes=1)
    near_deadline_share: float = 0.8
    longest_timeout: timedelta = timedelta(hours=24)
    agent_run_timeout: timedelta = timedelta(minutes=10)
    callback_activity_type: str = "stigmer/system/complete-external-activity"
    unreadable_executions: int = 0


class Relation(StrEnum):
    """How an execution's token relates to the attempt that is pending."""

    CURRENT_ATTEMPT = "current-attempt"
    OTHER_ATTEMPT = "other-attempt"
    DAMAGED = "damaged"
    OTHER_NAMESPACE = "other-namespace"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An execution that is, or may be, the one for which an activity waits.

    `certain` is False where a damaged token was matched by a part of it, or by time.
    """

    execution: StigmerExecution
    relation: Relation
    certain: bool = True
    trace: ExecutionTrace | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What was found about one external activity."""

    activity: PendingActivity
    candidates: tuple[Candidate, ...]
    expected: Expectations
    task_queues: Mapping[str, TaskQueueState] = field(default_factory=dict)

    def related(self, relation: Relation) -> tuple[Candidate, ...]:
        """The candidates of one relation."""
        return tuple(found for found in self.candidates if found.relation is relation)


class Confidence(StrEnum):
    """How sure a verdict is."""

    PROVED = "proved"
    """Histories or the server's own state show it."""
    LIKELY = "likely"
    """It follows from what was read, if nothing else is the matter."""
    POSSIBLE = "possible"
    """It fits what was read; something that matters could not be read."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact that a colleague can check, and where."""

    fact: str
    workflow_id: str = ""
    run_id: str = ""
    event_id: int = 0
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The one verdict on an activity.

    `also` are further verdicts that hold (the deadline is near, the settings are unsafe), which
    do not explain why it waits. `deliverable` is the one execution that has ended with an outcome
    which can be learnt and which nobody got. `queue` is the task queue on which a task waits.
    """

    activity: PendingActivity
    verdict: Verdict
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    also: tuple[Verdict, ...] = ()
    executions: tuple[StigmerExecution, ...] = ()
    deliverable: StigmerExecution | None = None
    queue: TaskQueueState | None = None

    @property
    def action(self) -> Action:
        """What a plan proposes: the verdict's action, but no failure where the truth is known."""
        if self.verdict.action is Action.FAIL and self.deliverable is not None:
            return Action.REDELIVER
        return self.verdict.action

    @property
    def scheduled_event_id(self) -> int:
        """The activity's scheduled event, where a whole token told it; 0 otherwise."""
        return next(
            (
                execution.claim.scheduled_event_id
                for execution in self.executions
                if execution.claim.key == self.activity.key
            ),
            0,
        )
