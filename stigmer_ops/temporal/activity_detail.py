"""One pending activity in full: its description, its history, and the workers of its queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from google.protobuf.message import Message
from temporalio.api.activity.v1 import ActivityExecutionInfo
from temporalio.api.common.v1 import RetryPolicy as RetryPolicyMessage
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.failure.v1 import Failure as FailureMessage
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.handshake.activity import Failure, PendingActivity
from stigmer_ops.handshake.activity_detail import ActivityDetail, Pause, RetryPolicy
from stigmer_ops.handshake.workers import ExpectedQueue, QueueWorkers
from stigmer_ops.temporal.attempt import LocatedAttempt
from stigmer_ops.temporal.describe import (
    WorkflowDescription,
    describe_standalone,
    describe_workflow,
    failure_of,
    moment,
    span,
    workflow_expiration,
)
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.scan import with_first_schedules
from stigmer_ops.temporal.task_queues import queue_workers


async def read_detail(
    frontend: Frontend, located: LocatedAttempt, *, now: datetime, stale_after: timedelta
) -> ActivityDetail:
    """Read the rest of what is known of an activity that was just found pending.

    Args:
        frontend: Whom to ask.
        located: The activity.
        now: For the pollers' states.
        stale_after: After how long without a poll a poller is stale.

    Raises:
        StigmerOpsError: The server could not be asked.
    """
    activity = located.activity
    try:
        detail = await _described(frontend, activity)
    except RPCError as error:
        raise frontend.translate(error, f"describe activity {activity.activity_id}") from error
    return replace(
        detail,
        scheduled_event_id=located.fence.scheduled_event_id,
        queue=await _queue(frontend, activity.task_queue, now, stale_after),
    )


async def describe_waiting(
    frontend: Frontend, workflow_id: str, run_id: str = ""
) -> WorkflowDescription | None:
    """One workflow with what waits in it; None if there is no such workflow or run.

    Raises:
        StigmerOpsError: The server could not be asked.
    """
    try:
        workflow = await describe_workflow(frontend, workflow_id, run_id)
        pending = await with_first_schedules(frontend, list(workflow.pending))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise frontend.translate(error, f"describe workflow {workflow_id}") from error
    return replace(workflow, pending=tuple(pending))


async def _described(frontend: Frontend, activity: PendingActivity) -> ActivityDetail:
    if activity.standalone:
        standalone = await describe_standalone(frontend, activity.activity_id, activity.run_id)
        return _detail(activity, standalone, standalone.retry_policy)
    answer = await frontend.call(
        frontend.service.describe_workflow_execution,
        DescribeWorkflowExecutionRequest(
            namespace=frontend.namespace,
            execution=WorkflowExecution(workflow_id=activity.workflow_id, run_id=activity.run_id),
        ),
    )
    for info in answer.pending_activities:
        if info.activity_id == activity.activity_id:
            detail = _detail(activity, info, info.activity_options.retry_policy)
            return replace(
                detail,
                pause=_pause(info) if info.paused else None,
                workflow_expiration_time=workflow_expiration(answer.workflow_extended_info),
            )
    # It ended in the meantime; what was read of it is still what it was.
    return ActivityDetail(activity)


def _detail(
    activity: PendingActivity,
    info: PendingActivityInfo | ActivityExecutionInfo,
    policy: RetryPolicyMessage,
) -> ActivityDetail:
    return ActivityDetail(
        activity,
        retry_policy=_retry_policy(policy),
        failures=tuple(_with_causes(info, "last_failure")),
        last_attempt_complete_time=moment(info, "last_attempt_complete_time"),
        next_attempt_time=moment(info, "next_attempt_schedule_time"),
    )


def _retry_policy(policy: RetryPolicyMessage) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=span(policy, "initial_interval"),
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=span(policy, "maximum_interval"),
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=tuple(policy.non_retryable_error_types),
    )


def _with_causes(message: Message, field: str) -> Iterator[Failure]:
    while message.HasField(field):
        failure: FailureMessage = getattr(message, field)
        yield failure_of(failure)
        message, field = failure, "cause"


def _pause(info: PendingActivityInfo) -> Pause:
    pause = info.pause_info
    by_rule = pause.HasField("rule")
    return Pause(
        time=moment(pause, "pause_time"),
        identity=pause.rule.rule_id if by_rule else pause.manual.identity,
        reason=pause.rule.reason if by_rule else pause.manual.reason,
    )


async def _queue(
    frontend: Frontend, name: str, now: datetime, stale_after: timedelta
) -> QueueWorkers | None:
    if not name:
        return None
    expected = ExpectedQueue(name, frontend.namespace)
    return (await queue_workers(frontend, [expected], time=now, stale_after=stale_after))[0]
