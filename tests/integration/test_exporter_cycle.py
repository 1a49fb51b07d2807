"""Cycle by cycle on a real server: what is exposed, and what is not when something is wrong."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from temporalio.api.operatorservice.v1 import DeleteNamespaceRequest
from temporalio.client import Client
from temporalio.service import RetryConfig

from stigmer_ops.exporter import cycle, external_namespace
from stigmer_ops.exporter.log import Level
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.sandbox.faults.scripts import LONG
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal import connection, throttle
from support.exporter import Watcher
from support.gateway import gateway_to
from support.patient_handshakes import PATIENCE_SECONDS, populate

COMPLETIONS, PENDING, ERRORS = m.COMPLETIONS.name, m.PENDING.name, m.ERRORS.name
LAST_SUCCESS, RPCS = m.LAST_SUCCESS.name, m.RPCS.name


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on a server within a second or two, where an operator waits half a minute."""
    short = RetryConfig(initial_interval_millis=50, max_elapsed_time_millis=1000)
    monkeypatch.setattr(connection, "READ_RETRY", short)
    monkeypatch.setattr(throttle, "PATIENCE", timedelta(seconds=0.5))


async def test_everything_is_zero_before_and_true_after_the_first_cycle(
    isolated_sandbox: Sandbox,
) -> None:
    name = isolated_sandbox.namespace
    watcher = Watcher(isolated_sandbox.environment())
    page = watcher.page
    assert page.value(PENDING) == page.value(COMPLETIONS) == page.value(LAST_SUCCESS) == 0
    assert not watcher.exporter.condition().ready
    await isolated_sandbox.populate({"still-running": 2, "token-not-passed": 1})
    assert await watcher.cycle()
    page = watcher.page
    assert page.value(PENDING, namespace=name, service="go", age_bucket="0-1h") == 2
    assert page.value(PENDING, namespace=name, service="unknown") == 1
    assert page.value(m.PENDING_BY_TASK_QUEUE.name, task_queue="zigflow_execution") == 3
    assert 0 < page.value(m.TIMEOUT_USED.name, namespace=name) < 1
    assert page.value(m.TRACKED.name, namespace=name) == 3
    assert page.value(m.SCAN_DURATION.count.name, sweep="full") == 1
    assert page.value(RPCS, method="DescribeWorkflowExecution", code="OK") >= 3
    assert page.value(m.POLLERS.name, task_queue="agent_execution_stigmer") == 2
    assert page.value(m.UNREADABLE.name) == 0
    assert watcher.exporter.condition().ready
    assert watcher.logged() == ["read for the first time"]


async def test_first_reading_that_takes_long_says_how_far_it_is(
    isolated_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await isolated_sandbox.populate({"still-running": 3})
    monkeypatch.setattr(external_namespace, "TOLD_EVERY_SECONDS", 0.001)
    watcher = Watcher(isolated_sandbox.environment())
    assert await watcher.cycle()
    *far, last = watcher.logged()
    assert (set(far), last) == ({"still reading for the first time"}, "read for the first time")
    assert await watcher.cycle()
    assert watcher.logged() == []


async def test_callbacks_are_counted_from_the_start_of_the_exporter_on(
    isolated_sandbox: Sandbox,
) -> None:
    await populate(isolated_sandbox, {"healthy": 1})
    watcher = Watcher(isolated_sandbox.environment())
    await watcher.cycle()
    assert watcher.page.value(COMPLETIONS) == 0
    await populate(isolated_sandbox, {"healthy": 2, "callback-fails": 1, "healthy-java": 1})
    await watcher.cycle()
    page = watcher.page
    assert page.value(COMPLETIONS, service="go", status="success") == 2
    assert page.value(COMPLETIONS, service="java", status="success") == 1
    assert page.value(COMPLETIONS, status="failure") == 1
    assert page.value(m.COMPLETION_DURATION.count.name, status="success") == 3
    assert page.value(ERRORS) == 1
    assert page.value(PENDING) == 1
    await watcher.cycle()
    assert watcher.page.value(COMPLETIONS) == 4


async def test_counting_goes_on_from_the_state_file(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "state.json"
    environment = isolated_sandbox.environment()
    await Watcher(environment, state_file=file).cycle()
    await populate(isolated_sandbox, {"healthy": 2})
    second = Watcher(environment, state_file=file)
    await second.cycle()
    assert second.page.value(COMPLETIONS) == 2
    await populate(isolated_sandbox, {"healthy": 1})
    third = Watcher(environment, state_file=file)
    await third.cycle()
    assert third.page.value(COMPLETIONS) == 3
    assert third.page.value(m.COMPLETION_DURATION.count.name) == 3


async def test_two_namespaces_of_one_stigmer_are_told_apart(
    two_namespaces_sandbox: Sandbox,
) -> None:
    one = two_namespaces_sandbox
    async with Sandbox.start(
        time_scale=one.scale.factor,
        server=one.server,
        namespace=await one.new_namespace(),
        stigmer_namespace=await one.new_namespace(),
    ) as other:
        environment = {
            **one.environment(),
            "STIGMER_OPS_STIGMER_NAMESPACE": one.stigmer_namespace,
        }
        watcher = Watcher(environment, (one.namespace, other.namespace))
        assert await watcher.cycle()
        await populate(one, {"healthy": 2, "still-running": 1})
        await other.populate({"still-running": 2})
        assert await watcher.cycle()
        page = watcher.page
        assert page.value(COMPLETIONS, namespace=one.namespace) == 2
        assert page.value(COMPLETIONS, namespace=other.namespace) == 0
        assert page.value(PENDING, namespace=one.namespace, service="go") == 1
        # Its executions are in a namespace that is not read.
        assert page.value(PENDING, namespace=other.namespace, service="unknown") == 2
        assert page.value(m.POLLERS.name, namespace=one.stigmer_namespace) > 0
        assert page.value(RPCS, namespace=one.stigmer_namespace) > 0
        assert not page.has(LAST_SUCCESS, namespace=one.stigmer_namespace)
        pollers = [s for s in page.samples if s.name == m.POLLERS.name]
        zigflow = {s.labels["namespace"] for s in pollers if "zigflow" in s.labels["task_queue"]}
        assert zigflow == {one.namespace, other.namespace}


async def becomes(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if holds():
                return
            await asyncio.sleep(0.05)


async def test_event_loop_that_hangs_is_seen_from_outside(
    isolated_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycle, "_DEAD_AFTER_SECONDS", 2.5)
    exporter = Watcher(isolated_sandbox.environment()).exporter
    running = asyncio.create_task(exporter.run())
    await becomes(lambda: exporter.condition().ready)
    assert exporter.condition().alive
    time.sleep(3)  # noqa: ASYNC251 - hanging is what is tried
    assert not exporter.condition().alive
    await becomes(lambda: exporter.condition().alive)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# --- Something is wrong --------------------------------------------------------------------------


async def test_server_that_is_away_leaves_the_values_and_their_age_shows(
    isolated_sandbox: Sandbox, impatient: None
) -> None:
    await isolated_sandbox.populate({"still-running": 2})
    async with gateway_to(isolated_sandbox.address) as gateway:
        environment = {**isolated_sandbox.environment(), "TEMPORAL_ADDRESS": gateway.address}
        watcher = Watcher(environment)
        assert await watcher.cycle()
        port, read_at = gateway.port, watcher.page.value(LAST_SUCCESS)
    watcher.logged()
    for _ in range(2):
        assert not await watcher.cycle()
    page = watcher.page
    assert page.value(PENDING) == 2
    assert page.value(LAST_SUCCESS) == read_at
    assert page.value(RPCS, code="UNAVAILABLE") > 0
    assert page.value(m.POLLERS.name, task_queue="zigflow_execution") == 2
    assert page.value(m.UNREADABLE.name, item="task_queue") == 7
    assert sorted(watcher.logged()) == [
        "cannot read the callbacks",
        "cannot read the pending activities",
        "cannot read the task queues",
    ]
    await isolated_sandbox.populate({"still-running": 1})
    async with gateway_to(isolated_sandbox.address, port=port):
        assert await watcher.cycle()
    page = watcher.page
    assert page.value(PENDING) == 3
    assert page.value(LAST_SUCCESS) > read_at
    assert page.value(m.UNREADABLE.name) == 0
    assert all(message.startswith("recovered: ") for message in watcher.logged())


async def test_state_that_cannot_be_saved_harms_nothing_else(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    watcher = Watcher(isolated_sandbox.environment(), state_file=folder / "state.json")
    assert await watcher.cycle()
    shutil.rmtree(folder)
    watcher.logged()
    await populate(isolated_sandbox, {"healthy": 1})
    assert await watcher.cycle()
    assert watcher.page.value(COMPLETIONS) == 1
    assert watcher.logged() == ["cannot save the state"]
    folder.mkdir()
    assert await watcher.cycle()
    assert watcher.logged() == ["recovered: cannot save the state"]
    assert (folder / "state.json").stat().st_size > 0


async def test_exporter_waits_for_a_server_that_is_not_there_yet(
    isolated_sandbox: Sandbox, impatient: None
) -> None:
    async with gateway_to(isolated_sandbox.address) as gateway:
        port = gateway.port
    environment = {**isolated_sandbox.environment(), "TEMPORAL_ADDRESS": f"localhost:{port}"}
    watcher = Watcher(environment)
    assert not await watcher.cycle()
    assert not watcher.exporter.condition().ready
    async with gateway_to(isolated_sandbox.address, port=port):
        assert await watcher.cycle()
        assert watcher.exporter.condition().ready


async def test_throttling_is_counted_and_survived(
    isolated_sandbox: Sandbox, impatient: None
) -> None:
    refused = {"method": "DescribeWorkflowExecution", "code": "RESOURCE_EXHAUSTED"}
    throttling = False

    async def intercept(method: str, _request: bytes) -> grpc.StatusCode | None:
        refuse = throttling and method == refused["method"]
        return grpc.StatusCode.RESOURCE_EXHAUSTED if refuse else None

    await isolated_sandbox.populate({"still-running": 1})
    async with gateway_to(isolated_sandbox.address, intercept=intercept) as gateway:
        environment = {**isolated_sandbox.environment(), "TEMPORAL_ADDRESS": gateway.address}
        watcher = Watcher({**environment, "STIGMER_OPS_EXPORTER_FULL_SWEEP_EVERY": "1s"})
        assert await watcher.cycle()
        throttling = True
        while not watcher.page.value(RPCS, **refused):
            await watcher.cycle()
            assert watcher.page.value(PENDING) == 1
        throttling = False
        while not await watcher.cycle():
            assert watcher.page.value(PENDING) == 1
    page = watcher.page
    assert page.value(PENDING) == 1
    assert page.value(m.UNREADABLE.name) == 0


@asynccontextmanager
async def vanishing(sandbox: Sandbox) -> AsyncIterator[str]:
    """A namespace with something in it, which is deleted at the end of the block."""
    async with sandbox.isolated() as doomed:
        await doomed.populate({"still-running": 1})
        yield doomed.namespace
    await sandbox.client.operator_service.delete_namespace(
        DeleteNamespaceRequest(namespace=doomed.namespace)
    )


async def test_namespace_that_vanishes_harms_no_other(
    isolated_sandbox: Sandbox, impatient: None
) -> None:
    await isolated_sandbox.populate({"still-running": 2})
    kept = isolated_sandbox.namespace
    async with vanishing(isolated_sandbox) as gone:
        watcher = Watcher(isolated_sandbox.environment(), (kept, gone, "never-was"))
        assert not await watcher.cycle()
        before = watcher.page
        assert watcher.exporter.condition().ready
        assert before.value(LAST_SUCCESS, namespace="never-was") == 0
        assert before.value(PENDING, namespace="never-was") == 0
        watcher.logged()
    while "cannot read the pending activities" not in watcher.logged():
        assert not await watcher.cycle()
    errors = [event for event in watcher.events if event.level is Level.ERROR]
    page = watcher.page
    assert page.value(PENDING, namespace=gone) == before.value(PENDING, namespace=gone) == 1
    assert page.value(LAST_SUCCESS, namespace=gone) < page.value(LAST_SUCCESS, namespace=kept)
    assert page.value(PENDING, namespace=kept) == 2
    assert page.value(RPCS, namespace=gone, code="NOT_FOUND") > 0
    assert all(event.fields["namespace"] != kept for event in errors)


async def test_stigmer_that_cannot_be_read_is_told_once_and_hides_nothing_that_waits(
    isolated_sandbox: Sandbox, impatient: None
) -> None:
    await isolated_sandbox.populate({"still-running": 1})
    empty = await isolated_sandbox.new_namespace()
    environment = {
        **isolated_sandbox.environment(),
        "STIGMER_OPS_STIGMER_NAMESPACE": "never-was",
    }
    watcher = Watcher(environment, (isolated_sandbox.namespace, empty))
    assert not await watcher.cycle()
    assert watcher.logged().count("cannot read the callbacks") == 1
    page = watcher.page
    assert page.value(PENDING, service="unknown") == 1
    assert page.value(LAST_SUCCESS) == 0
    assert not watcher.exporter.condition().ready


async def test_corrupt_payload_is_counted_and_harms_no_other(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"still-running": 1})
    client: Client = isolated_sandbox.stigmer_client
    await client.start_workflow(
        "stigmer/agent-execution/invoke",
        "no execution",
        id="stigmer/agent-execution/invoke/aex_corrupt",
        task_queue="nobody-polls-this",
        run_timeout=timedelta(minutes=1),
    )
    watcher = Watcher(isolated_sandbox.environment())
    for _ in range(2):  # it is read once, and its alert waits for minutes
        await watcher.cycle()
        page = watcher.page
        assert page.value(m.UNREADABLE.name, item="payload") == 1
        assert page.value(PENDING, service="go") == 1


# --- Task queues ---------------------------------------------------------------------------------


async def test_worker_that_stops_is_a_poller_less(isolated_sandbox: Sandbox) -> None:
    stale = {"STIGMER_OPS_THRESHOLDS_POLLER_STALE_AFTER": "20s"}
    watcher = Watcher({**isolated_sandbox.environment(), **stale})
    labels = {"task_queue": "agent_execution_runner", "task_type": "activity"}

    async def until(pollers: int, *, backlog: bool = False) -> None:
        """Until that many are seen: a worker that has just started may not have polled yet."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await watcher.cycle()
            while watcher.page.value(m.POLLERS.name, **labels) != pollers or (
                backlog and not watcher.page.value(m.QUEUE_BACKLOG.name, **labels)
            ):
                await watcher.cycle()

    await until(1)
    await isolated_sandbox.stop_worker("runner")
    patient = {"run_timeout": LONG, "schedule_to_start": LONG}
    handshake = await isolated_sandbox.start_handshake("healthy", script=patient)
    await until(0, backlog=True)
    await isolated_sandbox.start_worker("runner")
    await isolated_sandbox.settle(handshake, seconds=PATIENCE_SECONDS)
    await until(1)


async def test_registration_is_asked_for_only_where_that_is_allowed(
    isolated_sandbox: Sandbox,
) -> None:
    queues = "STIGMER_OPS_TASK_QUEUES_AGENT_EXECUTION_RUNNER_ACTIVITY_TYPES"
    environment = {**isolated_sandbox.environment(), queues: "EnsureThread,NoSuchType"}
    labels = {"task_queue": "agent_execution_runner"}
    passive = Watcher(environment)
    await passive.cycle()
    assert not passive.page.has(m.REGISTERED.name)
    probing = Watcher({**environment, "STIGMER_OPS_EXPORTER_REGISTRATION_PROBE": "true"})
    await probing.cycle()
    name = m.REGISTERED.name
    assert probing.page.value(name, **labels, activity_type="EnsureThread") == 1
    assert probing.page.value(name, **labels, activity_type="NoSuchType") == 0
    assert probing.page.value(name, task_queue="zigflow_execution") == 1
    read_only = Watcher(
        {
            **environment,
            "STIGMER_OPS_EXPORTER_REGISTRATION_PROBE": "true",
            "STIGMER_OPS_READ_ONLY": "true",
        }
    )
    await read_only.cycle()
    assert not read_only.page.has(name)
    assert not read_only.page.has(RPCS, method="StartActivityExecution")
    assert probing.page.has(RPCS, method="StartActivityExecution")
