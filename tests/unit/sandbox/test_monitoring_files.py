"""The sandbox's Alertmanager routes as the example does, and tells a webhook."""

from __future__ import annotations

from pathlib import Path

import yaml

from stigmer_ops.sandbox.monitoring import settings_of
from stigmer_ops.sandbox.monitoring_files import alertmanager_config
from stigmer_ops.sandbox.scale import TimeScale
from stigmer_ops.settings_sources import load

EXAMPLE = Path(__file__).parents[3] / "alerts" / "alertmanager" / "alertmanager.yaml"
TIMES = ("group_wait", "group_interval", "repeat_interval")


def test_routes_and_inhibitions_are_the_examples() -> None:
    example = yaml.safe_load(EXAMPLE.read_text())
    ours = yaml.safe_load(alertmanager_config("http://127.0.0.1:9", TimeScale(1 / 60)))
    assert ours["inhibit_rules"] == example["inhibit_rules"]
    assert [one["name"] for one in ours["receivers"]] == [
        one["name"] for one in example["receivers"]
    ]
    assert ours["receivers"][0]["webhook_configs"] == [
        {"url": f"http://127.0.0.1:9/{example['receivers'][0]['name']}", "send_resolved": True}
    ]
    routes = (ours["route"], *ours["route"]["routes"])
    usual = (example["route"], *example["route"]["routes"])
    for one, other in zip(routes, usual, strict=True):
        assert {key: one[key] for key in one if key not in (*TIMES, "routes")} == {
            key: other[key] for key in other if key not in (*TIMES, "routes")
        }


def test_times_between_notifications_are_scaled_down_to_a_second() -> None:
    route = yaml.safe_load(alertmanager_config("http://127.0.0.1:9", TimeScale(1 / 60)))["route"]
    assert [route[name] for name in TIMES] == ["1000ms", "5000ms", "720000ms"]
    assert route["routes"][0]["repeat_interval"] == "60000ms"


def test_ages_are_scaled_and_latencies_are_not() -> None:
    usual = load(None, {}).settings.monitoring
    ours = load(None, settings_of(TimeScale(1 / 60))).settings.monitoring
    assert ours.thresholds.critical_age == usual.thresholds.critical_age / 60
    assert ours.thresholds.queue_backlog_age == usual.thresholds.queue_backlog_age / 60
    assert ours.thresholds.completion_p99 == usual.thresholds.completion_p99
    assert ours.time_scale == 1 / 60
