"""Scans on servers that refuse, throttle, restart or are gone: what can be read is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from temporalio.client import Client
from temporalio.service import RetryConfig

from stigmer_ops.errors import DeniedError, UnavailableError
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.scan_report import ScanReport
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.server import TemporalServer
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.scan import scan
from support.frontends import frontend_at, frontend_of
from support.gateway import gateway_to
from support.hand_worker import HandWorker
from support.pending import (
    listed,
    new_client,
)
from support.scans import everything


async def started(client: Client, count: int) -> list[HandWorker]:
    # One queue for all: which of them takes whose task makes no difference, and it is faster.
    workers = [HandWorker(client, queue="shared") for _ in range(count)]
    await asyncio.gather(*(worker.started() for worker in workers))
    await listed(client, count)
    return workers


async def test_workflow_that_cannot_be_read_is_told_and_the_rest_is_found(
    sandbox: Sandbox,
) -> None:
    client = await new_client(sandbox)
    workers = await started(client, 3)
    broken = workers[0].workflow_id.encode()

    async def intercept(method: str, request: bytes) -> grpc.StatusCode | None:
        refused = method == "DescribeWorkflowExecution" and broken in request
        return grpc.StatusCode.PERMISSION_DENIED if refused else None

    report = ScanReport()
    async with gateway_to(sandbox.address, intercept=intercept) as gateway:
        frontend = await frontend_at(gateway.address, client.namespace)
        found, unread = await everything(frontend, Selection(), report)

    assert {item.workflow_id for item in found} == {worker.workflow_id for worker in workers[1:]}
    assert [(item.workflow_id, item.run_id) for item in unread] == [
        (workers[0].workflow_id, workers[0].run_id)
    ]
    assert "PERMISSION_DENIED" in unread[0].reason
    assert report.unreadable == 1
    assert not report.complete


async def test_scan_gives_up_when_every_read_fails(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    await started(client, 12)
    described = 0

    async def intercept(method: str, _request: bytes) -> grpc.StatusCode | None:
        nonlocal described
        described += method == "DescribeWorkflowExecution"
        return grpc.StatusCode.PERMISSION_DENIED if method.startswith("DescribeW") else None

    async with gateway_to(sandbox.address, intercept=intercept) as gateway:
        frontend = await frontend_at(gateway.address, client.namespace, concurrency=2)
        with pytest.raises(DeniedError, match="go on reading"):
            await everything(frontend, Selection())

    assert 8 <= described < 12


async def test_workflow_that_ends_between_list_and_description_is_passed_over(
    sandbox: Sandbox,
) -> None:
    client = await new_client(sandbox)
    workers = await started(client, 2)
    ending = workers[0]

    async def intercept(method: str, request: bytes) -> grpc.StatusCode | None:
        if method == "DescribeWorkflowExecution" and ending.workflow_id.encode() in request:
            await ending.terminate()
        return None

    report = ScanReport()
    async with gateway_to(sandbox.address, intercept=intercept) as gateway:
        frontend = await frontend_at(gateway.address, client.namespace)
        found, unread = await everything(frontend, Selection(), report)

    assert [item.workflow_id for item in found] == [workers[1].workflow_id]
    assert not unread
    assert report.gone == 1


@pytest.mark.parametrize(
    "status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED], ids=str
)
async def test_transient_errors_are_retried(sandbox: Sandbox, status: grpc.StatusCode) -> None:
    client = await new_client(sandbox)
    await started(client, 5)
    failing = {"DescribeWorkflowExecution": 3, "ListWorkflowExecutions": 1}

    async def intercept(method: str, _request: bytes) -> grpc.StatusCode | None:
        if failing.get(method, 0):
            failing[method] -= 1
            return status
        return None

    async with gateway_to(sandbox.address, intercept=intercept) as gateway:
        frontend = await frontend_at(gateway.address, client.namespace)
        found, unread = await everything(frontend, Selection())

    assert len(found) == 5
    assert not unread
    assert failing == {"DescribeWorkflowExecution": 0, "ListWorkflowExecutions": 0}


async def test_concurrency_and_rate_are_bounded(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    await started(client, 20)
    under_way, most = 0, 0

    async def intercept(method: str, _request: bytes) -> grpc.StatusCode | None:
        nonlocal under_way, most
        if method == "DescribeWorkflowExecution":
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.01)
            under_way -= 1
        return None

    async with gateway_to(sandbox.address, intercept=intercept) as gateway:
        frontend = await frontend_at(gateway.address, client.namespace, concurrency=3, rps=10)
        began = asyncio.get_running_loop().time()
        found, _ = await everything(frontend, Selection())
        took = asyncio.get_running_loop().time() - began

    assert len(found) == 20
    assert most == 3
    # 23 calls at 10 a second, of which the first 10 may come at once.
    assert took > 1.2


async def test_leaving_a_scan_early_stops_its_calls(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    await started(client, 30)
    frontend = await frontend_of(client, concurrency=2)

    async with aclosing(scan(frontend, Selection(), now=datetime.now(UTC))) as items:
        async for _ in items:
            break
    made = frontend.calls.total()
    await asyncio.sleep(0.2)

    assert frontend.calls.total() == made < 30


@pytest.fixture
async def lasting_server(tmp_path: Path) -> AsyncIterator[TemporalServer]:
    async with TemporalServer(db_filename=tmp_path / "temporal.db") as server:
        yield server


async def test_scan_survives_a_restart_of_the_server(lasting_server: TemporalServer) -> None:
    client = await Client.connect(lasting_server.address)
    workflow_ids = await start_waiting(client, 12)
    await listed(client, 12)
    frontend = await frontend_of(client, concurrency=2)
    found: list[str] = []

    async with aclosing(scan(frontend, Selection(), now=datetime.now(UTC))) as items:
        async for item in items:
            assert isinstance(item, PendingActivity)
            found.append(item.workflow_id)
            if len(found) == 3:
                await lasting_server.stop()
                await lasting_server.start()

    assert sorted(found) == workflow_ids


async def test_server_that_is_gone_for_good_is_unavailable(sandbox: Sandbox) -> None:
    impatient = RetryConfig(max_retries=2)
    async with gateway_to(sandbox.address) as gateway:
        client = await Client.connect(gateway.address, retry_config=impatient)
        frontend = Frontend(client, Pace())
        await frontend.describe_namespace()
    with pytest.raises(UnavailableError, match="cannot list workflows"):
        await everything(frontend, Selection())
