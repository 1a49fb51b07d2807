"""Takes the picture of a dashboard: asks Prometheus for the data of every panel."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stigmer_ops.monitoring.preview.dashboard_json import (
    Annotation,
    Dashboard,
    Defaults,
    Options,
    Panel,
    look_of,
)
from stigmer_ops.monitoring.preview.picture import DrawnPanel, Event, Picture, Section, Series
from stigmer_ops.monitoring.preview.variables import built_in, choices, filled_in
from stigmer_ops.monitoring.preview.window import TimeRange
from stigmer_ops.monitoring.prometheus import Line, Prometheus, QueryError

DRAWN = ("timeseries", "stat", "state-timeline")
"""The kinds of panels that can be drawn."""
_LABEL = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


def take(
    dashboard: Dashboard,
    prometheus: Prometheus,
    range_: TimeRange,
    given: Mapping[str, str],
) -> Picture:
    """Ask for the data of every panel.

    Args:
        dashboard: Whose panels.
        prometheus: Whom to ask; all data sources are taken to be this one.
        range_: The time range.
        given: Values of variables by name; others are as the dashboard was saved.

    Raises:
        InputError: A panel is not as Grafana writes it.
        StigmerOpsError: Prometheus cannot be reached, or refuses us. That it refuses one query is
            no error, but shown in the panel.
    """
    chosen = choices(dashboard, given)
    values = {**built_in(range_), **{name: choice.value for name, choice in chosen.items()}}
    titles = {name: choice.text for name, choice in chosen.items()}
    source = _Source(prometheus, range_, values)
    sections = [
        Section(filled_in(title, titles), tuple(source.panel(panel, titles) for panel in panels))
        for title, panels in dashboard.sections()
    ]
    events = [event for each in dashboard.annotations.list for event in source.events(each)]
    return Picture(
        dashboard,
        prometheus.shown_url,
        range_,
        tuple(chosen.values()),
        tuple(section for section in sections if section.panels),
        tuple(events),
    )


@dataclass(frozen=True, slots=True)
class _Source:
    prometheus: Prometheus
    range: TimeRange
    values: Mapping[str, str]

    def panel(self, panel: Panel, titles: Mapping[str, str]) -> DrawnPanel:
        title = filled_in(panel.title, titles)
        if panel.type not in DRAWN:
            problem = f"a preview cannot draw panels of type {panel.type!r}"
            return DrawnPanel(panel, title, Defaults(), Options(), (), (), problem)
        defaults, options = look_of(panel)
        targets = [target for target in panel.targets if target.expr and not target.hide]
        queries = tuple(filled_in(target.expr, self.values) for target in targets)
        series: list[Series] = []
        problem = "" if targets else "no query for Prometheus"
        try:
            for target, query in zip(targets, queries, strict=True):
                series += (_series(line, target.legend_format) for line in self._ask(query))
        except QueryError as error:
            return DrawnPanel(
                panel, title, defaults, options, queries, (), error.happened, refused=True
            )
        return DrawnPanel(panel, title, defaults, options, queries, tuple(series), problem)

    def events(self, annotation: Annotation) -> Iterator[Event]:
        if not annotation.enable or not annotation.expr:
            return
        try:
            lines = self._ask(filled_in(annotation.expr, self.values))
        except QueryError:
            return  # Grafana does not show them either.
        for line in lines:
            title, text = (
                _legend(format_, line.labels) if format_ else ""
                for format_ in (annotation.title_format, annotation.text_format)
            )
            for start, end in self._stretches(line):
                yield Event(
                    title or annotation.name, text.strip(), annotation.icon_color, start, end
                )

    def _ask(self, query: str) -> list[Line]:
        range_ = self.range
        return self.prometheus.query_range(query, range_.start, range_.end, range_.step)

    def _stretches(self, line: Line) -> Iterator[tuple[float, float]]:
        times = [time for time, value in line.points if value]
        if not times:
            return
        step = self.range.step.total_seconds()
        start = previous = times[0]
        for time in times[1:]:
            if time - previous > step * 1.5:
                yield start, previous
                start = time
            previous = time
        yield start, previous


def _series(line: Line, legend: str) -> Series:
    known = tuple((time, value) for time, value in line.points if not math.isnan(value))
    return Series(_legend(legend, line.labels), known, line.points[-1][1])


def _legend(template: str, labels: Mapping[str, str]) -> str:
    """The name of a series; without a template, its metric and labels as Prometheus writes them."""
    if template and template != "__auto":
        return _LABEL.sub(lambda label: labels.get(label[1], ""), template)
    inner = ", ".join(
        f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__"
    )
    name = labels.get("__name__", "")
    return f"{name}{{{inner}}}" if inner or not name else name
