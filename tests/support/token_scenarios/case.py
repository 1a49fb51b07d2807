"""What a scenario is, and what several of them need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from temporalio.api.command.v1 import Command
from temporalio.api.command.v1 import RequestCancelActivityTaskCommandAttributes as CancelActivity
from temporalio.api.enums.v1 import CommandType
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeWorkflowExecutionRequest,
)
from temporalio.client import Client

from stigmer_ops.handshake.token import decode, encode, synthesise
from support.hand_worker import HandWorker

Scenario = Callable[[Client], Awaitable[bytes]]
"""Takes a client and returns the bytes that the token's holder has."""


@dataclass(frozen=True)
class Case:
    """A scenario, the verdict it leads to, and a part of the sentence that must be said."""

    verdict: str
    scenario: Scenario
    finding: str = ""

    @property
    def name(self) -> str:
        return f"{self.verdict}:{self.scenario.__name__}"


class Cases(list[Case]):
    """The scenarios of one module."""

    def leads_to(self, verdict: str, finding: str = "") -> Callable[[Scenario], Scenario]:
        def add(scenario: Scenario) -> Scenario:
            self.append(Case(verdict, scenario, finding))
            return scenario

        return add


def altered(token: bytes, **fields: Any) -> bytes:
    """The token with some of its fields changed."""
    return encode(replace(decode(token), **fields))


async def namespace_id(client: Client) -> str:
    answer = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )
    return answer.namespace_info.id


async def synthesised(worker: HandWorker, event: int = 5, attempt: int = 1) -> bytes:
    return synthesise(
        namespace_id=await namespace_id(worker.client),
        workflow_id=worker.workflow_id,
        run_id=worker.run_id,
        scheduled_event_id=event,
        attempt=attempt,
        activity_id="1",
    )


async def retried(client: Client, *, taken: bool) -> tuple[HandWorker, bytes, bytes]:
    """An activity whose first attempt failed; the second is taken by a worker, or in backoff."""
    worker = HandWorker(client, attempts=5, retry_after=0.01 if taken else 600)
    first = await worker.started()
    await worker.fail(first, retryable=True)
    return worker, first, await worker.take() if taken else b""


async def until_workflow_settles(worker: HandWorker, *, pending: int) -> None:
    """Wait until the run has so many pending activities."""
    request = DescribeWorkflowExecutionRequest(
        namespace=worker.namespace, execution=worker.execution
    )
    async with asyncio.timeout(15):
        while True:
            answer = await worker.call("describe_workflow_execution", request)
            if len(answer.pending_activities) == pending:
                return
            await asyncio.sleep(0.05)


async def cancel_requested(client: Client) -> tuple[HandWorker, bytes]:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.signal()
    await worker.decide(
        Command(
            command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
            request_cancel_activity_task_command_attributes=CancelActivity(scheduled_event_id=5),
        )
    )
    return worker, token
