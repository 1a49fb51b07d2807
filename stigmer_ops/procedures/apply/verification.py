"""Whether what a plan asks for is the case: read from Temporal, and compared with the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.errors import StaleError, StigmerOpsError
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.handshake.token_validation import EndedActivity
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.handshake.write_plan import Aftermath
from stigmer_ops.procedures.apply.journal import Journal
from stigmer_ops.procedures.apply.repair import RowRepair
from stigmer_ops.procedures.plan_file import NumberedRow, PlanFile
from stigmer_ops.temporal.ending import ActivityEnding, ending_of
from stigmer_ops.temporal.fan_out import fan_out

TASK_PATIENCE = timedelta(seconds=10)
"""How long after the beginning a workflow may still be on its way to its next step."""

_PAUSE = timedelta(milliseconds=500)
_NOT_YET = RowOutcome(RowState.NOT_TRIED, "the attempt is still pending")

_FINDINGS = {
    Aftermath.TASK_FAILED: "done, but its workflow cannot go on: event {0}",
    Aftermath.WAITING: "done, but its workflow has not gone on yet",
}


class Check(StrEnum):
    """What was found of a row."""

    PROVED = "proved"
    """Done by this plan, and what it was for has happened."""
    DONE_BY_OTHERS = "done by others"
    OTHERWISE = "otherwise"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class RowCheck:
    """What Temporal says of a row.

    Attributes:
        numbered: The row.
        outcome: What became of its activity, NOT_TRIED while it waits as planned.
        workflow: What the workflow did next; None where that was not read.
        finding: Why the row is not as it should be; empty if it is.
    """

    numbered: NumberedRow
    outcome: RowOutcome
    workflow: Aftermath | None = None
    finding: str = ""

    @property
    def check(self) -> Check:
        """In a word."""
        if self.outcome.unreachable:
            return Check.UNREADABLE
        if self.finding:
            return Check.OTHERWISE
        others = self.outcome.state is RowState.ALREADY_DONE
        return Check.DONE_BY_OTHERS if others else Check.PROVED


async def verify_plan(
    plan: PlanFile, journal: Journal | None, systems: Systems
) -> AsyncGenerator[RowCheck, None]:
    """Check every row but those to be skipped, in the order in which the answers come.

    Most rows cost one page of a history, read from its end. Workflows that have not gone on yet are
    read again for a while: after a run, their workers are busy.

    Raises:
        StigmerOpsError: The namespace cannot be read.
    """
    frontend = systems.external
    repair = RowRepair(
        systems,
        await frontend.namespace_id(),
        identity="",
        sha256=plan.sha256,
        events_known=not plan.edited,
        dry_run=True,
    )
    reader = _Reader(repair, systems, journal, _now() + TASK_PATIENCE.total_seconds())
    checks = fan_out(_rows(plan), reader.check, concurrency=frontend.pace.concurrency)
    async with aclosing(checks):
        async for checked in checks:
            yield checked


async def _rows(plan: PlanFile) -> AsyncIterator[NumberedRow]:
    for numbered in plan.rows():
        if numbered.row.action is not Action.SKIP:
            yield numbered


class _Reader:
    """Checks rows; waits for workflows until `patience_ends`, on the clock of the event loop."""

    def __init__(
        self, repair: RowRepair, systems: Systems, journal: Journal | None, patience_ends: float
    ) -> None:
        self._repair = repair
        self._systems = systems
        self._journal = journal
        self._patience_ends = patience_ends

    async def check(self, numbered: NumberedRow) -> RowCheck:
        record = {} if self._journal is None else self._journal.record(numbered.number)
        try:
            checked = await self._read(numbered, record.get("until"))
        except StaleError as error:
            checked = RowCheck(numbered, RowOutcome(RowState.REFUSED, error.happened))
        except StigmerOpsError as error:
            outcome = RowOutcome(RowState.FAILED, error.happened, unreachable=True)
            return RowCheck(numbered, outcome, finding=f"cannot be read: {error.happened}")
        return _judged(checked, record.get("outcome") == RowState.DONE)

    async def _read(self, numbered: NumberedRow, until: str | None) -> RowCheck:
        while True:
            checked = await _seen(self._repair, self._systems, numbered, until)
            if checked.workflow is not Aftermath.WAITING or _now() > self._patience_ends:
                return checked
            await asyncio.sleep(_PAUSE.total_seconds())


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _seen(
    repair: RowRepair, systems: Systems, numbered: NumberedRow, until: str | None
) -> RowCheck:
    row = numbered.row
    deed = repair.deed(row)
    fence = await deed.target(row)
    if row.workflow_id and row.action is not Action.EXTEND:
        ending = await ending_of(systems.external, fence)
        if ending is not None:
            outcome = repair.ended(row, _activity(ending))
            return RowCheck(numbered, outcome, ending.aftermath, _next(ending))
    meant = datetime.fromisoformat(until) if until else None
    return RowCheck(numbered, await deed.look(row, fence, meant) or _NOT_YET)


def _activity(ending: ActivityEnding) -> EndedActivity:
    closing = ending.closing
    return EndedActivity(
        closing.outcome, closing.time, closing.event_id, closing.identity, closing.failure
    )


def _next(ending: ActivityEnding) -> str:
    return _FINDINGS.get(ending.aftermath, "").format(ending.aftermath_event_id)


def _judged(checked: RowCheck, journaled: bool) -> RowCheck:
    """The check with its finding: what we did must have gone on; what others did is theirs."""
    state, extends = checked.outcome.state, checked.numbered.row.action is Action.EXTEND
    finding = ""
    if state is RowState.DONE:
        finding = checked.finding
    elif journaled and extends and state is RowState.REFUSED:
        finding = ""  # it was extended, and has ended since
    elif journaled:
        finding = f"the journal says done, but {checked.outcome.detail}"
    elif state is not RowState.ALREADY_DONE:
        finding = f"not done: {checked.outcome.detail}"
    return RowCheck(checked.numbered, checked.outcome, checked.workflow, finding)
