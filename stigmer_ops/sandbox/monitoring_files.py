"""Configuration of the sandbox's Prometheus and Alertmanager."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from stigmer_ops.monitoring.catalogue.metrics import METRICS
from stigmer_ops.monitoring.catalogue.model import Emitter
from stigmer_ops.monitoring.catalogue.promql import duration
from stigmer_ops.sandbox.scale import TimeScale

EXPORTER_JOB, TEMPORAL_JOB = "stigmer-ops", "temporal"
"""As the default selectors of the settings have them."""

_GROUP_TIMES = ("group_wait", "group_interval", "repeat_interval")
_SHORTEST = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_LOOKED_AT = "|".join(
    metric.name for metric in METRICS if metric.emitter is Emitter.TEMPORAL_SERVER
)
"""A regular expression: the metrics of the Temporal server that are in the catalogue."""


def prometheus_config(
    *,
    rule_files: Sequence[str],
    exporters: Sequence[str],
    temporal: str,
    alertmanager: str,
    interval: timedelta,
) -> str:
    """Text of prometheus.yml.

    Args:
        rule_files: Relative to it.
        exporters: host:port of each exporter.
        temporal: host:port of the Temporal server's own metrics.
        alertmanager: host:port.
        interval: Between scrapes, and between evaluations; the Temporal server, whose page has
            thousands of series, is asked every other time, and what no rule looks at is dropped.
    """
    every, every_other = duration(interval), duration(2 * interval)
    return yaml.safe_dump(
        {
            "global": {
                "scrape_interval": every,
                "scrape_timeout": every,
                "evaluation_interval": every,
            },
            "rule_files": list(rule_files),
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}],
            },
            "scrape_configs": [
                _job(EXPORTER_JOB, exporters),
                {
                    **_job(TEMPORAL_JOB, [temporal]),
                    "scrape_interval": every_other,
                    "scrape_timeout": every_other,
                    "metric_relabel_configs": [
                        {"source_labels": ["__name__"], "regex": _LOOKED_AT, "action": "keep"}
                    ],
                },
            ],
        },
        sort_keys=False,
    )


def _job(name: str, targets: Sequence[str]) -> dict[str, object]:
    return {
        "job_name": name,
        "honor_labels": True,
        "static_configs": [{"targets": list(targets)}],
    }


def alertmanager_config(webhook: str, scale: TimeScale) -> str:
    """Text of alertmanager.yml: the example's routes, with the webhook for every receiver.

    Args:
        webhook: Base URL; each receiver has a path below it.
        scale: Of the times between notifications.
    """
    config = yaml.safe_load(_example().read_text(encoding="utf-8"))
    config["receivers"] = [
        {
            "name": receiver["name"],
            "webhook_configs": [{"url": f"{webhook}/{receiver['name']}", "send_resolved": True}],
        }
        for receiver in config["receivers"]
    ]
    _scale(config["route"], scale)
    return yaml.safe_dump(config, sort_keys=False)


def _scale(route: dict[str, Any], scale: TimeScale) -> None:
    for name in _GROUP_TIMES:
        if name in route:
            length = scale(promql_parser.parse_duration(route[name]), floor=_SHORTEST)
            route[name] = f"{round(length / _MILLISECOND)}ms"
    for child in route.get("routes", ()):
        _scale(child, scale)


def _example() -> Traversable:
    """The configuration that the project ships, in the installed package or in the checkout."""
    packaged = files("stigmer_ops") / "alertmanager"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "alerts/alertmanager"
    return folder / "alertmanager.yaml"
