"""The loop of `pending watch`."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.pending_scan import look_of, read_pending
from stigmer_ops.errors import ExitCode, StigmerOpsError, UnavailableError, UsageError
from stigmer_ops.handshake.activity import ActivityKey, PendingActivity
from stigmer_ops.handshake.changes import Cycle, next_cycle
from stigmer_ops.handshake.selection import Order, Selection
from stigmer_ops.render.output import OutputFormat

if TYPE_CHECKING:
    from stigmer_ops.render.pending_watch import Show
    from stigmer_ops.temporal.frontend import Frontend


async def watch(
    invocation: Invocation,
    frontend: Frontend,
    selection: Selection,
    order: Order,
    *,
    interval: timedelta,
    cycles: int | None,
) -> ExitCode:
    """Scan, show, pause, and again; the exit code of the last scan.

    The pause follows the scan, so that a slow server is not asked without a rest.

    Raises:
        StigmerOpsError: The first scan read nothing, or the server refuses us.
    """
    with _view(invocation, order, interval) as show:
        cycle: Cycle | None = None
        while True:
            cycle = await _scan_once(invocation, frontend, selection, cycle)
            show(cycle)
            if cycle.number == cycles:
                return ExitCode.OK if cycle.complete else ExitCode.UNAVAILABLE
            await asyncio.sleep(interval.total_seconds())


async def _scan_once(
    invocation: Invocation, frontend: Frontend, selection: Selection, before: Cycle | None
) -> Cycle:
    found: dict[ActivityKey, PendingActivity] = {}

    def take(activity: PendingActivity, _now: datetime) -> None:
        found[activity.key] = activity

    try:
        reading = await read_pending(invocation, frontend, selection, take, quiet=True)
    except UnavailableError as error:
        if before is None:
            raise
        return next_cycle(before, {}, now=invocation.now(), error=_sentence(error))
    broken_off = reading.broken_off
    return next_cycle(
        before,
        found,
        now=reading.now,
        unreadable=reading.unreadable,
        error=_sentence(broken_off) if broken_off else "",
    )


def _sentence(error: StigmerOpsError) -> str:
    return " ".join(error.happened.split())


def _view(
    invocation: Invocation, order: Order, interval: timedelta
) -> AbstractContextManager[Show]:
    from stigmer_ops.render import pending_watch
    from stigmer_ops.render.text import short_duration

    output = invocation.output
    if output is OutputFormat.JSONL:
        return pending_watch.json_lines()
    if not output.for_people:
        raise UsageError(
            f"a watch never ends, and {output} is one document",
            next_step="-o jsonl has one JSON document a line",
        )
    if not invocation.screen:
        return pending_watch.plain_lines()
    return pending_watch.screen(
        lambda now: look_of(invocation, now), order, short_duration(interval)
    )
