"""Our own catalogue, as the lint rules see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from math import inf

from stigmer_ops.handshake.activity import AGE_BUCKETS
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.model import (
    Catalogue,
    Emitter,
    Metric,
    MetricKind,
    Series,
    Unit,
)
from stigmer_ops.monitoring.lint.known import TARGET_LABELS, Kind, Known, KnownSeries
from stigmer_ops.settings import Settings

OWNED = ("stigmer_",)
"""Prefixes of names that exist only if the catalogue has them."""
_OPEN = (Emitter.TEMPORAL_SERVER, Emitter.SCRAPE, Emitter.PROMETHEUS)
"""Whose series have more labels than the catalogue needs."""


def known_of(catalogue: Catalogue, settings: Settings) -> Known:
    """What the catalogue knows of metrics, with the timeouts of the settings."""
    found: dict[str, KnownSeries] = {}
    for metric in catalogue.metrics:
        for series in metric.all_series():
            found[series.name] = _known(series, metric, settings.thresholds.longest_timeout)
    for recording in catalogue.recordings:
        found[recording.series.name] = _known(recording.series, None, None)
    labels = TARGET_LABELS | frozenset(settings.monitoring.installation_labels)
    return Known(found, OWNED, target_labels=labels, source="the catalogue of stigmer-ops")


def _known(series: Series, metric: Metric | None, longest: timedelta | None) -> KnownSeries:
    counter = series.kind is MetricKind.COUNTER
    age = longest if metric in (m.OLDEST, m.PENDING) else None
    return KnownSeries(
        series.name,
        Kind.COUNTER if counter else Kind.GAUGE,
        None if series.emitter in _OPEN else dict(_labels(series)),
        low=0 if series.unit is not Unit.TIMESTAMP else -inf,
        high=1 if series.unit in (Unit.RATIO, Unit.BOOLEAN) and not counter else inf,
        buckets=metric.buckets if metric and series.name.endswith("_bucket") else (),
        maximum_age=age,
        fills_within=longest if metric is m.TIMEOUT_USED else None,
        ages=_ages() if metric is m.PENDING else {},
        what="an external activity",
    )


def _labels(series: Series) -> Iterator[tuple[str, frozenset[str] | None]]:
    for label in series.labels:
        yield label.name, frozenset(label.values) if label.values is not None else None


def _ages() -> Mapping[str, Mapping[str, timedelta]]:
    """At which age each bucket begins: where the one before it ends."""
    begins: dict[str, timedelta] = {}
    last = timedelta(0)
    for name, end in AGE_BUCKETS:
        begins[name] = last
        last = end
    return {m.AGE_BUCKET.name: begins}
