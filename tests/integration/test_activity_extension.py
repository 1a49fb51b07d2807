"""Moving deadlines, on a real server: what it sets, what it clamps, and what a race does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.client import Client

from stigmer_ops.errors import RefusedError, StaleError
from stigmer_ops.handshake.activity import TimeoutType
from stigmer_ops.handshake.token import decode
from stigmer_ops.handshake.write_plan import Fencing
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.attempt import locate
from stigmer_ops.temporal.frontend import Frontend
from support.activity_writes import by_ids, executed, extension, frontend_of, pause, results_in
from support.audit import records
from support.hand_worker import HandWorker, seconds
from support.token_scenarios.case import retried

HOUR = timedelta(hours=1)


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return sandbox.client


@pytest.fixture
def frontend(sandbox: Sandbox) -> Frontend:
    return frontend_of(sandbox.client)


async def test_attempt_outlives_its_first_deadline_with_the_same_token(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = HandWorker(client, start_to_close=2)
    token = await worker.started()

    write = await extension(frontend, decode(token), by=HOUR)
    proof = await executed(frontend, write, trail)

    assert write.plan.fencing is Fencing.REREAD
    assert proof.outcome == "EXTENDED"
    assert proof.change is not None
    assert proof.change.changed == ("start_to_close",)
    assert proof.change.after.start_to_close == timedelta(seconds=3602)
    await asyncio.sleep(2.3)
    assert await worker.complete(token) == ("OK", "")
    (intent, outcome) = records(trail)
    assert outcome.outcome is not None
    assert "start_to_close 2s -> 3602s" in outcome.outcome.detail
    assert intent.intent.parameters.start_to_close_timeout == timedelta(seconds=3602)
    assert intent.intent.parameters.start_to_close_timeout_before == timedelta(seconds=2)


async def test_both_timeouts_are_raised_so_that_none_is_clamped(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = HandWorker(client, start_to_close=100)
    await worker.start_workflow()
    await worker.schedule(schedule_to_close_timeout=seconds(120))
    await worker.take()
    until = datetime.now(UTC) + 2 * HOUR

    write = await extension(frontend, await by_ids(frontend, worker), until=until)
    proof = await executed(frontend, write, trail)

    assert proof.change is not None
    assert set(proof.change.changed) == {"start_to_close", "schedule_to_close"}
    assert proof.change == write.plan.change, "read back as asked"
    assert until <= proof.change.deadline <= until + timedelta(seconds=1)


async def test_heartbeat_timeout_that_would_end_it_first_is_raised_too(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = HandWorker(client, start_to_close=100)
    await worker.start_workflow()
    await worker.schedule(heartbeat_timeout=seconds(3))
    await worker.take()

    write = await extension(frontend, await by_ids(frontend, worker), by=timedelta(seconds=30))
    proof = await executed(frontend, write, trail)

    assert write.plan.activity.deadline is not None
    assert write.plan.activity.deadline.timeout_type is TimeoutType.HEARTBEAT
    assert proof.change is not None
    assert proof.change.changed == ("heartbeat",)


async def test_queued_activity_gets_more_time_to_be_taken(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = HandWorker(client, start_to_close=100)
    await worker.start_workflow()
    await worker.schedule(schedule_to_start_timeout=seconds(2))
    reference = await by_ids(frontend, worker)

    await executed(frontend, await extension(frontend, reference, by=HOUR), trail)

    await asyncio.sleep(2.2)
    assert (await locate(frontend, reference)).activity.timeouts.schedule_to_start == (
        HOUR + timedelta(seconds=2)
    )


async def test_start_to_close_counts_from_the_start_of_the_attempt(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = HandWorker(client)
    await worker.started()
    reference = await by_ids(frontend, worker)

    write = await extension(frontend, reference, start_to_close=8 * HOUR)
    proof = await executed(frontend, write, trail)

    assert proof.change is not None
    assert proof.change.after.start_to_close == 8 * HOUR


async def test_start_to_close_of_what_has_not_started_is_refused(
    client: Client, frontend: Frontend
) -> None:
    worker = HandWorker(client)
    await worker.start_workflow()
    await worker.schedule(schedule_to_close_timeout=seconds(900))

    with pytest.raises(RefusedError, match=r"has not started.*start-to-close does not run"):
        await extension(frontend, await by_ids(frontend, worker), start_to_close=HOUR)


async def test_earlier_deadline_is_refused(client: Client, frontend: Frontend) -> None:
    worker = HandWorker(client)
    await worker.started()

    with pytest.raises(RefusedError, match=r"is not later than the deadline"):
        await extension(
            frontend,
            await by_ids(frontend, worker),
            until=datetime.now(UTC) + timedelta(seconds=60),
        )


async def test_end_of_the_workflow_itself_is_told(client: Client, frontend: Frontend) -> None:
    worker = HandWorker(client, start_to_close=30)
    await worker.started(workflow_run_timeout=seconds(60))

    write = await extension(frontend, await by_ids(frontend, worker), by=HOUR)

    ends = write.plan.change.outlives_workflow  # type: ignore[union-attr] # an extension's change
    assert ends is not None
    assert ends < datetime.now(UTC) + timedelta(seconds=61)


async def test_attempt_that_ends_between_plan_and_call_is_not_extended(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = HandWorker(client, attempts=5, retry_after=0.01)
    token = await worker.started()
    reference = await by_ids(frontend, worker)
    write = await extension(frontend, reference, by=HOUR)
    await worker.fail(token, retryable=True)
    await worker.take()

    with pytest.raises(StaleError, match=r"attempt 1 was meant, and attempt 2 is now STARTED"):
        await executed(frontend, write, trail)

    assert results_in(trail) == ["refused"]
    assert (await locate(frontend, reference)).activity.timeouts.start_to_close == timedelta(
        seconds=600
    )


async def test_stale_token_extends_nothing(client: Client, frontend: Frontend) -> None:
    worker, first, _ = await retried(client, taken=True)

    with pytest.raises(StaleError, match=r"attempt 1, and the activity is now at attempt 2"):
        await extension(frontend, decode(first), by=HOUR)

    assert worker.run_id
    assert "update_activity_options" not in frontend.calls


async def test_paused_attempt_can_be_given_time_before_it_is_unpaused(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = HandWorker(client)
    token = await worker.started()
    await pause(worker)

    proof = await executed(frontend, await extension(frontend, decode(token), by=HOUR), trail)

    assert proof.outcome == "EXTENDED"


@pytest.mark.parametrize("by_token", [False, True])
async def test_standalone_activity_is_extended_where_the_server_can(
    client: Client, frontend: Frontend, trail: Path, by_token: bool
) -> None:
    worker = HandWorker(client)
    token = await worker.started_standalone()
    reference = decode(token)
    if not by_token:
        reference = await by_ids(
            frontend, worker, workflow_id="", run_id="", activity_id=reference.activity_id
        )

    proof = await executed(frontend, await extension(frontend, reference, by=HOUR), trail)

    assert proof.change is not None
    assert proof.change.after.start_to_close == timedelta(seconds=4200)
    assert await worker.complete(token) == ("OK", "")


def test_every_timeout_is_a_field_of_activity_options() -> None:
    from stigmer_ops.handshake.extension import FIELDS

    assert set(FIELDS) == set(TimeoutType)
    options = ActivityOptions.DESCRIPTOR.fields_by_name
    assert all(f"{name}_timeout" in options for name in FIELDS.values())
