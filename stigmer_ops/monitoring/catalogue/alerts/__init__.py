"""The alerts, a module for each group."""

from __future__ import annotations

from dataclasses import replace

from stigmer_ops.monitoring.catalogue.alerts import (
    activities,
    completions,
    deployment,
    exporter,
    workers,
)
from stigmer_ops.monitoring.catalogue.model import Alert
from stigmer_ops.monitoring.catalogue.promql import Scope, scaled

_GROUPS = (activities, completions, workers, exporter, deployment)


def every_alert(scope: Scope) -> tuple[Alert, ...]:
    """All alerts, by group."""
    return tuple(_scaled(alert, scope) for group in _GROUPS for alert in group.alerts(scope))


def _scaled(alert: Alert, scope: Scope) -> Alert:
    """The alert, waiting as long as the scale of a sandbox has it."""
    keep = alert.keep_firing_for
    return replace(
        alert,
        for_=scaled(alert.for_, scope.settings),
        keep_firing_for=keep and scaled(keep, scope.settings),
    )
