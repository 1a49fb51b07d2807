"""The agent runner: the activities that do the agent's work."""

from __future__ import annotations

import asyncio
import time

from temporalio import activity
from temporalio.exceptions import ApplicationError

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.plan import Agent, Script
from stigmer_ops.sandbox.store import Execution, ExecutionStore
from stigmer_ops.stigmer.api.agentexecution_pb2 import AgentExecution, AgentExecutionStatus
from stigmer_ops.stigmer.api.workflowexecution_pb2 import WorkflowExecution

AGENT_ERROR = "the model refused the request: context window exceeded"
"""Why agents fail."""
CRASH_ERROR = "connection to the model provider was reset"
"""Why attempts of agents crash."""

_HEARTBEAT_SHARE = 0.3  # of the heartbeat timeout, between heartbeats


class Runner:
    """Activities of the agent runner and of the workflow runner.

    Args:
        store: Stigmer's executions, which the runner keeps up to date while it works. The real
            runner does so over an RPC that is not part of the subset.
    """

    def __init__(self, store: ExecutionStore) -> None:
        self._store = store

    @activity.defn(name=names.ENSURE_THREAD)
    async def ensure_thread(self, session_id: str, agent_id: str) -> str:
        """The conversation to continue, or a new one."""
        return f"thread-{session_id or agent_id}"

    @activity.defn(name=names.EXECUTE_AGENT)
    async def execute_agent(
        self, execution: AgentExecution, _thread_id: str
    ) -> AgentExecutionStatus:
        """Run the agent as its script says.

        Raises:
            ApplicationError: If the agent fails (not to be retried) or this attempt crashes.
        """
        await self._work(execution)
        return execution.status

    @activity.defn(name=names.CLEAN_UP)
    async def clean_up(self, _session_id: str) -> None:
        """Remove what the agent left behind; here there is nothing."""

    @activity.defn(name=names.EXECUTE_WORKFLOW)
    async def execute_workflow(self, execution: WorkflowExecution) -> None:
        """Run the tasks of a workflow execution as its script says.

        Raises:
            ApplicationError: As `execute_agent`.
        """
        await self._work(execution)

    @activity.defn(name=names.VALIDATE_WORKFLOW)
    async def validate_workflow(self, _definition: str) -> bool:
        """Check a workflow definition; it is always valid."""
        return True

    async def _work(self, execution: Execution) -> None:
        script = Script.of(execution.metadata.annotations)
        execution_id = execution.metadata.id
        self._store.start(execution_id)
        if script.agent is Agent.CRASHES:
            raise ApplicationError(CRASH_ERROR, type="ConnectionResetError")
        if script.agent is Agent.FALLS_SILENT:
            activity.raise_complete_async()
        await _busy_for(script.scale(script.runs_for).total_seconds())
        if script.agent is Agent.FAILS:
            self._store.finish(execution_id, "EXECUTION_FAILED", AGENT_ERROR)
            raise ApplicationError(AGENT_ERROR, type="AgentError", non_retryable=True)
        self._store.finish(execution_id, "EXECUTION_COMPLETED")


async def _busy_for(seconds: float) -> None:
    timeout = activity.info().heartbeat_timeout
    interval = timeout.total_seconds() * _HEARTBEAT_SHARE if timeout else seconds
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(left, interval))
        activity.heartbeat()
