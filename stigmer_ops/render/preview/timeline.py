"""A state timeline panel as SVG: a bar for each series, in the colours of its values."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from stigmer_ops.monitoring.preview.display import NO_DATA, colour_of, text_of
from stigmer_ops.monitoring.preview.picture import DrawnPanel, Picture, Series
from stigmer_ops.render.preview.graph import CHARACTER, Frame, canvas, time_axis
from stigmer_ops.render.preview.markup import colour, element

ROW = 30.0
"""Pixels of a bar with its name, of up to two lines, at least."""
BESIDE = 30.0
"""Pixels above and below the bars."""
_NAME_SHARE = 0.5
_BAR_SHARE = 0.8
_LINE, _HIGHEST = 12.0, 64.0


def timeline(drawn: DrawnPanel, picture: Picture, width: float, height: float) -> Element:
    """The panel's bars."""
    svg = canvas(width, height, drawn.title)
    lines = [_wrapped(series.name, width) for series in drawn.series]
    longest = max((len(line) for name in lines for line in name), default=0)
    left = longest * CHARACTER + 12
    frame = Frame(left, 4, width - 14, height - 22, 0, 1, picture.range)
    if not drawn.series:
        svg.append(
            element(
                "text",
                drawn.defaults.no_value or NO_DATA,
                x=width / 2,
                y=height / 2,
                class_="empty",
                text_anchor="middle",
            )
        )
        return svg
    svg.extend(time_axis(frame))
    row = (frame.bottom - frame.top) / len(drawn.series)
    for index, series in enumerate(drawn.series):
        middle = frame.top + (index + 0.5) * row
        svg.extend(_name(lines[index], left - 6, middle))
        svg.extend(_bars(series, drawn, frame, middle, min(row * _BAR_SHARE, _HIGHEST)))
    return svg


def _wrapped(name: str, width: float) -> list[str]:
    most = max(12, int(width * _NAME_SHARE / CHARACTER))
    return textwrap.wrap(name, most, max_lines=2, placeholder="…", break_on_hyphens=False) or [""]


def _name(lines: list[str], x: float, middle: float) -> Iterator[Element]:
    first = middle - (len(lines) - 1) * _LINE / 2 + 4
    for number, line in enumerate(lines):
        y = first + number * _LINE
        yield element("text", line, x=x, y=y, class_="axis", text_anchor="end")


def _bars(
    series: Series, drawn: DrawnPanel, frame: Frame, middle: float, height: float
) -> Iterator[Element]:
    for start, end, value in _states(series, frame.range.step.total_seconds()):
        x, right = frame.x(start), min(frame.x(end), frame.right)
        text = text_of(value, drawn.defaults)
        paint = colour(colour_of(value, drawn.defaults))
        yield element(
            "rect",
            element("title", f"{series.name}: {text}"),
            x=x,
            y=middle - height / 2,
            width=max(right - x, 1),
            height=height,
            fill=paint,
            class_="state",
        )
        if right - x > len(text) * CHARACTER + 12 and height >= _LINE:
            yield element("text", text, x=x + 6, y=middle + 4, class_="inside")


def _states(series: Series, step: float) -> Iterator[tuple[float, float, float]]:
    """Start, end and value of every stretch with one value and without a gap."""
    points = series.points
    start = 0
    for index in range(1, len(points) + 1):
        (previous, value) = points[index - 1]
        over = index == len(points)
        if over or points[index][1] != value or points[index][0] - previous > step * 1.5:
            gap = over or points[index][0] - previous > step * 1.5
            yield points[start][0], previous + step if gap else points[index][0], value
            start = index
