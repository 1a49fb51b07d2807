"""The catalogue agrees with itself, with its pages and with the files that follow from it."""

from __future__ import annotations

import re
from pathlib import Path

import promql_parser
import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.model import (
    Alert,
    Emitter,
    Metric,
    MetricKind,
    Panel,
    Query,
    Recording,
    Unit,
)
from stigmer_ops.monitoring.catalogue.promql import Scope
from stigmer_ops.monitoring.generated import State, compare
from stigmer_ops.monitoring.rule_graph import selected_names
from stigmer_ops.monitoring.rule_tests.examples import examples
from stigmer_ops.monitoring.rule_tests.starters import starter_files
from stigmer_ops.monitoring.rules import HEADER, groups, rule_files
from stigmer_ops.runbook import PageKind, pages
from stigmer_ops.settings import Settings
from support.commands import parse

ROOT = Path(__file__).parent.parent.parent
SETTINGS = Settings()
CATALOGUE = catalogue(SETTINGS)
PANELS = tuple(CATALOGUE.dashboard.panels)
NAMED_BY_THE_RUNBOOK = "StigmerExternalActivityCompletionFailureHigh"
"""Four characters longer than alert names should be, and known by this name."""


def name_of(entry: object) -> str:
    return str(getattr(entry, "name", None) or getattr(entry, "id", None))


def without_variables(expr: str) -> str:
    return expr.replace("$__rate_interval", "5m")


def test_metrics_that_the_runbook_names_have_its_labels() -> None:
    found = {metric.name: set(metric.series.label_names) for metric in CATALOGUE.metrics[:4]}
    assert found == {
        "stigmer_external_activity_completions_total": {"namespace", "status", "service"},
        "stigmer_external_activity_completion_duration_seconds": {"namespace", "status", "service"},
        "stigmer_pending_external_activities": {"namespace", "service", "age_bucket"},
        "stigmer_external_activity_errors_total": {"namespace", "error_type", "service"},
    }
    assert m.AGE_BUCKET.values == ("0-1h", "1-4h", "4-12h", "12-24h", "24h+")
    assert m.ERROR_TYPE.values == ("token_empty", "client_error", "timeout", "unknown")


@pytest.mark.parametrize("metric", CATALOGUE.metrics, ids=name_of)
def test_metric_is_named_as_prometheus_asks(metric: Metric) -> None:
    if metric.emitter is not Emitter.EXPORTER:
        return
    assert re.fullmatch(r"stigmer(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
    assert metric.name.endswith("_seconds") == (metric.unit in (Unit.SECONDS, Unit.TIMESTAMP))
    assert metric.name.endswith("_timestamp_seconds") == (metric.unit is Unit.TIMESTAMP)
    assert metric.name.endswith("_ratio") == (metric.unit is Unit.RATIO)
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    assert metric.help.endswith(".")
    assert bool(metric.buckets) == (metric.kind is MetricKind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize(
    "names",
    [
        [metric.name for metric in CATALOGUE.metrics],
        [rule.series.name for rule in CATALOGUE.recordings],
        [alert.name for alert in CATALOGUE.alerts],
        [query.name for query in CATALOGUE.queries],
        [panel.id for panel in PANELS],
        [panel.number for panel in PANELS],
    ],
    ids=["metrics", "recordings", "alerts", "queries", "panels", "panel numbers"],
)
def test_names_are_unique(names: list[object]) -> None:
    assert len(names) == len(set(names))


def test_thresholds_of_histograms_are_bounds_of_buckets_and_below_the_top() -> None:
    threshold = SETTINGS.monitoring.thresholds.completion_p99.total_seconds()
    usual = SETTINGS.monitoring.healthy
    limits = {threshold, *(d.total_seconds() for d in (usual.completion_p50, usual.completion_p99))}
    assert limits <= set(m.COMPLETION_DURATION.buckets[:-1])


@pytest.mark.parametrize("rule", CATALOGUE.recordings, ids=lambda rule: rule.series.name)
def test_recording_is_named_by_its_labels_metric_and_operation(rule: Recording) -> None:
    level, metric, operation = rule.series.name.split(":")
    assert level == "_".join(rule.series.label_names)
    assert metric in {name.removesuffix("_total") for name in CATALOGUE.series} | {
        "stigmer_external_activity_completion_duration_seconds_bucket"
    }
    assert re.fullmatch(r"(max|sum|(failure_ratio_|ratio_)?(rate|increase)\d+[mhd])", operation)


@pytest.mark.parametrize("alert", CATALOGUE.alerts, ids=name_of)
def test_alert_keeps_the_conventions(alert: Alert) -> None:
    assert re.fullmatch(r"Stigmer([A-Z][a-z0-9]+)+", alert.name)
    assert len(alert.name) <= 40 or alert.name == NAMED_BY_THE_RUNBOOK
    assert alert.for_.total_seconds() >= 60
    assert re.fullmatch(r"[A-Z][^{}]*\.", alert.summary)
    assert alert.description.endswith(".")
    compared = [condition for condition in alert.conditions if condition.operator is not None]
    assert (
        not compared
        or "$value" in alert.description
        or alert.unit is Unit.BOOLEAN
        or (alert.name == "StigmerPollersMissing")
    )


@pytest.mark.parametrize("alert", CATALOGUE.alerts, ids=name_of)
def test_alert_has_a_panel_in_its_own_unit(alert: Alert) -> None:
    assert CATALOGUE.panel(alert.panel).unit is alert.unit


@pytest.mark.parametrize("alert", CATALOGUE.alerts, ids=name_of)
def test_values_are_compared_without_parentheses(alert: Alert) -> None:
    for condition in alert.conditions:
        if condition.operator is None:
            continue
        compared = promql_parser.parse(condition.expr)
        for _ in condition.guards:
            assert isinstance(compared, promql_parser.BinaryExpr)
            assert str(compared.op) == "and"
            compared = compared.lhs
        assert isinstance(compared, promql_parser.BinaryExpr)
        assert str(compared.op) == condition.operator
        assert compared.lhs.prettify() == promql_parser.parse(condition.value).prettify()


@pytest.mark.parametrize("alert", CATALOGUE.alerts, ids=name_of)
def test_next_command_can_be_typed(alert: Alert) -> None:
    filled = re.sub(r"\{\{ \$labels\.\w+ \}\}", "x", alert.next_command)
    assert filled.startswith("stigmer-ops ")
    parse(filled.removeprefix("stigmer-ops "))


def test_every_alert_has_a_page_and_every_alert_page_an_alert() -> None:
    titles = {page.name: page.title for page in pages() if page.kind is PageKind.ALERT}
    assert titles == {alert.name: alert.summary.removesuffix(".") for alert in CATALOGUE.alerts}


def test_every_alert_has_an_example() -> None:
    found = {example.alert for example in examples(Scope(SETTINGS), CATALOGUE)}
    assert found == {alert.name for alert in CATALOGUE.alerts}


def test_conditions_of_the_written_runbook_are_covered() -> None:
    found = {
        alert.name: (alert.severity.value, alert.for_.total_seconds() / 60, alert.thresholds[0][1])
        for alert in CATALOGUE.alerts
        if alert.thresholds
    }
    expected = {
        "StigmerExternalActivityStuck": ("critical", 5, 12 * 3600),
        "StigmerExternalActivityCompletionFailureHigh": ("critical", 5, 0.5),
        "StigmerExternalActivityCompletionSlow": ("warning", 10, 0.5),
        "StigmerExternalActivityBacklog": ("warning", 15, 100),
        "StigmerExternalActivitySuccessRateLow": ("warning", 5, 0.9),
        "StigmerExternalActivityErrorRateHigh": ("warning", 5, 0.05),
    }
    assert expected.items() <= found.items()


def test_age_thresholds_can_be_reached_before_the_longest_timeout() -> None:
    ages = [alert for alert in CATALOGUE.alerts if alert.panel == "oldest-age"]
    longest = SETTINGS.thresholds.longest_timeout.total_seconds()
    assert all(threshold < longest for alert in ages for _, threshold in alert.thresholds)


@pytest.mark.parametrize("query", CATALOGUE.queries, ids=name_of)
def test_query_agrees_with_its_alert(query: Query) -> None:
    if query.alert is None:
        return
    alert = CATALOGUE.alert(query.alert)
    assert query.unit is alert.unit
    (operator, threshold), *_ = alert.thresholds
    if query.healthy is not None:
        bad_at_the_threshold = not query.healthy.holds(threshold)
        assert bad_at_the_threshold or query.healthy.operator is not operator


def test_operators_have_their_eight_queries() -> None:
    assert [query.name for query in CATALOGUE.queries[:8]] == [
        "success-rate",
        "duration-p50",
        "duration-p95",
        "duration-p99",
        "pending-by-age",
        "pending-over-24h",
        "errors-by-type",
        "error-rate",
    ]


def test_dashboard_has_the_four_panels_of_the_runbook() -> None:
    wanted = {"Completion rate", "Completion duration", "Pending by age", "Errors by type"}
    assert wanted <= {panel.title for panel in PANELS}


@pytest.mark.parametrize("panel", PANELS, ids=name_of)
def test_panel_says_what_bad_looks_like(panel: Panel) -> None:
    assert re.search(r"\. Bad: .*\.$", panel.description)


EXPRESSIONS = [
    *(rule.expr for rule in CATALOGUE.recordings),
    *(alert.expr for alert in CATALOGUE.alerts),
    *(query.expr for query in CATALOGUE.queries),
    *(without_variables(target.expr) for panel in PANELS for target in panel.targets),
]


def test_expressions_select_only_what_the_catalogue_has() -> None:
    selected = {name for expr in EXPRESSIONS for name in selected_names(expr)}
    assert selected <= set(CATALOGUE.series)


def test_every_recorded_series_is_used_or_said_to_be_for_others() -> None:
    used = {name for expr in EXPRESSIONS for name in selected_names(expr)}
    recorded = {rule.series.name for rule in CATALOGUE.recordings}
    assert recorded <= used


def test_metric_names_are_written_once() -> None:
    sources = {
        path: path.read_text(encoding="utf-8")
        for path in (ROOT / "stigmer_ops" / "monitoring").rglob("*.py")
        if path != Path(m.__file__)
    }
    names = [metric.name for metric in CATALOGUE.metrics if metric.name.startswith("stigmer")]
    again = [
        (name, path.name)
        for name in names
        for path, text in sources.items()
        if re.search(rf'"{name}(_bucket|_count)?"|{name}\{{', text)
    ]
    assert again == []


def test_groups_are_small_and_named_in_kebab_case() -> None:
    for name, rules in groups(CATALOGUE, SETTINGS).items():
        assert re.fullmatch(r"stigmer(-[a-z]+)+", name)
        assert len(name) <= 40
        assert len(rules) <= 20


def test_committed_rules_and_tests_are_those_of_the_catalogue() -> None:
    wanted = rule_files(CATALOGUE, SETTINGS) | starter_files(CATALOGUE, SETTINGS)
    files = compare(ROOT / "alerts", wanted, HEADER)
    stale = [str(file.path) for file in files if file.state is not State.SAME]
    assert stale == [], "run `stigmer-ops alerts generate`"
