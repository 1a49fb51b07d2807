"""The tracker on a real server: timeouts, each told once, and what cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    UnpauseActivityRequest,
)
from temporalio.client import Client

from stigmer_ops.errors import DeniedError
from stigmer_ops.exporter.outcomes import EndedActivity
from stigmer_ops.exporter.pending.tracker import PendingTracker
from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.handshake.execution import Edition
from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.sandbox import Sandbox
from support.frontends import frontend_at
from support.gateway import gateway_to
from support.pending import hand_worker, listed, new_client, pause
from support.tracking import (
    Tracking,
    now,
    settings_of,
    started,
    tracked,
    tracking_of,
)


@pytest.fixture
async def tracking(sandbox: Sandbox) -> AsyncIterator[Tracking]:
    """A tracker that learns of changes by events only, in an empty namespace."""
    async with tracking_of(await new_client(sandbox)) as made:
        await made.tracker.sweep(now())
        yield made


# --- Timeouts ------------------------------------------------------------------------------------


async def test_an_activity_that_times_out_is_told_once(tracking: Tracking) -> None:
    worker = await started(tracking, start_to_close=2)
    tracking.tracker.linked(claim_of(worker.token), Edition.GO)

    await tracking.follow_until(lambda: tracking.of(worker) is None)

    (end,) = tracking.tracker.drain_ends()
    key = ActivityKey(worker.workflow_id, worker.run_id, "1")
    assert end == EndedActivity(key, "CallAgentActivity", worker.queue, "go", end.time)
    assert end.time is not None
    for _ in range(2):
        tracking.tracker.touch(worker.workflow_id, worker.run_id)
        await tracking.follow()
    await tracking.tracker.sweep(now())
    assert tracking.tracker.drain_ends() == []


async def test_a_timeout_is_told_although_its_workflow_closed_with_it(tracking: Tracking) -> None:
    worker = await started(tracking, start_to_close=2)
    await asyncio.sleep(3)
    await worker.terminate()
    await tracking.visible(worker.workflow_id, closed=True)

    assert await tracking.follow() == 0

    assert [end.key.run_id for end in tracking.tracker.drain_ends()] == [worker.run_id]


async def test_nothing_else_is_a_timeout(tracking: Tracking) -> None:
    """All of them disappear near or past a deadline, none because of it."""
    completed, closed, retried = [
        await started(tracking, start_to_close=20, attempts=attempts, retry_after=0.1)
        for attempts in (1, 1, 3)
    ]
    await completed.complete(completed.token)
    await closed.terminate()
    await retried.fail(retried.token, retryable=True)
    await retried.take()
    await retried.fail(retried.token, retryable=False)
    for worker in (completed, retried):
        tracking.tracker.touch(worker.workflow_id, worker.run_id)

    await tracking.follow_until(lambda: not tracking.tracker.tracked)

    assert tracking.frontend.calls["get_workflow_execution_history_reverse"] >= 3
    assert tracking.tracker.drain_ends() == []


async def test_an_attempt_that_times_out_and_is_retried_has_not_ended(tracking: Tracking) -> None:
    worker = await started(tracking, start_to_close=2, attempts=2, retry_after=0.1)
    await worker.take()

    def second() -> bool:
        found = tracking.of(worker)
        return found is not None and found.attempt == 2

    await tracking.follow_until(second)
    assert tracking.tracker.drain_ends() == []
    await tracking.follow_until(lambda: tracking.of(worker) is None)
    assert len(tracking.tracker.drain_ends()) == 1


async def test_a_standalone_activity_that_times_out_is_told_once(tracking: Tracking) -> None:
    worker = hand_worker(tracking.client, start_to_close=2)
    await worker.started_standalone()
    await tracking.follow_until(lambda: tracking.of(worker) is not None)

    await tracking.follow_until(lambda: tracking.of(worker) is None)

    (end,) = tracking.tracker.drain_ends()
    assert (end.key.workflow_id, end.key.run_id) == ("", worker.run_id)


async def test_a_timeout_that_waits_for_unpausing_is_told_when_it_strikes(
    tracking: Tracking,
) -> None:
    worker = await started(tracking, start_to_close=3)
    await pause(worker)
    tracking.tracker.touch(worker.workflow_id, worker.run_id)
    await tracking.follow()
    await asyncio.sleep(4)
    await tracking.follow()
    assert tracking.of(worker) is not None
    assert tracking.tracker.drain_ends() == []

    await worker.call(
        "unpause_activity",
        UnpauseActivityRequest(namespace=worker.namespace, execution=worker.execution, id="1"),
    )
    await tracking.follow_until(lambda: tracking.of(worker) is None)

    assert len(tracking.tracker.drain_ends()) == 1


# --- What cannot be read -------------------------------------------------------------------------


@asynccontextmanager
async def behind_gateway(
    sandbox: Sandbox, client: Client, refuse: Any, **pace: Any
) -> AsyncIterator[Tracking]:
    """A tracker whose calls `refuse` may refuse, by method and request."""

    async def intercept(method: str, request: bytes) -> grpc.StatusCode | None:
        answer: grpc.StatusCode | None = refuse(method.rpartition("/")[2], request)
        return answer

    async with gateway_to(sandbox.address, intercept=intercept) as gateway:
        frontend = await frontend_at(gateway.address, client.namespace, **pace)
        settings = settings_of()
        yield Tracking(client, frontend, settings, PendingTracker(frontend, settings))


async def test_an_unreadable_workflow_keeps_its_activities(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    ids = await start_waiting(client, 5)
    await listed(client, 5)
    refused: set[str] = set()

    def refuse(method: str, request: bytes) -> grpc.StatusCode | None:
        if method != "DescribeWorkflowExecution":
            return None
        described = DescribeWorkflowExecutionRequest.FromString(request)
        return (
            grpc.StatusCode.PERMISSION_DENIED
            if described.execution.workflow_id in refused
            else None
        )

    async with behind_gateway(sandbox, client, refuse) as tracking:
        refused.add(ids[0])
        await tracking.tracker.sweep(now())
        assert tracking.tracker.tracked == 4
        assert tracking.tracker.unreadable == {"workflow": 1, "history": 0}

        refused.clear()
        assert await tracking.follow() == 1
        assert tracking.tracker.tracked == 5
        assert tracking.tracker.unreadable == {"workflow": 0, "history": 0}

        refused.add(ids[1])
        await tracking.tracker.sweep(now())
        assert tracking.tracker.tracked == 5
        assert tracking.tracker.unreadable == {"workflow": 1, "history": 0}


async def test_an_unreadable_history_is_asked_for_again(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    worker = hand_worker(client, start_to_close=2)
    await worker.started()
    await listed(client, 1)
    broken = True

    def refuse(method: str, _request: bytes) -> grpc.StatusCode | None:
        lost = broken and method == "GetWorkflowExecutionHistoryReverse"
        return grpc.StatusCode.PERMISSION_DENIED if lost else None

    async with behind_gateway(sandbox, client, refuse) as tracking:
        await tracking.tracker.sweep(now())
        await tracking.follow_until(lambda: not tracking.tracker.tracked)
        assert tracking.tracker.unreadable == {"workflow": 0, "history": 1}
        assert tracking.tracker.drain_ends() == []

        broken = False
        await tracking.follow()
        assert tracking.tracker.unreadable == {"workflow": 0, "history": 0}
        assert len(tracking.tracker.drain_ends()) == 1


async def test_an_outage_changes_nothing_and_is_made_up_for(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    await start_waiting(client, 20)
    await listed(client, 20)
    down = False

    def refuse(method: str, _request: bytes) -> grpc.StatusCode | None:
        lost = down and method == "DescribeWorkflowExecution"
        return grpc.StatusCode.PERMISSION_DENIED if lost else None

    async with behind_gateway(sandbox, client, refuse, concurrency=4) as tracking:
        await tracking.tracker.sweep(now())
        before = tracked(tracking.tracker)
        fresh = [hand_worker(client) for _ in range(10)]
        await asyncio.gather(*(worker.started() for worker in fresh))
        await listed(client, 30)

        down = True
        with pytest.raises(DeniedError):
            await tracking.tracker.follow(now())
        assert tracked(tracking.tracker) == before
        with pytest.raises(DeniedError):
            await tracking.tracker.sweep(now())
        assert tracked(tracking.tracker) == before

        down = False
        await tracking.follow()
        assert tracking.tracker.tracked == 30
        assert await tracking.differences() == set()
