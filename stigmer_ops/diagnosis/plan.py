"""Filling in what a plan needs and a diagnosis does not: the scheduled events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from temporalio.service import RPCError

from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.temporal.fan_out import fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import find_activity

_NEED_NO_EVENT = frozenset({Action.SKIP, Action.EXTEND})


async def with_scheduled_events(frontend: Frontend, rows: Sequence[PlanRow]) -> list[PlanRow]:
    """The rows in their order, each with its scheduled event if a write needs it.

    It is read from the history where no whole token told it. Standalone activities have none. A
    history that cannot be read leaves the event open; `apply` then reads it, or refuses the row.
    """

    async def read(numbered: tuple[int, PlanRow]) -> tuple[int, PlanRow]:
        position, row = numbered
        return position, await with_scheduled_event(frontend, row)

    filled = fan_out(_numbered(rows), read, concurrency=frontend.pace.concurrency)
    by_position = {position: row async for position, row in filled}
    return [by_position[position] for position in range(len(rows))]


async def with_scheduled_event(frontend: Frontend, row: PlanRow) -> PlanRow:
    """The row with its scheduled event, as `with_scheduled_events`."""
    if row.scheduled_event_id or not row.workflow_id or row.action in _NEED_NO_EVENT:
        return row
    try:
        events = await find_activity(
            frontend, row.workflow_id, row.run_id, activity_id=row.activity_id
        )
    except RPCError:
        return row
    return row if events is None else replace(row, scheduled_event_id=events.scheduled_event_id)


async def _numbered(rows: Sequence[PlanRow]) -> AsyncIterator[tuple[int, PlanRow]]:
    for numbered in enumerate(rows):
        yield numbered
