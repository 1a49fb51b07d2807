"""What waits at the end of a window, and did not when it was begun: nobody extended it."""

from __future__ import annotations

import heapq
import json
from contextlib import aclosing
from datetime import UTC, datetime

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.procedures.maintenance.snapshot import (
    activity_record,
    pending_now,
    whole_file,
    written_down,
)
from stigmer_ops.procedures.maintenance.window import World
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import StepResult, StepState, done

FILE_NAME = "newcomers.jsonl"
LINES_TOLD = 20
_NEVER = datetime.max.replace(tzinfo=UTC)


async def list_newcomers(world: World, record: StepRecord) -> StepResult:
    """Write down what waits now and did not then; the nearest deadlines are told.

    Raises:
        StigmerOpsError: It cannot be read or written.
    """
    if record.of("snapshot").state is not StepState.DONE:
        return done("no snapshot was taken, so nobody knows what waited then")
    known = {each.key for each in written_down(record.folder)}
    nearest: list[tuple[datetime, str]] = []
    count = 0
    path = record.folder / FILE_NAME
    found = pending_now(world)
    with whole_file(path) as file:
        async with aclosing(found):
            async for activity in found:
                if activity.key in known:
                    continue
                count += 1
                record.report(count)
                file.write(json.dumps(activity_record(activity)) + "\n")
                nearest = heapq.nsmallest(LINES_TOLD, [*nearest, _told(activity)])
    if not count:
        return done("nothing that waits now has begun to since", {"newcomers": 0})
    lines = [line for _, line in nearest]
    more = [f"and {count - LINES_TOLD:,} more: {path}"] if count > LINES_TOLD else []
    return StepResult(
        StepState.DONE,
        f"{count:,} have begun to wait since, and keep their own deadlines",
        {"newcomers": count, "file": str(path)},
        (*lines, *more),
    )


def _told(activity: PendingActivity) -> tuple[datetime, str]:
    """The deadline, and a line for a person."""
    name = f"{activity.workflow_id or '(standalone)'} {activity.activity_id}"
    if activity.deadline is None:
        return _NEVER, f"{name}: no timeout runs for it"
    time = activity.deadline.time
    return time, f"{name}: times out at {time:%Y-%m-%dT%H:%M:%SZ}"
