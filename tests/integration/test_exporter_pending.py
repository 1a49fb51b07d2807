"""The tracker on a real server: what each event makes it describe, and what only a sweep tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.handshake.execution import Claim, Edition, TokenState
from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.sandbox import Sandbox
from support.pending import every_state, hand_worker, listed, new_client, standalone
from support.tracking import (
    Tracking,
    now,
    started,
    tracking_of,
)


@pytest.fixture
async def tracking(sandbox: Sandbox) -> AsyncIterator[Tracking]:
    """A tracker that learns of changes by events only, in an empty namespace."""
    async with tracking_of(await new_client(sandbox)) as made:
        await made.tracker.sweep(now())
        yield made


# --- A sweep -------------------------------------------------------------------------------------


async def test_a_sweep_knows_what_a_scan_finds_in_every_state(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    made, *_ = await asyncio.gather(
        every_state(client), standalone(client), standalone(client, paused=True)
    )
    await listed(client, len(made.workers) - 1 + 2)
    async with tracking_of(client) as tracking:
        await tracking.tracker.sweep(now())

        assert await tracking.differences() == set()
        # Two in "several", whose third is no external one; none in "closed".
        assert tracking.tracker.tracked == len(made.workers) - 1 + 1 + 2
        assert tracking.tracker.workflows_scanned == len(made.workers) - 1 + 2
        assert tracking.tracker.unreadable == {"workflow": 0, "history": 0}
        counts = tracking.tracker.summary(now()).by_age
        assert counts["unknown", "0-1h"] == sum(counts.values()) == tracking.tracker.tracked


async def test_the_history_of_a_retried_activity_is_read_once_for_each_attempt(
    tracking: Tracking,
) -> None:
    worker = await started(tracking, attempts=5, retry_after=0.1)
    for attempt in (2, 3):
        await worker.fail(worker.token, retryable=True)
        await worker.take()
        before = tracking.frontend.calls["get_workflow_execution_history_reverse"]
        for _ in range(3):
            tracking.tracker.touch(worker.workflow_id, worker.run_id)
            assert await tracking.follow() == 1
        read = tracking.frontend.calls["get_workflow_execution_history_reverse"] - before
        found = tracking.of(worker)
        assert found is not None
        assert (found.attempt, found.exact, read) == (attempt, True, 1)
    assert await tracking.differences() == set()


async def test_an_index_that_lags_takes_nothing_away(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known and not listed as open is described before it is given up."""
    kept, ended = [await started(tracking) for _ in range(2)]
    await ended.complete(ended.token)
    monkeypatch.setattr(
        "stigmer_ops.exporter.pending.round.workflow_query",
        lambda *_: "WorkflowType = 'none' AND ExecutionStatus = 'Running'",
    )

    await tracking.tracker.sweep(now())

    assert tracking.of(kept) is not None
    assert tracking.of(ended) is None


# --- What follow is told of ----------------------------------------------------------------------


async def test_a_quiet_namespace_costs_one_list_of_each_kind(tracking: Tracking) -> None:
    for _ in range(3):
        await started(tracking)
    before = dict(tracking.frontend.calls)

    for _ in range(5):
        assert await tracking.follow() == 0

    made = tracking.frontend.calls - type(tracking.frontend.calls)(before)
    assert made == {"list_workflow_executions": 5, "list_activity_executions": 5}


async def test_new_workflows_are_found_and_closed_ones_cost_no_description(
    tracking: Tracking,
) -> None:
    workers = [await started(tracking) for _ in range(3)]
    for worker in workers[:2]:
        await worker.terminate()
        await tracking.visible(worker.workflow_id, closed=True)
    tracking.tracker.touch(workers[0].workflow_id, workers[0].run_id)

    assert await tracking.follow() == 0

    assert [tracking.of(worker) is not None for worker in workers] == [False, False, True]
    assert await tracking.differences() == set()


async def test_a_new_workflow_without_an_activity_is_described_twice(tracking: Tracking) -> None:
    worker = hand_worker(tracking.client)
    await worker.start_workflow()
    await tracking.visible(worker.workflow_id, closed=False)

    assert [await tracking.follow() for _ in range(4)] == [1, 1, 0, 0]

    await worker.schedule()
    await worker.take()
    assert await tracking.follow() == 0
    assert tracking.of(worker) is None  # nobody told of it
    await tracking.tracker.sweep(now())
    assert tracking.of(worker) is not None


async def test_an_execution_that_starts_leads_to_its_activity(tracking: Tracking) -> None:
    worker = hand_worker(tracking.client)
    await worker.start_workflow()
    await tracking.visible(worker.workflow_id, closed=False)
    for _ in range(3):
        await tracking.follow()
    await worker.schedule()
    claim = claim_of(await worker.take())

    tracking.tracker.linked(claim, Edition.GO)
    assert await tracking.follow() == 1

    found = tracking.of(worker)
    assert found is not None
    assert (found.service, found.live) == ("go", True)
    tracking.tracker.linked(claim, Edition.GO)  # told again
    assert await tracking.follow() == 0


async def test_the_service_is_that_of_the_execution_whatever_comes_first(
    tracking: Tracking,
) -> None:
    known, early = await started(tracking), hand_worker(tracking.client)
    token = await early.started()

    tracking.tracker.linked(claim_of(known.token), None)
    tracking.tracker.linked(claim_of(known.token), Edition.JAVA)
    tracking.tracker.linked(claim_of(token), Edition.GO)
    tracking.tracker.linked(Claim(TokenState.TRUNCATED, workflow_id="order"), Edition.GO)
    await tracking.follow_until(lambda: tracking.of(early) is not None)
    await tracking.tracker.sweep(now())

    counts = tracking.tracker.summary(now()).by_age
    assert counts["java", "0-1h"] == counts["go", "0-1h"] == 1
    assert sum(counts.values()) == 2


async def test_executions_known_before_the_sweep_cost_no_description(sandbox: Sandbox) -> None:
    """At its start the exporter is told of every execution of a day, most of them long over."""
    client = await new_client(sandbox)
    waiting, over = hand_worker(client), hand_worker(client)
    await over.complete(await over.started())
    await waiting.started()
    await listed(client, 1)
    async with tracking_of(client) as tracking:
        for worker in (waiting, over):
            tracking.tracker.linked(claim_of(worker.token), Edition.GO)
        await tracking.tracker.sweep(now())
        before = tracking.tracker.workflows_scanned
        await tracking.follow()

        found = tracking.of(waiting)
        assert found is not None
        assert found.service == "go"
        # `over` is open, since nobody took its last workflow task: it is new, and looked at twice.
        assert tracking.tracker.workflows_scanned - before <= 1


async def test_claims_of_other_namespaces_are_passed_over(tracking: Tracking) -> None:
    worker = await started(tracking)
    mine = claim_of(worker.token)
    foreign = Claim(
        mine.state,
        namespace_id="0fb1e9ae-9a3f-4d5c-8f2b-3f8c1c1f2a77",
        workflow_id="elsewhere",
        run_id=mine.run_id,
        activity_id="1",
        attempt=1,
    )

    tracking.tracker.linked(foreign, Edition.GO)

    assert await tracking.follow() == 0


async def test_a_callback_that_ends_has_its_workflow_described(tracking: Tracking) -> None:
    worker = await started(tracking)
    await worker.complete(worker.token)  # the workflow stays open: nobody takes its task

    assert await tracking.follow() == 0
    assert tracking.of(worker) is not None
    tracking.tracker.touch(worker.workflow_id, worker.run_id)
    assert await tracking.follow() == 1

    assert tracking.of(worker) is None
    assert await tracking.differences() == set()


async def test_a_workflow_that_waits_for_a_worker_is_looked_at_ever_more_rarely(
    tracking: Tracking,
) -> None:
    worker = hand_worker(tracking.client)
    await worker.start_workflow()
    await worker.schedule()
    await tracking.follow_until(lambda: tracking.of(worker) is not None)

    late = [await tracking.follow(later=timedelta(hours=hours)) for hours in (1, 1.5, 2.1, 3, 4.3)]
    await worker.take()
    # The tracker's clock is ahead by then: what it does not expect, the sweep corrects.
    await tracking.tracker.sweep(now())

    assert late == [1, 0, 1, 0, 1]
    found = tracking.of(worker)
    assert found is not None
    assert found.live
    assert await tracking.differences() == set()


async def test_standalone_activities_come_and_go(tracking: Tracking) -> None:
    worker = await standalone(tracking.client)
    await tracking.follow_until(lambda: tracking.of(worker) is not None)
    assert await tracking.differences() == set()
    tracking.tracker.linked(claim_of(worker.token), Edition.JAVA)
    found = tracking.of(worker)
    assert found is not None
    assert found.service == "java"

    await worker.complete(worker.token)
    await tracking.follow_until(lambda: tracking.of(worker) is None)

    assert tracking.tracker.drain_ends() == []


async def test_the_slow_sweep_shows_what_nobody_tells_of(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    await start_waiting(client, 40)
    silent = hand_worker(client)
    await silent.started()
    await listed(client, 41)
    async with tracking_of(client, full_sweep_every=timedelta(minutes=10)) as tracking:
        at = now()
        await tracking.tracker.sweep(at)
        await silent.complete(silent.token)
        described = []
        for minute in range(1, 11):
            before = tracking.tracker.workflows_scanned
            await tracking.tracker.follow(at + timedelta(minutes=minute))
            described.append(tracking.tracker.workflows_scanned - before)

        assert max(described) <= 7  # a tenth of 41 each, and what is new within the lag
        assert 41 <= sum(described) <= 60
        assert tracking.of(silent) is None
        assert await tracking.differences() == set()


async def test_a_round_ends_in_time_although_far_more_is_open_than_at_its_beginning(
    sandbox: Sandbox,
) -> None:
    client = await new_client(sandbox)
    async with tracking_of(client, full_sweep_every=timedelta(minutes=10)) as tracking:
        at = now()
        await tracking.tracker.sweep(at)
        await tracking.tracker.follow(at + timedelta(minutes=1))  # the round begins
        late = hand_worker(client)
        await late.start_workflow()
        await start_waiting(client, 20)
        await listed(client, 21)
        for minute in (2, 3, 4):
            await tracking.tracker.follow(at + timedelta(minutes=minute))
        await late.schedule()
        await late.take()
        for minute in range(5, 22):
            await tracking.tracker.follow(at + timedelta(minutes=minute))

        assert tracking.of(late) is not None
        assert await tracking.differences() == set()
