"""The legend below a graph: as many lines as Grafana has room for, and the rest on demand."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from stigmer_ops.monitoring.preview.display import (
    calculation_title,
    in_legend_order,
    reduced,
    series_colour,
    text_of,
)
from stigmer_ops.monitoring.preview.picture import DrawnPanel, Series
from stigmer_ops.render.preview.markup import Child, colour, element

_LINE, _MARGIN = 21.0, 12.0
_SHARE = 0.35
"""Of the panel, which Grafana gives to a legend at most before it scrolls."""

Entry = tuple[int, Series]
"""The place of a series in the panel, which gives it its colour, and the series."""


def legend_height(drawn: DrawnPanel, height: float) -> float:
    """Pixels that the legend takes of a panel of `height` pixels."""
    if not _wanted(drawn):
        return 0
    if drawn.options.legend.display_mode != "table":
        return _LINE + _MARGIN
    shown = _room(drawn, height)
    lines = 1 + shown + (len(drawn.series) > shown)
    return lines * _LINE + _MARGIN


def legend(drawn: DrawnPanel, height: float) -> tuple[Child, ...]:
    """The legend of a panel of `height` pixels."""
    if not _wanted(drawn):
        return ()
    entries = in_legend_order(drawn)
    if drawn.options.legend.display_mode != "table":
        return (element("ul", *(_item(entry, drawn) for entry in entries), class_="legend"),)
    shown = _room(drawn, height)
    first, rest = entries[:shown], entries[shown:]
    titles = ["Name", *(calculation_title(calc) for calc in drawn.options.legend.calcs)]
    heading = element("tr", *(element("th", title) for title in titles))
    table = element("table", heading, *(_row(entry, drawn) for entry in first), class_="legend")
    if not rest:
        return (table,)
    more = element(
        "details",
        element("summary", f"{len(rest)} more"),
        element("table", *(_row(entry, drawn) for entry in rest), class_="legend"),
        class_="legend-rest",
    )
    return (table, more)


def _wanted(drawn: DrawnPanel) -> bool:
    return drawn.options.legend.show_legend and bool(drawn.series)


def _room(drawn: DrawnPanel, height: float) -> int:
    lines = max(2, int((height * _SHARE - _MARGIN) / _LINE) - 1)
    # A line that says "1 more" is no shorter than that one.
    return len(drawn.series) if len(drawn.series) <= lines else max(1, lines - 1)


def _row(entry: Entry, drawn: DrawnPanel) -> Element:
    series = entry[1]
    numbers = (
        element("td", text_of(reduced(series, calc), drawn.defaults))
        for calc in drawn.options.legend.calcs
    )
    return element("tr", element("td", _key(entry, drawn), series.name), *numbers)


def _item(entry: Entry, drawn: DrawnPanel) -> Element:
    series = entry[1]
    numbers = (
        f"  {calculation_title(calc)}: {text_of(reduced(series, calc), drawn.defaults)}"
        for calc in drawn.options.legend.calcs
    )
    return element("li", _key(entry, drawn), series.name, *numbers)


def _key(entry: Entry, drawn: DrawnPanel) -> Element:
    paint = colour(series_colour(*entry, drawn.defaults))
    return element("span", class_="key", style=f"background:{paint}")
