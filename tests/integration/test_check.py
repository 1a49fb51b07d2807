"""Each failure is found by its check, and by no other, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from stigmer_ops.cli.check import access_of
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Common, Connection
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.procedures.checks.check import Result
from stigmer_ops.procedures.checks.context import Access, CheckContext
from stigmer_ops.procedures.checks.registry import CHECKS
from stigmer_ops.procedures.checks.runner import CheckRun, run_checks, select
from stigmer_ops.render.check import Silent
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.recent_callbacks import RecentCallbacks, recent_callbacks
from support.gateway import gateway_to

SEVERITY = {check.id: check.severity for check in CHECKS}

HEALTHY_SKIPS = {
    check.id: "no Prometheus is configured (monitoring.prometheus)"
    for check in CHECKS
    if check.category.id == "monitoring"
}


def access(sandbox: Sandbox, tmp_path: Path, **variables: str) -> Access:
    """As `stigmer-ops check` has it in the sandbox's environment."""
    audit = {"STIGMER_OPS_AUDIT_PATH": str(tmp_path / "audit.jsonl")}
    environment = {**sandbox.environment(), **audit, **variables}
    return access_of(Invocation(Common(), environment), Connection())


async def run(access: Access, *categories: str, wait: float = 0, smoke: bool = False) -> CheckRun:
    opted_in = frozenset({"smoke"} if smoke else ())
    selected = select(CHECKS, categories=frozenset(categories), opted_in=opted_in)
    async with CheckContext.opened(access) as context:
        return await run_checks(selected, context, wait=timedelta(seconds=wait), observer=Silent())


def bad(run: CheckRun) -> dict[str, str]:
    """What is wrong: ids and causes. A failure counts as its check's severity says."""
    found = {}
    for one in run.results:
        if one.result in (Result.FAILED, Result.WARNING):
            critical = SEVERITY[one.check.id] is Severity.CRITICAL
            assert critical or one.result is Result.WARNING
            assert one.hint
            found[one.check.id] = one.detail
    return found


def skipped(run: CheckRun) -> dict[str, str]:
    return {one.check.id: one.detail for one in run.results if one.result is Result.SKIPPED}


async def test_healthy_system_has_nothing_wrong(isolated_sandbox: Sandbox, tmp_path: Path) -> None:
    await isolated_sandbox.populate({"healthy": 1, "still-running": 1})
    found = await run(access(isolated_sandbox, tmp_path), wait=15)
    assert bad(found) == {}
    assert skipped(found) == HEALTHY_SKIPS
    assert {one.check.id for one in found.results} == {
        check.id for check in CHECKS if not check.category.opt_in
    }


async def test_healthy_system_in_two_namespaces(
    two_namespaces_sandbox: Sandbox, tmp_path: Path
) -> None:
    await two_namespaces_sandbox.populate({"healthy": 1})
    found = await run(access(two_namespaces_sandbox, tmp_path), wait=15)
    assert bad(found) == {}
    namespaces = next(one for one in found.results if one.check.id == "temporal-namespaces-exist")
    both = (two_namespaces_sandbox.namespace, two_namespaces_sandbox.stigmer_namespace)
    assert namespaces.detail == ", ".join(both)


async def test_nobody_listens(sandbox: Sandbox, tmp_path: Path) -> None:
    found = await run(access(sandbox, tmp_path, TEMPORAL_ADDRESS="127.0.0.1:1"))
    assert set(bad(found)) == {"temporal-reachable"}
    assert "connection refused" in bad(found)["temporal-reachable"]
    stopped = {id for id, why in skipped(found).items() if why == "temporal-reachable failed"}
    needy = {"temporal", "task-queues", "workers", "handshake"}
    assert stopped == {check.id for check in CHECKS if check.category.id in needy} - {
        "temporal-reachable"
    }
    assert "stigmer-reachable" not in skipped(found)


async def test_credentials_that_are_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    async with gateway_to(sandbox.address, api_key="wanted") as gateway:
        found = await run(access(sandbox, tmp_path, TEMPORAL_ADDRESS=gateway.address), "temporal")
    assert set(bad(found)) == {"temporal-authorised"}
    assert "temporal-namespaces-exist" in skipped(found)


@pytest.mark.parametrize("variable", ["TEMPORAL_NAMESPACE", "STIGMER_OPS_STIGMER_NAMESPACE"])
async def test_namespace_that_is_not_there(variable: str, sandbox: Sandbox, tmp_path: Path) -> None:
    found = await run(access(sandbox, tmp_path, **{variable: "nowhere"}), "handshake")
    assert set(bad(found)) == {"temporal-namespaces-exist"}
    assert "'nowhere'" in bad(found)["temporal-namespaces-exist"]
    assert skipped(found)["no-handshake-stuck"] == "temporal-namespaces-exist failed"


async def test_clock_that_is_wrong(sandbox: Sandbox, tmp_path: Path) -> None:
    right = access(sandbox, tmp_path)
    wrong = replace(right, machine_time=lambda: right.machine_time() - timedelta(hours=1))
    found = await run(wrong, "temporal")
    assert set(bad(found)) == {"clocks-agree"}
    assert "behind the server's" in bad(found)["clocks-agree"]


async def test_queue_that_nobody_polls(sandbox: Sandbox, tmp_path: Path) -> None:
    name = "STIGMER_OPS_TASK_QUEUES_AGENT_EXECUTION_RUNNER_NAME"
    found = await run(access(sandbox, tmp_path, **{name: "nobody-polls"}), "task-queues")
    assert set(bad(found)) == {"task-queues-polled"}
    assert bad(found)["task-queues-polled"] == "nobody-polls: no poller of activity tasks"


async def test_pollers_that_were_not_seen_lately(sandbox: Sandbox, tmp_path: Path) -> None:
    # A worker that has just been started may not have begun its first poll.
    assert bad(await run(access(sandbox, tmp_path), "task-queues", wait=10)) == {}
    stale = {"STIGMER_OPS_THRESHOLDS_POLLER_STALE_AFTER": "0s"}
    found = await run(access(sandbox, tmp_path, **stale), "task-queues")
    assert set(bad(found)) == {"task-queue-pollers-live"}
    assert len(bad(found)["task-queue-pollers-live"].splitlines()) >= 7


async def test_workers_that_are_gone_and_come_back(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    reach = access(isolated_sandbox, tmp_path)
    assert bad(await run(reach, "task-queues", wait=15)) == {}
    await isolated_sandbox.stop_worker("runner")
    gone = bad(await run(reach, "task-queues"))
    # A worker that says goodbye is forgotten at once, or listed as one that did; unless a poll of
    # it arrives late, which makes it look alive for a minute.
    assert set(gone) <= {"task-queues-polled", "task-queue-pollers-live"}
    lines = "\n".join(gone.values()).splitlines()
    queues = {line.partition(":")[0] for line in lines}
    assert queues
    assert queues <= {
        "agent_execution_runner",
        "workflow_execution_runner",
        "workflow_validation_runner",
    }
    waiting = asyncio.create_task(run(reach, "task-queues", wait=30))
    await asyncio.sleep(0.5)
    await isolated_sandbox.start_worker("runner")
    assert bad(await waiting) == {}


async def test_callback_that_is_not_registered(isolated_sandbox: Sandbox, tmp_path: Path) -> None:
    handshake = await isolated_sandbox.start_handshake("callback-not-registered")
    await isolated_sandbox.settle(handshake)
    queue = {
        "STIGMER_OPS_TASK_QUEUES_AGENT_EXECUTION_STIGMER_NAME": (
            "agent_execution_stigmer_callback_not_registered"
        )
    }
    found = await run(access(isolated_sandbox, tmp_path, **queue), "task-queues", "workers")
    assert set(bad(found)) == {"callback-type-registered"}
    assert "stigmer/system/complete-external-activity" in bad(found)["callback-type-registered"]


async def test_activity_type_that_a_worker_lacks(sandbox: Sandbox, tmp_path: Path) -> None:
    types = "STIGMER_OPS_TASK_QUEUES_AGENT_EXECUTION_RUNNER_ACTIVITY_TYPES"
    found = await run(access(sandbox, tmp_path, **{types: "EnsureThread,Unheard"}), "workers")
    assert set(bad(found)) == {"activity-types-registered"}
    assert "lacks Unheard" in bad(found)["activity-types-registered"]


async def test_read_only_mode_asks_no_worker(sandbox: Sandbox, tmp_path: Path) -> None:
    reach = access(sandbox, tmp_path, STIGMER_OPS_READ_ONLY="1")
    found = await run(reach, "workers", "smoke")
    assert bad(found) == {}
    assert "read-only mode" in skipped(found)["workers-answer"]
    assert skipped(found)["canary-passes"] == "read-only mode is on"


@pytest.mark.parametrize(
    ("fault", "variables", "expected"),
    [
        ("token-not-passed", {}, "no-handshake-stuck"),
        (
            "still-running",
            {"STIGMER_OPS_THRESHOLDS_NEAR_DEADLINE_SHARE": "0.000001"},
            "no-handshake-near-deadline",
        ),
        ("unsafe-retries", {}, "activity-settings-safe"),
    ],
)
async def test_handshake_that_is_not_well(
    fault: str,
    variables: dict[str, str],
    expected: str,
    isolated_sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    await isolated_sandbox.populate({fault: 1})
    now = {"STIGMER_OPS_THRESHOLDS_HANDSHAKE_GRACE": "0s", **variables}
    found = await run(access(isolated_sandbox, tmp_path, **now), "handshake")
    assert set(bad(found)) == {expected}


async def test_callbacks_are_counted_by_how_they_ended(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate(
        {"healthy": 2, "healthy-java": 1, "token-truncated": 1, "stigmer-workflow-terminated": 1}
    )
    reach = access(isolated_sandbox, Path("/nowhere"))
    async with CheckContext.opened(reach) as context:
        frontend = await context.stigmer()
        since = reach.now() - timedelta(hours=1)
        counted = await recent_callbacks(frontend, closed_since=since, limit=100)
        newest = await recent_callbacks(frontend, closed_since=since, limit=2)
    assert counted == RecentCallbacks(succeeded=3, failed=1, none=1)
    assert newest.succeeded + newest.failed + newest.none == 2


# --- The Stigmer service -------------------------------------------------------------------------


async def test_stigmer_that_is_down(isolated_sandbox: Sandbox, tmp_path: Path) -> None:
    await isolated_sandbox.stop_worker("service")
    found = await run(access(isolated_sandbox, tmp_path), "stigmer-service")
    assert set(bad(found)) == {"stigmer-reachable"}
    assert "UNAVAILABLE" in bad(found)["stigmer-reachable"]
    assert skipped(found)["stigmer-api-answers"] == "stigmer-reachable failed"


@asynccontextmanager
async def stigmer_that(status: int | None) -> AsyncIterator[str]:
    """A gRPC server without Stigmer's API, with a health service of that status, if any."""
    server = grpc.aio.server()
    if status is not None:
        servicer = health.aio.HealthServicer()
        await servicer.set("", status)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_service_without_health_is_not_called_down(sandbox: Sandbox, tmp_path: Path) -> None:
    async with stigmer_that(None) as address:
        reach = access(sandbox, tmp_path, STIGMER_OPS_STIGMER_ADDRESS=address)
        found = await run(reach, "stigmer-service")
    assert set(bad(found)) == {"stigmer-api-answers"}
    assert "UNIMPLEMENTED" in bad(found)["stigmer-api-answers"]
    assert "no grpc.health.v1" in skipped(found)["stigmer-healthy"]


async def test_service_that_says_it_is_not_serving(sandbox: Sandbox, tmp_path: Path) -> None:
    async with stigmer_that(health_pb2.HealthCheckResponse.NOT_SERVING) as address:
        reach = access(sandbox, tmp_path, STIGMER_OPS_STIGMER_ADDRESS=address)
        found = await run(reach, "stigmer-service")
    assert bad(found)["stigmer-healthy"] == "it says NOT_SERVING"


async def test_no_stigmer_is_configured(sandbox: Sandbox, tmp_path: Path) -> None:
    found = await run(access(sandbox, tmp_path, STIGMER_OPS_STIGMER_ADDRESS=""), "stigmer-service")
    assert bad(found) == {}
    assert set(skipped(found)) == {"stigmer-reachable", "stigmer-healthy", "stigmer-api-answers"}


# --- Smoke --------------------------------------------------------------------------------------


async def test_canary_over_its_budget(isolated_sandbox: Sandbox, tmp_path: Path) -> None:
    def reach(budget: str) -> Access:
        return access(isolated_sandbox, tmp_path, STIGMER_OPS_THRESHOLDS_SMOKE_BUDGET=budget)

    assert bad(await run(reach("30s"), "smoke")) == {}
    found = bad(await run(reach("1ms"), "smoke"))
    assert set(found) == {"canary-passes"}
    assert "of 1.0 ms in 10 rounds" in found["canary-passes"]


# --- Settings ------------------------------------------------------------------------------------


async def test_settings_that_are_wrong_stop_everything(sandbox: Sandbox, tmp_path: Path) -> None:
    found = await run(access(sandbox, tmp_path, STIGMER_OPS_SCAN_RPS="many"))
    assert set(bad(found)) == {"settings-valid"}
    assert "$STIGMER_OPS_SCAN_RPS: scan.rps" in bad(found)["settings-valid"]
    assert set(skipped(found).values()) == {"settings-valid failed"}


async def test_thresholds_that_cannot_strike(sandbox: Sandbox, tmp_path: Path) -> None:
    reach = access(sandbox, tmp_path, STIGMER_OPS_THRESHOLDS_STUCK_AFTER="200h")
    assert set(bad(await run(reach, "settings"))) == {"thresholds-effective"}


async def test_audit_file_that_is_none(sandbox: Sandbox, tmp_path: Path) -> None:
    reach = access(sandbox, tmp_path, STIGMER_OPS_AUDIT_PATH=str(tmp_path))
    assert set(bad(await run(reach, "settings"))) == {"audit-writable", "audit-intact"}


async def test_audit_file_that_was_changed(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_text('{"not": "ours"}\n')
    assert set(bad(await run(access(sandbox, tmp_path), "settings"))) == {"audit-intact"}
