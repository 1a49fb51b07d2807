"""DescribeWorkflowExecution and DescribeActivityExecution, turned into the domain's terms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.activity.v1 import ActivityExecutionInfo, ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import (
    PendingActivityState,
    PendingWorkflowTaskState,
    WorkflowExecutionStatus,
)
from temporalio.api.failure.v1 import Failure as FailureProto
from temporalio.api.workflow.v1 import (
    PendingActivityInfo,
    WorkflowExecutionExtendedInfo,
    WorkflowExecutionInfo,
)
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
)

from stigmer_ops.handshake.activity import ActivityState, Failure, PendingActivity, Timeouts
from stigmer_ops.temporal.frontend import Frontend

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_STATUSES: dict[int, str] = {
    number: name.removeprefix("WORKFLOW_EXECUTION_STATUS_")
    for name, number in WorkflowExecutionStatus.items()
}
_OPEN = frozenset({"RUNNING", "PAUSED"})
_PAUSED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED


@dataclass(frozen=True, slots=True)
class WorkflowDescription:
    """A workflow run, and the activities that wait in it.

    `status` is the name of `temporal.api.enums.v1.WorkflowExecutionStatus` without its prefix
    (RUNNING, COMPLETED, TERMINATED, ...). `workflow_task_waiting` says that a workflow task is
    scheduled that no worker has taken. A closed workflow has no pending activities here, though
    the server goes on listing those that it left behind.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    status: str
    start_time: datetime | None
    close_time: datetime | None
    history_length: int
    workflow_task_waiting: bool
    pending: tuple[PendingActivity, ...]
    reset_run_id: str = ""
    """The newest run that was made by resetting this one; empty if it was not reset."""
    expiration_time: datetime | None = None
    """When the run itself times out, by its run timeout or execution timeout."""

    @property
    def running(self) -> bool:
        """Whether it is open."""
        return self.status in _OPEN


async def describe_workflow(
    frontend: Frontend, workflow_id: str, run_id: str = ""
) -> WorkflowDescription:
    """Describe one run; without a run id, the current one.

    Raises:
        RPCError: NOT_FOUND where there is no such workflow or run, and whatever else is answered.
    """
    answer = await frontend.call(
        frontend.service.describe_workflow_execution,
        DescribeWorkflowExecutionRequest(
            namespace=frontend.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        ),
    )
    return _workflow(frontend.namespace, answer)


def _workflow(namespace: str, answer: DescribeWorkflowExecutionResponse) -> WorkflowDescription:
    info = answer.workflow_execution_info
    status = _STATUSES.get(info.status, str(info.status))
    left_behind = status not in _OPEN
    expiration = workflow_expiration(answer.workflow_extended_info)
    return WorkflowDescription(
        workflow_id=info.execution.workflow_id,
        run_id=info.execution.run_id,
        workflow_type=info.type.name,
        status=status,
        start_time=moment(info, "start_time"),
        close_time=moment(info, "close_time"),
        history_length=info.history_length,
        workflow_task_waiting=answer.pending_workflow_task.state
        == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED,
        pending=()
        if left_behind
        else tuple(
            _pending(namespace, info, expiration, activity)
            for activity in answer.pending_activities
        ),
        reset_run_id=answer.workflow_extended_info.reset_run_id,
        expiration_time=expiration,
    )


def workflow_expiration(info: WorkflowExecutionExtendedInfo) -> datetime | None:
    """When a run ends by its run timeout or its execution timeout, and what waits in it too."""
    ends = (moment(info, "run_expiration_time"), moment(info, "execution_expiration_time"))
    return min((end for end in ends if end is not None), default=None)


def _pending(
    namespace: str,
    workflow: WorkflowExecutionInfo,
    expiration: datetime | None,
    info: PendingActivityInfo,
) -> PendingActivity:
    options = info.activity_options
    return PendingActivity(
        namespace=namespace,
        workflow_id=workflow.execution.workflow_id,
        run_id=workflow.execution.run_id,
        workflow_type=workflow.type.name,
        activity_id=info.activity_id,
        activity_type=info.activity_type.name,
        state=_state(info.state),
        attempt=info.attempt,
        task_queue=options.task_queue.name,
        scheduled_time=moment(info, "scheduled_time"),
        last_started_time=moment(info, "last_started_time"),
        last_heartbeat_time=moment(info, "last_heartbeat_time"),
        expiration_time=moment(info, "expiration_time"),
        timeouts=timeouts_of(options),
        maximum_attempts=_maximum_attempts(options),
        last_failure=failure_of(info.last_failure) if info.HasField("last_failure") else None,
        last_worker_identity=info.last_worker_identity,
        paused=info.paused,
        workflow_paused=workflow.status == _PAUSED,
        workflow_expiration_time=expiration,
    )


async def describe_standalone(
    frontend: Frontend, activity_id: str, run_id: str = ""
) -> ActivityExecutionInfo:
    """Describe one standalone activity; without a run id, the current one.

    Raises:
        RPCError: NOT_FOUND, UNIMPLEMENTED on servers without standalone activities, or any other.
    """
    answer = await frontend.call(
        frontend.service.describe_activity_execution,
        DescribeActivityExecutionRequest(
            namespace=frontend.namespace, activity_id=activity_id, run_id=run_id
        ),
    )
    return answer.info


def standalone_activity(namespace: str, info: ActivityExecutionInfo) -> PendingActivity:
    """A running standalone activity in the terms of a pending one; `workflow_id` is empty."""
    return PendingActivity(
        namespace=namespace,
        workflow_id="",
        run_id=info.run_id,
        activity_id=info.activity_id,
        activity_type=info.activity_type.name,
        state=_state(info.run_state),
        attempt=info.attempt,
        task_queue=info.task_queue,
        scheduled_time=moment(info, "schedule_time"),
        first_scheduled_time=moment(info, "schedule_time"),
        last_started_time=moment(info, "last_started_time"),
        last_heartbeat_time=moment(info, "last_heartbeat_time"),
        expiration_time=moment(info, "expiration_time"),
        timeouts=Timeouts(
            schedule_to_close=span(info, "schedule_to_close_timeout"),
            schedule_to_start=span(info, "schedule_to_start_timeout"),
            start_to_close=span(info, "start_to_close_timeout"),
            heartbeat=span(info, "heartbeat_timeout"),
        ),
        maximum_attempts=info.retry_policy.maximum_attempts,
        last_failure=failure_of(info.last_failure) if info.HasField("last_failure") else None,
        last_worker_identity=info.last_worker_identity,
        paused=_state(info.run_state) in (ActivityState.PAUSED, ActivityState.PAUSE_REQUESTED),
        standalone=True,
    )


async def pending_standalone(
    frontend: Frontend, activity_id: str, run_id: str = ""
) -> tuple[PendingActivity, ...]:
    """The standalone activity if it is running, in the terms of a pending one; else nothing.

    Raises:
        RPCError: As `describe_standalone`.
    """
    info = await describe_standalone(frontend, activity_id, run_id)
    closed = info.HasField("close_time")
    return () if closed else (standalone_activity(frontend.namespace, info),)


async def pending_activity(
    frontend: Frontend, workflow_id: str, run_id: str, activity_id: str
) -> PendingActivity | None:
    """An activity of that run by one call, if it is pending; standalone without a workflow.

    Raises:
        RPCError: As `describe_workflow` and `describe_standalone`.
    """
    if workflow_id:
        pending = (await describe_workflow(frontend, workflow_id, run_id)).pending
    else:
        pending = await pending_standalone(frontend, activity_id, run_id)
    return next((each for each in pending if each.activity_id == activity_id), None)


def timeouts_of(options: ActivityOptions) -> Timeouts:
    """The timeouts of `ActivityOptions`; zero means none."""
    return Timeouts(
        schedule_to_close=span(options, "schedule_to_close_timeout"),
        schedule_to_start=span(options, "schedule_to_start_timeout"),
        start_to_close=span(options, "start_to_close_timeout"),
        heartbeat=span(options, "heartbeat_timeout"),
    )


def _maximum_attempts(options: ActivityOptions) -> int:
    return options.retry_policy.maximum_attempts if options.HasField("retry_policy") else 1


_TOO_LONG = "Failure exceeds size limit."
"""Message of the server failure that wraps the beginning of a failure that is too long."""


def failure_of(failure: FailureProto) -> Failure:
    """The outermost failure's message, and its application type or its kind."""
    if failure.message == _TOO_LONG and failure.HasField("cause"):
        return replace(failure_of(failure.cause), truncated=True)
    kind = failure.WhichOneof("failure_info") or ""
    type_name = failure.application_failure_info.type or (
        "" if kind == "application_failure_info" else kind.removesuffix("_failure_info")
    )
    encoded = failure.HasField("encoded_attributes")
    return Failure(
        message=failure.message,
        type=type_name,
        encoded=failure.encoded_attributes.SerializeToString() if encoded else b"",
    )


_LAST_SECOND = 253_402_300_799
"""Of the year 9999, the last that a Timestamp and a datetime can have."""


def moment(message: Message, field: str) -> datetime | None:
    """A Timestamp field as UTC; None where it is not set, zero, or of no year."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    if not 0 < stamp.seconds <= _LAST_SECOND:
        return None
    return EPOCH + timedelta(0, stamp.seconds, stamp.nanos // 1000)


def span(message: Message, field: str) -> timedelta | None:
    """A Duration field; None where it is not set or zero."""
    if not message.HasField(field):
        return None
    duration: Duration = getattr(message, field)
    if not duration.seconds and not duration.nanos:
        return None
    return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1000)


_STATES: dict[int, ActivityState] = {
    number: ActivityState(name.removeprefix("PENDING_ACTIVITY_STATE_"))
    for name, number in PendingActivityState.items()
}


def _state(value: int) -> ActivityState:
    return _STATES.get(value, ActivityState.UNSPECIFIED)
