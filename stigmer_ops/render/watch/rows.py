"""The list of what waits: which columns fit, and their cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.text import Text

from stigmer_ops.handshake.live import Live, Mark, Waiting
from stigmer_ops.render.diagnosis import STYLES
from stigmer_ops.render.text import short_duration
from stigmer_ops.render.watch.panels import MARK_STYLES, clipped, whose

GAP = 2
"""Cells between two columns."""
MARGIN = 2
"""Cells at the right end that belong to the scroll bar."""
WORKFLOW_AT_LEAST = 14


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        heading: Above it.
        width: In cells, without the gap.
        cell: What stands in it.
        shown_from: The width of the terminal from which on there is room for it,
        shown_to: and up to which.
        right: Whether it is a number.
    """

    heading: str
    width: int
    cell: Callable[[Waiting, Live], tuple[str, str]]
    shown_from: int = 0
    shown_to: int = 10_000
    right: bool = False


def _age(waiting: Waiting, live: Live) -> tuple[str, str]:
    old = live.marks.mark(waiting, live.now) is Mark.OLD or (
        waiting.age(live.now) >= live.marks.stuck_after
    )
    return short_duration(waiting.age(live.now)), MARK_STYLES[Mark.OLD] if old else ""


def _left(waiting: Waiting, live: Live) -> tuple[str, str]:
    mark = live.marks.mark(waiting, live.now)
    style = "" if mark is Mark.OLD else MARK_STYLES[mark]
    return short_duration(waiting.time_left(live.now)), style


def _verdict(waiting: Waiting, live: Live) -> tuple[str, str]:
    diagnosis = live.verdicts.get(waiting.key)
    if diagnosis is None:
        return "", ""
    return diagnosis.verdict.id, STYLES[diagnosis.verdict.severity]


_COLUMNS = (
    Column("ACTIVITY", 8, lambda one, _: (one.key.activity_id, "")),
    Column("TYPE", 20, lambda one, _: (one.activity_type, ""), shown_from=110),
    Column(
        "STATE", 9, lambda one, _: ("STARTED" if one.started else "SCHEDULED", ""), shown_from=130
    ),
    Column("ATT", 3, lambda one, _: (str(one.attempt), ""), right=True),
    Column("AGE", 6, _age, right=True),
    Column("LEFT", 7, _left, right=True),
    Column("QUEUE", 20, lambda one, _: (one.task_queue, ""), shown_from=150),
    Column("VERDICT", 21, _verdict, shown_to=129),
    Column("VERDICT", 33, _verdict, shown_from=130),
)


def columns(width: int) -> list[Column]:
    """The columns for a terminal of that width; the workflow's id gets what is left."""
    chosen = [column for column in _COLUMNS if column.shown_from <= width <= column.shown_to]
    taken = sum(column.width + GAP for column in chosen) + GAP + MARGIN
    workflow = Column(
        "WORKFLOW", max(WORKFLOW_AT_LEAST, width - taken), lambda one, _: (whose(one), "")
    )
    return [workflow, *chosen]


def cells(waiting: Waiting, live: Live, chosen: list[Column]) -> tuple[Text, ...]:
    """A row, each cell no wider than its column."""
    return tuple(_cell(column, *column.cell(waiting, live)) for column in chosen)


def heading(column: Column) -> Text:
    """What stands above a column, on the side of its numbers."""
    return Text(column.heading, justify="right" if column.right else "left")


def _cell(column: Column, text: str, style: str) -> Text:
    return Text(
        clipped(text, column.width),
        style=style,
        justify="right" if column.right else "left",
        no_wrap=True,
    )
