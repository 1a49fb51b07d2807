"""A stat panel: the last value of every series, large, over what it was before."""

from __future__ import annotations

import math
from xml.etree.ElementTree import Element

from stigmer_ops.monitoring.preview.display import NO_DATA, colour_of, reduced, text_of
from stigmer_ops.monitoring.preview.picture import DrawnPanel, Picture, Series
from stigmer_ops.render.preview.markup import Child, colour, element

_NARROWEST = 88.0
_LARGEST = 46.0
_SPARK = (100.0, 30.0)


def stats(drawn: DrawnPanel, picture: Picture, width: float, height: float) -> Element:
    """One tile for each series, as many side by side as fit."""
    if not drawn.series:
        return element("p", drawn.defaults.no_value or NO_DATA, class_="problem")
    columns = min(len(drawn.series), max(1, int(width / _NARROWEST)))
    rows = math.ceil(len(drawn.series) / columns)
    room = (width / columns - 12, height / rows)
    tiles = [_tile(series, drawn, picture, room) for series in drawn.series]
    template = f"grid-template-columns:repeat({columns},minmax(0,1fr))"
    return element("div", *tiles, class_="stats", style=template)


def _tile(
    series: Series, drawn: DrawnPanel, picture: Picture, room: tuple[float, float]
) -> Element:
    defaults = drawn.defaults
    calc = next(iter(drawn.options.reduce_options.calcs), "lastNotNull")
    value = reduced(series, calc)
    text = text_of(value, defaults)
    paint = colour("text" if math.isnan(value) else colour_of(value, defaults))
    named = len(drawn.series) > 1
    width, height = room
    size = min(_LARGEST, height * (0.36 if named else 0.5), width / (0.62 * max(len(text), 3)))
    children: list[Child] = [_spark(series, picture, paint)]
    if named:
        children.append(element("span", series.name, class_="name"))
    style = f"font-size:{size:.0f}px;color:{paint}"
    children.append(element("span", text, class_="value", style=style))
    return element("div", *children, class_="stat")


def _spark(series: Series, picture: Picture, paint: str) -> Element:
    width, height = _SPARK
    svg = element("svg", viewBox=f"0 0 {width:g} {height:g}", preserveAspectRatio="none")
    points = [(time, value) for time, value in series.points if math.isfinite(value)]
    if len(points) < 2:
        return svg
    low = min(0.0, *(value for _, value in points))
    high = max(value for _, value in points)
    first = picture.range.start.timestamp()
    scale = width / picture.range.length.total_seconds()
    path = "L".join(
        f"{(time - first) * scale:.2f},{height - (value - low) / ((high - low) or 1) * height:.2f}"
        for time, value in points
    )
    left, right = ((points[index][0] - first) * scale for index in (0, -1))
    area = f"M{left:.2f},{height:g}L{path}L{right:.2f},{height:g}Z"
    svg.append(element("path", d=area, fill=paint))
    return svg
