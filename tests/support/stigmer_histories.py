"""Stigmer workflows that do what a test wants of them, step by step, on a real server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

with workflow.unsafe.imports_passed_through():
    from datetime import timedelta

    from stigmer_ops.sandbox import names
    from stigmer_ops.sandbox.callback import Callback, callback_input
    from stigmer_ops.stigmer.api.agentexecution_pb2 import AgentExecution

CALL_BACK = "call-back"
HANG = "hang"
"""A callback that its worker never ends."""
CONTINUE = "continue"
WAIT = "wait"
_STEPS = "steps"


@workflow.defn(name=names.AGENT_WORKFLOW)
class Stepwise:
    """Does the steps that its execution names, and ends."""

    @workflow.run
    async def run(self, execution: AgentExecution) -> None:
        steps = [step for step in execution.metadata.annotations[_STEPS].split(",") if step]
        while steps:
            step = steps.pop(0)
            if step == CONTINUE:
                execution.metadata.annotations[_STEPS] = ",".join(steps)
                workflow.continue_as_new(execution)
            await _do(step, execution)


async def _do(step: str, execution: AgentExecution) -> None:
    if step == WAIT:
        await workflow.wait_condition(lambda: False)
    given: dict[str, Any] = callback_input(execution.spec.callback_token, result=execution)
    try:
        await workflow.execute_activity(
            names.CALLBACK,
            {**given, "Hang": step == HANG},
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(
                maximum_attempts=3, initial_interval=timedelta(milliseconds=300)
            ),
        )
    except ActivityError:
        workflow.logger.debug("the callback gave up")


class _HangingCallback(Callback):
    @activity.defn(name=names.CALLBACK)
    async def complete_external_activity(self, given: Mapping[str, Any]) -> None:
        if given["Hang"]:
            activity.raise_complete_async()
        await super().complete_external_activity(given)


class StigmerHistories:
    """Starts such workflows on a queue of its own."""

    def __init__(self, client: Client, queue: str) -> None:
        self.client = client
        self.queue = queue

    async def start(self, *steps: str, token: bytes = b"") -> WorkflowHandle[Any, Any]:
        """Start a workflow that does these steps, whose execution has this token."""
        execution = AgentExecution()
        execution.metadata.id = f"aex-{uuid.uuid4().hex[:8]}"
        execution.metadata.annotations[_STEPS] = ",".join(steps)
        execution.spec.callback_token = token
        return await self.client.start_workflow(
            Stepwise.run,
            execution,
            id=f"{names.AGENT_WORKFLOW}/{execution.metadata.id}",
            task_queue=self.queue,
        )

    async def run(self, *steps: str, token: bytes = b"") -> WorkflowHandle[Any, Any]:
        """Start one, and wait until it has closed and can be listed as closed."""
        handle = await self.start(*steps, token=token)
        await handle.result()
        await self.listed_as_closed(1, handle.id)
        return handle

    async def listed_as_closed(self, runs: int, workflow_id: str = "") -> None:
        """Wait until the visibility store has so many closed runs, of one workflow or of all."""
        query = "CloseTime > '2000-01-01T00:00:00Z'"
        if workflow_id:
            query += f" AND WorkflowId = '{workflow_id}'"
        async with asyncio.timeout(60):
            while (await self.client.count_workflows(query)).count < runs:  # noqa: ASYNC110 - it is the server that changes
                await asyncio.sleep(0.05)


@asynccontextmanager
async def stigmer_histories(
    client: Client, external: Client | None = None
) -> AsyncIterator[StigmerHistories]:
    """A worker for such workflows in the client's namespace, whose callbacks go to `external`."""
    queue = f"stepwise-{uuid.uuid4().hex[:8]}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[Stepwise],
        activities=[_HangingCallback(external or client).complete_external_activity],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield StigmerHistories(client, queue)
