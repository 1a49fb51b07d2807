"""Pending activities as a table for people, on terminals of any width."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.summary import DIMENSIONS, Summary
from stigmer_ops.render.tables import Cell, Column, FittedTable, Row, id_column, table_of
from stigmer_ops.render.text import rfc3339, short_duration, visible

FULL_WIDTH = 160
"""Columns of a terminal from which on every fact has a column of its own."""
MARGIN = 6
"""Columns of a narrow terminal that a failure below its row leaves free."""
GROUP_WIDTH = 44
"""To what width the tables of a summary line up; longer names fold or push."""
FAILURE_SHOWN = 60
"""Characters of a failure's message that a table shows; `-o wide` and JSON have all."""


@dataclass(frozen=True, slots=True)
class Look:
    """From when, and by which thresholds, activities are looked at.

    Attributes:
        now: For ages and times left.
        stuck_after: An age that is marked.
        near_deadline_share: Share of its timeout past which the time left is marked.
    """

    now: datetime
    stuck_after: timedelta
    near_deadline_share: float


def age_cell(activity: PendingActivity, look: Look) -> Cell:
    """The age, red if it counts as stuck."""
    age = activity.age(look.now)
    return short_duration(age), "red" if age >= look.stuck_after else ""


def left_cell(activity: PendingActivity, look: Look) -> Cell:
    """The time left: red past the deadline, yellow near it."""
    deadline = activity.deadline
    if deadline is None:
        return "-"
    left = deadline.time - look.now
    if left <= timedelta(0):
        return short_duration(left), "bold red"
    near = deadline.share_used(look.now) >= look.near_deadline_share
    return short_duration(left), "yellow" if near else ""


def failure_text(activity: PendingActivity, limit: int = FAILURE_SHOWN) -> str:
    """The last failure in one line: its type and message, cut to `limit` characters."""
    failure = activity.last_failure
    if failure is None:
        return ""
    message = "(encoded)" if failure.encoded else failure.message
    said = f"{failure.type}: {message}" if failure.type else message
    line = " ".join(said.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _workflow(activity: PendingActivity, _look: Look) -> Cell:
    return ("(standalone)", "dim") if activity.standalone else activity.workflow_id


def _fact(name: str) -> Callable[[PendingActivity, Look], Cell]:
    return lambda activity, _look: str(getattr(activity, name))


def _started(activity: PendingActivity, _look: Look) -> Cell:
    return rfc3339(activity.last_started_time) or "-"


def _deadline(activity: PendingActivity, _look: Look) -> Cell:
    deadline = activity.deadline
    return "-" if deadline is None else rfc3339(deadline.time) or "-"


def _timeout(activity: PendingActivity, _look: Look) -> Cell:
    deadline = activity.deadline
    return "-" if deadline is None else deadline.timeout_type.value


_WORKFLOW = (id_column("WORKFLOW"), _workflow)
_RUN = (id_column("RUN"), _fact("run_id"))
_WORKFLOW_TYPE = (Column("WORKFLOW TYPE"), _fact("workflow_type"))
_ACTIVITY = (id_column("ACTIVITY"), _fact("activity_id"))
_TYPE = (Column("TYPE"), _fact("activity_type"))
_STATE = (Column("STATE", fold=False), _fact("state"))
_ATTEMPT = (Column("ATTEMPT", "right", fold=False), _fact("attempt"))
_AGE = (Column("AGE", "right", fold=False), age_cell)
_LEFT = (Column("LEFT", "right", fold=False), left_cell)
_QUEUE = (Column("QUEUE"), _fact("task_queue"))
_STARTED = (Column("STARTED", fold=False), _started)
_DEADLINE = (Column("DEADLINE", fold=False), _deadline)
_TIMEOUT = (Column("TIMEOUT", fold=False), _timeout)
_WORKER = (Column("WORKER"), _fact("last_worker_identity"))
_FAILURE = (Column("LAST FAILURE"), lambda activity, _look: failure_text(activity))
_WHOLE_FAILURE = (Column("LAST FAILURE"), lambda activity, _look: failure_text(activity, 10_000))

_TABLE = (_WORKFLOW, _ACTIVITY, _TYPE, _STATE, _ATTEMPT, _AGE, _LEFT, _QUEUE, _FAILURE)
_WIDE = (
    *(_WORKFLOW, _RUN, _WORKFLOW_TYPE, _ACTIVITY, _TYPE, _STATE, _ATTEMPT, _AGE, _LEFT, _QUEUE),
    *(_STARTED, _DEADLINE, _TIMEOUT, _WORKER, _WHOLE_FAILURE),
)


def pending_table(
    console: Console, activities: Sequence[PendingActivity], look: Look, *, wide: bool = False
) -> list[RenderableType]:
    """The activities in the order given, as what is to be printed.

    Away from a terminal, and on a wide one, every fact has its column. On a narrow one, the type
    and the queue that most rows share are said once above them; those of the others, and the
    failures, stand below their rows.
    """
    if wide or console.width >= FULL_WIDTH:
        columns = _WIDE if wide else _TABLE
        rows = [[cell(activity, look) for _, cell in columns] for activity in activities]
        return [table_of([column for column, _ in columns], rows)]
    return _narrow(activities, look, max(console.width - MARGIN, FAILURE_SHOWN))


def redrawn(parts: Sequence[RenderableType]) -> Sequence[RenderableType]:
    """What `pending_table` gave, for a screen that is drawn over and over."""
    for part in parts:
        if isinstance(part, FittedTable):
            part.redrawn = True
    return parts


_SHORT_ATTEMPT = (Column("ATT", "right", fold=False), _fact("attempt"))
_NARROW = (_WORKFLOW, _ACTIVITY, _STATE, _SHORT_ATTEMPT, _AGE, _LEFT)


def _narrow(
    activities: Sequence[PendingActivity], look: Look, failure_width: int
) -> list[RenderableType]:
    type_ = _Shared("activity type", [activity.activity_type for activity in activities])
    queue = _Shared("task queue", [activity.task_queue for activity in activities])
    rows = [
        Row(
            [cell(activity, look) for _, cell in _NARROW],
            [
                (line, "dim")
                for line in (
                    ", ".join(filter(None, (type_.told(type_name), queue.told(queue_name)))),
                    failure_text(activity, failure_width),
                )
                if line
            ],
        )
        for activity, type_name, queue_name in zip(
            activities, type_.values, queue.values, strict=True
        )
    ]
    shared = ", ".join(filter(None, (type_.heading, queue.heading)))
    heading = [Text(shared, style="dim")] if shared else []
    return [*heading, table_of([column for column, _ in _NARROW], rows)]


class _Shared:
    """A fact that is said once for all rows that have it, if these are the most.

    Args:
        name: Of the fact.
        values: Of every row, "" where it has none.
    """

    def __init__(self, name: str, values: Sequence[str]) -> None:
        self.values = values
        self._name = name
        usual, count = Counter(values).most_common(1)[0]
        self._usual = usual if count * 2 > len(values) else ""
        self._always = count == len(values)

    @property
    def heading(self) -> str:
        """What stands above the rows; "" if they have little in common."""
        exceptions = "" if self._always else " unless told"
        return f"{self._name} {visible(self._usual)}{exceptions}" if self._usual else ""

    def told(self, value: str) -> str:
        """What stands below a row with this value; "" if it is said above."""
        return "" if value == self._usual else f"{self._name} {value or '-'}"


def summary_tables(summary: Summary, look: Look) -> Iterator[RenderableType]:
    """One table for each dimension, in columns that line up, and the total above them."""
    groups = [(dimension, dimension.tallies(summary)) for dimension in DIMENSIONS]
    width = max(
        (cell_len(visible(name)) for _, tallies in groups for name, _ in tallies), default=0
    )
    yield _total(summary, look)
    for dimension, tallies in groups:
        if not tallies:
            continue
        yield Text()
        yield table_of(
            [
                Column(dimension.heading.ljust(min(width, GROUP_WIDTH))),
                Column("PENDING", "right", fold=False),
                Column("  OLDEST", "right", fold=False),
                Column("NEAREST DEADLINE", "right", fold=False),
            ],
            [
                [
                    name,
                    str(tally.count),
                    age_cell(tally.oldest, look) if tally.oldest else "-",
                    left_cell(tally.nearest, look) if tally.nearest else "-",
                ]
                for name, tally in tallies
            ],
        )


def _total(summary: Summary, look: Look) -> Text:
    oldest, nearest = summary.all.oldest, summary.all.nearest
    text = Text(f"{summary.all.count} pending", style="bold")
    for name, activity, cell in (
        ("oldest", oldest, age_cell),
        ("nearest deadline", nearest, left_cell),
    ):
        if activity is not None:
            shown = cell(activity, look)
            said, style = shown if isinstance(shown, tuple) else (str(shown), "")
            text.append(f", {name} ", style="not bold").append(said, style=style or "not bold")
    return text
