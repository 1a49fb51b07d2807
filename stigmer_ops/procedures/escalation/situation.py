"""What is wrong now: from the checks, the diagnosis, and the alerts that fire."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Severity as AlertSeverity
from stigmer_ops.monitoring.loaded_rules import ActiveAlert
from stigmer_ops.monitoring.prometheus import Prometheus
from stigmer_ops.procedures.checks.check import CheckResult, Result
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.settings import Settings

_TOLD = (AlertSeverity.CRITICAL, AlertSeverity.WARNING)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known.

    Attributes:
        time: When.
        namespace: Of the external workflows.
        failed: The checks that failed, in their order.
        diagnoses: Why each external activity waits, the most urgent and then the oldest first.
        diagnosed: Whether that could be read at all.
        whole: Whether all of it could be read.
        alerts: Ours that fire and that somebody is told of; None where nobody could say.
        gaps: What could not be found out, a sentence each.
    """

    time: datetime
    namespace: str
    failed: tuple[CheckResult, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    diagnosed: bool = True
    whole: bool = True
    alerts: tuple[ActiveAlert, ...] | None = None
    gaps: tuple[str, ...] = ()

    @property
    def stuck(self) -> tuple[Diagnosis, ...]:
        """The activities that will not complete by themselves."""
        return tuple(found for found in self.diagnoses if found.verdict.stuck)

    @property
    def critical_alerts(self) -> tuple[ActiveAlert, ...]:
        """Those that page, the longest firing first."""
        critical = (one for one in self.alerts or () if one.severity == AlertSeverity.CRITICAL)
        return tuple(sorted(critical, key=lambda one: one.since))

    @property
    def critical(self) -> bool:
        """Whether anything is critical."""
        worst = any(found.verdict.severity is Severity.CRITICAL for found in self.stuck)
        return bool(self.critical_alerts or self.failed or worst)

    @property
    def wrong(self) -> bool:
        """Whether anything is wrong at all."""
        return bool(self.failed or self.stuck or self.alerts)

    def longest(self, stuck_after: timedelta) -> tuple[timedelta, str]:
        """For how long something has been critical, at least, and what; zero if nothing has.

        Args:
            stuck_after: From which age on an activity that is stuck counts as overdue.
        """
        candidates = [(self.time - one.since, f"{one.name} fires") for one in self.critical_alerts]
        candidates += [
            (found.activity.age(self.time) - stuck_after, f"an activity is {found.verdict.id}")
            for found in self.stuck
        ]
        return max(candidates, default=(timedelta(0), ""))


async def situation(context: CheckContext, results: Sequence[CheckResult]) -> Situation:
    """What is wrong, from checks that were run with `context`, and whatever else can be read.

    Whatever cannot be read is told in `gaps`: when systems are down it has to work all the same.

    Raises:
        StigmerOpsError: The settings, or the options of the connection, are not valid.
    """
    diagnoses: tuple[Diagnosis, ...] | None = None
    alerts: tuple[ActiveAlert, ...] | None = None
    gaps: list[str] = []
    whole = False
    try:
        report = await context.diagnosis()
    except StigmerOpsError as error:
        gaps.append(f"nothing was diagnosed: {error.happened}")
    else:
        diagnoses = _ordered(report.diagnoses, context.access.now())
        whole = report.complete
        if not whole:
            gaps.append("not every workflow could be read")
    try:
        alerts = await _firing(context.settings)
    except StigmerOpsError as error:
        gaps.append(f"which alerts fire is not known: {error.happened}")
    return Situation(
        time=context.access.now(),
        namespace=context.access.target().namespace,
        failed=tuple(one for one in results if one.result is Result.FAILED),
        diagnoses=diagnoses or (),
        diagnosed=diagnoses is not None,
        whole=whole,
        alerts=alerts,
        gaps=tuple(gaps),
    )


def _ordered(diagnoses: Sequence[Diagnosis], now: datetime) -> tuple[Diagnosis, ...]:
    return tuple(sorted(diagnoses, key=lambda one: (-one.verdict.severity, -one.activity.age(now))))


async def _firing(settings: Settings) -> tuple[ActiveAlert, ...] | None:
    monitoring = settings.monitoring
    if monitoring.prometheus is None:
        return None
    prometheus = Prometheus(monitoring.prometheus, monitoring.prometheus_timeout)
    ours = {alert.name for alert in catalogue(settings).alerts}
    firing = (
        alert
        for rule in await asyncio.to_thread(prometheus.rules)
        if rule.name in ours
        for alert in rule.alerts
        if alert.state == "firing" and alert.severity in _TOLD
    )
    return tuple(sorted(firing, key=lambda alert: (_TOLD.index(alert.severity), alert.since)))
