"""The run of a plan: which rows are tried in which order, and when to stop."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from stigmer_ops.audit import Entry, Intent, Target
from stigmer_ops.errors import InputError, StigmerOpsError
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.brake import Brake
from stigmer_ops.procedures.apply.canary import doubt_about, prove_some
from stigmer_ops.procedures.apply.deeds import Content
from stigmer_ops.procedures.apply.journal import Journal
from stigmer_ops.procedures.apply.recorder import Recorder
from stigmer_ops.procedures.apply.repair import Doubt, RowRepair
from stigmer_ops.procedures.plan_file import NumberedRow, PlanFile
from stigmer_ops.temporal.fan_out import fan_out
from stigmer_ops.temporal.frontend import Frontend


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a run may go.

    Attributes:
        maximum: Rows to try at most; None for all.
        canary: Rows of each action that are proved before others follow.
        error_rate: Percent of the rows tried that may be refused or fail.
        concurrency: Rows of which something is read or sent at once; as many again may wait for
            the disk.
    """

    maximum: int | None = None
    canary: int = 1
    error_rate: float = 20.0
    concurrency: int = 64


@dataclass(slots=True)
class Standing:
    """How far a run has come; it grows while the run goes on.

    Attributes:
        total: Rows that there are to try, as it was when the run began.
        states: What became of those tried in this run.
        began: `time.monotonic()` at the beginning.
        stopped: Why it ended before its end; empty if it did not.
        error: What made it stop, if it was an error.
        interrupted: Whether somebody made it stop.
        canary_seconds: How long the canary rows took, proof included.
    """

    total: int
    states: Counter[RowState] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)
    stopped: str = ""
    error: StigmerOpsError | None = None
    interrupted: bool = False
    canary_seconds: float = 0.0

    @property
    def tried(self) -> int:
        """Rows tried in this run."""
        return self.states.total()

    @property
    def errors(self) -> int:
        """Rows of them that were refused or failed."""
        return self.states[RowState.REFUSED] + self.states[RowState.FAILED]

    @property
    def rate(self) -> float:
        """Rows a second so far."""
        return self.tried / max(time.monotonic() - self.began, 1e-3)


IntentOf = Callable[[PlanRow, AttemptFence, Content | None], Intent]
"""What the audit records of a row before its call; the content where it is at hand."""


class PlanRun:
    """One run of a plan.

    Args:
        plan: What to do.
        journal: What is done already.
        recorder: Where it is recorded.
        repair: How a row is carried out.
        frontend: Where canaries are read back.
        intent_of: What the audit is told.
        limits: How far to go.
        dry_run: Whether nothing is sent, so that there is nothing to prove.
    """

    def __init__(
        self,
        plan: PlanFile,
        journal: Journal,
        recorder: Recorder,
        repair: RowRepair,
        frontend: Frontend,
        intent_of: IntentOf,
        limits: Limits,
        *,
        dry_run: bool = False,
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._recorder = recorder
        self._repair = repair
        self._frontend = frontend
        self._intent_of = intent_of
        self._limits = limits
        self._dry_run = dry_run
        self._turns = asyncio.Semaphore(limits.concurrency)
        self._taken = bytearray(plan.tally.rows + 1)
        self._begun = 0
        self._brake = Brake(limits.error_rate)
        self.standing = Standing(to_try(plan, journal))

    def stop(
        self, why: str, error: StigmerOpsError | None = None, *, interrupted: bool = False
    ) -> None:
        """Begin no further row; those under way are carried to their end. The first reason stays.

        Args:
            why: A sentence.
            error: The error behind it.
            interrupted: Whether somebody wants it so.
        """
        if not self.standing.stopped:
            self.standing.stopped = why
            self.standing.error = error
            self.standing.interrupted = interrupted

    async def run(self) -> Standing:
        """Try every row that is not settled: canaries first, then the rest at once."""
        if not self._dry_run and self._limits.canary:
            began = time.monotonic()
            await self._try_canaries()
            self.standing.canary_seconds = time.monotonic() - began
        outcomes = fan_out(
            self._rows(frozenset(Action)), self._in_turn, concurrency=2 * self._limits.concurrency
        )
        async with aclosing(outcomes):
            async for _ in outcomes:
                pass
        if self._begun == self._limits.maximum and self.standing.tried < self.standing.total:
            self.stop(f"--max: {self._begun} rows were tried")
        return self.standing

    async def _try_canaries(self) -> None:
        """Prove some rows of each action."""
        for action in Action:
            async with aclosing(self._rows(frozenset({action}))) as rows:
                await prove_some(
                    rows,
                    self._limits.canary,
                    widest=self._limits.concurrency,
                    is_over=self._is_over,
                    prove=self._prove,
                    give_back=self._give_back,
                )

    async def _is_over(self, numbered: NumberedRow) -> bool:
        """Settle a row whose attempt is over. What was begun before is found out by trying it."""
        number = numbered.number
        if self._journal.in_doubt(number):
            return False
        async with self._turns:
            outcome = await self._repair.over(numbered.row)
        if outcome is not None:
            self._recorder.end(number, outcome, None)
            self._count(outcome)
        return outcome is not None

    def _give_back(self, numbered: NumberedRow) -> None:
        self._taken[numbered.number] = 0
        self._begun -= 1

    async def _prove(self, numbered: NumberedRow) -> bool:
        """Try a row, and stop the run if it was done without doing what it was for."""
        if (await self._in_turn(numbered)).state is not RowState.DONE:
            return False
        doubt = await doubt_about(self._frontend, self._repair, numbered.row)
        if doubt:
            row = numbered.row
            self.stop(
                f"the canary, row {numbered.number} ({row.workflow_id or row.activity_id}), "
                f"was done, but {doubt}"
            )
        return True

    async def _rows(self, actions: frozenset[Action]) -> AsyncGenerator[NumberedRow, None]:
        """The rows of these actions that are to be tried and were not yet, until the run stops."""
        if not any(self._plan.tally.by_action[action] for action in actions):
            return
        try:
            for numbered in self._plan.rows():
                number = numbered.number
                wanted = numbered.row.action in actions and not self._taken[number]
                if not wanted or not _open(numbered.row, self._journal.state(number)):
                    continue
                if self.standing.stopped or self._begun == self._limits.maximum:
                    return
                self._taken[number] = 1
                self._begun += 1
                yield numbered
        except InputError as error:  # the plan was changed meanwhile
            self.stop(error.happened, error)

    async def _in_turn(self, numbered: NumberedRow) -> RowOutcome:
        async with self._turns:
            return await self._try(numbered)

    @asynccontextmanager
    async def _turn_given_up(self) -> AsyncIterator[None]:
        """Let another row read and send while this one waits for the disk."""
        self._turns.release()
        try:
            yield
        finally:
            await self._turns.acquire()

    async def _try(self, numbered: NumberedRow) -> RowOutcome:
        if self.standing.stopped:  # while the row waited for its turn
            return RowOutcome(RowState.NOT_TRIED)
        row, number = numbered.row, numbered.number
        entry: Entry | None = None
        until = ""
        doubt, operation_id = self._doubt(number)

        async def begin(fence: AttemptFence, content: Content) -> None:
            nonlocal entry, until
            entry = Entry(operation_id=operation_id, intent=self._intent_of(row, fence, content))
            until = content.until.isoformat() if content.until else ""
            async with self._turn_given_up():
                await self._recorder.begin(number, entry, until=until)

        try:
            outcome = await self._repair.carry_out(row, begin, doubt)
        except StigmerOpsError as error:  # the intent could not be written, so nothing was sent
            self.stop(error.happened, error)
            return RowOutcome(RowState.NOT_TRIED)
        if entry is None and doubt is not None:
            until = doubt.until.isoformat() if doubt.until else ""
            intent = self._intent_of(row, planned_fence(row), None)
            entry = Entry(operation_id=operation_id, intent=intent)
        self._recorder.end(number, outcome, entry, until=until)
        self._count(outcome)
        return outcome

    def _doubt(self, number: int) -> tuple[Doubt | None, UUID]:
        """What is known of an earlier beginning of the row, and the operation it belongs to."""
        if not self._journal.in_doubt(number):
            return None, uuid4()
        record = self._journal.record(number)
        until = record.get("until")
        return Doubt(datetime.fromisoformat(until) if until else None), UUID(record["operation_id"])

    def _count(self, outcome: RowOutcome) -> None:
        self.standing.states[outcome.state] += 1
        if why := self._brake.after(outcome):
            self.stop(why)


def _open(row: PlanRow, state: RowState) -> bool:
    return row.action is not Action.SKIP and not state.settled


def to_try(plan: PlanFile, journal: Journal) -> int:
    """How many rows are not settled."""
    settled = sum(count for state, count in journal.counts().items() if state.settled)
    return plan.tally.rows - plan.tally.by_action[Action.SKIP] - settled


def planned_fence(row: PlanRow) -> AttemptFence:
    """The fence as far as the plan says it, for records."""
    return AttemptFence(
        "", row.workflow_id, row.run_id, row.activity_id, row.scheduled_event_id, row.attempt
    )


def target_of(fence: AttemptFence) -> Target:
    """The attempt as the audit names it."""
    return Target(
        workflow_id=fence.workflow_id or None,
        run_id=fence.run_id,
        activity_id=fence.activity_id,
        scheduled_event_id=fence.scheduled_event_id or None,
        attempt=fence.attempt,
    )
