"""The canaries of a plan on a real server: what is done before the proof, and what after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stigmer_ops.handshake.plan_outcome import RowState
from stigmer_ops.procedures.apply.engine import Limits
from stigmer_ops.temporal.frontend import Frontend
from support.awaiting import Awaiting, names, together
from support.plans import applied, written_plan

DONE, REFUSED, NOT_TRIED = RowState.DONE, RowState.REFUSED, RowState.NOT_TRIED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.jsonl"


async def test_canary_that_breaks_its_workflow_stops_the_run(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    fragile = await population.start(names(4), fragile=True)
    await written_plan(path, frontend, map(population.row, fragile))

    stopped = await applied(path, frontend)

    assert stopped.states == [DONE, NOT_TRIED, NOT_TRIED, NOT_TRIED]
    assert "its workflow cannot go on" in stopped.standing.stopped
    assert "a mapping is not what was expected" in stopped.standing.stopped


async def test_refused_rows_prove_nothing_and_the_canary_is_taken_from_the_next(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    retried, fragile = (
        await population.start(names(1)),
        await population.start(names(2), fragile=True),
    )
    await population.retry(retried[0])
    await written_plan(path, frontend, map(population.row, [*retried, *fragile]))

    stopped = await applied(path, frontend)

    assert stopped.states == [REFUSED, DONE, NOT_TRIED]


async def test_canary_of_an_old_plan_is_found_by_reading_and_no_row_more_is_done(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    old = await population.start(names(20))
    fragile = await population.start(names(4), fragile=True)
    await together(population.retry(name) for name in old)
    await written_plan(path, frontend, map(population.row, [*old, *fragile]))

    stopped = await applied(path, frontend, limits=Limits(error_rate=100, concurrency=16))

    assert stopped.states == [REFUSED] * 20 + [DONE] + [NOT_TRIED] * 3
    assert "its workflow cannot go on" in stopped.standing.stopped
    assert stopped.standing.tried == 21
    assert frontend.calls["respond_activity_task_completed"] == 2  # the first row, and the canary


async def test_rows_that_were_only_looked_at_are_tried_after_the_canary(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    old = await population.start(names(2))
    pending = await population.start(names(5))
    await together(population.retry(name) for name in old)
    await written_plan(path, frontend, map(population.row, [*old, *pending]))

    limits = Limits(error_rate=100, maximum=6, concurrency=8)
    finished = await applied(path, frontend, limits=limits)

    assert finished.states == [REFUSED] * 2 + [DONE] * 4 + [NOT_TRIED]
    assert finished.standing.tried == 6
