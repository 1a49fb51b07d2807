"""Stigmer's executions, read from their workflows."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import UsageError
from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.handshake.execution import (
    KIND_BY_WORKFLOW_TYPE,
    Claim,
    ExecutionKind,
    StigmerExecution,
    TokenState,
)
from stigmer_ops.stigmer.execution_input import UnreadableInputError, read_execution_input
from stigmer_ops.temporal.describe import describe_workflow
from stigmer_ops.temporal.executions import StartedWorkflow, stigmer_workflows
from stigmer_ops.temporal.frontend import Frontend


async def stigmer_executions(
    frontend: Frontend, *, started_since: datetime | None
) -> AsyncGenerator[StigmerExecution, None]:
    """Every execution whose workflow started since then; one that cannot be read says why.

    Raises:
        StigmerOpsError: The workflows could not be listed.
    """
    workflows = stigmer_workflows(frontend, KIND_BY_WORKFLOW_TYPE, started_since=started_since)
    async for workflow in workflows:
        yield _execution(workflow)


async def execution_named(frontend: Frontend, execution_id: str) -> StigmerExecution:
    """The execution of that id, of either kind; its token is not read.

    Raises:
        UsageError: Temporal has no workflow of it.
        StigmerOpsError: Temporal could not be asked.
    """
    for kind in ExecutionKind:
        try:
            found = await describe_workflow(frontend, kind.workflow_id(execution_id))
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                continue
            raise frontend.translate(error, f"find execution {execution_id}") from error
        return StigmerExecution(
            execution_id=execution_id,
            kind=kind,
            workflow_id=found.workflow_id,
            run_id=found.run_id,
            status=found.status,
            task_queue="",
            claim=Claim(TokenState.UNREADABLE, "not read"),
            start_time=found.start_time,
            close_time=found.close_time,
        )
    raise UsageError(
        f"namespace {frontend.namespace} has no workflow of execution {execution_id}",
        next_step="check the id; Temporal deletes closed workflows after the retention period",
    )


def _execution(workflow: StartedWorkflow) -> StigmerExecution:
    kind = KIND_BY_WORKFLOW_TYPE[workflow.workflow_type]
    named = workflow.workflow_id.removeprefix(f"{kind.workflow_type}/")
    execution_id, claim = _claim(workflow)
    return StigmerExecution(
        execution_id=execution_id or named,
        kind=kind,
        workflow_id=workflow.workflow_id,
        run_id=workflow.run_id,
        status=workflow.status,
        task_queue=workflow.task_queue,
        claim=claim,
        start_time=workflow.start_time,
        close_time=workflow.close_time,
        runner_task_queue=workflow.runner_task_queue,
        run_timeout=workflow.run_timeout,
    )


def _claim(workflow: StartedWorkflow) -> tuple[str, Claim]:
    if workflow.input is None:
        return "", Claim(TokenState.UNREADABLE, workflow.unreadable)
    try:
        found = read_execution_input(dict(workflow.input.metadata), workflow.input.data)
    except UnreadableInputError as error:
        return "", Claim(TokenState.UNREADABLE, str(error))
    return found.execution_id, claim_of(found.token)
