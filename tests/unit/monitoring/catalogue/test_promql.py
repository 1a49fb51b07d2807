"""Selectors know their series."""

from __future__ import annotations

import re
from datetime import timedelta

import promql_parser
import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.model import Series
from stigmer_ops.monitoring.catalogue.promql import Match, Scope, duration, one_of, other_than
from stigmer_ops.settings import Monitoring, Settings

SCOPE = Scope(Settings())


def test_selector_has_the_settings_matchers_of_its_emitter() -> None:
    assert SCOPE.select(m.UP.series) == 'up{job="stigmer-ops"}'
    assert SCOPE.select(m.TEMPORAL_TIMEOUTS.series) == 'activity_timeout{job="temporal"}'
    assert SCOPE.select(m.ALERTS.series) == "ALERTS"


def test_selector_without_settings_matchers_has_no_braces() -> None:
    bare = Scope(Settings(monitoring=Monitoring(exporter_selector="")))
    assert bare.select(m.UP.series) == "up"


def test_label_that_the_series_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="stigmer_pending_external_activities has no label status"):
        SCOPE.select(m.PENDING.series, status="success")


def test_value_that_the_label_never_has_is_refused() -> None:
    with pytest.raises(ValueError, match=r"age_bucket of .* is never '1-5h'"):
        SCOPE.select(m.PENDING.series, age_bucket="1-5h")


def test_variables_of_a_dashboard_match_where_the_series_has_the_label() -> None:
    chosen = Scope(Settings(), {"namespace": "$namespace", "task_queue": "$task_queue"})
    text = chosen.select(m.LAST_SUCCESS.series)
    assert text.endswith('{job="stigmer-ops",namespace=~"$namespace"}')
    assert "=~" not in chosen.select(m.UP.series)


def test_variable_gives_way_to_a_matcher_of_the_expression() -> None:
    chosen = Scope(Settings(), {"service": "$service"})
    text = chosen.select(m.PENDING.series, service="go")
    assert text.endswith('{job="stigmer-ops",service="go"}')


def test_aggregation_keeps_the_labels_that_tell_installations_apart() -> None:
    settings = Settings(monitoring=Monitoring(installation_labels=("cluster",)))
    assert Scope(settings).over("sum", ("namespace",), "x") == "sum by (cluster, namespace) (x)"
    assert Scope(settings).over("count", (), "x") == "count by (cluster) (x)"
    assert SCOPE.over("count", (), "x") == "count(x)"


@pytest.mark.parametrize("value", ["a.b", "a|b", 'quo"te', "back\\slash", "[x](y)*", "Ünï-cøde"])
def test_one_of_matches_the_value_itself(value: str) -> None:
    selector = SCOPE.select(m.POLLERS.series, task_queue=one_of([value, "other"]))
    parsed = promql_parser.parse(selector)
    assert isinstance(parsed, promql_parser.VectorSelector)
    (matcher,) = (found for found in parsed.matchers.matchers if found.name == "task_queue")

    assert re.fullmatch(matcher.value, value)
    assert not re.fullmatch(matcher.value, value + "x")


def test_one_of_a_single_value_is_an_equality() -> None:
    assert one_of(["a.b"]) == Match("=", "a.b")


def test_other_than_is_an_inequality() -> None:
    assert other_than("x") == Match("!=", "x")


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(minutes=5), "5m"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=3), "3d"),
        (timedelta(milliseconds=500), "500ms"),
    ],
)
def test_duration_is_prometheus_own(length: timedelta, text: str) -> None:
    assert duration(length) == text


def test_settings_reach_every_rule() -> None:
    settings = Settings(
        monitoring=Monitoring(
            exporter_selector='job="elsewhere"',
            window=timedelta(minutes=10),
            installation_labels=("cluster",),
        )
    )
    found = catalogue(settings)
    exprs = [*(rule.expr for rule in found.recordings), *(alert.expr for alert in found.alerts)]
    assert not any('job="stigmer-ops"' in expr for expr in exprs)
    assert any("[10m]" in expr for expr in exprs)
    assert all("by (cluster" in expr for expr in exprs if " by (" in expr)


def test_samples_of_a_histogram_are_counters() -> None:
    bucket: Series = m.COMPLETION_DURATION.bucket
    assert bucket.name.endswith("_bucket")
    assert bucket.label_names == ("namespace", "service", "status", "le")
    with pytest.raises(AssertionError, match="is a gauge"):
        _ = m.PENDING.bucket
