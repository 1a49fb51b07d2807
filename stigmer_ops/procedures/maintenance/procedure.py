"""The steps of a maintenance window, in order; and where its journals are."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from stigmer_ops.procedures.maintenance import (
    extension,
    newcomers,
    reconciliation,
    restoration,
    scaling,
    silence,
    snapshot,
    throttle,
    workers,
)
from stigmer_ops.procedures.maintenance.window import Window, World, window_of
from stigmer_ops.procedures.runner.journal import ProcedureJournal, read_journal, runs
from stigmer_ops.procedures.runner.step import Procedure, Step, StepState, doing, undoing

NAME = "maintenance"
_PAGE = "maintenance#mitigation"

SNAPSHOT: Step[World] = Step(
    id="snapshot",
    sentence="Write down every external activity that waits",
    page=_PAGE,
    act=snapshot.take_snapshot,
    writes=False,
)
WORKERS: Step[World] = Step(
    id="workers",
    sentence="Write down which task queues have workers",
    page=_PAGE,
    act=workers.remember_workers,
    writes=False,
)
SILENCE: Step[World] = Step(
    id="silence",
    sentence="Silence our alerts until the end of the window",
    page=_PAGE,
    skip=silence.not_configured,
    precondition=silence.obstacle,
    act=silence.silence,
    verify=silence.doubt,
    plan=silence.plan,
    undo=silence.remove,
    undo_sentence="Remove the silence",
    verify_undo=silence.doubt_of_removal,
    plan_undo=silence.plan_removal,
)
EXTEND: Step[World] = Step(
    id="extend",
    sentence="Move the deadlines that fall within the window behind it",
    page=_PAGE,
    precondition=extension.obstacle,
    act=extension.extend,
    undo=restoration.restore,
    undo_sentence="Put the timeouts back where nothing would die of it",
)
THROTTLE: Step[World] = Step(
    id="throttle",
    sentence="Throttle task queues",
    page=_PAGE,
    skip=throttle.not_wanted,
    act=throttle.throttle,
    verify=throttle.doubt,
    plan=throttle.plan,
    undo=throttle.restore,
    undo_sentence="Put the rates of the task queues back",
    plan_undo=throttle.plan_restoration,
)
SCALE_DOWN: Step[World] = Step(
    id="scale-down",
    sentence="Scale Stigmer to zero",
    page=_PAGE,
    skip=scaling.not_wanted,
    act=scaling.to_zero,
    plan=scaling.plan,
    undo=scaling.back,
    undo_sentence="Scale Stigmer back to what it was",
    plan_undo=scaling.plan_back,
)
EXTEND_LATECOMERS: Step[World] = Step(
    id="extend-latecomers",
    sentence="Look again, and do the same for what has begun to wait meanwhile",
    page=_PAGE,
    precondition=extension.obstacle,
    act=extension.extend_latecomers,
    undo=restoration.restore_latecomers,
    undo_sentence="Put the timeouts of those back, too",
)
AWAIT_WORKERS: Step[World] = Step(
    id="workers-back",
    sentence="Wait until every task queue that had workers has them again",
    page=_PAGE,
    act=workers.await_workers,
    writes=False,
)
REGISTRATIONS: Step[World] = Step(
    id="callbacks-registered",
    sentence="Ask the workers for the activity types that they must have registered",
    page=_PAGE,
    act=workers.check_registrations,
    writes=False,
)
RECONCILE: Step[World] = Step(
    id="reconcile",
    sentence="Account for every activity that waited then",
    page=_PAGE,
    act=reconciliation.reconcile,
    writes=False,
)
NEWCOMERS: Step[World] = Step(
    id="newcomers",
    sentence="List what has begun to wait since, and was not extended",
    page=_PAGE,
    act=newcomers.list_newcomers,
    writes=False,
)

MAINTENANCE: Procedure[World] = Procedure(
    name=NAME,
    title="A maintenance window",
    begin=doing(SNAPSHOT, WORKERS, SILENCE, EXTEND, THROTTLE, SCALE_DOWN, EXTEND_LATECOMERS),
    end=(
        *undoing(SCALE_DOWN, THROTTLE),
        *doing(AWAIT_WORKERS, REGISTRATIONS),
        *undoing(EXTEND_LATECOMERS, EXTEND, SILENCE),
        *doing(RECONCILE, NEWCOMERS),
    ),
)


class WindowState(StrEnum):
    """How far a window has come."""

    BEGINNING = "beginning"
    """`begin` was started and has not come to its end."""
    OPEN = "open"
    ENDING = "ending"
    """`end` was started and has not come to its end."""
    ENDED = "ended"


def state_of(journal: ProcedureJournal) -> WindowState:
    """How far the window of a journal has come."""
    begun = [journal.progress(task.key).state for task in MAINTENANCE.begin]
    ended = [journal.progress(task.key).state for task in MAINTENANCE.end]
    if all(state.settled or state is StepState.FOUND for state in ended):
        return WindowState.ENDED
    if any(state is not StepState.PENDING for state in ended):
        return WindowState.ENDING
    return WindowState.OPEN if all(state.settled for state in begun) else WindowState.BEGINNING


def latest_window(
    parent: Path, namespace: str, *, namespace_id: str = "", address: str = ""
) -> ProcedureJournal | None:
    """The journal of the latest window of a namespace; None where there was none.

    Args:
        parent: Folder of all windows.
        namespace: Its name.
        namespace_id: Its UUID; where it is not known, the server has to have the address.
        address: The frontend, host:port.

    Raises:
        ProcedureJournalError: A journal cannot be read.
    """
    for folder in reversed(runs(parent)):
        journal = read_journal(folder)
        parameters = journal.parameters
        same = (
            parameters.get("namespace_id") == namespace_id
            if namespace_id
            else parameters.get("address") == address
        )
        if journal.head and parameters.get("namespace") == namespace and same:
            return journal
    return None


def window_in(journal: ProcedureJournal) -> Window:
    """The window that a journal is of."""
    return window_of(journal.parameters)
