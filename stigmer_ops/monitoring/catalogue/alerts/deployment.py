"""When a deployment is to be rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from stigmer_ops.monitoring.catalogue import expressions as e
from stigmer_ops.monitoring.catalogue.alerts.groups import DEPLOYMENT
from stigmer_ops.monitoring.catalogue.alerts.texts import value
from stigmer_ops.monitoring.catalogue.model import Alert, Condition, Operator, Severity, Unit
from stigmer_ops.monitoring.catalogue.promql import Scope


def alerts(scope: Scope) -> Iterator[Alert]:
    """Error rate and completion failures have critical alerts, so that any critical one decides.

    It is itself no more than info: the alerts that it counts have told somebody already.
    """
    yield Alert(
        name="StigmerRollbackTriggered",
        group=DEPLOYMENT,
        severity=Severity.INFO,
        for_=timedelta(minutes=1),
        conditions=(Condition(e.critical_alerts(scope), Operator.ABOVE, 0),),
        unit=Unit.COUNT,
        panel="critical-alerts",
        summary="A deployment that is under way or just done should be rolled back.",
        description=f"Critical alerts that fire: {value(Unit.COUNT)}.",
        next_command="stigmer-ops alerts status",
    )
