"""Values of the catalogue's metrics: what a part of the exporter hands to what serves it."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stigmer_ops.monitoring.catalogue.metrics import METRICS
from stigmer_ops.monitoring.catalogue.model import Emitter, Metric, MetricKind

Labels = tuple[str, ...]
"""Label values in the order of the metric's labels."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The observations of one series of a histogram.

    Attributes:
        counts: How many fell into each bucket, not added up; one more than the metric has bounds,
            the last for what is beyond all of them.
        sum: Of the values observed.
    """

    counts: tuple[int, ...]
    sum: float = 0.0

    @classmethod
    def empty(cls, metric: Metric) -> Distribution:
        """No observation yet."""
        return cls((0,) * (len(metric.buckets) + 1))

    def observe(self, metric: Metric, value: float) -> Distribution:
        """With one more observation; bounds are inclusive."""
        place = bisect_left(metric.buckets, value)
        counts = (*self.counts[:place], self.counts[place] + 1, *self.counts[place + 1 :])
        return Distribution(counts, self.sum + value)

    def __add__(self, other: Distribution) -> Distribution:
        """Both together; they are of the same metric."""
        counts = tuple(map(sum, zip(self.counts, other.counts, strict=True)))
        return Distribution(counts, self.sum + other.sum)


Series = Mapping[Labels, float | Distribution]
Readings = Mapping[Metric, Series]
"""Never changed once handed over: another thread reads them."""

EXPORTED = tuple(metric for metric in METRICS if metric.emitter is Emitter.EXPORTER)
"""The metrics of the exporter, in the order of the catalogue."""


def zeros(metrics: Sequence[Metric], **known: Sequence[str]) -> dict[Metric, Series]:
    """Every series of `metrics` at 0, where it is to exist from the start.

    Args:
        metrics: Of which those are taken that start at zero, and all of whose labels have values.
        known: The values of labels for which the catalogue has none, by name.
    """
    found: dict[Metric, Series] = {}
    for metric in metrics:
        values = [known.get(label.name) or label.values for label in metric.labels]
        if metric.from_zero and all(values):
            nothing = Distribution.empty(metric) if metric.kind is MetricKind.HISTOGRAM else 0.0
            found[metric] = dict.fromkeys(itertools.product(*(v or () for v in values)), nothing)
    return found
