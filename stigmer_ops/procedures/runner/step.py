"""A procedure is data: ordered steps, each with what it does, proves and takes back.

    SILENCE = Step(
        id="silence",
        sentence="Silence our alerts for the window",
        page="maintenance#mitigation",
        act=create_silence,              # async (world, record) -> StepResult
        verify=silence_is_active,        # async (world, record) -> doubt, "" where there is none
        undo=expire_silence,
        undo_sentence="Remove the silence",
    )
    MAINTENANCE = Procedure("maintenance", "A maintenance window", (SNAPSHOT, SILENCE, ...))

`world` is whatever the steps of one procedure need: connections, options. An action may be cut off
at any instant, and is then called again: it writes down with `record.note` what it needs to know by
then, before it changes anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from stigmer_ops.procedures.runner.journal import StepRecord

WorldT = TypeVar("WorldT")


class Phase(StrEnum):
    """Whether a step is done or taken back."""

    DO = "do"
    UNDO = "undo"


class StepState(StrEnum):
    """How far a step, or the undoing of one, has come."""

    PENDING = "pending"
    """Nothing of it was begun."""
    BEGUN = "begun"
    """It was begun, and the program was cut off: run it again, and it finds out."""
    DONE = "done"
    """Done, and verified."""
    FOUND = "found"
    """It looked, and what it found is wrong; it looks again the next time."""
    SKIPPED = "skipped"
    """It does not apply."""
    WAITING = "waiting"
    """Somebody has to do it by hand, and to confirm that with --confirm-step."""
    FAILED = "failed"
    """It was tried, and failed; what of it took effect is in its notes."""

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be done."""
        return self in (StepState.DONE, StepState.SKIPPED)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of an action.

    Attributes:
        state: DONE, FOUND, SKIPPED or WAITING; errors are raised.
        detail: A clause for a person.
        data: What later steps, the undo and the status need to know; plain JSON, no secret.
        lines: What to type, or what was found, a line each.
    """

    state: StepState
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()


def done(detail: str = "", data: Mapping[str, Any] | None = None) -> StepResult:
    """It was done."""
    return StepResult(StepState.DONE, detail, data or {})


def skipped(reason: str) -> StepResult:
    """There was nothing to do."""
    return StepResult(StepState.SKIPPED, reason)


def found(
    detail: str, lines: Sequence[str] = (), data: Mapping[str, Any] | None = None
) -> StepResult:
    """It looked, and something is wrong: the run goes on, and exits 1 at its end."""
    return StepResult(StepState.FOUND, detail, data or {}, tuple(lines))


def waiting(detail: str, commands: Sequence[str]) -> StepResult:
    """Somebody has to type `commands`, and then to confirm the step: the run stops here."""
    return StepResult(StepState.WAITING, detail, {}, tuple(commands))


Action = Callable[[WorldT, "StepRecord"], Awaitable[StepResult]]
Question = Callable[[WorldT], Awaitable[str]]
"""Answers with why not, in a clause; empty where nothing is in the way."""
Doubt = Callable[[WorldT, "StepRecord"], Awaitable[str]]
"""Answers with what is doubtful of what was done, in a clause; empty where nothing is."""
Showing = Callable[[WorldT, "StepRecord"], Awaitable[Sequence[str]]]
"""Answers with what exactly would be done, a line each."""


async def _nothing_in_the_way(_world: object) -> str:
    return ""


async def _no_doubt(_world: object, _record: StepRecord) -> str:
    return ""


async def _nothing_to_show(_world: object, _record: StepRecord) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Step(Generic[WorldT]):
    """One step of a procedure.

    Attributes:
        id: Kebab-case, stable: journals and --confirm-step name it.
        sentence: What it does, imperative, without a final stop.
        page: Page of the runbook and its section: `maintenance#mitigation`.
        act: Does it. Called again after it was cut off, with the notes that it had written.
        writes: Whether it changes anything anywhere; then it is audited.
        skip: Why it does not apply here; empty if it does. Asked by the plan too, so it only reads.
        precondition: Why it must not be done now; empty if it may. Asked before the first effect.
        verify: What is doubtful after `act` said DONE; empty if nothing is.
        plan: What exactly it would do, a line each, such as commands. It only reads.
        undo: Takes back what `act` did, by its notes and data; None where nothing has to be.
        undo_sentence: What that does, imperative.
        verify_undo: As `verify`, after `undo`.
        plan_undo: As `plan`, for `undo`.
    """

    id: str
    sentence: str
    page: str
    act: Action[WorldT]
    writes: bool = True
    skip: Question[WorldT] = _nothing_in_the_way
    precondition: Question[WorldT] = _nothing_in_the_way
    verify: Doubt[WorldT] = _no_doubt
    plan: Showing[WorldT] = _nothing_to_show
    undo: Action[WorldT] | None = None
    undo_sentence: str = ""
    verify_undo: Doubt[WorldT] = _no_doubt
    plan_undo: Showing[WorldT] = _nothing_to_show


@dataclass(frozen=True, slots=True)
class Task(Generic[WorldT]):
    """A step to be done, or to be undone."""

    step: Step[WorldT]
    phase: Phase = Phase.DO

    @property
    def key(self) -> str:
        """How journals, output and --confirm-step name it: `silence`, `undo-silence`."""
        return self.step.id if self.phase is Phase.DO else f"undo-{self.step.id}"

    @property
    def sentence(self) -> str:
        """What it does."""
        return self.step.sentence if self.phase is Phase.DO else self.step.undo_sentence


@dataclass(frozen=True, slots=True)
class Procedure(Generic[WorldT]):
    """Ordered tasks under a name.

    Attributes:
        name: What journals and audit call it: `maintenance`.
        title: What it is, for people.
        begin: What is done.
        end: What is done afterwards: the undoing of steps, and checks; empty where nothing is.
    """

    name: str
    title: str
    begin: tuple[Task[WorldT], ...]
    end: tuple[Task[WorldT], ...] = ()


def doing(*steps: Step[WorldT]) -> tuple[Task[WorldT], ...]:
    """The tasks of doing these steps, in order."""
    return tuple(Task(step) for step in steps)


def undoing(*steps: Step[WorldT]) -> tuple[Task[WorldT], ...]:
    """The tasks of undoing these steps, in order.

    Raises:
        ValueError: One of them cannot be undone.
    """
    for step in steps:
        if step.undo is None:
            raise ValueError(f"step {step.id} has no undo")
    return tuple(Task(step, Phase.UNDO) for step in steps)
