"""Real workers for tests of what the server knows of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    ListTaskQueuePartitionsRequest,
    PollActivityTaskQueueRequest,
)
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.service import RPCError
from temporalio.worker import Worker

from stigmer_ops.sandbox.server import runtime


class UserCode:
    """Activities by name, which count how often any of them ran."""

    def __init__(self) -> None:
        self.runs = 0
        self.release = asyncio.Event()

    def activity(self, name: str) -> Callable[..., Any]:
        @activity.defn(name=name)
        async def run() -> None:
            self.runs += 1

        return run

    def blocking(self, name: str) -> Callable[..., Any]:
        @activity.defn(name=name)
        async def run() -> None:
            self.runs += 1
            await self.release.wait()

        return run

    def dynamic(self) -> Callable[..., Any]:
        @activity.defn(dynamic=True)
        async def run(_arguments: Sequence[RawValue]) -> None:
            self.runs += 1

        return run


def new_queue() -> str:
    return f"queue-{uuid.uuid4().hex[:8]}"


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Wait for what only asking can tell."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - it is on another machine, so to say
            await asyncio.sleep(0.05)


async def _listed(client: Client, queue: str, identity: str) -> None:
    partitions = await client.workflow_service.list_task_queue_partitions(
        ListTaskQueuePartitionsRequest(namespace=client.namespace, task_queue=TaskQueue(name=queue))
    )
    requests = [
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=partition.key),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        for partition in partitions.activity_task_queue_partitions
    ]

    async def listed() -> bool:
        answers = await asyncio.gather(*map(client.workflow_service.describe_task_queue, requests))
        return identity in {poller.identity for answer in answers for poller in answer.pollers}

    await until(listed)


@asynccontextmanager
async def worker(
    client: Client, queue: str, identity: str, *types: str, **options: Any
) -> AsyncIterator[UserCode]:
    """A worker with activities of these types, whom the server lists as a poller.

    It has a connection of its own, as a process would: heartbeats carry the connection's identity,
    and one connection cannot serve two workers of a queue.
    """
    own = await Client.connect(
        client.service_client.config.target_host,
        namespace=client.namespace,
        data_converter=client.data_converter,
        identity=identity,
        runtime=runtime(),
    )
    code = options.pop("code", None) or UserCode()
    activities = [code.activity(name) for name in types]
    async with Worker(
        own,
        task_queue=queue,
        activities=[*activities, *options.pop("activities", ())],
        **options,
    ):
        await _listed(client, queue, identity)
        yield code


@asynccontextmanager
async def polling(client: Client, queue: str, identity: str) -> AsyncIterator[None]:
    """A poller that takes one task and never answers, as a process that hangs."""

    async def poll() -> None:
        request = PollActivityTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), identity=identity
        )
        with suppress(RPCError):
            await client.workflow_service.poll_activity_task_queue(
                request, retry=False, timeout=timedelta(seconds=30)
            )

    task = asyncio.create_task(poll())
    try:
        await _listed(client, queue, identity)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
