"""What the catalogue consists of: metrics, recording rules, alerts, queries and panels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from functools import cached_property


class MetricKind(StrEnum):
    """The types of the Prometheus exposition format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Emitter(StrEnum):
    """Who a series comes from, and so by which selector of the settings it is found."""

    EXPORTER = "exporter"
    """`stigmer-ops exporter`."""
    TEMPORAL_SERVER = "temporal-server"
    """The Temporal server's own metrics endpoint."""
    SCRAPE = "scrape"
    """Prometheus itself, for each target that it scrapes for us."""
    PROMETHEUS = "prometheus"
    """Prometheus itself, for whatever rules it evaluates."""
    RULES = "rules"
    """Our recording rules."""


class Unit(StrEnum):
    """What a number measures, by Grafana's unit names."""

    COUNT = "short"
    PER_SECOND = "cps"
    RATIO = "percentunit"
    SECONDS = "s"
    TIMESTAMP = "dateTimeAsIso"
    """Seconds since 1970; Grafana wants milliseconds, so panels show ages instead."""
    BOOLEAN = "bool_yes_no"


class Severity(StrEnum):
    """Who is told: critical pages, warning opens a ticket, info is only shown."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Operator(StrEnum):
    """How a value is compared with a threshold."""

    ABOVE = ">"
    BELOW = "<"


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a series.

    Attributes:
        name: Its name.
        help: What its values are.
        values: All values that occur; None where they depend on the installation.
    """

    name: str
    help: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """What can be selected: a metric, a sample of a histogram, or a recorded series.

    Attributes:
        name: As in PromQL.
        kind: A sample of a histogram is a counter.
        labels: Those that it always has, without the labels of the scrape target.
        emitter: Who it comes from.
        unit: What its value measures.
    """

    name: str
    kind: MetricKind
    labels: tuple[Label, ...]
    emitter: Emitter
    unit: Unit

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels, in their order."""
        return tuple(label.name for label in self.labels)


LE = Label("le", "Upper bound of the bucket, inclusive.")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that is scraped.

    Attributes:
        name: As on the metrics page.
        kind: Its type.
        unit: What its value measures; of a histogram, what is observed.
        labels: Every series of the metric has all of them.
        help: One sentence, also the HELP line of the exporter.
        emitter: Who it comes from.
        buckets: Upper bounds of a histogram, without +Inf.
        from_zero: The emitter creates all series at 0 when it starts, so that the first increase
            is seen and absence means that the emitter is broken.
    """

    name: str
    kind: MetricKind
    unit: Unit
    labels: tuple[Label, ...]
    help: str
    emitter: Emitter = Emitter.EXPORTER
    buckets: tuple[float, ...] = ()
    from_zero: bool = False

    @property
    def series(self) -> Series:
        """The metric itself, where it is no histogram."""
        return Series(self.name, self.kind, self.labels, self.emitter, self.unit)

    @property
    def bucket(self) -> Series:
        """The buckets of the histogram."""
        return self._sample("bucket", LE)

    @property
    def count(self) -> Series:
        """The number of observations of the histogram."""
        return self._sample("count")

    @property
    def sum(self) -> Series:
        """The sum of the observations of the histogram."""
        return self._sample("sum")

    def all_series(self) -> tuple[Series, ...]:
        """Everything of it that can be selected."""
        if self.kind is MetricKind.HISTOGRAM:
            return (self.bucket, self.count, self.sum)
        return (self.series,)

    def _sample(self, suffix: str, *more: Label) -> Series:
        assert self.kind is MetricKind.HISTOGRAM, f"{self.name} is a {self.kind}"
        return replace(
            self.series,
            name=f"{self.name}_{suffix}",
            kind=MetricKind.COUNTER,
            labels=(*self.labels, *more),
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule.

    Attributes:
        series: What it records; named level:metric:operations.
        expr: Its expression.
        group: The rule group, kebab-case.
        help: What the series tells, in a sentence.
    """

    series: Series
    expr: str
    group: str
    help: str


@dataclass(frozen=True, slots=True)
class Condition:
    """When an alert begins.

    Attributes:
        value: The expression whose value the alert shows as $value. At its top is no comparison
            and no set operator, so that it can be compared without parentheses.
        operator: How it is compared; None where it returns something only if something is wrong.
        threshold: What it is compared with, in the unit of the alert.
        guards: Expressions that must return the same series for the condition to hold.
    """

    value: str
    operator: Operator | None = None
    threshold: float | None = None
    guards: tuple[str, ...] = ()

    @property
    def expr(self) -> str:
        """The whole condition as one expression."""
        compared = self.value
        if self.operator is not None:
            compared = f"{self.value} {self.operator} {self.threshold:g}"
        return " and ".join((compared, *self.guards))


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule. Its runbook page is runbooks/alerts/NAME.md.

    Attributes:
        name: CamelCase, and unique.
        group: The rule group, kebab-case.
        severity: Who is told.
        for_: How long the condition must hold.
        conditions: Alternatives, of which one suffices; their series have the same labels.
        unit: Of the value and the thresholds.
        panel: Id of the panel that shows the value.
        summary: A static sentence: the headline of a notification.
        description: A template: what is the case for this one series, with its labels and value.
        next_command: A template: what to type first.
        keep_firing_for: How long it goes on when the condition has ended.
    """

    name: str
    group: str
    severity: Severity
    for_: timedelta
    conditions: tuple[Condition, ...]
    unit: Unit
    panel: str
    summary: str
    description: str
    next_command: str
    keep_firing_for: timedelta | None = None

    @property
    def expr(self) -> str:
        """The rule's expression."""
        return " or ".join(condition.expr for condition in self.conditions)

    @property
    def thresholds(self) -> tuple[tuple[Operator, float], ...]:
        """Every comparison of a condition's own value, for lines in panels and for pages."""
        return tuple(
            (condition.operator, condition.threshold)
            for condition in self.conditions
            if condition.operator is not None and condition.threshold is not None
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit of what is healthy."""

    operator: Operator
    limit: float

    def holds(self, value: float) -> bool:
        """Whether `value` is within; NaN is not."""
        return value > self.limit if self.operator is Operator.ABOVE else value < self.limit


@dataclass(frozen=True, slots=True)
class Query:
    """A question that operators ask, by name.

    Attributes:
        name: Kebab-case, as typed.
        title: What is asked.
        expr: The expression, complete.
        unit: Of the answer.
        healthy: What is usual; None where there is no such limit.
        alert: Name of the alert that watches the same value.
    """

    name: str
    title: str
    expr: str
    unit: Unit
    healthy: Bound | None = None
    alert: str | None = None


class PanelKind(StrEnum):
    """Grafana's panel types that the dashboard uses."""

    TIMESERIES = "timeseries"
    STAT = "stat"
    STATE_TIMELINE = "state-timeline"


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel, with Grafana's variables in it; legend is a {{label}} template."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of the dashboard.

    Attributes:
        id: Kebab-case, stable: alerts refer to it.
        number: Grafana's panel id: stable, never used for another panel.
        title: Heading.
        description: What it shows, and what bad looks like.
        kind: How it is drawn.
        unit: Of the values.
        targets: What is drawn.
        width: In Grafana's grid of 24 columns.
        stacked: Whether series are drawn on top of each other.
        maximum: Of the axis; None lets it follow the data. The minimum is always 0.
    """

    id: str
    number: int
    title: str
    description: str
    kind: PanelKind
    unit: Unit
    targets: tuple[Target, ...]
    width: int = 12
    stacked: bool = False
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the head of the dashboard: its name, and the label and series it is taken from.

    Panels use it as `label=~"$name"` wherever a series has the label.
    """

    name: str
    label: Label
    series: Series


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The dashboard. `uid` never changes: links and saved views hold it."""

    uid: str
    title: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]

    @property
    def panels(self) -> Iterator[Panel]:
        """Every panel, in the order in which they are drawn."""
        return (panel for row in self.rows for panel in row.panels)


@dataclass(frozen=True)
class Catalogue:
    """Everything, with the thresholds, windows and selectors of one `Settings`."""

    metrics: tuple[Metric, ...]
    recordings: tuple[Recording, ...]
    alerts: tuple[Alert, ...]
    queries: tuple[Query, ...]
    dashboard: Dashboard

    @cached_property
    def series(self) -> Mapping[str, Series]:
        """Everything that can be selected, by its name in PromQL."""
        scraped = (series for metric in self.metrics for series in metric.all_series())
        recorded = (recording.series for recording in self.recordings)
        return {series.name: series for series in (*scraped, *recorded)}

    def alert(self, name: str) -> Alert:
        """The alert of that name; KeyError where there is none."""
        return {alert.name: alert for alert in self.alerts}[name]

    def query(self, name: str) -> Query:
        """The query of that name; KeyError where there is none."""
        return {query.name: query for query in self.queries}[name]

    def panel(self, id: str) -> Panel:
        """The panel of that id; KeyError where there is none."""
        return {panel.id: panel for panel in self.dashboard.panels}[id]

    def alerts_of(self, panel: Panel) -> tuple[Alert, ...]:
        """The alerts whose value `panel` shows."""
        return tuple(alert for alert in self.alerts if alert.panel == panel.id)
