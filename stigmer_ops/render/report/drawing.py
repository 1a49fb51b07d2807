"""Drawings of a report as SVG; lengths across are shares, so that text keeps its size on phones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from stigmer_ops.monitoring.preview.axes import time_ticks
from stigmer_ops.render.preview.markup import element
from stigmer_ops.render.report.words import clock

if TYPE_CHECKING:
    from stigmer_ops.handshake.summary import Summary
    from stigmer_ops.handshake.timeline import Lane, Span, Timeline

_HEAD, _LANE, _BAR, _AXIS = 18.0, 42.0, 14.0, 22.0
_LEFT, _RIGHT = 0.5, 99.5
_TICKS = 4
_LONGEST = 40
"""Characters of the title of a lane."""
_NARROW = 0.25
"""Where what happened at Stigmer's takes less of the whole, it is drawn once more, enlarged."""
_SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Scale:
    """Where times are, from the left edge of the drawing to its right."""

    start: datetime
    end: datetime

    @classmethod
    def around(cls, start: datetime, end: datetime, room: float) -> Scale:
        """From `start` to `end`, with so much room on both sides, as a share."""
        length = max(end - start, _SHORTEST)
        return cls(start - length * room, start + length * (1 + room))

    def share(self, time: datetime) -> float:
        """0 at the left edge, 1 at the right; what is beyond is at the edge."""
        share = (time - self.start) / (self.end - self.start)
        return min(max(share, 0.0), 1.0)

    def x(self, time: datetime) -> str:
        """Where a time is."""
        return _percent(_LEFT + self.share(time) * (_RIGHT - _LEFT))

    def holds(self, time: datetime) -> bool:
        """Whether a time is within."""
        return self.start <= time <= self.end


def handshake(timeline: Timeline, name: str, key: str) -> list[Element]:
    """A handshake: the whole, and what happened at Stigmer's by itself where that is too small.

    Args:
        timeline: It.
        name: Whose it is, for those who hear the page.
        key: Unique on the page.
    """
    whole = Scale.around(timeline.start, timeline.end, 0.01)
    action = timeline.action
    if action is None or (action[1] - action[0]) / (whole.end - whole.start) >= _NARROW:
        return [_drawing(timeline, timeline.lanes, whole, name, key)]
    near = Scale.around(*action, 0.04)
    return [
        _drawing(timeline, (timeline.activity,), whole, name, key, near),
        _drawing(timeline, timeline.stigmer, near, f"{name}, enlarged", f"{key}-near"),
    ]


def _drawing(
    timeline: Timeline,
    lanes: Sequence[Lane],
    scale: Scale,
    name: str,
    key: str,
    near: Scale | None = None,
) -> Element:
    deadline = timeline.deadline
    lines = [(timeline.now, "now", "now")]
    if deadline is not None:
        lines.append((deadline.time, "deadline", "deadline"))
    lines = [line for line in lines if scale.holds(line[0])]
    top = _HEAD * len(lines) + (0 if near is None else _HEAD)
    bottom = top + _LANE * len(lanes)
    svg = _canvas(bottom + _AXIS, f"Timeline of {name}", _told(timeline, lanes, scale), key)
    svg.extend(_axis(scale, top, bottom))
    if near is not None:
        svg.append(_enlarged(scale, near, top, bottom))
    for row, lane in enumerate(lanes):
        svg.extend(_bars(lane, scale, timeline, top + row * _LANE + 20))
    for row, (time, label, class_) in enumerate(lines):
        svg.extend(_line(scale, time, label, class_, _HEAD * (row + 1) - 5, bottom))
    # At last: no line goes through what is to be read.
    if near is not None:
        x = scale.x(near.start)
        svg.append(_text("enlarged below", scale.share(near.start), top - 5, "near-label", x))
    for row, lane in enumerate(lanes):
        y = top + row * _LANE + 14
        svg.append(element("text", _short(lane.title), x=_percent(_LEFT), y=y, class_="lane"))
    return svg


def _canvas(height: float, title: str, description: str, key: str) -> Element:
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", description, id=f"{key}-desc"),
        xmlns="http://www.w3.org/2000/svg",
        width="100%",
        height=height,
        role="img",
        aria_labelledby=f"{key}-title",
        aria_describedby=f"{key}-desc",
    )


def _told(timeline: Timeline, lanes: Iterable[Lane], scale: Scale) -> str:
    """The drawing in words; the table of moments below it tells the times."""
    until = f"From {clock(scale.start)} to {clock(scale.end)} UTC."
    named = "; ".join(lane.title for lane in lanes)
    deadline = timeline.deadline
    ends = "no deadline" if deadline is None else f"the deadline is {clock(deadline.time)}"
    return f"{until} {named}. Now is {clock(timeline.now)}, {ends}."


def _axis(scale: Scale, top: float, bottom: float) -> Iterator[Element]:
    for time, label in time_ticks(scale.start, scale.end, _TICKS):
        x = scale.x(time)
        yield element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid")
        yield _text(label, scale.share(time), bottom + 15, "axis", x)


def _enlarged(scale: Scale, near: Scale, top: float, bottom: float) -> Element:
    left, right = scale.share(near.start), scale.share(near.end)
    width = max((right - left) * (_RIGHT - _LEFT), 0.4)
    return element(
        "rect",
        x=scale.x(near.start),
        width=_percent(width),
        y=top,
        height=bottom - top,
        class_="near",
    )


def _bars(lane: Lane, scale: Scale, timeline: Timeline, y: float) -> Iterator[Element]:
    if timeline.deadline is not None and lane is timeline.activity:
        yield _bar(scale, timeline.now, timeline.deadline.time, y, "left", "time that is left")
    for span in lane.spans:
        yield _bar(scale, span.start, span.end or timeline.now, y, span.tone.value, _said(span))
        for mark in span.marks:
            x = scale.x(mark)
            yield element("line", x1=x, x2=x, y1=y - 2, y2=y + _BAR + 2, class_="mark")


def _short(title: str) -> str:
    """What a phone has room for; the whole is in the description."""
    return title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…"


def _said(span: Span) -> str:
    until = "" if span.end is None else f" to {clock(span.end)}"
    return f"{span.text}, {clock(span.start)}{until}"


def _bar(
    scale: Scale, start: datetime, end: datetime, y: float, class_: str, title: str
) -> Element:
    width = (scale.share(end) - scale.share(start)) * (_RIGHT - _LEFT)
    return element(
        "rect",
        element("title", title),
        x=scale.x(start),
        width=_percent(max(width, 0.4)),
        y=y,
        height=_BAR,
        rx=2,
        class_=f"span {class_}",
    )


def _line(
    scale: Scale, time: datetime, label: str, class_: str, y: float, bottom: float
) -> Iterator[Element]:
    x = scale.x(time)
    yield element("line", x1=x, x2=x, y1=y + 3, y2=bottom, class_=f"line-{class_}")
    yield _text(f"{label} {clock(time)}", scale.share(time), y, f"label-{class_}", x)


def _text(text: str, share: float, y: float, class_: str, x: str) -> Element:
    """Text at a place, to whichever side of it there is room on a phone."""
    anchor = "start" if share < 0.3 else "end" if share > 0.7 else "middle"
    return element("text", text, x=x, y=y, class_=class_, text_anchor=anchor)


def _percent(share: float) -> str:
    return f"{share:.3f}%"


# --- How long it waits ---------------------------------------------------------------------------

_ROW = 26.0
_NAMES, _MOST = 16.0, 52.0
"""Shares of the width: where the bars begin, and the longest of them."""


def ages(all_: Summary, stuck: Summary) -> Element:
    """How many wait for how long, and how many of them are stuck."""
    counts = [
        (bucket, tally.count, stuck.by_age[bucket].count) for bucket, tally in all_.by_age.items()
    ]
    most = max(count for _, count, _ in counts) or 1
    told = "; ".join(f"{bucket}: {_of(count, bad)}" for bucket, count, bad in counts)
    title = "External activities that wait, by age"
    svg = _canvas(_ROW * len(counts), title, f"{told}.", "ages")
    for row, (bucket, count, bad) in enumerate(counts):
        y = row * _ROW
        x, scale = _NAMES, _MOST / most
        svg.append(element("text", bucket, x=_percent(_LEFT), y=y + 17))
        for number, class_ in ((bad, "failed"), (count - bad, "waits")):
            if number:
                width = max(number * scale, 0.6)
                svg.append(
                    element(
                        "rect",
                        x=_percent(x),
                        width=_percent(width),
                        y=y + 4,
                        height=_ROW - 8,
                        class_=f"span {class_}",
                    )
                )
                x += width
        said = _of(count, bad)
        right = _percent(_RIGHT)
        svg.append(element("text", said, x=right, y=y + 17, class_="count", text_anchor="end"))
    return svg


def _of(count: int, stuck: int) -> str:
    return f"{count:,} ({stuck:,} stuck)" if stuck else f"{count:,}"
