"""A time series panel as SVG."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

from stigmer_ops.monitoring.preview.axes import decimals_of, time_ticks, value_ticks
from stigmer_ops.monitoring.preview.dashboard_json import Defaults
from stigmer_ops.monitoring.preview.display import NO_DATA, series_colour, steps_of, text_of
from stigmer_ops.monitoring.preview.picture import DrawnPanel, Event, Picture, Series
from stigmer_ops.monitoring.preview.window import TimeRange
from stigmer_ops.render.preview.markup import colour, element

Points = Sequence[tuple[float, float]]

CHARACTER = 7.0
"""Pixels that a character of an axis takes at most, on average."""
_BELOW, _ABOVE, _RIGHT = 22.0, 8.0, 14.0
_TICK_ROOM, _TIME_ROOM = 34.0, 76.0
_HEADROOM = 1.05
_ZEROS = re.compile(r"(\.\d*?)0+(?!\d)")
"""What rounding to three digits leaves at the end of 0.600 and of 1.00."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where values and times are in a drawing.

    Attributes:
        left, top, right, bottom: Of the part that is drawn in, in pixels.
        low, high: The values at its bottom and top.
        range: The times at its left and right.
    """

    left: float
    top: float
    right: float
    bottom: float
    low: float
    high: float
    range: TimeRange

    def x(self, time: float) -> float:
        """Where a time is, in seconds since 1970."""
        share = (time - self.range.start.timestamp()) / self.range.length.total_seconds()
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        """Where a value is; one that is beyond the frame, at its edge."""
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - min(max(share, -0.01), 1.01) * (self.bottom - self.top)


def graph(drawn: DrawnPanel, picture: Picture, width: float, height: float) -> Element:
    """The panel's graph."""
    defaults = drawn.defaults
    stacked = defaults.custom.stacking.mode not in ("", "none")
    layers = list(_layers(drawn.series, stacked=stacked))
    low, high = _bounds(defaults, [value for layer in layers for _, value in layer.upper])
    ticks = value_ticks(low, high, int((height - _BELOW - _ABOVE) / _TICK_ROOM))
    labels = _tick_labels(ticks, defaults)
    left = max((len(label) for label in labels), default=0) * CHARACTER + 12
    frame = Frame(left, _ABOVE, width - _RIGHT, height - _BELOW, low, high, picture.range)
    svg = canvas(width, height, drawn.title)
    svg.extend(_grid(frame, ticks, labels))
    svg.extend(time_axis(frame))
    svg.extend(_thresholds(frame, defaults))
    for index, (series, layer) in enumerate(zip(drawn.series, layers, strict=True)):
        paint = colour(series_colour(index, series, defaults))
        svg.extend(_line(frame, layer, paint, defaults, stacked=stacked))
    svg.extend(_events(frame, picture.events))
    if not any(layer.upper for layer in layers):
        svg.append(
            element(
                "text",
                defaults.no_value or NO_DATA,
                x=(frame.left + frame.right) / 2,
                y=(frame.top + frame.bottom) / 2,
                class_="empty",
                text_anchor="middle",
            )
        )
    return svg


def canvas(width: float, height: float, title: str) -> Element:
    """An empty drawing, which shrinks and grows with the page."""
    return element(
        "svg",
        element("title", title),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
    )


def time_axis(frame: Frame) -> Iterator[Element]:
    """Lines and labels of round times."""
    room = int((frame.right - frame.left) / _TIME_ROOM)
    for at, label in time_ticks(frame.range.start, frame.range.end, room):
        x = frame.x(at.timestamp())
        yield element("line", x1=x, x2=x, y1=frame.top, y2=frame.bottom, class_="grid")
        yield _label(label, _inside(x, label, frame), frame.bottom + 16, "middle")


def _inside(x: float, label: str, frame: Frame) -> float:
    half = len(label) * CHARACTER / 2
    return min(x, frame.right + _RIGHT - half)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A line, and what it stands on where lines are stacked."""

    upper: Points
    lower: Points


def _layers(series: Sequence[Series], *, stacked: bool) -> Iterator[_Layer]:
    height: dict[float, float] = {}
    for each in series:
        points = [(time, value) for time, value in each.points if math.isfinite(value)]
        lower = [(time, height.get(time, 0.0) if stacked else 0.0) for time, _ in points]
        upper = [
            (time, value + base) for (time, value), (_, base) in zip(points, lower, strict=True)
        ]
        height.update(upper)
        yield _Layer(upper, lower)


def _bounds(defaults: Defaults, values: Sequence[float]) -> tuple[float, float]:
    low = defaults.min if defaults.min is not None else min([0.0, *values])
    high = defaults.max
    if high is None:
        soft = defaults.custom.axis_soft_max
        top = max(values, default=low)
        high = soft if soft is not None and top <= soft else low + (top - low) * _HEADROOM
    return low, high if high > low else low + 1


def _tick_labels(ticks: list[float], defaults: Defaults) -> list[str]:
    scale = 100 if defaults.unit == "percentunit" else 1
    if defaults.unit in ("", "none", "percent", "percentunit"):
        decimals = decimals_of([tick * scale for tick in ticks])
        defaults = defaults.model_copy(update={"decimals": decimals})
    return [_without_zeros(text_of(tick, defaults)) for tick in ticks]


def _without_zeros(label: str) -> str:
    return _ZEROS.sub(lambda match: match[1].rstrip("."), label)


def _grid(frame: Frame, ticks: list[float], labels: list[str]) -> Iterator[Element]:
    for tick, label in zip(ticks, labels, strict=True):
        y = frame.y(tick)
        yield element("line", x1=frame.left, x2=frame.right, y1=y, y2=y, class_="grid")
        yield _label(label, frame.left - 6, y + 4, "end")


def _label(text: str, x: float, y: float, anchor: str) -> Element:
    return element("text", text, x=x, y=y, class_="axis", text_anchor=anchor)


def _thresholds(frame: Frame, defaults: Defaults) -> Iterator[Element]:
    mode = defaults.custom.thresholds_style.mode
    steps = list(steps_of(defaults, frame.low, frame.high))
    ends = [*(max(start, frame.low) for _, start in steps[1:]), frame.high]
    for (name, start), end in zip(steps, ends, strict=False):
        paint = colour(name)
        if "area" in mode and end > max(start, frame.low):
            top, bottom = frame.y(end), frame.y(max(start, frame.low))
            yield element(
                "rect",
                x=frame.left,
                y=top,
                width=frame.right - frame.left,
                height=bottom - top,
                fill=paint,
                fill_opacity=0.12,
            )
        if ("line" in mode or "dashed" in mode) and frame.low <= start <= frame.high:
            y = frame.y(start)
            yield element(
                "line",
                element("title", f"threshold {text_of(start, defaults)}"),
                x1=frame.left,
                x2=frame.right,
                y1=y,
                y2=y,
                style=f"stroke:{paint}",
                class_="threshold dashed" if "dashed" in mode else "threshold",
            )


def _line(
    frame: Frame, layer: _Layer, paint: str, defaults: Defaults, *, stacked: bool
) -> Iterator[Element]:
    opacity = defaults.custom.fill_opacity / 100
    for upper, lower in _unbroken(layer, frame.range.step.total_seconds()):
        path = _path(frame, upper)
        if len(upper) == 1:
            yield element(
                "circle", cx=frame.x(upper[0][0]), cy=frame.y(upper[0][1]), r=2, fill=paint
            )
            continue
        if opacity:
            base = lower if stacked else [(time, max(frame.low, 0.0)) for time, _ in lower]
            area = path + _path(frame, base[::-1]).replace("M", "L", 1) + "Z"
            yield element("path", d=area, fill=paint, fill_opacity=opacity, stroke="none")
        width = max(defaults.custom.line_width, 0)
        yield element(
            "path", d=path, style=f"stroke:{paint};stroke-width:{width + 0.4:g}", class_="line"
        )


def _unbroken(layer: _Layer, step: float) -> Iterator[tuple[Points, Points]]:
    """The stretches of a line between which a point or more is missing."""
    start = 0
    times = [time for time, _ in layer.upper]
    for index in range(1, len(times) + 1):
        if index == len(times) or times[index] - times[index - 1] > step * 1.5:
            yield layer.upper[start:index], layer.lower[start:index]
            start = index


def _path(frame: Frame, points: Points) -> str:
    steps = (f"{frame.x(time):.1f},{frame.y(value):.1f}" for time, value in points)
    return "M" + "L".join(steps)


def _events(frame: Frame, events: Sequence[Event]) -> Iterator[Element]:
    for event in events:
        start, end = frame.x(event.start), frame.x(event.end)
        paint = colour(event.colour)
        at = datetime.fromtimestamp(event.start, frame.range.start.tzinfo)
        yield element(
            "g",
            element("title", f"{at:%Y-%m-%d %H:%M} {event.title} {event.text}"),
            element(
                "rect",
                x=start,
                y=frame.top,
                width=max(end - start, 1),
                height=frame.bottom - frame.top,
                fill=paint,
                fill_opacity=0.08,
            ),
            element(
                "line",
                x1=start,
                x2=start,
                y1=frame.top,
                y2=frame.bottom,
                style=f"stroke:{paint}",
                class_="event",
            ),
            element(
                "path",
                d=f"M{start - 4:.1f},{frame.bottom + 5:.1f}h8l-4,-6z",
                fill=paint,
            ),
        )
