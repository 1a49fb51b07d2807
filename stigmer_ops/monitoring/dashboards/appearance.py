"""How the panels of the dashboard look: where they are, their thresholds, texts and links."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from stigmer_ops.monitoring.catalogue.alerts.texts import limit
from stigmer_ops.monitoring.catalogue.model import (
    Alert,
    Catalogue,
    Operator,
    Panel,
    PanelKind,
    Row,
    Severity,
    Unit,
)
from stigmer_ops.monitoring.catalogue.promql import duration
from stigmer_ops.settings import Settings

COLUMNS = 24
"""Of Grafana's grid."""
_HEIGHTS = {PanelKind.STAT: 4, PanelKind.TIMESERIES: 10, PanelKind.STATE_TIMELINE: 10}
_FIRST_ROW_NUMBER = 1001
"""Rows have panel ids too: beyond those of the panels, which must never change."""

GOOD = "green"
NEUTRAL = "transparent"
_COLOURS = {Severity.INFO: "blue", Severity.WARNING: "orange", Severity.CRITICAL: "red"}
_URGENCY = tuple(_COLOURS)

IDLE = "idle"
"""What a ratio is called whose denominator is 0."""
TAGS = ("generated", "stigmer", "temporal")
ALERTS_TITLE = "Firing alerts"
FIRING_ALERTS = 'ALERTS{alertname=~"Stigmer.*",alertstate="firing"}'


@dataclass(frozen=True, slots=True)
class Step:
    """A colour from a value on; None is the lowest step, for whatever is below the others."""

    value: float | None
    colour: str


@dataclass(frozen=True, slots=True)
class Position:
    """In the grid: columns and rows, from the top left corner of the dashboard."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Link:
    """A title, and where it leads."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class PlacedPanel:
    """A panel with everything that the catalogue leaves open.

    Attributes:
        panel: The panel.
        position: Where it is.
        description: What it shows, and the alerts that watch it, in Markdown.
        steps: Thresholds, the lowest first.
        links: The pages of the alerts.
        at_least: What the axis reaches even if the data do not; None where the data decide.
    """

    panel: Panel
    position: Position
    description: str
    steps: tuple[Step, ...]
    links: tuple[Link, ...]
    at_least: float | None


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A heading, and the panels under it."""

    row: Row
    number: int
    y: int
    panels: tuple[PlacedPanel, ...]


def placed(catalogue: Catalogue, settings: Settings) -> Iterator[PlacedRow]:
    """The rows from top to bottom, panels from left to right as long as they fit."""
    y = 0
    for number, row in enumerate(catalogue.dashboard.rows, _FIRST_ROW_NUMBER):
        positions = list(_flow(row.panels, y + 1))
        panels = (
            _placed(panel, position, catalogue.alerts_of(panel), settings)
            for panel, position in zip(row.panels, positions, strict=True)
        )
        yield PlacedRow(row, number, y, tuple(panels))
        y = max(position.y + position.height for position in positions)


def _flow(panels: tuple[Panel, ...], y: int) -> Iterator[Position]:
    for line in _lines(panels):
        x, height = 0, max(_HEIGHTS[panel.kind] for panel in line)
        for panel in line:
            width = COLUMNS if len(line) == 1 else panel.width
            yield Position(x, y, width, height)
            x += width
        y += height


def _lines(panels: tuple[Panel, ...]) -> Iterator[list[Panel]]:
    line: list[Panel] = []
    for panel in panels:
        if sum(each.width for each in line) + panel.width > COLUMNS:
            yield line
            line = []
        line.append(panel)
    yield line


def _placed(
    panel: Panel, position: Position, alerts: tuple[Alert, ...], settings: Settings
) -> PlacedPanel:
    links = tuple(
        Link(
            f"{alert.name} ({alert.severity})",
            settings.monitoring.runbook_url.replace("{alert}", alert.name),
        )
        for alert in alerts
    )
    watched = (
        f"- [{alert.name}]({link.url}) ({alert.severity}): {_begins(alert)}"
        for alert, link in zip(alerts, links, strict=True)
    )
    description = "\n".join([panel.description, *(["", "Alerts:", *watched] if alerts else [])])
    steps = _steps(panel, alerts)
    return PlacedPanel(panel, position, description, steps, links, _at_least(panel, steps))


def _begins(alert: Alert) -> str:
    limits = (
        f"{'above' if operator is Operator.ABOVE else 'below'} {limit(threshold, alert.unit)}"
        for operator, threshold in dict.fromkeys(alert.thresholds)
    )
    what = " or ".join(limits) or "no such series"
    return f"{what} for {duration(alert.for_)}"


def _steps(panel: Panel, alerts: tuple[Alert, ...]) -> tuple[Step, ...]:
    by_urgency = sorted(alerts, key=lambda alert: _URGENCY.index(alert.severity))
    limits = {limit: _COLOURS[alert.severity] for alert in by_urgency for limit in alert.thresholds}
    if panel.kind is PanelKind.TIMESERIES:
        # There, a step is a line at its value, in its colour, whichever side is bad.
        lines = {value: colour for (_, value), colour in limits.items()}
        return (Step(None, NEUTRAL), *(Step(value, lines[value]) for value in sorted(lines)))
    starts = sorted(_start(operator, value, panel.unit) for operator, value in limits)
    lowest = Step(None, _colour_at(-math.inf, limits, panel.unit))
    return (lowest, *(Step(at, _colour_at(at, limits, panel.unit)) for at in starts))


def _at_least(panel: Panel, steps: tuple[Step, ...]) -> float | None:
    """A little above the lowest line: Grafana draws no line beyond the data."""
    lines = [step.value for step in steps if step.value]
    if panel.kind is not PanelKind.TIMESERIES or panel.maximum is not None or not lines:
        return None
    return round(min(lines) * 1.1, 6)


def _start(operator: Operator, limit: float, unit: Unit) -> float:
    """Where a step begins. An alert begins above its limit: for a count, that is one more."""
    return limit + 1 if operator is Operator.ABOVE and unit is Unit.COUNT else limit


def _colour_at(value: float, limits: dict[tuple[Operator, float], str], unit: Unit) -> str:
    """The colour of the most urgent alert that `value` raises."""
    raised = [
        colour
        for (operator, limit), colour in limits.items()
        if (value >= _start(operator, limit, unit)) == (operator is Operator.ABOVE)
    ]
    return raised[-1] if raised else GOOD
