"""Plans over a bad network: lost answers, calls that never arrive, a server that is busy."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from temporalio.client import Client

from stigmer_ops.audit import Result
from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.handshake.plan_outcome import RowState
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.engine import Limits
from stigmer_ops.procedures.apply.journal import open_journal
from stigmer_ops.procedures.apply.report import counted
from stigmer_ops.procedures.apply.run import plan_run
from stigmer_ops.procedures.plan_file import open_plan
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.describe import describe_workflow
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.audit import records
from support.awaiting import Awaiting, names
from support.gateway import Gateway, gateway_to
from support.plans import OPERATOR, applied, utc_now, written_plan

COMPLETED, EXTENDED = "RespondActivityTaskCompleted", "UpdateActivityOptions"
WITHOUT_CANARY = Limits(canary=0, concurrency=4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.jsonl"


async def through(gateway: Gateway, population: Awaiting) -> Frontend:
    client = await Client.connect(gateway.address, namespace=population.client.namespace)
    return Frontend(client, Pace(rps=0))


async def completions(population: Awaiting, name: str) -> list[str]:
    """Identities of whoever completed the activity of a workflow."""
    history = await population.client.get_workflow_handle(name).fetch_history()
    return [
        event.activity_task_completed_event_attributes.identity
        for event in history.events
        if event.HasField("activity_task_completed_event_attributes")
    ]


def outcomes(path: Path) -> list[Result]:
    return [
        record.outcome.result for record in records(path.with_name("audit.jsonl")) if record.outcome
    ]


async def test_lost_answers_are_found_in_the_histories_and_nothing_is_sent_twice(
    sandbox: Sandbox, population: Awaiting, path: Path
) -> None:
    started = await population.start(names(5))
    async with gateway_to(sandbox.address, lose_answers_of={COMPLETED}) as gateway:
        frontend = await through(gateway, population)
        mark = await written_plan(path, frontend, map(population.row, started))
        result = await applied(path, frontend, limits=WITHOUT_CANARY)
        sent = Counter(gateway.calls)[COMPLETED]

    assert result.states == [RowState.DONE] * 5
    assert all(outcome.event_id and outcome.by.endswith(mark) for outcome in result.outcomes)
    assert sent == 5
    for name in started:
        assert len(await completions(population, name)) == 1


async def test_call_that_did_not_arrive_is_made_again_once_the_history_shows_that(
    sandbox: Sandbox, population: Awaiting, path: Path
) -> None:
    started = await population.start(names(3))
    cut = 3

    async def network(method: str, _request: bytes) -> grpc.StatusCode | None:
        nonlocal cut
        if method == COMPLETED and cut:
            cut -= 1
            return grpc.StatusCode.UNAVAILABLE
        return None

    async with gateway_to(sandbox.address, intercept=network) as gateway:
        frontend = await through(gateway, population)
        await written_plan(path, frontend, map(population.row, started))
        result = await applied(path, frontend, limits=WITHOUT_CANARY)
        calls = gateway.calls

    assert result.states == [RowState.DONE] * 3
    assert Counter(calls)[COMPLETED] == 6
    first = calls.index(COMPLETED)
    again = [at for at, call in enumerate(calls) if call == COMPLETED][3]
    assert "DescribeWorkflowExecution" in calls[first:again]


async def test_network_that_stays_cut_leaves_rows_in_doubt_and_the_next_run_settles_them(
    sandbox: Sandbox, population: Awaiting, path: Path
) -> None:
    started = await population.start(names(12))

    async def dead(method: str, _request: bytes) -> grpc.StatusCode | None:
        return grpc.StatusCode.UNAVAILABLE if method == COMPLETED else None

    async with gateway_to(sandbox.address, intercept=dead) as gateway:
        frontend = await through(gateway, population)
        await written_plan(path, frontend, map(population.row, started))
        broken = await applied(path, frontend, limits=Limits(canary=0, concurrency=1))
    direct = Frontend(population.client, Pace(rps=0))
    mended = await applied(path, direct, limits=WITHOUT_CANARY)

    assert "Temporal does not answer" in broken.standing.stopped
    assert broken.states.count(RowState.FAILED) == 8
    assert broken.states.count(RowState.NOT_TRIED) == 4
    assert set(outcomes(path)[:8]) == {Result.UNKNOWN}
    assert mended.states == [RowState.DONE] * 12


async def test_busy_server_is_waited_for(
    sandbox: Sandbox, population: Awaiting, path: Path
) -> None:
    started = await population.start(names(2))
    refused = Counter[bytes]()

    async def busy(method: str, request: bytes) -> grpc.StatusCode | None:
        if method != COMPLETED:
            return None
        refused[request] += 1
        return grpc.StatusCode.RESOURCE_EXHAUSTED if refused[request] < 3 else None

    async with gateway_to(sandbox.address, intercept=busy) as gateway:
        frontend = await through(gateway, population)
        await written_plan(path, frontend, map(population.row, started))
        result = await applied(path, frontend, limits=WITHOUT_CANARY)

    assert result.states == [RowState.DONE] * 2
    assert outcomes(path) == [Result.DONE] * 2


async def test_somebody_elses_completion_is_not_taken_for_ours(
    sandbox: Sandbox, population: Awaiting, path: Path
) -> None:
    (name,) = await population.start(names(1))

    async def overtaken(method: str, _request: bytes) -> grpc.StatusCode | None:
        if method != COMPLETED:
            return None
        handle = population.client.get_async_activity_handle(task_token=population.tokens[name, 1])
        await handle.complete("by the agent")
        return grpc.StatusCode.UNAVAILABLE

    async with gateway_to(sandbox.address, intercept=overtaken) as gateway:
        frontend = await through(gateway, population)
        await written_plan(path, frontend, [population.row(name)])
        result = await applied(path, frontend, limits=WITHOUT_CANARY)

    assert result.states == [RowState.ALREADY_DONE]
    assert result.outcomes[0].by == population.client.identity


async def test_extension_whose_answer_is_lost_is_not_made_twice(
    sandbox: Sandbox, population: Awaiting, path: Path
) -> None:
    (name,) = await population.start(names(1))
    row = population.row(name, Action.EXTEND, extend_by_seconds=3600.0, scheduled_event_id=0)
    async with gateway_to(sandbox.address, lose_answers_of={EXTENDED}) as gateway:
        frontend = await through(gateway, population)
        await written_plan(path, frontend, [row])
        result = await applied(path, frontend, limits=WITHOUT_CANARY)
        sent = Counter(gateway.calls)[EXTENDED]

    assert (result.states, sent) == ([RowState.DONE], 1)
    workflow = await describe_workflow(frontend_of(population), name, "")
    assert workflow.pending[0].timeouts.start_to_close == timedelta(hours=25)


def frontend_of(population: Awaiting) -> Frontend:
    return Frontend(population.client, Pace(rps=0))


async def test_interrupted_run_carries_what_is_under_way_to_its_end(
    sandbox: Sandbox, population: Awaiting, path: Path
) -> None:
    started = await population.start(names(10))

    async def slow(method: str, _request: bytes) -> grpc.StatusCode | None:
        await asyncio.sleep(0.3 if method == COMPLETED else 0)
        return None

    async with gateway_to(sandbox.address, intercept=slow) as gateway:
        frontend = await through(gateway, population)
        await written_plan(path, frontend, map(population.row, started))
        with open_plan(path) as plan, open_journal(plan) as journal:
            async with plan_run(
                plan,
                journal,
                Systems(frontend, frontend),
                OPERATOR,
                WITHOUT_CANARY,
                trail=None,
                now=utc_now,
            ) as (run, _recorder):
                running = asyncio.create_task(run.run())
                while COMPLETED not in gateway.calls:  # noqa: ASYNC110 - the run calls it
                    await asyncio.sleep(0.01)
                run.stop("interrupted", interrupted=True)
                await running
            states = counted(plan, journal)

    # Four were being sent; as many again may have waited for the disk, begun all the same.
    done = states[RowState.DONE]
    assert 4 <= done <= 8
    assert done == Counter(gateway.calls)[COMPLETED]
    assert states == {RowState.DONE: done, RowState.NOT_TRIED: 10 - done, RowState.SKIPPED: 0}
