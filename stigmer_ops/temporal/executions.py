"""Stigmer's workflows, each with the payload of its first event."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.temporal.describe import moment, span
from stigmer_ops.temporal.fan_out import fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import first_event
from stigmer_ops.temporal.visibility import all_of, is_any_of, list_workflows, not_before
from stigmer_ops.untrusted.json_text import json_value

RUNNER_QUEUE_MEMO = "activityTaskQueue"


@dataclass(frozen=True, slots=True)
class StartedWorkflow:
    """One workflow of Stigmer's, from its visibility record and its first event.

    `input` is the first argument after the codec, or None where `unreadable` says why not.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    status: str
    start_time: datetime | None
    close_time: datetime | None
    runner_task_queue: str
    run_timeout: timedelta | None = None
    input: Payload | None = field(default=None, repr=False)
    unreadable: str = ""


async def stigmer_workflows(
    frontend: Frontend, workflow_types: Iterable[str], *, started_since: datetime | None
) -> AsyncGenerator[StartedWorkflow, None]:
    """Every workflow of these types, running or closed, in the order in which they are read.

    A workflow that was deleted between the list and the read is left out; any other that cannot be
    read is told.

    Raises:
        StigmerOpsError: The list could not be read.
    """
    query = all_of(
        is_any_of("WorkflowType", workflow_types),
        None if started_since is None else not_before("StartTime", started_since),
    )

    async def read(info: WorkflowExecutionInfo) -> tuple[StartedWorkflow, ...]:
        return await _read(frontend, info)

    workflows = list_workflows(frontend, query)
    async for found in fan_out(workflows, read, concurrency=frontend.pace.concurrency):
        for workflow in found:
            yield workflow


async def _read(frontend: Frontend, info: WorkflowExecutionInfo) -> tuple[StartedWorkflow, ...]:
    payload: Payload | None = None
    run_timeout: timedelta | None = None
    unreadable = ""
    execution = info.execution
    try:
        event = await first_event(frontend, execution.workflow_id, execution.run_id)
        started = event.workflow_execution_started_event_attributes
        run_timeout = span(started, "workflow_run_timeout")
        payload, unreadable = await _first_argument(frontend, started.input.payloads)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return ()
        unreadable = error.message or error.status.name
    status = WorkflowExecutionStatus.Name(info.status)
    workflow = StartedWorkflow(
        workflow_id=execution.workflow_id,
        run_id=execution.run_id,
        workflow_type=info.type.name,
        task_queue=info.task_queue,
        status=status.removeprefix("WORKFLOW_EXECUTION_STATUS_"),
        start_time=moment(info, "start_time"),
        close_time=moment(info, "close_time"),
        runner_task_queue=await _runner_queue(frontend, info),
        run_timeout=run_timeout,
        input=payload,
        unreadable=unreadable,
    )
    return (workflow,)


async def _first_argument(
    frontend: Frontend, payloads: Iterable[Payload]
) -> tuple[Payload | None, str]:
    arguments = list(payloads)
    if not arguments:
        return None, "it has no input"
    try:
        return (await decoded(frontend, arguments[:1]))[0], ""
    except StigmerOpsError as error:
        return None, error.happened


async def decoded(frontend: Frontend, payloads: list[Payload]) -> list[Payload]:
    """Payloads after the codec, if there is one.

    Raises:
        StigmerOpsError: The codec server cannot be reached or refuses.
    """
    codec = frontend.data_converter.payload_codec
    return payloads if codec is None else await codec.decode(payloads)


async def _runner_queue(frontend: Frontend, info: WorkflowExecutionInfo) -> str:
    memo = info.memo.fields.get(RUNNER_QUEUE_MEMO)
    if memo is None:
        return ""
    try:
        name = json_value((await decoded(frontend, [memo]))[0].data)
    except (ValueError, StigmerOpsError):
        return (
            ""  # a hint that only spares a call: without it, the pending activity names its queue
        )
    return name if isinstance(name, str) else ""
