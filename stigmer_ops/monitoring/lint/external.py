"""Somebody else's catalogue: a YAML file, or what a metrics page says.

    owned: [app_]              # prefixes of names that exist only if they are listed here
    complete: false            # true: no other metric exists at all
    target_labels: [cluster]   # labels that any series may have, besides job, instance, pod…
    metrics:
    - name: app_jobs_total
      type: counter            # counter, gauge, histogram or summary
      labels: {queue: null, status: [done, failed]}   # null: any value; or a list of names
    - name: app_latency_seconds
      type: histogram
      labels: [queue]
      buckets: [0.1, 1, 10]
    - name: app_oldest_timestamp_seconds
      type: gauge
      minimum: 0               # and maximum
      maximum_age: 24h         # of a timestamp: when the series ends at the latest

The other form is the text that a target's /metrics answers, saved to a file: it has the types, the
labels, and the buckets, but not every value of a label.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from math import inf, isinf
from pathlib import Path
from typing import Any

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.lint.known import TARGET_LABELS, Kind, Known, KnownSeries
from stigmer_ops.monitoring.lint.sources.rule_files import duration
from stigmer_ops.untrusted.yaml_text import yaml_value

_SAMPLE_NAME = re.compile(r"^([a-zA-Z_:][\w:]*)[{ ]", re.MULTILINE)
_TYPES = ("counter", "gauge", "histogram", "summary", "untyped", "unknown", "info")
_KEYS = frozenset(
    {"name", "type", "labels", "buckets", "minimum", "maximum", "maximum_age", "help"}
)


def read(path: Path) -> Known:
    """What the file knows of metrics.

    Raises:
        InputError: It cannot be read, or is neither of the two forms.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", not_done="nothing was linted") from error
    try:
        if text.lstrip().startswith(("# HELP", "# TYPE")):
            return _exposed(text, str(path))
        return _declared(yaml_value(text), str(path))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        told = str(error).replace("\n", " ")
        raise InputError(
            f"{path} is no catalogue of metrics: {told}",
            not_done="nothing was linted",
            next_step="stigmer-ops alerts explain metric-unknown shows one",
        ) from error


def _declared(document: Any, source: str) -> Known:  # noqa: ANN401 - YAML
    if not isinstance(document, dict) or not isinstance(document.get("metrics"), list):
        raise ValueError("it has no list metrics")
    series = [found for entry in document["metrics"] for found in _of_entry(entry)]
    return Known(
        {found.name: found for found in series},
        tuple(str(prefix) for prefix in document.get("owned") or ()),
        bool(document.get("complete")),
        TARGET_LABELS | frozenset(map(str, document.get("target_labels") or ())),
        source,
    )


def _of_entry(entry: Mapping[str, Any]) -> Iterator[KnownSeries]:
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise ValueError(f"a metric has no field {', '.join(unknown)}")
    kind = str(entry.get("type", "unknown"))
    if kind not in _TYPES:
        raise ValueError(f"{entry['name']}: the type is one of {', '.join(_TYPES)}")
    age = entry.get("maximum_age")
    limit = duration(str(age)) if age is not None else None
    if age is not None and limit is None:
        raise ValueError(f"{entry['name']}: maximum_age {age} is no duration")
    yield from _series(
        str(entry["name"]),
        kind,
        _labels(entry.get("labels")),
        tuple(sorted(map(float, entry.get("buckets") or ()))),
        float(entry.get("minimum", -inf)),
        float(entry.get("maximum", inf)),
        limit,
    )


def _labels(declared: Any) -> Mapping[str, frozenset[str] | None] | None:  # noqa: ANN401 - YAML
    if declared is None:
        return None
    if isinstance(declared, list):
        return {str(name): None for name in declared}
    return {
        str(name): frozenset(map(str, values)) if values else None
        for name, values in declared.items()
    }


def _series(
    name: str,
    kind: str,
    labels: Mapping[str, frozenset[str] | None] | None,
    buckets: tuple[float, ...] = (),
    low: float = -inf,
    high: float = inf,
    maximum_age: timedelta | None = None,
) -> Iterator[KnownSeries]:
    if kind in ("histogram", "summary"):
        yield KnownSeries(f"{name}_count", Kind.COUNTER, labels, low=0)
        yield KnownSeries(f"{name}_sum", Kind.COUNTER, labels)
        more, label = ("_bucket", "le") if kind == "histogram" else ("", "quantile")
        widened = None if labels is None else {**labels, label: None}
        counts = Kind.COUNTER if kind == "histogram" else Kind.GAUGE
        yield KnownSeries(f"{name}{more}", counts, widened, low=0, buckets=buckets)
    elif kind == "counter":
        yield KnownSeries(name, Kind.COUNTER, labels, low=0, high=high)
    else:
        known = Kind.GAUGE if kind in ("gauge", "info") else None
        yield KnownSeries(name, known, labels, low, high, maximum_age=maximum_age)


def _exposed(text: str, source: str) -> Known:
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    found: dict[str, KnownSeries] = {}
    names = set(_SAMPLE_NAME.findall(text))
    for family in text_string_to_metric_families(text):
        # The parser gives every counter the suffix, as if it had been there.
        with_suffix = f"{family.name}_total"
        counter = family.type == "counter" and with_suffix in names
        name = with_suffix if counter else family.name
        labels = {label: None for sample in family.samples for label in sample.labels}
        labels = {label: None for label in labels if label not in ("le", "quantile")}
        for series in _series(name, family.type, labels or None, _buckets(family.samples)):
            found[series.name] = series
    if not found:
        raise ValueError("it has no metric")
    return Known(found, source=source)


def _buckets(samples: Iterable[Any]) -> tuple[float, ...]:
    bounds = {float(sample.labels["le"]) for sample in samples if "le" in sample.labels}
    return tuple(sorted(bound for bound in bounds if not isinf(bound)))
