"""Whether anybody polls a queue on which something waits."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.service import RPCError

from stigmer_ops.handshake.execution import TaskQueueState
from stigmer_ops.temporal.describe import moment
from stigmer_ops.temporal.frontend import Frontend


async def task_queue_state(
    frontend: Frontend, name: str, now: datetime, stale_after: timedelta
) -> TaskQueueState:
    """How many live pollers a queue has; one not seen for `stale_after` does not count.

    Raises:
        StigmerOpsError: The queue could not be described.
    """
    activity = await _live_pollers(
        frontend, name, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, now - stale_after
    )
    workflow = await _live_pollers(
        frontend, name, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, now - stale_after
    )
    return TaskQueueState(name, activity_pollers=activity, workflow_pollers=workflow)


async def _live_pollers(
    frontend: Frontend, name: str, kind: TaskQueueType.ValueType, seen_since: datetime
) -> int:
    request = DescribeTaskQueueRequest(
        namespace=frontend.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
    )
    try:
        answer = await frontend.call(frontend.service.describe_task_queue, request)
    except RPCError as error:
        raise frontend.translate(error, f"describe task queue {name}") from error
    seen = [moment(poller, "last_access_time") for poller in answer.pollers]
    return sum(1 for time in seen if time is not None and time >= seen_since)
