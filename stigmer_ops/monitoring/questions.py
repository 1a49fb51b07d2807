"""The operators' questions, put to a running Prometheus, and whether the answers are healthy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from stigmer_ops.monitoring.answer import Absence, Answer, Judgement, Limit, Reading, Window
from stigmer_ops.monitoring.catalogue import expressions
from stigmer_ops.monitoring.catalogue.metrics import METRICS
from stigmer_ops.monitoring.catalogue.model import Catalogue, Emitter, Operator, Query
from stigmer_ops.monitoring.catalogue.promql import Scope, pattern_of
from stigmer_ops.monitoring.catalogue.queries import queries
from stigmer_ops.monitoring.prometheus import Prometheus
from stigmer_ops.monitoring.trend import aligned
from stigmer_ops.settings import Settings

_VALUES = {
    label.name: label.values for metric in METRICS for label in metric.labels if label.values
}


def chosen(
    settings: Settings, service: str | None = None, namespace: str | None = None
) -> dict[str, Query]:
    """The catalogue's queries by name, of one service and one namespace if given.

    A query whose series have no such label is left out: it cannot tell them apart.
    """
    given = {"service": service, "namespace": namespace}
    wanted = {label: pattern_of((value,)) for label, value in given.items() if value is not None}
    plain = queries(Scope(settings))
    by_one = [queries(Scope(settings, {label: value})) for label, value in wanted.items()]
    return {
        query.name: query
        for index, query in enumerate(queries(Scope(settings, wanted)))
        if all(narrowed[index] != plain[index] for narrowed in by_one)
    }


def ask(prometheus: Prometheus, query: Query, limits: Sequence[Limit], window: Window) -> Answer:
    """Ask for the value now and over the window.

    Raises:
        StigmerOpsError: Prometheus cannot be reached, refuses us, or cannot evaluate the query.
    """
    trends = {
        _key(line.labels): aligned(line.points, window.start, window.step, window.count)
        for line in prometheus.query_range(query.expr, window.start, window.end, window.step)
    }
    readings = [
        Reading(
            sample.labels,
            sample.value,
            trends.get(_key(sample.labels), (None,) * window.count),
            _judged(sample.value, query, limits),
        )
        for sample in prometheus.query(query.expr, window.end)
    ]
    readings.sort(key=lambda reading: _order(reading.labels))
    return Answer(query, tuple(limits), tuple(readings))


def explained(
    prometheus: Prometheus, answers: Sequence[Answer], catalogue: Catalogue, settings: Settings
) -> list[Answer]:
    """The answers, those without a series with the reason why.

    Raises:
        StigmerOpsError: As for `ask`.
    """
    if all(answer.readings for answer in answers):
        return list(answers)
    up = prometheus.query(expressions.exporters_up(Scope(settings)))
    scraped = any(sample.value == 1 for sample in up)
    return [
        answer
        if answer.readings
        else replace(answer, absence=_absence(answer.query, catalogue, scraped=scraped))
        for answer in answers
    ]


def _absence(query: Query, catalogue: Catalogue, *, scraped: bool) -> Absence:
    if not scraped:
        return Absence.NO_EXPORTER
    emitters = {catalogue.series[name].emitter for name in _names(query.expr, catalogue)}
    # A recorded series is there, if only as NaN, as soon as an exporter is scraped.
    return Absence.NO_RULES if Emitter.RULES in emitters else Absence.NOTHING


def _names(expr: str, catalogue: Catalogue) -> Iterator[str]:
    return (name for name in re.findall(r"[\w:]+", expr) if name in catalogue.series)


def _judged(value: float, query: Query, limits: Sequence[Limit]) -> Judgement:
    if math.isnan(value):
        return Judgement.UNKNOWN
    if any(
        value > limit if operator is Operator.ABOVE else value < limit for operator, limit in limits
    ):
        return Judgement.ALERT
    if query.healthy is None:
        return Judgement.UNJUDGED if not limits else Judgement.HEALTHY
    return Judgement.HEALTHY if query.healthy.holds(value) else Judgement.UNUSUAL


def _order(labels: Mapping[str, str]) -> list[tuple[str, int, str]]:
    """Labels in the order in which the catalogue has their values: younger ages first."""
    return [
        (name, _VALUES[name].index(value) if value in _VALUES.get(name, ()) else 0, value)
        for name, value in sorted(labels.items())
    ]


def _key(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))
