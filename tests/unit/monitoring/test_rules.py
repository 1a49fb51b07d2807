"""Rules as files: laid out for people, the same for machines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import promql_parser
import pytest
import yaml

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.rule_format import RuleFormat
from stigmer_ops.monitoring.rules import (
    HEADER,
    alerting_rule,
    dashboard_url,
    laid_out,
    rule_files,
)
from stigmer_ops.settings import Monitoring, Settings

SETTINGS = Settings()
CATALOGUE = catalogue(SETTINGS)
LONG = "a" * 60

EXPRESSIONS = [
    *(rule.expr for rule in CATALOGUE.recordings),
    *(alert.expr for alert in CATALOGUE.alerts),
    f"{LONG} + on (x) group_left (y) {LONG}",
    f"{LONG} > bool {LONG}",
    f"({LONG} or {LONG}) * 3 > 2 and {LONG}",
    f"-{LONG} ^ 2 - -{LONG}",
]


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_layout_changes_nothing(expr: str) -> None:
    text = laid_out(expr)
    assert promql_parser.parse(text).prettify() == promql_parser.parse(expr).prettify()
    assert laid_out(text) == text


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_layout_begins_at_the_margin(expr: str) -> None:
    assert not laid_out(expr).startswith(" ")


def test_short_expression_stays_on_one_line() -> None:
    assert laid_out("sum( a )/sum(b)>1 ") == "sum(a) / sum(b) > 1"


def test_operands_of_a_long_one_are_on_their_own_lines() -> None:
    assert laid_out(f"{LONG}/{LONG} > 5").splitlines() == [LONG, "/", f"{LONG} > 5"]


def test_files_are_the_same_bytes_each_time() -> None:
    again = rule_files(catalogue(Settings()), Settings())
    assert again == rule_files(CATALOGUE, SETTINGS)
    assert all(text.startswith(HEADER + "\n") for text in again.values())


def test_operator_resources_hold_the_same_groups() -> None:
    plain = rule_files(CATALOGUE, SETTINGS)
    for name, text in rule_files(CATALOGUE, SETTINGS, RuleFormat.OPERATOR).items():
        resource = yaml.safe_load(text)
        assert (resource["apiVersion"], resource["kind"]) == (
            "monitoring.coreos.com/v1",
            "PrometheusRule",
        )
        assert resource["metadata"]["name"] == name.removesuffix(".yaml")
        assert resource["spec"] == yaml.safe_load(plain[name])


def test_links_follow_the_patterns_of_the_settings() -> None:
    settings = Settings(
        monitoring=Monitoring(
            runbook_url="https://wiki/{alert}.html", dashboard_url="https://g/d/{uid}/x#{panel}"
        )
    )
    alert = CATALOGUE.alert("StigmerPollersMissing")
    annotations = alerting_rule(alert, CATALOGUE, settings)["annotations"]
    assert annotations["runbook_url"] == "https://wiki/StigmerPollersMissing.html"
    assert annotations["dashboard_url"].startswith("https://g/d/stigmer-external-activities/x#20?")


def test_link_to_the_dashboard_chooses_what_the_alert_is_about() -> None:
    alert = CATALOGUE.alert("StigmerPollersMissing")
    url = dashboard_url(alert, CATALOGUE, SETTINGS)
    assert "&var-namespace={{ $labels.namespace | urlquery }}" in url
    assert "&var-task_queue={{ $labels.task_queue | urlquery }}" in url
    assert "var-service" not in url


def test_alert_may_go_on_when_its_condition_has_ended() -> None:
    alert = replace(CATALOGUE.alerts[0], keep_firing_for=timedelta(minutes=10))
    assert alerting_rule(alert, CATALOGUE, SETTINGS)["keep_firing_for"] == "10m"
    assert "keep_firing_for" not in alerting_rule(CATALOGUE.alerts[0], CATALOGUE, SETTINGS)
