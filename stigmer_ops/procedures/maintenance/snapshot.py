"""What waited when a window began, as a file: what it is measured by at its end."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from stigmer_ops.errors import InputError, UnavailableError
from stigmer_ops.handshake.activity import ActivityState, PendingActivity, Timeouts
from stigmer_ops.handshake.scan_report import ScanReport
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.procedures.maintenance.forecast import Outlook, forecast
from stigmer_ops.procedures.maintenance.window import World
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import StepResult, done
from stigmer_ops.temporal.scan import scan
from stigmer_ops.untrusted.json_text import json_value

FILE_NAME = "snapshot.jsonl"
LATE_FILE_NAME = "latecomers.jsonl"
_UNREADABLE_TOLD = 5
_TEXTS = ("workflow_id", "run_id", "activity_id", "activity_type", "workflow_type", "task_queue")
_TIMES = (
    "scheduled_time",
    "first_scheduled_time",
    "last_started_time",
    "last_heartbeat_time",
    "workflow_expiration_time",
)
_TIMEOUTS = ("schedule_to_close", "schedule_to_start", "start_to_close", "heartbeat")


async def take_snapshot(world: World, record: StepRecord) -> StepResult:
    """Write down every external activity that is pending; an earlier beginning is thrown away.

    Raises:
        UnavailableError: Some could not be read: a snapshot with holes proves nothing.
        StigmerOpsError: They could not be read at all.
    """
    outlook = Outlook()
    with whole_file(record.folder / FILE_NAME) as file:
        found = pending_now(world)
        async with aclosing(found):
            async for activity in found:
                outlook.add(forecast(activity, world.window, world.now()))
                file.write(json.dumps(activity_record(activity)) + "\n")
                record.report(outlook.activities)
    counts = {fate.value: count for fate, count in sorted(outlook.fates.items())}
    return done(
        f"{outlook.activities:,} external activities wait",
        {"activities": outlook.activities, "forecast": counts},
    )


async def pending_now(world: World) -> AsyncGenerator[PendingActivity, None]:
    """Every external activity that is pending.

    Raises:
        UnavailableError: Some could not be read, once the rest was told.
        StigmerOpsError: They could not be read at all.
    """
    report = ScanReport()
    unreadable: list[str] = []
    found = scan(world.systems.external, world.selection, now=world.now(), report=report)
    async with aclosing(found):
        async for item in found:
            if isinstance(item, PendingActivity):
                yield item
            else:
                unreadable.append(f"{item.workflow_id or item.activity_id}: {item.reason}")
    if unreadable:
        told = "; ".join(unreadable[:_UNREADABLE_TOLD])
        raise UnavailableError(
            f"{len(unreadable):,} workflows could not be read: {told}",
            next_step="try again with a lower --rps; stigmer-ops pending list says what is wrong",
        )


async def take_latecomers(world: World, record: StepRecord) -> None:
    """Write down every attempt that has begun to wait since the snapshot.

    Raises:
        StigmerOpsError: As `take_snapshot`.
    """
    known = {(each.key, each.attempt) for each in read_snapshot(record.folder)}
    found = pending_now(world)
    count = 0
    with whole_file(record.folder / LATE_FILE_NAME) as file:
        async with aclosing(found):
            async for activity in found:
                count += 1
                record.report(count)
                if (activity.key, activity.attempt) not in known:
                    file.write(json.dumps(activity_record(activity)) + "\n")


def written_down(folder: Path) -> Iterator[PendingActivity]:
    """The activities of the snapshot, and those that began to wait while the window was begun.

    Raises:
        InputError: As `read_snapshot`.
    """
    yield from read_snapshot(folder)
    if (folder / LATE_FILE_NAME).exists():
        yield from read_snapshot(folder, LATE_FILE_NAME)


def read_snapshot(folder: Path, name: str = FILE_NAME) -> Iterator[PendingActivity]:
    """The activities of a snapshot in `folder`, in the order in which they were found.

    Raises:
        InputError: The file is missing, or not a snapshot.
    """
    path = folder / name
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                number += 1
                yield activity_of(json_value(line))
    except OSError as error:
        raise InputError(f"cannot read the snapshot {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{path}:{number}: this is not an activity of a snapshot") from error


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A file that is there whole, and on disk, or not at all.

    Raises:
        InputError: It cannot be written.
    """
    part = path.with_suffix(".part")
    try:
        with part.open("w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def activity_record(activity: PendingActivity) -> dict[str, Any]:
    """An activity as a snapshot keeps it: what is empty is left out."""
    texts = {name: getattr(activity, name) for name in _TEXTS}
    times = {name: _stamp(getattr(activity, name)) for name in _TIMES}
    timeouts = {name: getattr(activity.timeouts, name) for name in _TIMEOUTS}
    record = {
        **texts,
        "state": activity.state.value,
        "attempt": activity.attempt,
        **times,
        **{f"{name}_seconds": span and span.total_seconds() for name, span in timeouts.items()},
        "paused": activity.paused,
        "standalone": activity.standalone,
    }
    return {name: value for name, value in record.items() if value}


def activity_of(record: dict[str, Any]) -> PendingActivity:
    """The activity that a snapshot keeps.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, OverflowError: It is none.
    """
    fields: dict[str, Any] = {name: str(record.get(name, "")) for name in _TEXTS}
    fields |= {name: _time(record[name]) for name in _TIMES if name in record}
    timeouts = {
        name: timedelta(seconds=record[f"{name}_seconds"])
        for name in _TIMEOUTS
        if f"{name}_seconds" in record
    }
    return PendingActivity(
        namespace="",
        state=ActivityState(record["state"]),
        attempt=int(record["attempt"]),
        timeouts=Timeouts(**timeouts),
        paused=bool(record.get("paused")),
        standalone=bool(record.get("standalone")),
        **fields,
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _stamp(time: datetime | None) -> str | None:
    """To the microsecond: a deadline is computed from it again."""
    return None if time is None else timestamp(time, "microseconds")
