"""The rate at which a task queue hands out activity tasks, as `temporal task-queue config` sets it.

The server keeps it until it is set again. Workflow tasks cannot be slowed down like this: server
1.32 answers "Setting rate limit on workflow task queues is not allowed."
"""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueConfig
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    UpdateTaskQueueConfigRequest,
)
from temporalio.service import RPCError

from stigmer_ops.temporal.frontend import Frontend

_ACTIVITIES = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


@dataclass(frozen=True, slots=True)
class QueueRate:
    """What is set for a queue.

    Attributes:
        rps: Tasks a second; None where nothing is set.
        reason: Why it was set, as whoever did said.
        identity: Who set it.
    """

    rps: float | None
    reason: str = ""
    identity: str = ""


async def queue_rate(frontend: Frontend, name: str) -> QueueRate:
    """What is set for the activity tasks of a queue.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    request = DescribeTaskQueueRequest(
        namespace=frontend.namespace,
        task_queue=TaskQueue(name=name),
        task_queue_type=_ACTIVITIES,
        report_config=True,
    )
    try:
        answer = await frontend.call(frontend.service.describe_task_queue, request)
    except RPCError as error:
        raise frontend.translate(error, f"read the configuration of task queue {name}") from error
    return _rate(answer.config)


async def set_queue_rate(
    frontend: Frontend, name: str, rps: float | None, *, reason: str, identity: str
) -> None:
    """Set it; None unsets it. Setting it again changes nothing.

    Raises:
        StigmerOpsError: The server refuses, is too old (before 1.29), or gave no answer.
    """
    update = UpdateTaskQueueConfigRequest.RateLimitUpdate(reason=reason)
    if rps is not None:
        update.rate_limit.requests_per_second = rps
        update.rate_limit.SetInParent()
    request = UpdateTaskQueueConfigRequest(
        namespace=frontend.namespace,
        identity=identity,
        task_queue=name,
        task_queue_type=_ACTIVITIES,
        update_queue_rate_limit=update,
    )
    try:
        await frontend.call(frontend.service.update_task_queue_config, request)
    except RPCError as error:
        raise frontend.translate(error, f"configure task queue {name}") from error


def _rate(config: TaskQueueConfig) -> QueueRate:
    limit = config.queue_rate_limit
    known = limit.HasField("rate_limit")
    return QueueRate(
        limit.rate_limit.requests_per_second if known else None,
        limit.metadata.reason,
        limit.metadata.update_identity,
    )
