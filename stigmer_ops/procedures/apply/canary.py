"""Proof that a row did what it was for, read back before others follow it."""

from __future__ import annotations

from datetime import timedelta

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.plan_outcome import RowState
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.handshake.write_plan import Aftermath
from stigmer_ops.procedures.apply.repair import RowRepair
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.proof import aftermath_of

TASK_PATIENCE = timedelta(seconds=10)
"""How long a workflow may take to go on after its activity has ended."""


async def doubt_about(frontend: Frontend, repair: RowRepair, row: PlanRow) -> str:
    """Why a row that was done does not prove that others may follow; empty if it does.

    Of an ended activity, the history must show the event with our identity, and the workflow must
    have gone on after it: a result of the wrong shape is accepted, and fails the task that reads
    it. Of an extension, the deadline must be as it was meant.
    """
    if row.action is Action.EXTEND:
        return ""
    deed = repair.deed(row)
    try:
        fence = await deed.target(row)
        seen = await deed.look(row, fence, None)
        if seen is None or seen.state is not RowState.DONE:
            return "its history does not show the event" if seen is None else seen.detail
        if not seen.event_id:  # standalone activities have no history, and nobody waits in one
            return ""
        aftermath, detail = await aftermath_of(
            frontend, fence, seen.event_id, patience=TASK_PATIENCE
        )
    except StigmerOpsError as error:
        return error.happened
    return _of(aftermath, detail)


def _of(aftermath: Aftermath, detail: str) -> str:
    match aftermath:
        case Aftermath.RESUMED:
            return ""
        case Aftermath.TASK_FAILED:
            return f"its workflow cannot go on: {detail}"
        case Aftermath.WAITING:
            waited = TASK_PATIENCE.total_seconds()
            return f"its workflow did not go on within {waited:.0f} s: are its workers running?"
