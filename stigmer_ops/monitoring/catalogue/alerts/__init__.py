"""The alerts, a module for each group."""

from __future__ import annotations

from stigmer_ops.monitoring.catalogue.alerts import (
    activities,
    completions,
    deployment,
    exporter,
    workers,
)
from stigmer_ops.monitoring.catalogue.model import Alert
from stigmer_ops.monitoring.catalogue.promql import Scope

_GROUPS = (activities, completions, workers, exporter, deployment)


def every_alert(scope: Scope) -> tuple[Alert, ...]:
    """All alerts, by group."""
    return tuple(alert for group in _GROUPS for alert in group.alerts(scope))
