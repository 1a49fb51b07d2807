"""Every alert is seen to fire and to end: in a real stack, or at least by promtool."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Alert
from stigmer_ops.settings import Settings
from support.alert_scenarios import SCENARIOS

TESTS = Path(__file__).parents[2] / "alerts" / "tests"
EVERY = catalogue(Settings()).alerts

ONLY_BY_PROMTOOL: Mapping[str, str] = {
    "StigmerMetricsMissing": "an exporter has every metric from its start, and without an exporter "
    "StigmerExporterDown is told instead",
}
"""Alerts that no fault of a sandbox produces, and why."""


@cache
def promtool_cases() -> dict[str, list[bool]]:
    """Of each alert, whether the tests have it fire or be quiet, case by case."""
    found: dict[str, list[bool]] = {}
    for path in TESTS.rglob("*.yaml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("alert_rule_test", ()):
                found.setdefault(case["alertname"], []).append(bool(case.get("exp_alerts")))
    return found


def test_every_alert_is_followed_from_fault_to_repair_or_is_known_not_to_be() -> None:
    assert set(SCENARIOS) | set(ONLY_BY_PROMTOOL) == {alert.name for alert in EVERY}
    assert set(SCENARIOS) & set(ONLY_BY_PROMTOOL) == set()


@pytest.mark.parametrize("alert", EVERY, ids=lambda alert: alert.name)
def test_every_alert_fires_and_is_quiet_in_promtool(alert: Alert) -> None:
    assert set(promtool_cases()[alert.name]) == {True, False}
