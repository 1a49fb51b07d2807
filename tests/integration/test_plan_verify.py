"""`plan verify`: what the histories show of a plan, whatever its journal says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply import verification
from stigmer_ops.procedures.apply.engine import Limits
from stigmer_ops.procedures.apply.journal import journal_path, read_journal
from stigmer_ops.procedures.apply.verification import Check, RowCheck, verify_plan
from stigmer_ops.procedures.plan_file import open_plan
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.awaiting import Awaiting, awaiting
from support.hand_worker import unique
from support.plans import applied, written_plan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.jsonl"


async def verified(path: Path, frontend: Frontend) -> list[RowCheck]:
    """The checks in the order of the rows."""
    with open_plan(path) as plan, read_journal(plan) as journal:
        checks = [each async for each in verify_plan(plan, journal, Systems(frontend, frontend))]
    return sorted(checks, key=lambda check: check.numbered.number)


async def started(population: Awaiting, count: int, *, fragile: bool = False) -> list[str]:
    prefix = unique("order")
    return await population.start((f"{prefix}-{n}" for n in range(count)), fragile=fragile)


async def test_what_was_done_is_proved_and_what_was_not_is_told(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    done, failed, extended, retried, pending = await started(population, 5)
    rows = [
        population.row(done),
        population.row(failed, Action.FAIL),
        population.row(extended, Action.EXTEND, extend_by_seconds=60.0, scheduled_event_id=0),
        population.row(retried),
        population.row(pending),
        population.row(pending, Action.SKIP, activity_id="6", scheduled_event_id=0),
    ]
    await written_plan(path, frontend, rows)
    await population.retry(retried)
    await applied(path, frontend, limits=Limits(canary=0, maximum=4, concurrency=1))

    checks = await verified(path, frontend)

    assert [check.check for check in checks] == [
        Check.PROVED,
        Check.PROVED,
        Check.PROVED,
        Check.OTHERWISE,
        Check.OTHERWISE,
    ]
    assert checks[0].outcome.event_id
    assert checks[0].workflow == "resumed"
    assert "attempt 2" in checks[3].finding
    assert checks[4].finding == "not done: the attempt is still pending"


async def test_others_completion_is_told_as_theirs(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    (name,) = await started(population, 1)
    await written_plan(path, frontend, [population.row(name)])
    handle = population.client.get_async_activity_handle(task_token=population.tokens[name, 1])
    await handle.complete("by the agent")
    (check,) = await verified(path, frontend)
    assert (check.check, check.outcome.by) == (Check.DONE_BY_OTHERS, population.client.identity)


async def test_workflow_that_cannot_go_on_is_a_finding(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    (name,) = await started(population, 1, fragile=True)
    await written_plan(path, frontend, [population.row(name)])
    await applied(path, frontend)
    (check,) = await verified(path, frontend)
    assert check.check is Check.OTHERWISE
    assert "its workflow cannot go on: event" in check.finding


async def test_workflow_without_workers_is_waited_for_and_told(
    sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "TASK_PATIENCE", timedelta(seconds=0.1))
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    frontend = Frontend(client, Pace(rps=0))
    async with awaiting(client) as gone:
        (name,) = await started(gone, 1)
    await written_plan(path, frontend, [gone.row(name)])
    await applied(path, frontend, limits=Limits(canary=0))
    (check,) = await verified(path, frontend)
    assert check.finding == "done, but its workflow has not gone on yet"


async def test_journal_that_says_what_no_history_shows_is_contradicted(
    population: Awaiting, frontend: Frontend, path: Path
) -> None:
    first, second = await started(population, 2)
    await written_plan(path, frontend, [population.row(first), population.row(second)])
    await applied(path, frontend, limits=Limits(maximum=1))
    journal = journal_path(path)
    forged = [line.replace('"row":1', '"row":2') for line in journal.read_text().splitlines(True)]
    journal.write_text("".join(forged))

    checks = await verified(path, frontend)

    assert [check.check for check in checks] == [Check.PROVED, Check.OTHERWISE]
    assert "the journal says done, but the attempt is still pending" in checks[1].finding
