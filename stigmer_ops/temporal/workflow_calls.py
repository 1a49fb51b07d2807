"""Starting, signalling, querying and reading workflows of our own that outlive the command.

Everything that they are given and that they answer goes through the namespace's data converter, so
that a codec server encrypts it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Memo, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import (
    EventType,
    HistoryEventFilterType,
    WorkflowExecutionStatus,
    WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
)
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest,
    QueryWorkflowRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import events_backwards

ValueT = TypeVar("ValueT")

LONG_POLL = timedelta(seconds=30)
"""Longer than the server holds a history long poll (20 s) before it answers with nothing."""


@dataclass(frozen=True, slots=True)
class NewWorkflow:
    """A workflow to be started.

    Attributes:
        type: Its type.
        id: Its id.
        task_queue: Whose workers run it.
        arguments: Its input.
        memo: What lists show of it without any worker.
        execution_timeout: After which the server ends it; None for never.
        again: Whether a closed workflow of the same id may be followed by this one.
    """

    type: str
    id: str
    task_queue: str
    arguments: Sequence[Any]
    memo: Mapping[str, Any]
    execution_timeout: timedelta | None = None
    again: bool = False


async def start_once(frontend: Frontend, new: NewWorkflow, *, identity: str) -> bool:
    """Start a workflow unless there is one of its id.

    Returns:
        Whether it was started: False where there is one.

    Raises:
        StigmerOpsError: It could not be started.
    """
    converter = frontend.data_converter
    memo = Memo()
    for name, value in new.memo.items():
        memo.fields[name].CopyFrom((await converter.encode([value]))[0])
    request = StartWorkflowExecutionRequest(
        namespace=frontend.namespace,
        workflow_id=new.id,
        workflow_type=WorkflowType(name=new.type),
        task_queue=TaskQueue(name=new.task_queue),
        input=Payloads(payloads=await converter.encode(new.arguments)),
        memo=memo,
        identity=identity,
        # It makes a second delivery of the same start harmless.
        request_id=str(uuid.uuid4()),
        workflow_id_reuse_policy=(
            WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
            if new.again
            else WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
        ),
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
        workflow_execution_timeout=_duration(new.execution_timeout),
    )
    try:
        await frontend.call(frontend.service.start_workflow_execution, request)
    except RPCError as error:
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            return False
        raise frontend.translate(error, f"start workflow {new.id}") from error
    return True


def _duration(span: timedelta | None) -> Duration | None:
    if span is None:
        return None
    duration = Duration()
    duration.FromTimedelta(span)
    return duration


async def signal(
    frontend: Frontend, workflow_id: str, name: str, *arguments: object, identity: str
) -> bool:
    """Signal the current run of a workflow; False where none is running.

    Raises:
        StigmerOpsError: It could not be delivered.
    """
    request = SignalWorkflowExecutionRequest(
        namespace=frontend.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        signal_name=name,
        input=Payloads(payloads=await frontend.data_converter.encode(arguments)),
        identity=identity,
        request_id=str(uuid.uuid4()),
    )
    try:
        await frontend.call(frontend.service.signal_workflow_execution, request)
    except RPCError as error:
        if _is_absent(error):
            return False
        raise frontend.translate(error, f"signal workflow {workflow_id}") from error
    return True


async def query(
    frontend: Frontend, workflow_id: str, name: str, kind: type[ValueT], *, patience: timedelta
) -> ValueT | None:
    """Ask the current run of a workflow; None where no worker answers within `patience`.

    Raises:
        StigmerOpsError: The server cannot be asked, or there is no such workflow.
    """
    request = QueryWorkflowRequest(
        namespace=frontend.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id),
        query=WorkflowQuery(query_type=name),
    )
    try:
        answer = await frontend.call(
            frontend.service.query_workflow, request, retry=False, deadline=patience
        )
    except RPCError as error:
        if error.status in _NO_WORKER:
            return None
        raise frontend.translate(error, f"query workflow {workflow_id}") from error
    return await _decoded(frontend, answer.query_result, kind)


_NO_WORKER = frozenset(
    {
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,  # the SDK's own timeout
        RPCStatusCode.FAILED_PRECONDITION,  # no worker has polled for minutes
        RPCStatusCode.RESOURCE_EXHAUSTED,  # earlier queries still wait for one
    }
)


def _is_absent(error: RPCError) -> bool:
    return error.status is RPCStatusCode.NOT_FOUND and "amespace" not in (error.message or "")


async def describe(frontend: Frontend, workflow_id: str) -> WorkflowExecutionInfo | None:
    """The newest run of a workflow; None where there is none.

    Raises:
        StigmerOpsError: The server cannot be asked.
    """
    answer = await _description(frontend, workflow_id)
    return None if answer is None else answer.workflow_execution_info


async def _description(
    frontend: Frontend, workflow_id: str
) -> DescribeWorkflowExecutionResponse | None:
    request = DescribeWorkflowExecutionRequest(
        namespace=frontend.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
    )
    try:
        return await frontend.call(frontend.service.describe_workflow_execution, request)
    except RPCError as error:
        if _is_absent(error):
            return None
        raise frontend.translate(error, f"describe workflow {workflow_id}") from error


def is_open(info: WorkflowExecutionInfo) -> bool:
    """Whether a workflow has not closed."""
    return info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING


async def input_of(frontend: Frontend, workflow_id: str, run_id: str, kind: type[ValueT]) -> ValueT:
    """The first argument that a run was started with.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    request = GetWorkflowExecutionHistoryRequest(
        namespace=frontend.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        maximum_page_size=1,
    )
    try:
        page = await frontend.call(frontend.service.get_workflow_execution_history, request)
    except RPCError as error:
        raise frontend.translate(error, f"read workflow {workflow_id}") from error
    started = page.history.events[0].workflow_execution_started_event_attributes
    first = Payloads(payloads=started.input.payloads[:1])
    return await _decoded(frontend, first, kind)


async def events(
    frontend: Frontend, workflow_id: str, run_id: str, *, page_size: int
) -> Sequence[HistoryEvent]:
    """The first `page_size` events of a run.

    Raises:
        RPCError: As answered.
    """
    page = await frontend.call(
        frontend.service.get_workflow_execution_history,
        GetWorkflowExecutionHistoryRequest(
            namespace=frontend.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=page_size,
        ),
    )
    return page.history.events


async def result_of(
    frontend: Frontend, workflow_id: str, kind: type[ValueT], *, wait: bool
) -> ValueT | None:
    """The result of a workflow; None while it is open, and where it ended without one.

    Args:
        frontend: Its namespace.
        workflow_id: Its id; its newest run is meant.
        kind: Type of the result.
        wait: Whether to wait for its end, for up to `LONG_POLL`.

    Raises:
        StigmerOpsError: It cannot be read, or there is no such workflow.
    """
    try:
        last = await (_close_event if wait else _last_event)(frontend, workflow_id)
    except RPCError as error:
        raise frontend.translate(error, f"read workflow {workflow_id}") from error
    if last is None or last.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
        return None
    completed = last.workflow_execution_completed_event_attributes
    return await _decoded(frontend, completed.result, kind)


async def _close_event(frontend: Frontend, workflow_id: str) -> HistoryEvent | None:
    """The event that closed a workflow; None where it did not close within the poll.

    Server 1.32 waits for it even where `wait_new_event` is not set.
    """
    request = GetWorkflowExecutionHistoryRequest(
        namespace=frontend.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id),
        history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
        wait_new_event=True,
        skip_archival=True,
    )
    page = await frontend.call(
        frontend.service.get_workflow_execution_history, request, deadline=LONG_POLL
    )
    return page.history.events[-1] if page.history.events else None


async def _last_event(frontend: Frontend, workflow_id: str) -> HistoryEvent | None:
    async for event in events_backwards(frontend, workflow_id, "", page_size=1):
        return event
    return None


async def heartbeat_of(frontend: Frontend, workflow_id: str) -> Any:  # noqa: ANN401 - any JSON
    """What the activity of a workflow said last of itself; None where it said nothing.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    answer = await _description(frontend, workflow_id)
    if answer is None:
        return None
    for activity in answer.pending_activities:
        if activity.heartbeat_details.payloads:
            return (await frontend.data_converter.decode(activity.heartbeat_details.payloads))[0]
    return None


async def memo_of(frontend: Frontend, info: WorkflowExecutionInfo, name: str) -> Any:  # noqa: ANN401 - any JSON
    """A value of a workflow's memo; None where it has none of this name.

    Raises:
        StigmerOpsError: The codec server cannot be reached.
    """
    if name not in info.memo.fields:
        return None
    return (await frontend.data_converter.decode([info.memo.fields[name]]))[0]


async def _decoded(frontend: Frontend, payloads: Payloads, kind: type[ValueT]) -> ValueT:
    value: ValueT = (await frontend.data_converter.decode(payloads.payloads, [kind]))[0]
    return value
