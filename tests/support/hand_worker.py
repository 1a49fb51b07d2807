"""A worker driven by hand, call by call, so that a test puts an activity in exactly one state."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import Command
from temporalio.api.command.v1 import ScheduleActivityTaskCommandAttributes as ScheduleActivity
from temporalio.api.common.v1 import ActivityType, RetryPolicy, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import CommandType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    RespondWorkflowTaskCompletedRequest,
    SignalWorkflowExecutionRequest,
    StartActivityExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

IDENTITY = "hand-worker"
ACTIVITY_TYPE = "CallAgentActivity"
WORKFLOW_TYPE = "OrderWorkflow"


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def seconds(number: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=number))
    return duration


@dataclass
class HandWorker:
    """Starts one workflow or standalone activity on a queue of its own and plays its worker.

    `retry_after` is the wait before a further attempt of its activities.
    """

    client: Client
    attempts: int = 1
    start_to_close: float = 600
    retry_after: float = 600
    workflow_type: str = WORKFLOW_TYPE
    workflow_id: str = field(default_factory=lambda: unique("order"))
    queue: str = field(default_factory=lambda: unique("queue"))
    run_id: str = ""
    token: bytes = field(default=b"", repr=False)

    @property
    def namespace(self) -> str:
        return self.client.namespace

    @property
    def execution(self) -> WorkflowExecution:
        return WorkflowExecution(workflow_id=self.workflow_id, run_id=self.run_id)

    @property
    def task_queue(self) -> TaskQueue:
        return TaskQueue(name=self.queue)

    async def call(self, method: str, request: Any) -> Any:
        return await getattr(self.client.workflow_service, method)(
            request, timeout=timedelta(seconds=15)
        )

    async def start_workflow(self, **options: Any) -> None:
        answer = await self.call(
            "start_workflow_execution",
            StartWorkflowExecutionRequest(
                namespace=self.namespace,
                workflow_id=self.workflow_id,
                workflow_type=WorkflowType(name=self.workflow_type),
                task_queue=self.task_queue,
                request_id=uuid.uuid4().hex,
                **options,
            ),
        )
        self.run_id = answer.run_id

    async def workflow_task(self) -> PollWorkflowTaskQueueResponse:
        task: PollWorkflowTaskQueueResponse = await self.call(
            "poll_workflow_task_queue",
            PollWorkflowTaskQueueRequest(
                namespace=self.namespace, task_queue=self.task_queue, identity=IDENTITY
            ),
        )
        assert task.task_token, "no workflow task came"
        return task

    async def decide(self, *commands: Command) -> None:
        task = await self.workflow_task()
        await self.call(
            "respond_workflow_task_completed",
            RespondWorkflowTaskCompletedRequest(task_token=task.task_token, commands=commands),
        )

    async def signal(self) -> None:
        """Make a further workflow task."""
        await self.call(
            "signal_workflow_execution",
            SignalWorkflowExecutionRequest(
                namespace=self.namespace, workflow_execution=self.execution, signal_name="again"
            ),
        )

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(
            maximum_attempts=self.attempts, initial_interval=seconds(self.retry_after)
        )

    async def schedule(self, activity_id: str = "1", **options: Any) -> None:
        await self.decide(
            Command(
                command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
                schedule_activity_task_command_attributes=ScheduleActivity(
                    activity_id=activity_id,
                    activity_type=ActivityType(name=ACTIVITY_TYPE),
                    task_queue=self.task_queue,
                    start_to_close_timeout=seconds(self.start_to_close),
                    retry_policy=self.retry_policy,
                    **options,
                ),
            )
        )

    async def take(self) -> bytes:
        """Take the activity's task, as a worker does that will return pending; its token."""
        task = await self.call(
            "poll_activity_task_queue",
            PollActivityTaskQueueRequest(
                namespace=self.namespace, task_queue=self.task_queue, identity=IDENTITY
            ),
        )
        assert task.task_token, "no activity task came"
        self.token = task.task_token
        return self.token

    async def started(self, **options: Any) -> bytes:
        """A workflow with one started activity; its token."""
        await self.start_workflow(**options)
        await self.schedule()
        return await self.take()

    async def start_standalone(self, activity_id: str) -> None:
        answer = await self.call(
            "start_activity_execution",
            StartActivityExecutionRequest(
                namespace=self.namespace,
                activity_id=activity_id,
                activity_type=ActivityType(name=ACTIVITY_TYPE),
                task_queue=self.task_queue,
                start_to_close_timeout=seconds(self.start_to_close),
                retry_policy=self.retry_policy,
                request_id=uuid.uuid4().hex,
                identity=IDENTITY,
            ),
        )
        self.run_id = answer.run_id

    async def started_standalone(self) -> bytes:
        """A started standalone activity; its token."""
        await self.start_standalone(unique("standalone"))
        return await self.take()

    async def complete(self, token: bytes, identity: str = IDENTITY) -> tuple[str, str]:
        """Use a token as its holder would; the answer's code name and message."""
        request = RespondActivityTaskCompletedRequest(
            namespace=self.namespace, task_token=token, identity=identity
        )
        try:
            await self.client.workflow_service.respond_activity_task_completed(
                request, retry=False, timeout=timedelta(seconds=15)
            )
        except RPCError as error:
            return error.status.name, error.message
        return "OK", ""

    async def complete_by_id(self, activity_id: str = "1", identity: str = IDENTITY) -> None:
        await self.call(
            "respond_activity_task_completed_by_id",
            RespondActivityTaskCompletedByIdRequest(
                namespace=self.namespace,
                workflow_id=self.workflow_id,
                run_id=self.run_id,
                activity_id=activity_id,
                identity=identity,
            ),
        )

    async def fail(self, token: bytes, *, retryable: bool, identity: str = IDENTITY) -> None:
        await self.call(
            "respond_activity_task_failed",
            RespondActivityTaskFailedRequest(
                namespace=self.namespace,
                task_token=token,
                identity=identity,
                failure=Failure(
                    message="the agent gave up",
                    application_failure_info=ApplicationFailureInfo(
                        type="AgentFailed", non_retryable=not retryable
                    ),
                ),
            ),
        )

    async def terminate(self, identity: str = IDENTITY) -> None:
        await self.call(
            "terminate_workflow_execution",
            TerminateWorkflowExecutionRequest(
                namespace=self.namespace,
                workflow_execution=self.execution,
                reason="maintenance",
                identity=identity,
            ),
        )
