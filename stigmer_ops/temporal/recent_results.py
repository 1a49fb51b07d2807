"""What results of an activity type have looked like lately."""

from __future__ import annotations

from collections.abc import AsyncIterator

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.service import RPCError

from stigmer_ops.handshake.identity import is_ours
from stigmer_ops.handshake.shape import ResultShape
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import events_backwards
from stigmer_ops.temporal.results import shape_of
from stigmer_ops.temporal.visibility import all_of, is_any_of

WORKFLOWS_READ = 10
EVENTS_READ = 256
"""One page of history each: enough for the end of a workflow, and no more."""


async def recent_shapes(
    frontend: Frontend, workflow_type: str, activity_type: str, *, limit: int = 5
) -> list[ResultShape]:
    """The shapes of recent results of `activity_type` in workflows of `workflow_type`.

    Results that were delivered by this tool are passed over: they are what is to be compared.

    Args:
        frontend: Whom to ask.
        workflow_type: Type of the workflows to look into; the newest that completed are.
        activity_type: Type of the activity.
        limit: How many results at most, at most one a workflow.

    Raises:
        StigmerOpsError: They could not be read.
    """
    try:
        return [
            await shape_of(frontend, result)
            for run in await _recently_completed(frontend, workflow_type)
            async for result in _last_result(frontend, run, activity_type)
        ][:limit]
    except RPCError as error:
        raise frontend.translate(error, "read recent results") from error


async def _recently_completed(frontend: Frontend, workflow_type: str) -> list[WorkflowExecution]:
    answer = await frontend.call(
        frontend.service.list_workflow_executions,
        ListWorkflowExecutionsRequest(
            namespace=frontend.namespace,
            page_size=WORKFLOWS_READ,
            query=all_of(
                is_any_of("WorkflowType", [workflow_type]), "ExecutionStatus = 'Completed'"
            ),
        ),
    )
    return [run.execution for run in answer.executions if run.type.name == workflow_type]


async def _last_result(
    frontend: Frontend, run: WorkflowExecution, activity_type: str
) -> AsyncIterator[Payloads]:
    """The last result of `activity_type` near the end of a history, if there is one."""
    results: dict[int, Payloads] = {}
    seen = 0
    async for event in events_backwards(frontend, run.workflow_id, run.run_id):
        seen += 1
        if seen > EVENTS_READ:
            return
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            completed = event.activity_task_completed_event_attributes
            if not is_ours(completed.identity):
                results[completed.scheduled_event_id] = completed.result
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name == activity_type and event.event_id in results:
                yield results[event.event_id]
                return
