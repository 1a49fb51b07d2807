"""The panels above the list: as much of each as fits its width, which is in terminal cells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rich.cells import cell_len, chop_cells
from rich.text import Text

from stigmer_ops.handshake.activity import AGE_BUCKETS
from stigmer_ops.handshake.live import (
    Choice,
    Live,
    Mark,
    Waiting,
    unpolled,
)
from stigmer_ops.handshake.workers import QueueWorkers, TaskKind
from stigmer_ops.render.diagnosis import STYLES
from stigmer_ops.render.sparkline import sparkline
from stigmer_ops.render.text import short_duration, visible

HEIGHT = 8
"""Lines of the panels that stand side by side."""
MARK_STYLES = {
    Mark.NONE: "",
    Mark.OLD: "yellow",
    Mark.NEAR_DEADLINE: "yellow",
    Mark.OVERDUE: "bold red",
}
_MISSED = 3
"""Of so many intervals without news the age of what is shown is marked."""
_BUCKET, _COUNT = 7, 7
_POLLERS, _BACKLOG = 4, 9
_QUEUE_COUNTS = "  WF ACT  BACKLOG"
_QUEUES = 45
"""Width of the queues' panel: the longest of their usual names, and the counts."""
_BETWEEN = 2
"""Cells between two panels."""


def clipped(text: str, width: int) -> str:
    """`text` made visible, and no wider than `width`: its middle gives way, for ids differ at ends.

    Args:
        text: Foreign text.
        width: In terminal cells, of which some characters take two, or none.
    """
    text = visible(text)
    if cell_len(text) <= width:
        return text
    head = _first(text, width // 2)
    tail = _first(text[::-1], width - 1 - cell_len(head))[::-1]
    return f"{head}…{tail}"[:width]


def _first(text: str, width: int) -> str:
    """As much of the beginning as `width` cells hold."""
    return chop_cells(text, width)[0] if width > 0 else ""


def whose(waiting: Waiting) -> str:
    """By what a person knows it: its workflow, or that it has none."""
    return waiting.key.workflow_id or "(standalone)"


# --- The first lines -----------------------------------------------------------------------------


def head(live: Live, interval: timedelta, width: int) -> Text:
    """What is watched, and how old it is."""
    fresh = _freshness(live, interval)
    line = Text("stigmer-ops watch  ", style="bold")
    line.append(visible(f"{live.namespace} at {live.address}"))
    return _both_ends(line, fresh, width)


def _freshness(live: Live, interval: timedelta) -> Text:
    if live.pending.read_at is None:
        return Text(f"reading … {live.described:,} workflows", style="cyan")
    age = live.now - live.pending.read_at
    style = "bold red" if live.pending.trouble or age >= _MISSED * interval else "dim"
    return Text(f"read {short_duration(age)} ago, every {short_duration(interval)}", style=style)


def troubles(live: Live) -> Text:
    """What could not be read, a line each; empty where all was."""
    lines = [f"! {visible(trouble)}" for trouble in live.troubles]
    if live.unreadable:
        lines.append(f"! {live.unreadable:,} workflows could not be read, and stay as they were")
    return Text("\n".join(lines), style="bold red", overflow="ellipsis", no_wrap=True)


# --- What waits ----------------------------------------------------------------------------------


def pending(live: Live, width: int) -> Text:
    """How many wait, by age, and how that went; and the callbacks that end waiting."""
    lines = [_totals(live)]
    counts = live.by_age
    for bucket, lower in zip(counts, _lower_bounds(), strict=True):
        values = [sample.by_age.get(bucket, 0) for sample in live.history]
        bars = sparkline(values, width - _BUCKET - _COUNT - 2)
        style = "yellow" if counts[bucket] and lower >= live.marks.stuck_after else ""
        line = Text(bucket.ljust(_BUCKET))
        line.append(f"{counts[bucket]:>{_COUNT},}", style=style or "bold")
        lines.append(line.append(f"  {bars}", style="cyan"))
    lines.append(_callbacks(live, width))
    return _fitted(lines, width)


def _lower_bounds() -> list[timedelta]:
    return [timedelta(0), *(upper for _, upper in AGE_BUCKETS[:-1])]


def _totals(live: Live) -> Text:
    if live.pending.read_at is None and not live.waiting:
        return Text("PENDING ", style="bold").append("reading …", style="not bold cyan")
    line = Text(f"PENDING {len(live.waiting):,}", style="bold")
    if live.oldest is not None:
        age = short_duration(live.oldest.age(live.now))
        line.append(f"  oldest {age}", style="not bold")
    return line


def _callbacks(live: Live, width: int) -> Text:
    line = Text("CALLBACKS ", style="bold")
    if live.callback_reading.read_at is None:
        return line.append("not read yet", style="not bold dim")
    line.append(f"{live.callbacks_per_minute:.1f}/min ", style="not bold")
    failed = Text()
    if live.callbacks_failed:
        failed = Text(f" {live.callbacks_failed:,} failed", style="not bold red")
    bars = sparkline(
        [minute.ended for minute in live.callbacks[:-1]],
        max(0, width - line.cell_len - failed.cell_len),
    )
    return line.append(bars, style="not bold cyan").append_text(failed)


# --- Queues --------------------------------------------------------------------------------------


def queues(live: Live, width: int) -> Text:
    """Who polls the queues, and what waits in them; a queue that nobody polls is red."""
    name_width = max(8, width - len(_QUEUE_COUNTS))
    lines = [Text("TASK QUEUE".ljust(name_width) + _QUEUE_COUNTS, style="bold")]
    if not live.queues:
        lines.append(Text("not read yet", style="dim"))
    for queue in _unpolled_first(live.queues)[: HEIGHT - 1]:
        name = clipped(queue.expected.name, name_width)
        line = Text(name + " " * (name_width - cell_len(name)))
        for kind in (TaskKind.WORKFLOW, TaskKind.ACTIVITY):
            line.append_text(_pollers(queue, kind))
        lines.append(line.append(f"{_backlog(queue):>{_BACKLOG},}"))
    return _fitted(lines, width)


def _unpolled_first(found: Sequence[QueueWorkers]) -> list[QueueWorkers]:
    """In their order, but for those without pollers, which must not be the ones left out."""
    return sorted(found, key=lambda queue: not unpolled(queue))


def _pollers(queue: QueueWorkers, kind: TaskKind) -> Text:
    live = len(queue.live(kind))
    if kind in unpolled(queue):
        return Text(f"{live:>{_POLLERS}}", style="bold red")
    if not live and kind not in queue.expected.kinds:
        return Text("·".rjust(_POLLERS), style="dim")
    return Text(f"{live:>{_POLLERS}}")


def _backlog(queue: QueueWorkers) -> int:
    return sum(queue.backlog(kind).count for kind in TaskKind)


# --- Deadlines and verdicts ----------------------------------------------------------------------


def deadlines(live: Live, width: int) -> Text:
    """What times out next."""
    lines = [Text("NEAREST DEADLINES", style="bold")]
    for waiting in live.nearest(HEIGHT - 1):
        left = short_duration(waiting.time_left(live.now))
        style = MARK_STYLES[live.marks.mark(waiting, live.now)]
        line = Text(f"{left:>8}", style=style)
        lines.append(line.append(f"  {clipped(whose(waiting), max(1, width - 10))}", "not bold"))
    if len(lines) == 1:
        lines.append(Text("nothing has one", style="dim"))
    return _fitted(lines, width)


def verdicts(live: Live, width: int) -> Text:
    """Why things wait, as far as it was looked at."""
    line = Text("WHY ", style="bold")
    for verdict, (count, severity) in live.verdict_counts().items():
        line.append(f" {count:,} {verdict} ", style=STYLES[severity])
    if not live.verdicts:
        line.append(" d looks at all that is listed, Enter at one", style="not bold dim")
    return _fitted([line], width)


def shares(width: int, *, three: bool) -> tuple[int, int, int]:
    """The widths of the panels that stand side by side: what waits, queues, deadlines or 0."""
    named = min(_QUEUES, (width - _BETWEEN) * 3 // 5)
    if not three:
        return width - _BETWEEN - named, named, 0
    rest = width - 2 * _BETWEEN - named
    return rest - rest // 2, named, rest // 2


def listed(live: Live, choice: Choice, *, count: int, busy: int, width: int) -> Text:
    """What the list below shows, and how old what it says of causes is.

    Args:
        live: What is known.
        choice: What the list is to show.
        count: Of how many activities that is.
        busy: At how many it is being looked just now.
        width: Of the line.
    """
    return _both_ends(_listed(live, choice, count), _looked(live, busy), width)


def _listed(live: Live, choice: Choice, count: int) -> Text:
    if live.pending.read_at is None:
        return Text()
    if not live.waiting:
        return Text("nothing waits", style="green")
    order = f"by {choice.key.value}{', reversed' if choice.reverse else ''}"
    if choice.words:
        line = Text(f"{count:,} of {len(live.waiting):,} with {visible(choice.words)!r}", "yellow")
        unjudged = len(live.waiting) - len(live.verdicts)
        if unjudged and not count:
            return line.append(f"; {unjudged:,} have no verdict yet: press d", style="yellow")
        more = f", {unjudged:,} without verdict: d" if unjudged else ""
        return line.append(f"{more}, {order}", style="dim")
    line = Text(order, style="dim")
    for nearest in live.nearest(1):
        left = short_duration(nearest.time_left(live.now))
        line.append(f", nearest deadline in {left}", style="dim")
    return line


def _looked(live: Live, busy: int) -> Text:
    looked = live.round
    if busy:
        return Text(f"looking why {busy:,} wait …", style="cyan")
    if looked.part.read_at is None:
        return Text()
    age = short_duration(live.now - looked.part.read_at)
    more = f" of {looked.asked + looked.skipped:,}" if looked.skipped else ""
    return Text(f"why {looked.asked:,}{more} wait: {age} ago, {looked.calls:,} calls", style="dim")


def _both_ends(left: Text, right: Text, width: int) -> Text:
    """One line; where there is not room for both, the left one gives way."""
    room = max(0, width - right.cell_len)
    left.truncate(max(0, room - 2), overflow="ellipsis")
    left.pad_right(max(0, room - left.cell_len))
    return _fitted([left.append_text(right)], width)


def _fitted(lines: Sequence[Text], width: int) -> Text:
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)
