"""The scan on a real server: what it finds in each state, filters, throttling, loss, restart."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from temporalio.client import Client
from temporalio.service import RetryConfig

from stigmer_ops.errors import DeniedError, UnavailableError
from stigmer_ops.handshake.activity import ActivityState, PendingActivity, TimeoutType
from stigmer_ops.handshake.scan_report import ScanReport, Unreadable
from stigmer_ops.handshake.selection import Attempts, Selection
from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.server import TemporalServer
from stigmer_ops.temporal.connection import ConnectionOptions, connect, resolve
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.scan import count_to_scan, scan
from stigmer_ops.temporal.visibility import SMALL_PAGE
from support.gateway import gateway_to
from support.hand_worker import ACTIVITY_TYPE, HandWorker
from support.pending import (
    HOSTILE,
    Waiting,
    every_state,
    listed,
    new_client,
    schedule_all,
    standalone,
)

EXTERNAL = frozenset({ACTIVITY_TYPE})


async def frontend_at(address: str, namespace: str, **pace: Any) -> Frontend:
    options = ConnectionOptions(address=address, namespace=namespace)
    return await connect(resolve(options, {}), pace=Pace(**{"rps": 0, **pace}))


async def frontend_of(client: Client, **pace: Any) -> Frontend:
    return await frontend_at(client.service_client.config.target_host, client.namespace, **pace)


async def everything(
    frontend: Frontend, selection: Selection, report: ScanReport | None = None
) -> tuple[list[PendingActivity], list[Unreadable]]:
    found: list[PendingActivity] = []
    unread: list[Unreadable] = []
    async with aclosing(scan(frontend, selection, now=datetime.now(UTC), report=report)) as items:
        async for item in items:
            if isinstance(item, Unreadable):
                unread.append(item)
            else:
                found.append(item)
    return found, unread


@pytest.fixture(scope="module")
async def waiting(sandbox: Sandbox) -> Waiting:
    """A namespace with every state, and two standalone activities, one of them paused."""
    client = await new_client(sandbox)
    made, *_ = await asyncio.gather(
        every_state(client), standalone(client), standalone(client, paused=True)
    )
    await listed(client, len(made.workers) - 1 + 2)
    return made


async def names(waiting: Waiting, selection: Selection) -> Counter[str]:
    found, unread = await everything(await frontend_of(waiting.client), selection)
    assert not unread
    return Counter(waiting.name_of(activity.workflow_id) for activity in found)


STATES = {
    "started": ActivityState.STARTED,
    "never-started": ActivityState.SCHEDULED,
    "backing-off": ActivityState.SCHEDULED,
    "retried": ActivityState.STARTED,
    "paused": ActivityState.PAUSED,
    "pause-requested": ActivityState.PAUSE_REQUESTED,
    "cancel-requested": ActivityState.CANCEL_REQUESTED,
    "several": ActivityState.STARTED,
    "workflow-paused": ActivityState.PAUSED,
}


async def test_scan_finds_each_state_and_no_closed_workflow(waiting: Waiting) -> None:
    report = ScanReport()
    frontend = await frontend_of(waiting.client)

    found, unread = await everything(frontend, Selection(), report)

    assert not unread
    states = {waiting.name_of(item.workflow_id): item.state for item in found}
    del states["standalone"]
    expected = dict(STATES)
    # Whether the server tells a workflow's pause in its activities' state is its own business.
    expected["workflow-paused"] = states["workflow-paused"]
    assert states == expected
    assert len(found) == len(STATES) + 2 + 2  # two more in "several", two standalone
    assert (report.workflows, report.standalone) == (len(STATES), 2)
    assert report.pending == report.selected == len(found)
    assert report.complete
    assert await count_to_scan(frontend, Selection(), now=datetime.now(UTC)) == len(STATES)


async def test_standalone_activities_have_no_workflow_and_their_own_deadline(
    waiting: Waiting,
) -> None:
    found, _ = await everything(await frontend_of(waiting.client), Selection())
    alone = {item.state: item for item in found if item.standalone}

    assert set(alone) == {ActivityState.STARTED, ActivityState.PAUSED}
    started = alone[ActivityState.STARTED]
    assert started.workflow_id == ""
    assert started.deadline is not None
    assert started.deadline.timeout_type is TimeoutType.START_TO_CLOSE
    assert started.last_started_time is not None
    assert started.deadline.time - started.last_started_time == timedelta(hours=1)


async def test_age_of_a_retried_activity_counts_from_its_first_schedule(waiting: Waiting) -> None:
    found, _ = await everything(
        await frontend_of(waiting.client), Selection(attempts=Attempts(2, and_later=True))
    )
    retried = {waiting.name_of(item.workflow_id): item for item in found}

    assert set(retried) == {"retried", "backing-off"}
    activity = retried["retried"]
    assert activity.first_scheduled_time is not None
    assert activity.scheduled_time is not None
    assert activity.scheduled_time - activity.first_scheduled_time > timedelta(seconds=1)
    assert activity.waiting_since == activity.first_scheduled_time
    assert activity.last_failure is not None
    assert activity.last_failure.message == "the agent gave up"


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(activity_types=frozenset({"SendEmail"})), {"several": 1}),
        (Selection(workflow_types=frozenset({"LateWorkflow"})), {"never-started": 1}),
        (Selection(workflow_types=frozenset({"LateWorkflow", "x"})), {"never-started": 1}),
        (Selection(workflow_types=frozenset({"o'brien", 'x"y'})), {}),
        (
            Selection(states=frozenset({ActivityState.SCHEDULED})),
            {"never-started": 1, "backing-off": 1},
        ),
        (
            Selection(states=frozenset({ActivityState.PAUSE_REQUESTED})),
            {"pause-requested": 1},
        ),
        (Selection(attempts=Attempts(2)), {"retried": 1, "backing-off": 1}),
        (Selection(older_than=timedelta(hours=1)), {}),
        (
            Selection(expires_within=timedelta(minutes=20)),
            {"several": 3, "never-started": 1},
        ),
        (Selection(expires_within=timedelta(seconds=1)), {}),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value)[:60],
)
async def test_filter_selects(
    waiting: Waiting, selection: Selection, expected: dict[str, int]
) -> None:
    assert await names(waiting, selection) == Counter(expected)


async def test_task_queue_filter_means_the_queue_of_the_activity(waiting: Waiting) -> None:
    queue = waiting.workers["several"].queue
    assert await names(waiting, Selection(task_queues=frozenset({queue}))) == {"several": 3}


async def test_older_than_narrows_the_list_too(waiting: Waiting) -> None:
    report = ScanReport()
    selection = Selection(older_than=timedelta(hours=1))
    await everything(await frontend_of(waiting.client), selection, report)
    assert report.workflows == report.standalone == 0


async def test_hostile_ids_and_types_are_found_exactly(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    workers = [HandWorker(client, workflow_id=text, workflow_type=text) for text in HOSTILE]
    await asyncio.gather(
        *(schedule_all(worker, {text: text}) for worker, text in zip(workers, HOSTILE, strict=True))
    )
    await listed(client, len(HOSTILE))
    frontend = await frontend_of(client)

    for text in HOSTILE:
        wanted = frozenset({text})
        found, unread = await everything(
            frontend, Selection(activity_types=wanted, workflow_types=wanted)
        )
        assert [(item.workflow_id, item.activity_id) for item in found] == [(text, text)]
        assert not unread


async def test_empty_namespace_has_nothing(sandbox: Sandbox) -> None:
    frontend = await frontend_of(await new_client(sandbox))
    assert await everything(frontend, Selection()) == ([], [])
    assert set(frontend.calls) == {
        "describe_namespace",
        "list_workflow_executions",
        "list_activity_executions",
    }


async def test_unknown_namespace_is_denied(sandbox: Sandbox) -> None:
    with pytest.raises(DeniedError, match=r"nowhere is not found"):
        await everything(await frontend_at(sandbox.address, "nowhere"), Selection())


async def test_scan_begins_with_a_small_page_and_misses_nothing_at_its_end(
    sandbox: Sandbox,
) -> None:
    client = await new_client(sandbox)
    workflow_ids = await start_waiting(client, SMALL_PAGE + 10)
    await listed(client, len(workflow_ids))
    frontend = await frontend_of(client)

    found, unread = await everything(frontend, Selection())

    assert (sorted(activity.workflow_id for activity in found), unread) == (workflow_ids, [])
    assert frontend.calls["list_workflow_executions"] == 2


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


async def test_activity_whose_history_cannot_be_read_is_found_with_a_warning(
    waiting: Waiting, sandbox: Sandbox
) -> None:
    async def intercept(method: str, _request: bytes) -> grpc.StatusCode | None:
        refused = method.startswith("GetWorkflowExecutionHistory")
        return grpc.StatusCode.PERMISSION_DENIED if refused else None

    async with gateway_to(sandbox.address, intercept=intercept) as gateway:
        frontend = await frontend_at(gateway.address, waiting.client.namespace)
        found, unread = await everything(frontend, Selection(attempts=Attempts(2)))

    assert {waiting.name_of(item.workflow_id) for item in found} == {"retried", "backing-off"}
    assert {waiting.name_of(item.workflow_id) for item in unread} == {"retried", "backing-off"}
    assert all("history" in item.reason for item in unread)


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
