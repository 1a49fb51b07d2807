"""Carrying a procedure out, task by task: every effect written down first, and resumable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from stigmer_ops.audit import AuditTrail, Entry, Intent, Outcome, Result
from stigmer_ops.errors import (
    DeniedError,
    ExitCode,
    InputError,
    RefusedError,
    StigmerOpsError,
    UsageError,
)
from stigmer_ops.procedures.apply.run import Operator
from stigmer_ops.procedures.runner.journal import ProcedureJournal, Progress, StepRecord
from stigmer_ops.procedures.runner.step import Phase, StepResult, StepState, Task, WorldT, skipped

_AUDITED = {
    StepState.DONE: Result.DONE,
    StepState.FOUND: Result.DONE,
    StepState.SKIPPED: Result.REFUSED,
    StepState.WAITING: Result.REFUSED,
}
_NOTHING_CHANGED = (RefusedError, DeniedError, UsageError, InputError)


class PreconditionError(RefusedError):
    """A step of a procedure must not be done now. The message says what is in the way."""

    reference = "precondition"


class StepDoubtfulError(StigmerOpsError):
    """A step of a procedure was done, and what it was for is not to be seen."""

    reference = "step-doubtful"
    exit_code = ExitCode.PARTIAL
    usual_next_step = "put right what is named there; then run the same command again: it resumes"


@dataclass(frozen=True, slots=True)
class Author:
    """Who runs a procedure, and on what: what every audit record of it says.

    Attributes:
        operator: Who, and why.
        command: As typed, without its values: `maintenance begin`.
        namespace: Temporal namespace.
        server_address: Temporal frontend, host:port.
    """

    operator: Operator
    command: str
    namespace: str
    server_address: str

    def intent(self, key: str) -> Intent:
        """What the audit is told before a task."""
        return Intent(
            command=f"{self.command} {key}",
            operator=self.operator.name,
            host=self.operator.host,
            identity=self.operator.identity,
            reason=self.operator.reason,
            namespace=self.namespace,
            server_address=self.server_address,
        )


@dataclass(slots=True)
class Standing(Generic[WorldT]):
    """How far a run has come; it grows while it goes on.

    Attributes:
        journal: What is known of every task.
        tasks: All that belongs to it, in order.
        current: What is under way; None between tasks.
        record: What the task under way was given, for its progress.
        error: Why it stopped, if an error made it stop.
    """

    journal: ProcedureJournal
    tasks: tuple[Task[WorldT], ...]
    current: Task[WorldT] | None = None
    record: StepRecord | None = None
    error: StigmerOpsError | None = None

    def progress(self, task: Task[WorldT]) -> Progress:
        """What is known of a task."""
        return self.journal.progress(task.key)

    @property
    def settled(self) -> int:
        """How many tasks need nothing more."""
        return sum(self.progress(task).state.settled for task in self.tasks)

    @property
    def exit_code(self) -> ExitCode:
        """What a command ends with where the run stands like this."""
        if self.error is not None:
            begun = any(self.progress(task).state is StepState.DONE for task in self.tasks)
            return ExitCode.PARTIAL if begun else self.error.exit_code
        states = {self.progress(task).state for task in self.tasks}
        if states & {StepState.WAITING, StepState.PENDING, StepState.BEGUN, StepState.FAILED}:
            return ExitCode.PARTIAL
        return ExitCode.FINDINGS if StepState.FOUND in states else ExitCode.OK


Observer = Callable[[Task[WorldT], Progress], None]
"""Told of a task when it begins (BEGUN), and when it has ended or was settled before."""


class ProcedureRun(Generic[WorldT]):
    """One run, over as many invocations as it takes.

    Args:
        journal: Open to be written to.
        world: What the steps need.
        author: For the audit.
        trail: The audit.
        now: The clock.
        observer: Told of every task.
    """

    def __init__(
        self,
        journal: ProcedureJournal,
        world: WorldT,
        author: Author,
        trail: AuditTrail,
        *,
        now: Callable[[], datetime],
        observer: Observer[WorldT],
    ) -> None:
        self._journal = journal
        self._world = world
        self._author = author
        self._trail = trail
        self._now = now
        self._observer = observer

    async def carry_out(
        self, standing: Standing[WorldT], *, confirmed: Collection[str] = ()
    ) -> Standing[WorldT]:
        """Do what is not settled of the tasks, in order, until one waits or fails.

        Args:
            standing: Made with the tasks; it is kept up to date.
            confirmed: Keys of tasks that somebody has done by hand; of tasks that are settled it
                says nothing new.

        Raises:
            UsageError: There is no task that is confirmed.
            ProcedureJournalError, AuditError: Nothing further can be written down.
        """
        self._require_known(standing, confirmed)
        for task in standing.tasks:
            standing.current = task
            try:
                await self._carry_out(standing, task, confirmed=task.key in confirmed)
            except StigmerOpsError as error:
                standing.error = error
            self._observer(task, standing.progress(task))
            stopped = standing.progress(task).state is StepState.WAITING
            if standing.error is not None or stopped:
                break
        standing.current = standing.record = None
        return standing

    def _require_known(self, standing: Standing[WorldT], confirmed: Collection[str]) -> None:
        known = [task.key for task in standing.tasks]
        for key in confirmed:
            if key not in known:
                raise UsageError(
                    f"--confirm-step {key}: there is no such step here",
                    not_done="nothing was changed",
                    next_step=f"the steps are {', '.join(known)}",
                )

    async def _carry_out(
        self, standing: Standing[WorldT], task: Task[WorldT], *, confirmed: bool
    ) -> None:
        before = standing.progress(task)
        if before.state.settled:
            return
        resumed = before.state is not StepState.PENDING
        reason = await not_needed(task, self._journal, self._world)
        if reason:
            self._journal.end(task.key, skipped(reason), self._now())
            return
        if task.phase is Phase.DO and not resumed:
            await self._require(task)
        progress = self._journal.begin(task.key, self._now(), confirmed=confirmed)
        self._observer(task, progress)
        assert progress.operation_id is not None
        entry = Entry(operation_id=progress.operation_id, intent=self._author.intent(task.key))
        if task.step.writes:
            self._trail.append(entry)
        record = StepRecord(self._journal, task.key, self._now, resumed=resumed)
        standing.record = record
        try:
            result = await self._verified(task, record)
        except StigmerOpsError as error:
            self._close(task, entry, StepResult(StepState.FAILED, error.happened), _of(error))
            raise
        self._close(task, entry, result, _audited(result))

    async def _require(self, task: Task[WorldT]) -> None:
        obstacle = await task.step.precondition(self._world)
        if obstacle:
            raise PreconditionError(
                f"{task.key}: {obstacle}", not_done=f"this step was not begun: {task.sentence}"
            )

    async def _verified(self, task: Task[WorldT], record: StepRecord) -> StepResult:
        step = task.step
        undoing = task.phase is Phase.UNDO
        action = step.undo if undoing else step.act
        assert action is not None, "`undoing` refuses steps that have none"
        result = await action(self._world, record)
        if result.state is StepState.DONE:
            verify = step.verify_undo if undoing else step.verify
            doubt = await verify(self._world, record)
            if doubt:
                raise StepDoubtfulError(f"{task.key}: {result.detail or 'done'}, but {doubt}")
        return result

    def _close(
        self, task: Task[WorldT], entry: Entry, result: StepResult, outcome: Outcome
    ) -> None:
        if task.step.writes:
            self._trail.append(entry.closing(outcome))
        self._journal.end(task.key, result, self._now())


def _audited(result: StepResult) -> Outcome:
    return Outcome(result=_AUDITED[result.state], detail=result.detail)


def _of(error: StigmerOpsError) -> Outcome:
    certain = isinstance(error, _NOTHING_CHANGED)
    return Outcome(result=Result.FAILED if certain else Result.UNKNOWN, detail=error.happened)


async def not_needed(task: Task[WorldT], journal: ProcedureJournal, world: WorldT) -> str:
    """Why there is nothing to do for a task; empty if there is, or was when it was begun."""
    if task.phase is Phase.UNDO:
        before = journal.progress(task.step.id).state
        undone = before in (StepState.PENDING, StepState.SKIPPED, StepState.WAITING)
        return "it was not done" if undone else ""
    if journal.progress(task.key).state in (StepState.PENDING, StepState.FOUND):
        return await task.step.skip(world)
    return ""


@dataclass(frozen=True, slots=True)
class PlannedTask(Generic[WorldT]):
    """What would become of a task.

    Attributes:
        task: The task.
        state: How far it has come already.
        reason: Why nothing would be done; empty if something would.
        obstacle: What is in the way now; empty if nothing is.
        lines: What exactly would be done.
    """

    task: Task[WorldT]
    state: StepState
    reason: str = ""
    obstacle: str = ""
    lines: tuple[str, ...] = ()


async def planned(
    tasks: Sequence[Task[WorldT]],
    journal: ProcedureJournal,
    world: WorldT,
    *,
    now: Callable[[], datetime],
) -> list[PlannedTask[WorldT]]:
    """What carrying these tasks out would do; it only reads. What cannot be read is in the way."""
    return [await _planned(task, journal, world, now) for task in tasks]


async def _planned(
    task: Task[WorldT], journal: ProcedureJournal, world: WorldT, now: Callable[[], datetime]
) -> PlannedTask[WorldT]:
    state = journal.progress(task.key).state
    obstacle, lines = "", tuple[str, ...]()
    try:
        reason = "" if state.settled else await not_needed(task, journal, world)
        if state.settled or reason:
            return PlannedTask(task, state, reason)
        if task.phase is Phase.DO and state is StepState.PENDING:
            obstacle = await task.step.precondition(world)
        show = task.step.plan if task.phase is Phase.DO else task.step.plan_undo
        lines = tuple(await show(world, StepRecord(journal, task.key, now)))
    except StigmerOpsError as error:
        obstacle = error.happened
    return PlannedTask(task, state, "", obstacle, lines)
