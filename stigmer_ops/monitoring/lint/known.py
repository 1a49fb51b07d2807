"""What is known of the metrics that rules select: their types, labels, values and limits.

With it, checks that otherwise need a running Prometheus work on files alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from math import inf


class Kind(StrEnum):
    """What a series' value does."""

    COUNTER = "counter"
    GAUGE = "gauge"


TARGET_LABELS = frozenset(
    {
        *("job", "instance", "cluster", "region", "zone", "environment", "env", "datacenter"),
        *("namespace", "pod", "container", "node", "endpoint", "service", "prometheus", "replica"),
        *("app", "component", "host", "hostname", "tenant", "monitor", "prometheus_replica"),
    }
)
"""Labels that scraping, federation and external_labels put on any series."""


@dataclass(frozen=True, slots=True)
class KnownSeries:
    """What is known of one name that can be selected.

    Attributes:
        name: As in PromQL.
        kind: Whether it counts or measures; None where that is not known.
        labels: Label to its values (None: any); None where the labels are not known.
        low: The least value.
        high: The greatest value.
        buckets: Of a histogram's buckets, the finite upper bounds.
        maximum_age: Of a timestamp, how long ago it can be at most before the series ends.
        fills_within: Of a share, how long it takes to reach `high`, where the series ends.
        ages: Label to value to the age that series with that value begin at.
        what: What ends at the maximum age, for messages.
    """

    name: str
    kind: Kind | None = None
    labels: Mapping[str, frozenset[str] | None] | None = None
    low: float = -inf
    high: float = inf
    buckets: tuple[float, ...] = ()
    maximum_age: timedelta | None = None
    fills_within: timedelta | None = None
    ages: Mapping[str, Mapping[str, timedelta]] = field(default_factory=dict)
    what: str = "what it tells of"


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that is known.

    Attributes:
        series: By name.
        owned: Prefixes of names that exist only if they are in `series`.
        complete: Whether no other metric exists at all.
        target_labels: Labels that any series may have besides its own.
        source: Where it comes from, for messages.
    """

    series: Mapping[str, KnownSeries] = field(default_factory=dict)
    owned: tuple[str, ...] = ()
    complete: bool = False
    target_labels: frozenset[str] = TARGET_LABELS
    source: str = ""

    def is_missing(self, name: str) -> bool:
        """Whether nothing emits a metric of that name."""
        if name in self.series:
            return False
        return self.complete or name.startswith(self.owned)

    def nearest(self, name: str) -> str:
        """The known name that was most likely meant; empty if none is near."""
        parts = (f"{name}_bucket", f"{name}_total", name.removesuffix("_total"))
        for part in parts:
            if part in self.series and part != name:
                return part
        return next(iter(difflib.get_close_matches(name, self.series, 1, 0.8)), "")

    def __or__(self, other: Known) -> Known:
        return replace(
            self,
            series={**self.series, **other.series},
            owned=tuple(dict.fromkeys((*self.owned, *other.owned))),
            complete=self.complete or other.complete,
            target_labels=self.target_labels | other.target_labels,
            source=" and ".join(part for part in (self.source, other.source) if part),
        )


def _gauge(name: str, low: float = -inf, high: float = inf) -> KnownSeries:
    return KnownSeries(name, Kind.GAUGE, low=low, high=high)


OF_PROMETHEUS = Known(
    {
        series.name: series
        for series in (
            _gauge("up", 0, 1),
            _gauge("ALERTS", 1, 1),
            _gauge("ALERTS_FOR_STATE", 0),
            _gauge("scrape_duration_seconds", 0),
            _gauge("scrape_samples_scraped", 0),
            _gauge("scrape_samples_post_metric_relabeling", 0),
            _gauge("scrape_series_added", 0),
            _gauge("scrape_timeout_seconds", 0),
            _gauge("scrape_sample_limit", 0),
        )
    }
)
"""What Prometheus itself makes, whatever it scrapes."""


NOTHING = Known()
"""What is known without a catalogue."""


def guessed(name: str) -> KnownSeries:
    """What the name of a series tells, where nothing else is known of it."""
    if name.endswith("_total") and ":" not in name:
        return KnownSeries(name, Kind.COUNTER, low=0)
    if name.endswith("_bucket") and ":" not in name:
        return KnownSeries(name, Kind.COUNTER, low=0)
    if name.endswith("_count") and ":" not in name:
        return KnownSeries(name, low=0)
    return KnownSeries(name)
