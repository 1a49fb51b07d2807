"""The deadlines that fall within the window, moved behind it.

The extensions are a plan that is applied as `apply` does: written down before each call, read back
after it, and resumable. The plan and its journal are in the folder of the window; the timeouts as
they were are in the snapshot. What begins to wait while the window is begun is extended at its end,
by a second plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from stigmer_ops.errors import ExitCode, StigmerOpsError
from stigmer_ops.handshake.activity import ActivityKey, PendingActivity
from stigmer_ops.handshake.plan import PlanHeader, PlanRow
from stigmer_ops.handshake.plan_outcome import RowState
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.engine import Limits
from stigmer_ops.procedures.apply.journal import Journal, open_journal
from stigmer_ops.procedures.apply.report import ReportedRow, counted, report_rows
from stigmer_ops.procedures.apply.run import plan_run
from stigmer_ops.procedures.maintenance import snapshot
from stigmer_ops.procedures.maintenance.forecast import forecast
from stigmer_ops.procedures.maintenance.window import World
from stigmer_ops.procedures.plan_file import PlanFile, new_plan, open_plan
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import StepResult, StepState, done


@dataclass(frozen=True, slots=True)
class Round:
    """Activities that were written down, and the plan of their extensions: the names of the files.

    Attributes:
        activities: What waited.
        plan: What is done about it.
    """

    activities: str
    plan: str


FIRST = Round(snapshot.FILE_NAME, "extensions.jsonl")
LATE = Round(snapshot.LATE_FILE_NAME, "late-extensions.jsonl")
LINES_TOLD = 20
_TOUCHED = frozenset({RowState.DONE, RowState.FAILED})
"""Outcomes of rows that may have had an effect."""


class ExtensionsIncompleteError(StigmerOpsError):
    """Some deadlines could not be moved behind the maintenance window, which has not begun."""

    reference = "extensions-incomplete"
    exit_code = ExitCode.PARTIAL
    usual_next_step = "run the same command again: it tries them again; or give the window up: "
    usual_next_step += "stigmer-ops maintenance end"


async def obstacle(world: World) -> str:
    """Whether there is a window left."""
    return "" if world.now() < world.window.end else "the window is over"


async def extend(world: World, record: StepRecord) -> StepResult:
    """Move the deadlines of the snapshot that fall within the window behind it.

    Raises:
        ExtensionsIncompleteError: Not all that still wait could be moved.
        StigmerOpsError: Plan or journal cannot be written, or Temporal does not answer.
    """
    return await _extend(world, record, FIRST)


async def extend_latecomers(world: World, record: StepRecord) -> StepResult:
    """Look again, and do the same for what has begun to wait since the snapshot.

    Raises:
        ExtensionsIncompleteError, StigmerOpsError: As `extend`, and as `take_snapshot`.
    """
    if not (record.folder / LATE.activities).exists():
        await snapshot.take_latecomers(world, record)
    count = sum(1 for _ in snapshot.read_snapshot(record.folder, LATE.activities))
    if not count:
        return done("nothing has begun to wait since the snapshot", {"activities": 0})
    result = await _extend(world, record, LATE)
    detail = f"{count:,} have begun to wait since the snapshot: {result.detail}"
    return replace(result, detail=detail, data={**result.data, "activities": count})


async def _extend(world: World, record: StepRecord, which: Round) -> StepResult:
    path = record.folder / which.plan
    if not path.exists():
        await _write_plan(world, path, snapshot.read_snapshot(record.folder, which.activities))
    with _opened(path) as (plan, journal):
        if plan.tally.rows:
            await _apply(world, plan, journal, record)
        states = counted(plan, journal)
        gone = [
            f"{_named(each.numbered.row)}: {each.outcome.detail}"
            for each in _refused(plan, journal)
        ]
    extended = states[RowState.DONE] + states[RowState.ALREADY_DONE]
    refused = states[RowState.REFUSED] + states[RowState.NOT_EXTENDABLE]
    detail = f"{extended:,} deadlines moved behind {_time(world.window.end)}"
    if refused:
        detail += f"; {refused:,} activities had moved on by then"
    return StepResult(
        StepState.DONE,
        detail,
        {"extended": extended, "moved_on": refused, "plan": str(path)},
        tuple(gone),
    )


async def _write_plan(world: World, path: Path, waiting: Iterable[PendingActivity]) -> None:
    """Write the plan for what waits; it is there whole, or not at all."""
    frontend = world.systems.external
    header = PlanHeader(
        namespace=frontend.namespace,
        namespace_id=await frontend.namespace_id(),
        address=frontend.address,
        created_time=world.now(),
    )
    part = path.with_suffix(".part.jsonl")
    part.unlink(missing_ok=True)
    with new_plan(part, header) as plan:
        for activity in waiting:
            found = forecast(activity, world.window, world.now())
            if found.extend_to is not None and found.deadline is not None:
                plan.add(_row(activity, found.deadline, found.extend_to))
    part.replace(path)


def _row(activity: PendingActivity, deadline: datetime, until: datetime) -> PlanRow:
    return PlanRow(
        action=Action.EXTEND,
        workflow_id=activity.workflow_id,
        run_id=activity.run_id,
        activity_id=activity.activity_id,
        attempt=activity.attempt,
        extend_by_seconds=(until - deadline).total_seconds(),
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[PlanFile, Journal]]:
    with open_plan(path) as plan, open_journal(plan) as journal:
        yield plan, journal


async def _apply(world: World, plan: PlanFile, journal: Journal, record: StepRecord) -> None:
    limits = Limits(canary=0, error_rate=100, concurrency=world.systems.external.pace.concurrency)
    async with plan_run(
        plan,
        journal,
        world.systems,
        world.operator,
        limits,
        trail=world.trail,
        now=world.now,
        command="maintenance begin",
    ) as (run, _):
        record.reported = lambda: (run.standing.tried, run.standing.total)
        standing = await run.run()
    left = [each for each in report_rows(plan, journal) if not each.outcome.state.settled]
    if standing.error is not None:
        raise standing.error
    if left:
        told = "; ".join(
            f"{_named(each.numbered.row)}: {each.outcome.detail or standing.stopped}"
            for each in left[:3]
        )
        raise ExtensionsIncompleteError(
            f"{len(left):,} of {plan.tally.rows:,} deadlines could not be moved: {told}",
            not_done="nothing further of the window was begun",
        )


def _refused(plan: PlanFile, journal: Journal) -> list[ReportedRow]:
    rows = report_rows(plan, journal)
    return [*islice((each for each in rows if each.outcome.state.troubling), LINES_TOLD)]


def _named(row: PlanRow) -> str:
    return f"{row.workflow_id or '(standalone)'} {row.activity_id}"


@dataclass(frozen=True, slots=True)
class Extended:
    """An activity whose deadline may have been moved.

    Attributes:
        original: As the snapshot has it.
        until: To when it was moved; None where that is not known.
    """

    original: PendingActivity
    until: datetime | None


def extended_by(folder: Path, which: Round) -> Iterator[Extended]:
    """The activities that a round of the window in `folder` has extended, or may have.

    Raises:
        StigmerOpsError: Plan, journal or snapshot cannot be read.
    """
    if not (folder / which.plan).exists():
        return
    touched: dict[ActivityKey, datetime | None] = {}
    with _opened(folder / which.plan) as (plan, journal):
        for numbered in plan.rows():
            number = numbered.number
            if journal.state(number) in _TOUCHED:
                until = journal.record(number).get("until")
                touched[numbered.row.key] = datetime.fromisoformat(until) if until else None
    for activity in snapshot.read_snapshot(folder, which.activities):
        if activity.key in touched:
            yield Extended(activity, touched[activity.key])


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
