"""Many workflows that wait for an external activity each, as cheaply as may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity, workflow
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import (
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
)
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from support.hand_worker import unique

with workflow.unsafe.imports_passed_through():
    from datetime import timedelta

    from stigmer_ops.handshake.plan import PlanRow
    from stigmer_ops.handshake.token import decode
    from stigmer_ops.handshake.verdicts import Action

TASK_QUEUE = "awaiting"
ACTIVITY_ID = "5"
DAY_SECONDS = 86_400.0


@workflow.defn(name="AwaitsAgent")
class AwaitsAgent:
    """Returns what its agent returns; a fragile one cannot digest a mapping."""

    @workflow.run
    async def run(
        self,
        fragile: bool = False,
        start_to_close: float = DAY_SECONDS,
        schedule_to_close: float = 0.0,
    ) -> Any:
        result: Any = await workflow.execute_activity(
            "CallAgentActivity",
            activity_id=ACTIVITY_ID,
            start_to_close_timeout=timedelta(seconds=start_to_close),
            schedule_to_close_timeout=timedelta(seconds=schedule_to_close)
            if schedule_to_close
            else None,
            retry_policy=RetryPolicy(
                maximum_attempts=3, initial_interval=timedelta(milliseconds=20)
            ),
        )
        if fragile and isinstance(result, dict):
            raise RuntimeError("a mapping is not what was expected")
        return result


class Awaiting:
    """The workflows, and the tokens of every attempt of their activities."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tokens: dict[tuple[str, int], bytes] = {}

    @activity.defn(name="CallAgentActivity")
    async def call_agent(self) -> None:
        info = activity.info()
        self.tokens[info.workflow_id or "", info.attempt] = info.task_token
        activity.raise_complete_async()

    async def start(
        self,
        names: Iterable[str],
        *,
        fragile: bool = False,
        start_to_close: float = DAY_SECONDS,
        schedule_to_close: float = 0.0,
    ) -> list[str]:
        """Start a workflow for each name, and wait until its activity has started.

        Timeouts are in seconds; 0 is none.
        """
        ids = list(names)
        await together(
            self.client.start_workflow(
                AwaitsAgent.run,
                args=[fragile, start_to_close, schedule_to_close],
                id=name,
                task_queue=TASK_QUEUE,
            )
            for name in ids
        )
        await self.reached((name, 1) for name in ids)
        return ids

    async def reached(self, attempts: Iterable[tuple[str, int]]) -> None:
        """Wait until each of these attempts has started."""
        wanted = set(attempts)
        async with asyncio.timeout(180):
            while not wanted <= self.tokens.keys():  # noqa: ASYNC110 - the activity fills it
                await asyncio.sleep(0.02)

    async def retry(self, name: str, attempt: int = 1) -> None:
        """Fail an attempt as its token's holder, so that the next one starts."""
        await self.fail(name, attempt)
        await self.reached([(name, attempt + 1)])

    async def fail(self, name: str, attempt: int = 1) -> None:
        await self.client.workflow_service.respond_activity_task_failed(
            RespondActivityTaskFailedRequest(
                namespace=self.client.namespace,
                task_token=self.tokens[name, attempt],
                identity="the agent",
                failure=Failure(
                    message="lost", application_failure_info=ApplicationFailureInfo(type="Lost")
                ),
            )
        )

    async def complete(self, name: str, attempt: int = 1) -> None:
        """Complete an attempt as its token's holder."""
        await self.client.workflow_service.respond_activity_task_completed(
            RespondActivityTaskCompletedRequest(
                namespace=self.client.namespace,
                task_token=self.tokens[name, attempt],
                identity="the agent",
            )
        )

    def row(self, name: str, action: Action = Action.COMPLETE, **fields: Any) -> PlanRow:
        """A row for the first attempt of a workflow's activity."""
        token = decode(self.tokens[name, 1])
        if action is Action.FAIL:
            fields = {"message": "given up", **fields}
        return PlanRow(
            **{
                "action": action,
                "workflow_id": name,
                "run_id": token.run_id,
                "activity_id": token.activity_id,
                "attempt": 1,
                "scheduled_event_id": token.scheduled_event_id,
                **fields,
            }
        )


async def together(work: Iterable[Coroutine[Any, Any, Any]], limit: int = 32) -> None:
    """Await all of `work`, some at a time."""
    gate = asyncio.Semaphore(limit)

    async def one(item: Coroutine[Any, Any, Any]) -> None:
        async with gate:
            await item

    await asyncio.gather(*(one(item) for item in work))


@asynccontextmanager
async def awaiting(client: Client) -> AsyncIterator[Awaiting]:
    """A worker for such workflows in the client's namespace."""
    population = Awaiting(client)
    async with Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[AwaitsAgent],
        activities=[population.call_agent],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield population


def names(count: int) -> list[str]:
    """Ids for so many workflows, which no other test has."""
    prefix = unique("order")
    return [f"{prefix}-{number}" for number in range(count)]
