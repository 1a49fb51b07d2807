"""A workflow of our own, under an id that nobody else uses: started and removed."""

from __future__ import annotations

import uuid
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payloads, WorkflowExecution, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.temporal.frontend import Frontend

LONG_POLL = timedelta(seconds=30)
"""Longer than the server holds a history long poll (20 s) before it answers with nothing."""

_CANNOT_DELETE = frozenset(
    {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED}
)


async def start(
    frontend: Frontend,
    *,
    workflow_type: str,
    workflow_id: str,
    task_queue: str,
    run_timeout: timedelta,
    identity: str,
    arguments: Payloads | None = None,
) -> None:
    """Start a workflow.

    Its run timeout ends it even where nobody is left to remove it.

    Raises:
        StigmerOpsError: It could not be started.
    """
    request = StartWorkflowExecutionRequest(
        namespace=frontend.namespace,
        workflow_id=workflow_id,
        workflow_type=WorkflowType(name=workflow_type),
        task_queue=TaskQueue(name=task_queue),
        workflow_run_timeout=_duration(run_timeout),
        identity=identity,
        input=arguments,
        request_id=str(uuid.uuid4()),
    )
    try:
        # The request id makes a second delivery of the same start harmless.
        await frontend.call(frontend.service.start_workflow_execution, request)
    except RPCError as error:
        raise frontend.translate(error, "start a workflow") from error


async def remove(frontend: Frontend, workflow_id: str, *, reason: str, identity: str) -> bool:
    """Delete a workflow, open or closed; where that is not allowed, terminate it.

    An open one is gone within a second. One that has just closed stays for up to a minute after the
    server has answered: it deletes what has closed only once that is in visibility.

    Returns:
        Whether nothing is left of it: False where it stays, closed, until the retention is over.

    Raises:
        StigmerOpsError: It could be neither deleted nor terminated.
    """
    request = DeleteWorkflowExecutionRequest(
        namespace=frontend.namespace, workflow_execution=WorkflowExecution(workflow_id=workflow_id)
    )
    try:
        await frontend.call(frontend.service.delete_workflow_execution, request)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return True
        if error.status not in _CANNOT_DELETE:
            raise frontend.translate(error, f"delete workflow {workflow_id}") from error
        await terminate(frontend, workflow_id, reason=reason, identity=identity)
        return False
    return True


async def terminate(frontend: Frontend, workflow_id: str, *, reason: str, identity: str) -> None:
    """Terminate a workflow unless it has closed.

    Raises:
        StigmerOpsError: It could not be terminated.
    """
    request = TerminateWorkflowExecutionRequest(
        namespace=frontend.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        reason=reason,
        identity=identity,
    )
    try:
        await frontend.call(frontend.service.terminate_workflow_execution, request)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise frontend.translate(error, f"terminate workflow {workflow_id}") from error


def _duration(span: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(span)
    return duration
