"""Three ways to follow a watch: JSON Lines, plain lines, and a screen that refreshes in place.

Each is a context manager that yields what shows one cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.changes import Change, ChangeKind, Cycle
from stigmer_ops.handshake.selection import Order, Ranking
from stigmer_ops.handshake.summary import Summary
from stigmer_ops.render.output import write_line, write_text
from stigmer_ops.render.pending import activity_record, unreadable_record
from stigmer_ops.render.text import rfc3339, seconds, short_duration, visible

Show = Callable[[Cycle], None]

_KINDS = {
    ChangeKind.APPEARED: ("ActivityAppeared", "+"),
    ChangeKind.CHANGED: ("ActivityChanged", "~"),
    ChangeKind.GONE: ("ActivityGone", "-"),
}
SCREEN_OVERHEAD = 4
"""Lines of a screen that hold no activity: totals, what is shared, headings, the cursor."""


# --- For machines --------------------------------------------------------------------------------


@contextmanager
def json_lines() -> Iterator[Show]:
    """Each change as it is known, then one `WatchCycle` line that sums the cycle up."""

    def show(cycle: Cycle) -> None:
        for change in cycle.changes:
            kind, _ = _KINDS[change.kind]
            write_line(kind, change_record(change, cycle.now))
        write_line("WatchCycle", cycle_record(cycle))

    yield show


def change_record(change: Change, now: datetime) -> dict[str, Any]:
    """The activity and which of its facts differ; of what is gone, the last known facts."""
    return {**activity_record(change.activity, now), "changed": list(change.fields)}


def cycle_record(cycle: Cycle) -> dict[str, Any]:
    """The sums of a cycle, as JSON shows them."""
    counted = _summary(cycle)
    oldest, nearest = counted.all.oldest, counted.all.nearest
    return {
        "cycle": cycle.number,
        "read_at": rfc3339(cycle.now),
        "complete": cycle.complete,
        "pending": counted.all.count,
        "by_age": {bucket: tally.count for bucket, tally in counted.by_age.items()},
        "oldest_age_seconds": seconds(oldest.age(cycle.now)) if oldest else None,
        "nearest_time_left_seconds": seconds(nearest.time_left(cycle.now)) if nearest else None,
        **{kind.value: cycle.count(kind) for kind in ChangeKind},
        "unreadable": [unreadable_record(item) for item in cycle.unreadable],
        "error": cycle.error or None,
    }


def _summary(cycle: Cycle) -> Summary:
    counted = Summary(cycle.now)
    for activity in cycle.activities.values():
        counted.add(activity)
    return counted


# --- For people ----------------------------------------------------------------------------------


@contextmanager
def plain_lines() -> Iterator[Show]:
    """Lines for a pipe or a log: each change, then the totals."""

    def show(cycle: Cycle) -> None:
        time = rfc3339(cycle.now)
        lines = [f"{time} {change_text(change, cycle.now)}" for change in cycle.changes]
        write_text("\n".join([*lines, f"{time} {totals_text(cycle)}"]) + "\n")

    yield show


def change_text(change: Change, now: datetime) -> str:
    """One change in one line."""
    _, sign = _KINDS[change.kind]
    activity = change.activity
    changed = f" (changed: {', '.join(change.fields)})" if change.fields else ""
    return f"{sign} {_activity_text(activity, now)}{changed}"


def _activity_text(activity: PendingActivity, now: datetime) -> str:
    where = "standalone" if activity.standalone else activity.workflow_id
    return visible(
        f"{where} {activity.activity_id} {activity.activity_type} {activity.state} "
        f"attempt {activity.attempt} age {short_duration(activity.age(now))} "
        f"left {short_duration(activity.time_left(now))}"
    )


def totals_text(cycle: Cycle) -> str:
    """The totals in one line, and what could not be read."""
    all_ = _summary(cycle).all
    parts = [f"{all_.count} pending"]
    if all_.oldest is not None:
        parts.append(f"oldest {short_duration(all_.oldest.age(cycle.now))}")
    if all_.nearest is not None:
        left = short_duration(all_.nearest.time_left(cycle.now))
        parts.append(f"nearest deadline {left}")
    parts.append(" ".join(f"{_KINDS[kind][1]}{cycle.count(kind)}" for kind in ChangeKind))
    if cycle.unreadable:
        parts.append(f"{len(cycle.unreadable)} could not be read")
    if cycle.error:
        parts.append(f"not all was read: {visible(cycle.error)}")
    return ", ".join(parts)


@contextmanager
def screen(look_at: Callable[[datetime], Any], order: Order, interval: str) -> Iterator[Show]:
    """The totals and as many activities as fit, drawn over themselves.

    Args:
        look_at: The thresholds by which a table marks, for a time.
        order: Which activities come first.
        interval: How often it refreshes, to be told.
    """
    from rich.console import Group  # noqa: PLC0415 - JSON output does without Rich
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from stigmer_ops.render.output import console  # noqa: PLC0415
    from stigmer_ops.render.pending_table import pending_table, redrawn  # noqa: PLC0415

    terminal = console()
    with Live(console=terminal, auto_refresh=False, vertical_overflow="ellipsis") as live:

        def show(cycle: Cycle) -> None:
            ranking = Ranking(order, max(terminal.height - SCREEN_OVERHEAD, 1))
            for activity in cycle.activities.values():
                ranking.add(activity)
            head = Text(totals_text(cycle), style="bold" if cycle.complete else "bold red")
            head.append(
                f"  {rfc3339(cycle.now)}, every {interval}, Ctrl-C ends", style="not bold dim"
            )
            rows = ranking.first()
            table = pending_table(terminal, rows, look_at(cycle.now)) if rows else []
            live.update(Group(head, *redrawn(table)), refresh=True)

        yield show
