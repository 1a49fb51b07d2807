"""Many workflows that wait for an external activity, started as fast as the server takes them.

No worker takes part: the server hands the first workflow task to whoever starts the workflow, and
the activity's first task to whoever schedules it (eager start and eager activity dispatch), so that
a workflow waits after two calls. Who was handed the activity's task does nothing with it, as a
worker whose activity returned pending.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import Command, ScheduleActivityTaskCommandAttributes
from temporalio.api.common.v1 import ActivityType, WorkflowType
from temporalio.api.enums.v1 import CommandType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.client import Client

from stigmer_ops.errors import UnavailableError
from stigmer_ops.sandbox import names

CONCURRENCY = 64
WORKFLOW_TYPE = "ProcessOrder"
ACTIVITY_ID = "5"
_QUEUE = TaskQueue(name=names.ZIGFLOW_QUEUE)
_TIMEOUT = timedelta(seconds=30)


async def start_waiting(
    client: Client, count: int, *, start_to_close: timedelta = timedelta(hours=24)
) -> list[str]:
    """Start `count` workflows with one started external activity each.

    Args:
        client: Of the namespace.
        count: How many.
        start_to_close: The activities' timeout.

    Returns:
        The ids of the workflows.

    Raises:
        RPCError: As answered.
        UnavailableError: The server does not start workflows eagerly.
    """
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(number: int) -> str:
        async with gate:
            return await _start_one(client, f"order-{number:06}", start_to_close)

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def _start_one(client: Client, workflow_id: str, start_to_close: timedelta) -> str:
    timeout = Duration()
    timeout.FromTimedelta(start_to_close)
    schedule = ScheduleActivityTaskCommandAttributes(
        activity_id=ACTIVITY_ID,
        activity_type=ActivityType(name=names.CALL_AGENT),
        task_queue=_QUEUE,
        start_to_close_timeout=timeout,
        request_eager_execution=True,
    )
    await client.workflow_service.respond_workflow_task_completed(
        RespondWorkflowTaskCompletedRequest(
            namespace=client.namespace,
            task_token=await _first_task(client, workflow_id),
            identity=client.identity,
            commands=[
                Command(
                    command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
                    schedule_activity_task_command_attributes=schedule,
                )
            ],
        ),
        retry=True,
        timeout=_TIMEOUT,
    )
    return workflow_id


async def _first_task(client: Client, workflow_id: str) -> bytes:
    answer = await client.workflow_service.start_workflow_execution(
        StartWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_id=workflow_id,
            workflow_type=WorkflowType(name=WORKFLOW_TYPE),
            task_queue=_QUEUE,
            request_id=uuid.uuid4().hex,
            request_eager_execution=True,
            identity=client.identity,
        ),
        # Retrying calls go through the SDK's worker bookkeeping, which takes the wish for an eager
        # start back where the client has no worker (temporalio 1.35).
        retry=False,
        timeout=_TIMEOUT,
    )
    token: bytes = answer.eager_workflow_task.task_token
    if not token:
        raise UnavailableError(f"the server handed out no first task of workflow {workflow_id}")
    return token
