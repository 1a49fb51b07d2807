"""The first rows of an action: done one by one, and proved before others follow them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

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

_RowT = TypeVar("_RowT")


async def prove_some(
    rows: AsyncIterator[_RowT],
    wanted: int,
    *,
    widest: int,
    is_over: Callable[[_RowT], Awaitable[bool]],
    prove: Callable[[_RowT], Awaitable[bool]],
    give_back: Callable[[_RowT], None] = lambda _row: None,
) -> int:
    """Do and prove rows one after the other until enough are proved, or there are no more.

    A row whose attempt is over proves nothing either way, and the next one is taken for it. In an
    old plan they are many. So after every group without a proof the next one is twice as large, and
    is looked at first, all rows at once: that only reads, and no row more is done than asked for.

    Args:
        rows: What there is to try.
        wanted: How many to prove.
        widest: Rows to look at at once, at most.
        is_over: Looks at a row, and settles it if nothing can be done any more.
        prove: Tries a row; whether it was done and proved.
        give_back: Told of every row that was taken and is not needed.

    Returns:
        How many were proved.
    """
    proved, width = 0, 1
    while proved < wanted and (group := await _first(rows, width)):
        over = [False] if width == 1 else await asyncio.gather(*map(is_over, group))
        before = proved
        for row in (row for row, gone in zip(group, over, strict=True) if not gone):
            if proved == wanted:
                give_back(row)
            else:
                proved += await prove(row)
        if proved == before:
            width = min(2 * width, widest)
    return proved


async def _first(rows: AsyncIterator[_RowT], count: int) -> list[_RowT]:
    group: list[_RowT] = []
    while len(group) < count and (row := await anext(rows, None)) is not None:
        group.append(row)
    return group


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
