"""The scan on a real server: what it finds in each state, filters, throttling, loss, restart."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from stigmer_ops.errors import DeniedError
from stigmer_ops.handshake.activity import ActivityState, TimeoutType
from stigmer_ops.handshake.scan_report import ScanReport
from stigmer_ops.handshake.selection import Attempts, Selection
from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.scan import count_to_scan
from stigmer_ops.temporal.visibility import SMALL_PAGE
from support.frontends import frontend_at, frontend_of
from support.gateway import gateway_to
from support.hand_worker import HandWorker
from support.pending import (
    HOSTILE,
    Waiting,
    every_state,
    listed,
    new_client,
    schedule_all,
    standalone,
)
from support.scans import everything


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
