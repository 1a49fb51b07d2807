"""What is known of metrics: from our catalogue, from a file, and from a metrics page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.lint.builtin import known_of
from stigmer_ops.monitoring.lint.external import read
from stigmer_ops.monitoring.lint.known import Kind, Known
from stigmer_ops.settings import Settings

PAGE = """\
# HELP app_jobs_total Jobs.
# TYPE app_jobs_total counter
app_jobs_total{queue="a",status="done"} 3
# TYPE app_length gauge
app_length{queue="a"} 3
# TYPE legacy counter
legacy{x="y"} 1
# TYPE app_latency_seconds histogram
app_latency_seconds_bucket{queue="a",le="0.1"} 1
app_latency_seconds_bucket{queue="a",le="60"} 2
app_latency_seconds_bucket{queue="a",le="+Inf"} 2
app_latency_seconds_sum{queue="a"} 2
app_latency_seconds_count{queue="a"} 2
# TYPE app_summary summary
app_summary{quantile="0.5"} 1
app_summary_sum 1
app_summary_count 1
"""


def known(tmp_path: Path, text: str) -> Known:
    path = tmp_path / "facts"
    path.write_text(text)
    return read(path)


def test_metrics_page_tells_types_labels_and_buckets(tmp_path: Path) -> None:
    series = known(tmp_path, PAGE).series
    gauges = {name for name, found in series.items() if found.kind is Kind.GAUGE}
    counters = {name for name, found in series.items() if found.kind is Kind.COUNTER}
    assert gauges == {"app_length", "app_summary"}
    assert counters == {
        *("app_jobs_total", "legacy", "app_latency_seconds_bucket", "app_latency_seconds_count"),
        *("app_latency_seconds_sum", "app_summary_count", "app_summary_sum"),
    }
    assert list(series["app_jobs_total"].labels or ()) == ["queue", "status"]
    bucket = series["app_latency_seconds_bucket"]
    assert bucket.buckets == (0.1, 60.0)
    assert list(bucket.labels or ()) == ["queue", "le"]


def test_declared_catalogue(tmp_path: Path) -> None:
    found = known(
        tmp_path,
        "owned: [app_]\ncomplete: true\ntarget_labels: [cell]\nmetrics:\n"
        "- {name: app_since, type: gauge, labels: [q], maximum_age: 24h, minimum: 5}\n"
        "- {name: app_jobs_total, type: counter, labels: {s: [a, 1]}}\n"
        "- {name: app_x}\n",
    )
    assert found.owned == ("app_",)
    assert found.complete
    assert {"cell", "job"} <= found.target_labels
    assert found.series["app_since"].maximum_age == timedelta(hours=24)
    assert found.series["app_since"].low == 5
    assert found.series["app_jobs_total"].labels == {"s": frozenset({"a", "1"})}
    assert found.series["app_x"].kind is None
    assert found.is_missing("app_y")
    assert found.is_missing("other")
    assert not found.is_missing("app_x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "metrics: 3",
        "metrics: [3]",
        "metrics: [{}]",
        "metrics: [{name: a, type: gorge}]",
        "metrics: [{name: a, maximum_age: soon}]",
        "metrics: [{name: a, kind: counter}]",
        "metrics: [{name: a, labels: 3}]",
        "a: [",
        "# TYPE a counter\na{ 1\n",
    ],
)
def test_what_is_no_catalogue_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        known(tmp_path, text)
    assert "is no catalogue" in raised.value.happened


def test_own_catalogue_has_every_series_with_limits() -> None:
    settings = Settings()
    everything = catalogue(settings)
    found = known_of(everything, settings)
    assert set(found.series) == set(everything.series)
    oldest = found.series["stigmer_pending_external_activity_oldest_timestamp_seconds"]
    assert oldest.maximum_age == settings.thresholds.longest_timeout
    pending = found.series["stigmer_pending_external_activities"]
    assert pending.ages["age_bucket"]["24h+"] == timedelta(hours=24)
    assert pending.ages["age_bucket"]["0-1h"] == timedelta(0)
    assert found.series["activity_timeout"].labels is None
    assert found.is_missing("stigmer_nothing")
    assert not found.is_missing("nothing")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("app_jobs", "app_jobs_total"),
        ("app_job_total", "app_jobs_total"),
        ("app_latency_seconds", "app_latency_seconds_bucket"),
        ("entirely_different", ""),
    ],
)
def test_nearest_name(name: str, near: str, tmp_path: Path) -> None:
    assert known(tmp_path, PAGE).nearest(name) == near
