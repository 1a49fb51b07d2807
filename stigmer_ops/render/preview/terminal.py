"""A preview on a terminal: the panels where Grafana places them, their series as sparklines."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from stigmer_ops.monitoring.preview.display import (
    calculation_title,
    colour_of,
    in_legend_order,
    reduced,
    text_of,
)
from stigmer_ops.monitoring.preview.picture import DrawnPanel, Picture, Section, Series
from stigmer_ops.monitoring.preview.window import TimeRange
from stigmer_ops.monitoring.trend import aligned
from stigmer_ops.render.sparkline import sparkline
from stigmer_ops.render.tables import Cell, Column, FittedTable, table_of
from stigmer_ops.render.text import rfc3339, seconds, visible

_WIDTH = 160
"""Columns where no terminal says how many there are."""
_TREND, _SHORT_TREND, _SERIES = 24, 8, 6
_STYLES = {"green": "green", "orange": "yellow", "red": "red", "blue": "blue"}


def preview_record(picture: Picture, written: list[str]) -> dict[str, Any]:
    """The preview for programs: what each panel shows in numbers, and which files were written."""
    return {
        "title": picture.dashboard.title,
        "uid": picture.dashboard.uid,
        "prometheus": picture.source,
        "range": {
            "start": rfc3339(picture.range.start),
            "end": rfc3339(picture.range.end),
            "step_seconds": seconds(picture.range.step),
        },
        "panels": [_panel_record(drawn) for drawn in picture.panels],
        "written": written,
    }


def _panel_record(drawn: DrawnPanel) -> dict[str, Any]:
    return {
        "id": drawn.panel.id,
        "title": drawn.title,
        "type": drawn.panel.type,
        "unit": drawn.defaults.unit,
        "queries": list(drawn.queries),
        "problem": drawn.problem or None,
        "series": [
            {
                "name": series.name,
                "points": len(series.points),
                "last": _finite(series.last),
                "max": _finite(reduced(series, "max")),
            }
            for series in drawn.series
        ],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def print_preview(console: Console, picture: Picture, *, wide: bool) -> None:
    """Print every panel; all series of each if wide, else the first of its legend."""
    width = console.width if console.is_terminal else _WIDTH
    choices = "  ".join(f"{choice.label}: {choice.text}" for choice in picture.choices)
    console.print(Text(visible(picture.dashboard.title), style="bold"), width=width)
    console.print(Text(visible(choices)), width=width)
    for section in picture.sections:
        console.print()
        console.print(Text(visible(section.title), style="bold underline"), width=width)
        for line in _lines(section):
            console.print(_beside(line, picture.range, wide=wide), width=width)


def _lines(section: Section) -> Iterator[list[DrawnPanel]]:
    """The panels of a section by their line in the grid."""
    for _, line in itertools.groupby(section.panels, lambda drawn: drawn.panel.grid_pos.y):
        yield list(line)


def _beside(line: list[DrawnPanel], range_: TimeRange, *, wide: bool) -> Table:
    grid = Table.grid(expand=True, padding=(1, 3, 0, 0))
    for drawn in line:
        grid.add_column(ratio=drawn.panel.grid_pos.w, overflow="fold")
    grid.add_row(*(_panel(drawn, range_, wide=wide) for drawn in line))
    return grid


def _panel(drawn: DrawnPanel, range_: TimeRange, *, wide: bool) -> RenderableType:
    title = Text(visible(drawn.title), style="bold")
    if drawn.problem:
        style = "red" if drawn.refused else "dim"
        return Group(title, Text(visible(drawn.problem), style=style))
    if not drawn.series:
        return Group(title, Text("no data", style="dim"))
    entries = [series for _, series in in_legend_order(drawn)]
    shown = entries if wide else entries[:_SERIES]
    left_out = len(entries) - len(shown)
    more = [Text(f"{left_out} more (-o wide)", style="dim")] if left_out else []
    return Group(title, _series_table(shown, drawn, range_), *more)


def _series_table(shown: list[Series], drawn: DrawnPanel, range_: TimeRange) -> FittedTable:
    calcs = drawn.options.legend.calcs or drawn.options.reduce_options.calcs or ("lastNotNull",)
    width = _SHORT_TREND if drawn.panel.type == "stat" else _TREND
    columns = [Column(""), Column("", fold=False)]
    columns += [Column(calculation_title(calc), "right", fold=False) for calc in calcs]
    rows = [_row(series, drawn, range_, calcs, width) for series in shown]
    table = table_of(columns, rows)
    table.show_header = len(calcs) > 1
    table.header_style = "dim"
    return table


def _row(
    series: Series, drawn: DrawnPanel, range_: TimeRange, calcs: Sequence[str], width: int
) -> list[Cell]:
    values = aligned(series.points, range_.start, range_.step, range_.count)
    numbers: list[Cell] = []
    for calc in calcs:
        number = reduced(series, calc)
        numbers.append((text_of(number, drawn.defaults), _style(number, drawn)))
    return [series.name or "-", sparkline(values, width), *numbers]


def _style(value: float, drawn: DrawnPanel) -> str:
    """The colour that the value has in Grafana; lines of a graph do not have it."""
    if drawn.panel.type == "timeseries" or math.isnan(value):
        return ""
    return _STYLES.get(colour_of(value, drawn.defaults), "")
