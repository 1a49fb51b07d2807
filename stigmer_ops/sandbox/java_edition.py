"""Stigmer's Java edition: a workflow worker written by hand against Temporal's service.

By hand, because of its markers: see `java_callback`. It keeps no state, since each workflow task
brings the whole history (it asks for no sticky queue).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self

from temporalio.api.command.v1 import (
    CancelWorkflowExecutionCommandAttributes,
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
)
from temporalio.api.common.v1 import ActivityType, Payloads, RetryPolicy
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.java_callback import JavaCallback
from stigmer_ops.sandbox.plan import Script
from stigmer_ops.sandbox.store import ExecutionStore
from stigmer_ops.stigmer.api.agentexecution_pb2 import AgentExecution

POLLERS = 4
STEPS = (names.ENSURE_THREAD, names.EXECUTE_AGENT, names.CLEAN_UP)
"""The runner's activities, in order."""

_POLL_TIMEOUT = timedelta(seconds=70)  # the server answers a poll without a task after a minute
_POLL_AGAIN_SECONDS = 0.2


class JavaEdition:
    """The Java edition's workflow worker; an async context manager that polls while it is open.

    Args:
        client: Client of the Stigmer workflows' namespace.
        callback_client: Client of the namespace in which the external activities wait.
        store: Stigmer's executions.
        queue: Task queue to poll.
    """

    def __init__(
        self, client: Client, callback_client: Client, store: ExecutionStore, queue: str
    ) -> None:
        self._client = client
        self._callback_client = callback_client
        self._store = store
        self._queue = queue
        self._pollers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Start to poll."""
        self._pollers = [asyncio.create_task(self._poll()) for _ in range(POLLERS)]
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop polling."""
        for poller in self._pollers:
            poller.cancel()
        await asyncio.gather(*self._pollers, return_exceptions=True)

    async def _poll(self) -> None:
        service = self._client.workflow_service
        while True:
            try:
                task = await service.poll_workflow_task_queue(
                    PollWorkflowTaskQueueRequest(
                        namespace=self._client.namespace,
                        task_queue=TaskQueue(name=self._queue),
                        identity=_IDENTITY,
                    ),
                    timeout=_POLL_TIMEOUT,
                )
                if task.task_token:
                    await service.respond_workflow_task_completed(
                        RespondWorkflowTaskCompletedRequest(
                            namespace=self._client.namespace,
                            task_token=task.task_token,
                            commands=await self._decide(task),
                            identity=_IDENTITY,
                            sdk_metadata=_SDK,
                        )
                    )
            except RPCError:  # the server restarts, or the workflow was closed meanwhile
                await asyncio.sleep(_POLL_AGAIN_SECONDS)

    async def _decide(self, task: PollWorkflowTaskQueueResponse) -> list[Command]:
        progress = _Progress.of(task.history.events)
        if progress.cancel_requested:
            return [_CANCEL]
        if progress.running:
            return []
        execution: AgentExecution
        [execution] = await self._client.data_converter.decode(
            progress.input.payloads, [AgentExecution]
        )
        script = Script.of(execution.metadata.annotations)
        if progress.failure is not None:
            return await self._failed(execution, script, progress.failure)
        if len(progress.results) < len(STEPS):
            return [await self._schedule(execution, script, progress)]
        return await self._succeeded(execution, script)

    async def _schedule(
        self, execution: AgentExecution, script: Script, progress: _Progress
    ) -> Command:
        step = STEPS[len(progress.results)]
        session = execution.spec.session_id
        if step == names.EXECUTE_AGENT:
            thread = progress.results[-1].payloads
            given = Payloads(payloads=[*progress.input.payloads, *thread])
        else:
            values = [session, execution.spec.agent_id][: 2 if step == STEPS[0] else 1]
            given = Payloads(payloads=await self._client.data_converter.encode(values))
        return _schedule(step, given, script)

    async def _succeeded(self, execution: AgentExecution, script: Script) -> list[Command]:
        token = execution.spec.callback_token or execution.status.callback_token
        if not token:
            return [_COMPLETE]
        callback = JavaCallback(self._callback_client, script.scale)
        marker, failure = await callback.complete(token, execution)
        return [marker, _COMPLETE if failure is None else _fail(failure)]

    async def _failed(
        self, execution: AgentExecution, script: Script, failure: Failure
    ) -> list[Command]:
        message = failure.cause.message or failure.message
        self._store.finish(execution.metadata.id, "EXECUTION_FAILED", message)
        token = execution.spec.callback_token or execution.status.callback_token
        ended = _fail(
            Failure(
                message="Agent execution failed",
                source="JavaSDK",
                application_failure_info=ApplicationFailureInfo(type="AgentExecutionFailed"),
                cause=failure,
            )
        )
        if not token:
            return [ended]
        callback = JavaCallback(self._callback_client, script.scale)
        marker, _refused = await callback.fail(token, message)
        return [marker, ended]


@dataclass
class _Progress:
    """What a history says about the steps so far."""

    input: Payloads = field(default_factory=Payloads)
    results: list[Payloads] = field(default_factory=list)
    running: bool = False
    failure: Failure | None = None
    cancel_requested: bool = False

    @classmethod
    def of(cls, events: Iterable[HistoryEvent]) -> _Progress:
        progress = cls()
        for event in events:
            progress._add(event)
        return progress

    def _add(self, event: HistoryEvent) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                self.input = event.workflow_execution_started_event_attributes.input
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                self.running = True
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                self.running = False
                self.results.append(event.activity_task_completed_event_attributes.result)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                self.running = False
                self.failure = event.activity_task_failed_event_attributes.failure
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                self.running = False
                self.failure = event.activity_task_timed_out_event_attributes.failure
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
                self.cancel_requested = True


_IDENTITY = "stigmer-service@sandbox"
_SDK = WorkflowTaskCompletedMetadata(sdk_name="temporal-java", sdk_version="1.32.0")
"""What the Java SDK says of itself; the history keeps it with the workflow task."""

_COMPLETE = Command(
    command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
    complete_workflow_execution_command_attributes=CompleteWorkflowExecutionCommandAttributes(),
)
_CANCEL = Command(
    command_type=CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
    cancel_workflow_execution_command_attributes=CancelWorkflowExecutionCommandAttributes(),
)


def _fail(failure: Failure) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        fail_workflow_execution_command_attributes=FailWorkflowExecutionCommandAttributes(
            failure=failure
        ),
    )


def _schedule(step: str, given: Payloads, script: Script) -> Command:
    work = step == names.EXECUTE_AGENT
    attributes = ScheduleActivityTaskCommandAttributes(
        activity_id=str(uuid.uuid4()),
        activity_type=ActivityType(name=step),
        task_queue=TaskQueue(name=script.runner_queue),
        input=given,
        retry_policy=RetryPolicy(maximum_attempts=1 if work else 3),
    )
    attributes.schedule_to_start_timeout.FromTimedelta(script.runner_wait)
    if work:
        attributes.start_to_close_timeout.FromTimedelta(script.work_timeout)
        attributes.heartbeat_timeout.FromTimedelta(script.heartbeat_timeout)
    else:
        attributes.start_to_close_timeout.FromTimedelta(script.brief_timeout)
    return Command(
        command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        schedule_activity_task_command_attributes=attributes,
    )
