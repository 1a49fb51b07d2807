"""The Stigmer workflows of the Go edition, and the local activity that records their failures."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.callback import callback_input
from stigmer_ops.sandbox.plan import CALLBACK_RETRY_INTERVAL, RUNNER_RETRY_INTERVAL, Agent, Script
from stigmer_ops.sandbox.scale import LATENCY_FLOOR
from stigmer_ops.sandbox.store import Execution, ExecutionStore
from stigmer_ops.stigmer.api.agentexecution_pb2 import AgentExecution
from stigmer_ops.stigmer.api.workflowexecution_pb2 import WorkflowExecution

RETRIED_AGENTS = frozenset({Agent.CRASHES, Agent.FALLS_SILENT})
"""Agents whose runner was set up to retry without limit, so that their trouble can be watched."""


class StatusUpdates:
    """The local activity with which the Go edition records a failure.

    Args:
        store: Stigmer's executions.
    """

    def __init__(self, store: ExecutionStore) -> None:
        self._store = store

    @activity.defn(name=names.UPDATE_STATUS)
    async def update_status(self, execution_id: str, error: str) -> None:
        """Mark the execution as failed."""
        self._store.finish(execution_id, "EXECUTION_FAILED", error)


@workflow.defn(name=names.AGENT_WORKFLOW)
class AgentExecutionWorkflow:
    """Runs an agent, then completes the external activity whose token the execution carries."""

    @workflow.run
    async def run(self, execution: AgentExecution) -> None:
        """Run the agent and call back, with the execution as the result.

        A failure of the callback fails the workflow if the agent had succeeded, and is passed over
        if it had failed, as in the Go edition.
        """
        script = Script.of(execution.metadata.annotations)
        token = execution.spec.callback_token or execution.status.callback_token
        try:
            await _run_agent(execution, script)
        except ActivityError as error:
            if not is_cancelled_exception(error):
                await _report_failure(execution.metadata.id, token, error, script)
            # A cancelled Go context runs no further activity, and the error is not a cancellation
            # either: the workflow closes as failed, without a callback.
            raise ApplicationError("Workflow execution failed", non_retryable=True) from error
        if token and script.calls_back:
            await _call_back(token, script, result=execution)


async def _report_failure(
    execution_id: str, token: bytes, error: ActivityError, script: Script
) -> None:
    await workflow.execute_local_activity(
        names.UPDATE_STATUS,
        args=[execution_id, str(error.cause or error)],
        schedule_to_close_timeout=script.scale(timedelta(seconds=30), floor=LATENCY_FLOOR),
        retry_policy=RetryPolicy(maximum_attempts=3),
    )
    if token:
        try:
            await _call_back(token, script, result=None)
        except ActivityError as refused:
            workflow.logger.debug("callback failed: %s", refused.cause)


async def _run_agent(execution: AgentExecution, script: Script) -> None:
    session = execution.spec.session_id
    thread = await _brief(names.ENSURE_THREAD, script, session, execution.spec.agent_id)
    await _agent_work(names.EXECUTE_AGENT, script, execution, thread)
    await _brief(names.CLEAN_UP, script, session)


async def _brief(name: str, script: Script, *arguments: str) -> str:
    result: str = await workflow.execute_activity(
        name,
        args=arguments,
        result_type=str,
        task_queue=script.runner_queue,
        start_to_close_timeout=script.brief_timeout,
        schedule_to_start_timeout=script.runner_wait,
        retry_policy=RetryPolicy(
            initial_interval=script.scale(RUNNER_RETRY_INTERVAL), maximum_attempts=3
        ),
    )
    return result


async def _agent_work(name: str, script: Script, execution: Execution, *arguments: str) -> None:
    await workflow.execute_activity(
        name,
        args=[execution, *arguments],
        task_queue=script.runner_queue,
        start_to_close_timeout=script.work_timeout,
        schedule_to_start_timeout=script.runner_wait,
        heartbeat_timeout=script.heartbeat_timeout,
        retry_policy=RetryPolicy(
            initial_interval=script.scale(RUNNER_RETRY_INTERVAL),
            maximum_attempts=0 if script.agent in RETRIED_AGENTS else 1,
        ),
    )


async def _call_back(token: bytes, script: Script, *, result: AgentExecution | None) -> None:
    await workflow.execute_activity(
        names.CALLBACK,
        callback_input(token, result=result, failed=result is None),
        start_to_close_timeout=script.callback_timeout,
        retry_policy=RetryPolicy(
            initial_interval=script.scale(CALLBACK_RETRY_INTERVAL),
            maximum_attempts=script.callback_attempts,
        ),
    )


@workflow.defn(name=names.WORKFLOW_WORKFLOW)
class WorkflowExecutionWorkflow:
    """Runs a workflow execution. It has no callback: the token that it was given is never used."""

    @workflow.run
    async def run(self, execution: WorkflowExecution) -> None:
        """Have the workflow runner do all the work."""
        script = Script.of(execution.metadata.annotations)
        await _agent_work(names.EXECUTE_WORKFLOW, script, execution)


@workflow.defn(name=names.VALIDATION_WORKFLOW)
class WorkflowValidationWorkflow:
    """Has the workflow runner check a workflow definition."""

    @workflow.run
    async def run(self, definition: str) -> bool:
        """Check."""
        valid: bool = await workflow.execute_activity(
            names.VALIDATE_WORKFLOW,
            definition,
            result_type=bool,
            task_queue=names.VALIDATION_RUNNER_QUEUE,
            start_to_close_timeout=LATENCY_FLOOR,
        )
        return valid
