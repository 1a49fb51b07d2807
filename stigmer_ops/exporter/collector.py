"""The readings of all parts as one prometheus_client collector.

Names, labels, help and buckets are those of the catalogue, so that none is written twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from stigmer_ops.exporter.readings import EXPORTED, Distribution, Labels, Readings, Series
from stigmer_ops.monitoring.catalogue.model import Metric, MetricKind, Unit

_UNITS = {Unit.SECONDS: "seconds", Unit.TIMESTAMP: "seconds", Unit.RATIO: "ratio"}
"""OpenMetrics' base units; a metric that counts has none."""


class CatalogueCollector(Collector):
    """What was last published, by part. The HTTP threads collect while the event loop publishes."""

    def __init__(self) -> None:
        self._parts: dict[str, Readings] = {}

    def publish(self, part: str, readings: Readings) -> None:
        """Put `readings` in the place of what `part` published before.

        Args:
            part: Its name. The numbers that several parts have for one series are added up.
            readings: They must not be changed any more.
        """
        self._parts = {**self._parts, part: readings}

    def collect(self) -> Iterator[Family]:
        """Every family that has a series."""
        parts = tuple(self._parts.values())
        for metric in EXPORTED:
            series: dict[Labels, float | Distribution] = {}
            for readings in parts:
                for labels, value in readings.get(metric, {}).items():
                    series[labels] = _sum(series.get(labels), value)
            if series:
                yield family_of(metric, series)

    def describe(self) -> Iterator[Family]:
        """Every family, for the registry, which selects by the query's name[] with it."""
        return (family_of(metric, {}) for metric in EXPORTED)


def _sum(one: float | Distribution | None, other: float | Distribution) -> float | Distribution:
    if one is None:
        return other
    if isinstance(one, Distribution):
        assert isinstance(other, Distribution), "a histogram is one everywhere"
        return one + other
    assert not isinstance(other, Distribution), "a number is one everywhere"
    return one + other


def registry_of(collector: CatalogueCollector) -> CollectorRegistry:
    """A registry that has this collector only: nothing is said of the Python process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


def family_of(metric: Metric, series: Series) -> Family:
    """The metric with its series, as prometheus_client exposes it."""
    family: Family = _FAMILIES[metric.kind](
        metric.name,
        metric.help,
        labels=metric.series.label_names,
        unit=_UNITS.get(metric.unit, ""),
    )
    for labels, value in series.items():
        if isinstance(family, HistogramMetricFamily):
            assert isinstance(value, Distribution), f"{metric.name} is a histogram"
            family.add_metric(labels, _cumulative(metric, value), value.sum)
        elif isinstance(family, CounterMetricFamily | GaugeMetricFamily):
            assert not isinstance(value, Distribution), f"{metric.name} is no histogram"
            family.add_metric(labels, value)
    return family


_FAMILIES = {
    MetricKind.COUNTER: CounterMetricFamily,
    MetricKind.GAUGE: GaugeMetricFamily,
    MetricKind.HISTOGRAM: HistogramMetricFamily,
}


def _cumulative(metric: Metric, value: Distribution) -> list[tuple[str, float]]:
    bounds = (*metric.buckets, float("inf"))
    sums = itertools.accumulate(value.counts)
    return [(_le(bound), count) for bound, count in zip(bounds, sums, strict=True)]


def _le(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call] # as the library's own
