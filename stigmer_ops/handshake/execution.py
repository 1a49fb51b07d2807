"""A Stigmer execution as Temporal shows it: its workflow, its token, its callback.

Names and limits are Stigmer's own: workflow types `stigmer/agent-execution/invoke` and
`stigmer/workflow-execution/invoke`, ids `{type}/{execution id}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stigmer_ops.handshake.activity import ActivityKey, Failure, PendingActivity


class ExecutionKind(StrEnum):
    """Which of Stigmer's two workflows runs the execution."""

    AGENT = "agent"
    WORKFLOW = "workflow"

    @property
    def workflow_type(self) -> str:
        """The Temporal workflow type."""
        return f"stigmer/{self.value}-execution/invoke"

    def workflow_id(self, execution_id: str) -> str:
        """The Temporal workflow id of an execution."""
        return f"{self.workflow_type}/{execution_id}"


KIND_BY_WORKFLOW_TYPE = {kind.workflow_type: kind for kind in ExecutionKind}


class Edition(StrEnum):
    """Which implementation of Stigmer ran the callback; they leave different histories."""

    GO = "go"
    JAVA = "java"


class TokenState(StrEnum):
    """What an execution's callback token is worth."""

    WHOLE = "whole"
    ABSENT = "absent"
    DOUBLE_ENCODED = "double-encoded"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    UNREADABLE = "unreadable"
    """The workflow's input could not be read, so that it is not known whether there is a token."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Which attempt of which activity an execution will complete, as far as its token tells.

    Of a damaged token some fields may be missing: they are then empty or zero, and `workflow_id`
    may be the beginning of the real one (`partial_workflow_id`).
    """

    state: TokenState
    detail: str = ""
    fingerprint: str = ""
    namespace_id: str = ""
    workflow_id: str = ""
    run_id: str = ""
    activity_id: str = ""
    scheduled_event_id: int = 0
    attempt: int = 0
    partial_workflow_id: str = ""

    @property
    def key(self) -> ActivityKey:
        """The activity that the token names."""
        return ActivityKey(self.workflow_id, self.run_id, self.activity_id)


@dataclass(frozen=True, slots=True)
class StigmerExecution:
    """One execution, from the visibility record and the first event of its workflow.

    `status` is the Temporal workflow status (RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED,
    CONTINUED_AS_NEW, TIMED_OUT). `runner_task_queue` comes from the memo and may be empty.
    """

    execution_id: str
    kind: ExecutionKind
    workflow_id: str
    run_id: str
    status: str
    task_queue: str
    claim: Claim
    start_time: datetime | None = None
    close_time: datetime | None = None
    runner_task_queue: str = ""
    run_timeout: timedelta | None = None

    @property
    def running(self) -> bool:
        """Whether the Stigmer workflow is open."""
        return self.status in ("RUNNING", "PAUSED")


class CallbackState(StrEnum):
    """How far the callback came."""

    NOT_ATTEMPTED = "not-attempted"
    UNDER_WAY = "under-way"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Callback:
    """The callback of one execution, as the Stigmer workflow's history tells it.

    `delivers_failure` says whether it was to fail the external activity rather than to complete
    it. `event_id` and `time` are of the event that ended it, or else scheduled it. `scheduled` is
    when it was first scheduled, by the server's clock; a Java callback's is by its worker's clock,
    and None where its marker does not tell.
    """

    state: CallbackState
    edition: Edition | None = None
    attempts: int = 0
    failure: Failure | None = None
    delivers_failure: bool = False
    event_id: int = 0
    time: datetime | None = None
    scheduled: datetime | None = None


@dataclass(frozen=True, slots=True)
class WorkflowClose:
    """How a workflow closed: the name of the closing event without its prefix, and the reason."""

    event_id: int
    time: datetime | None
    how: str
    reason: str = ""


ENDED_PHASES = frozenset({"EXECUTION_COMPLETED", "EXECUTION_FAILED", "EXECUTION_CANCELLED"})
"""Of `ExecutionPhase` in Stigmer's API, those that an execution does not leave."""


@dataclass(frozen=True, slots=True)
class ExecutionTrace:
    """What was read of a Stigmer workflow beyond its first event.

    `pending` are its pending activities if it is open. `workflow_task_waiting` says that a workflow
    task is scheduled that no worker has taken. `stigmer_phase` and `stigmer_error` come from the
    Stigmer service, where it was asked.
    """

    callback: Callback
    close: WorkflowClose | None = None
    pending: tuple[PendingActivity, ...] = ()
    workflow_task_waiting: bool = False
    stigmer_phase: str = ""
    stigmer_error: str = ""
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class TaskQueueState:
    """Whether anybody takes tasks from a queue of a namespace."""

    name: str
    activity_pollers: int
    workflow_pollers: int
    namespace: str = ""
