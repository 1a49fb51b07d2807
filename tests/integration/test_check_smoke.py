"""A canary on a real server: it comes through, says where it stopped, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from stigmer_ops.audit import AuditTrail, Intent, Result, read_operations
from stigmer_ops.errors import StigmerOpsError, UnavailableError
from stigmer_ops.procedures.smoke import (
    SmokeSystems,
    audited_smoke,
    run_smoke,
    task_queue_name,
)
from stigmer_ops.procedures.smoke_report import SmokePlan, SmokeReport, StigmerRequest
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import Stigmer
from stigmer_ops.stigmer.service import stigmer_service
from stigmer_ops.temporal.connection import ConnectionOptions, connect, resolve
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.gateway import gateway_to

IDENTITY = "stigmer-ops:test@here"
SECOND = timedelta(seconds=1)


def plan(*, rounds: int = 3, timeout: timedelta = 20 * SECOND, stigmer: bool = False) -> SmokePlan:
    return SmokePlan(rounds, timeout, 20 * SECOND, StigmerRequest() if stigmer else None)


@asynccontextmanager
async def systems(sandbox: Sandbox, address: str = "") -> AsyncIterator[SmokeSystems]:
    """Whom a canary goes through; another address for the external side, if given."""

    async def frontend(namespace: str, address: str) -> Frontend:
        return await connect(
            resolve(ConnectionOptions(address=address, namespace=namespace), {}), pace=Pace()
        )

    async with stigmer_service(Stigmer(address=sandbox.stigmer_address)) as service:
        yield SmokeSystems(
            await frontend(sandbox.namespace, address or sandbox.address),
            await frontend(sandbox.stigmer_namespace, sandbox.address),
            service,
            IDENTITY,
        )


async def canaries_left(sandbox: Sandbox) -> list[str]:
    """Canary workflows that are still there a moment later."""
    left: list[str] = []
    for _ in range(50):
        query = "WorkflowType = 'stigmer-ops/canary'"
        left = [found.id async for found in sandbox.client.list_workflows(query)]
        if not left:
            break
        await asyncio.sleep(0.1)
    return left


async def test_canary_comes_through_and_is_removed(isolated_sandbox: Sandbox) -> None:
    report = SmokeReport(plan(rounds=4), task_queue_name())
    async with systems(isolated_sandbox) as those:
        await run_smoke(those, report)
    assert report.passed
    assert (report.completed, len(report.rounds), report.left) == (4, 4, [])
    for one in report.rounds:
        assert timedelta(0) < one.dispatch < SECOND
        assert timedelta(0) < one.call < SECOND
        assert timedelta(0) < one.resume < SECOND
        assert one.agent == timedelta(0)
    assert await canaries_left(isolated_sandbox) == []


async def test_stigmer_calls_back(two_namespaces_sandbox: Sandbox) -> None:
    report = SmokeReport(plan(rounds=1, stigmer=True), task_queue_name())
    async with systems(two_namespaces_sandbox) as those:
        await run_smoke(those, report)
    assert report.passed
    (one,) = report.rounds
    assert timedelta(seconds=0.5) < one.agent < 10 * SECOND
    assert report.execution_id.startswith("aex_")
    assert report.left == []
    assert await canaries_left(two_namespaces_sandbox) == []
    handle = two_namespaces_sandbox.stigmer_client.get_workflow_handle(
        f"stigmer/agent-execution/invoke/{report.execution_id}"
    )
    await handle.result()  # Stigmer's own workflow is left to end by itself


async def test_stigmer_that_does_not_call_back_is_told_and_its_workflow_ended(
    isolated_sandbox: Sandbox,
) -> None:
    await isolated_sandbox.stop_worker("stigmer")
    report = SmokeReport(plan(rounds=1, timeout=2 * SECOND, stigmer=True), task_queue_name())
    async with systems(isolated_sandbox) as those:
        await run_smoke(those, report)
    assert not report.passed
    assert "did not call back" in report.stopped
    assert await canaries_left(isolated_sandbox) == []
    handle = isolated_sandbox.stigmer_client.get_workflow_handle(
        f"stigmer/agent-execution/invoke/{report.execution_id}"
    )
    status = (await handle.describe()).status
    assert status is not None
    assert status.name == "TERMINATED"


async def test_stigmer_that_is_down_is_an_error_and_leaves_no_canary(
    isolated_sandbox: Sandbox,
) -> None:
    await isolated_sandbox.stop_worker("service")
    report = SmokeReport(plan(rounds=1, stigmer=True), task_queue_name())
    async with systems(isolated_sandbox) as those:
        with pytest.raises(UnavailableError, match="created no execution"):
            await run_smoke(those, report)
    # Whether a lost call created one is not known, so it is said.
    (perhaps,) = report.left
    assert report.task_queue in perhaps
    assert await canaries_left(isolated_sandbox) == []


async def test_callback_that_the_server_refuses(isolated_sandbox: Sandbox) -> None:
    async def refuse(method: str, _request: bytes) -> grpc.StatusCode | None:
        refused = method == "RespondActivityTaskCompleted"
        return grpc.StatusCode.PERMISSION_DENIED if refused else None

    report = SmokeReport(plan(), task_queue_name())
    async with (
        gateway_to(isolated_sandbox.address, intercept=refuse) as gateway,
        systems(isolated_sandbox, gateway.address) as those,
    ):
        with pytest.raises(StigmerOpsError, match="complete the canary by its token"):
            await run_smoke(those, report)
    assert report.left == []
    assert await canaries_left(isolated_sandbox) == []


async def test_canary_that_may_not_be_deleted_is_terminated(isolated_sandbox: Sandbox) -> None:
    async def refuse(method: str, _request: bytes) -> grpc.StatusCode | None:
        refused = method == "DeleteWorkflowExecution"
        return grpc.StatusCode.PERMISSION_DENIED if refused else None

    report = SmokeReport(plan(rounds=1), task_queue_name())
    async with (
        gateway_to(isolated_sandbox.address, intercept=refuse) as gateway,
        systems(isolated_sandbox, gateway.address) as those,
    ):
        await run_smoke(those, report)
    assert report.passed
    assert report.left == [f"{report.task_queue}, closed: we may not delete it"]
    handle = isolated_sandbox.client.get_workflow_handle(report.task_queue)
    status = (await handle.describe()).status
    assert status is not None
    assert status.name == "TERMINATED"


async def test_interrupted_canary_is_removed_and_audited(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    report = SmokeReport(plan(rounds=1000), task_queue_name())
    trail = AuditTrail(tmp_path / "audit.jsonl", now=lambda: datetime.now(UTC))
    intent = Intent(
        command="smoke",
        operator="test",
        host="here",
        identity=IDENTITY,
        reason="test",
        namespace=isolated_sandbox.namespace,
        server_address=isolated_sandbox.address,
    )
    async with systems(isolated_sandbox) as those:
        running = asyncio.create_task(audited_smoke(those, report, trail, intent))
        while report.completed < 2:
            assert not running.done()
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert await canaries_left(isolated_sandbox) == []
    (operation,) = read_operations(trail.path, wanted=lambda _: True).operations
    assert operation.result is Result.FAILED
    outcome = operation.record.outcome
    assert outcome is not None
    assert outcome.detail.startswith("interrupted; ")
    assert outcome.detail.endswith("nothing left behind")
