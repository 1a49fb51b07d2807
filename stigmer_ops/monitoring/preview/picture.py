"""A dashboard with its data: everything that is needed to draw it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stigmer_ops.monitoring.preview.dashboard_json import Dashboard, Defaults, Options, Panel
from stigmer_ops.monitoring.preview.variables import Choice
from stigmer_ops.monitoring.preview.window import TimeRange


@dataclass(frozen=True, slots=True)
class Series:
    """A named line.

    Attributes:
        name: As in the legend.
        points: Seconds since 1970 and value, in order; what is not a number is left out.
        last: Its last value, even if that is not a number.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    last: float

    @property
    def values(self) -> tuple[float, ...]:
        """The values of its points."""
        return tuple(value for _, value in self.points)


@dataclass(frozen=True, slots=True)
class DrawnPanel:
    """A panel with its data.

    Attributes:
        panel: As Grafana's JSON has it.
        title: With variables filled in.
        defaults: How values are shown; those of Grafana where the kind cannot be drawn.
        options: Of the panel's kind.
        queries: As Prometheus was asked.
        series: What it answered.
        problem: Why the panel cannot be drawn, if so.
        refused: Whether Prometheus refused a query, as Grafana would show in red.
    """

    panel: Panel
    title: str
    defaults: Defaults
    options: Options
    queries: tuple[str, ...]
    series: tuple[Series, ...]
    problem: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """An annotation over a time: from the first to the last point at which it was the case."""

    title: str
    text: str
    colour: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and the panels under it."""

    title: str
    panels: tuple[DrawnPanel, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A dashboard with its data."""

    dashboard: Dashboard
    source: str
    range: TimeRange
    choices: tuple[Choice, ...]
    sections: tuple[Section, ...]
    events: tuple[Event, ...]

    @property
    def panels(self) -> Iterator[DrawnPanel]:
        """Every panel."""
        return (panel for section in self.sections for panel in section.panels)
