"""Where samples come from: the handshakes from Prometheus, or else from Temporal's histories.

What the workers have registered is always asked of them: an exporter looks only now and then.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE
from stigmer_ops.handshake.queue_verdicts import (
    NOT_POLLED,
    ONLY_STALE_POLLERS,
    TYPES_MISSING,
    WORKERS_DISAGREE,
    QueueCheck,
)
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.monitoring.catalogue import expressions as e
from stigmer_ops.monitoring.catalogue.alerts import every_alert
from stigmer_ops.monitoring.catalogue.model import Severity
from stigmer_ops.monitoring.catalogue.promql import Scope, duration, pattern_of
from stigmer_ops.monitoring.catalogue.recordings import completions_in
from stigmer_ops.monitoring.prometheus import Prometheus
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.task_queues import evidence
from stigmer_ops.procedures.deployment.sample import Handshakes, Measure, Sample, Workers
from stigmer_ops.procedures.deployment.watched import ERROR_ALERT, FAILURE_ALERT
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE, Settings
from stigmer_ops.temporal.callback_window import CallbackWindow, Ended
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.scan import scan

WORKERS_EVERY = timedelta(minutes=1)
"""How often workers are asked at most: each logs that it was asked for a type that it lacks."""
_P99 = 0.99

_NOT_ASKED = Workers(None, note="not asked yet")

T = TypeVar("T")


class Source(Protocol):
    """Who says how the handshakes end, how many wait, and which alerts fire."""

    name: str

    async def handshakes(self, now: datetime) -> Handshakes:
        """How they ended lately."""

    async def pending(self, now: datetime) -> Measure:
        """How many wait."""

    async def alerts(self) -> tuple[str, ...] | None:
        """Names of the critical alerts that fire; None where nobody can say."""


class PrometheusSource:
    """From the series that rules and alerts go by.

    Args:
        prometheus: Whom to ask.
        settings: Selectors and windows.
        namespace: Of the external workflows; series of others are left out.
    """

    name = "prometheus"

    def __init__(self, prometheus: Prometheus, settings: Settings, namespace: str) -> None:
        self._prometheus = prometheus
        self._scope = Scope(settings, {"namespace": pattern_of((namespace,))})
        self._conditions = {
            alert.name: alert.expr
            for alert in every_alert(self._scope)
            if alert.name in (ERROR_ALERT, FAILURE_ALERT)
        }
        self._ours = {alert.name for alert in every_alert(Scope(settings))}

    async def handshakes(self, now: datetime) -> Handshakes:
        """By the recorded series; conditions as the alerts have them."""
        return await asyncio.to_thread(self._handshakes, now)

    def _handshakes(self, now: datetime) -> Handshakes:
        scope = self._scope
        ended = self._of(sum, completions_in(scope, scope.window), now)
        if ended.value is None:
            return Handshakes.unknown(ended.note)
        return Handshakes(
            ended,
            self._of(max, e.error_ratio(scope), now),
            self._of(max, e.failure_ratio(scope), now),
            self._of(max, e.completion_quantile(scope, _P99), now),
            frozenset(
                name for name, expr in self._conditions.items() if self._prometheus.query(expr, now)
            ),
        )

    async def pending(self, now: datetime) -> Measure:
        """By the recorded series."""
        return await asyncio.to_thread(self._of, sum, e.pending_total(self._scope), now)

    async def alerts(self) -> tuple[str, ...]:
        """Of ours, whatever their namespace."""
        rules = await asyncio.to_thread(self._prometheus.rules)
        return tuple(
            dict.fromkeys(
                alert.name
                for rule in rules
                if rule.name in self._ours
                for alert in rule.alerts
                if alert.state == "firing" and alert.severity == Severity.CRITICAL
            )
        )

    def _of(
        self, combined: Callable[[Iterable[float]], float], expr: str, now: datetime
    ) -> Measure:
        """All series as one number; NaN is that there was nothing to divide by."""
        values = [sample.value for sample in self._prometheus.query(expr, now)]
        if not values:
            return Measure(None, "no such series: is an exporter scraped, are the rules loaded?")
        numbers = [value for value in values if not math.isnan(value)]
        return Measure(float(combined(numbers))) if numbers else Measure(0.0, "nothing ended")


class TemporalSource:
    """From Temporal alone: histories of Stigmer workflows that close, and a scan of what waits.

    An error is a callback that failed, or a Stigmer workflow that failed, timed out or was ended
    without one.

    Args:
        external: The namespace of the external workflows.
        stigmer: That of the Stigmer workflows.
        settings: Activity types and windows.
        since: What ended before is not the deployment's.
    """

    name = "temporal"

    def __init__(
        self, external: Frontend, stigmer: Frontend, settings: Settings, since: datetime
    ) -> None:
        scope = Scope(settings)
        self._external = external
        self._settings = settings
        self._length = scope.lasts(scope.window)
        self._window = CallbackWindow(stigmer, since, self._length)

    async def handshakes(self, now: datetime) -> Handshakes:
        """Counted from what closed in the window."""
        return measured(await self._window.read(now), duration(self._length))

    async def pending(self, now: datetime) -> Measure:
        """Counted by a scan."""
        found, unread = 0, 0
        activities = scan(self._external, external_activities(self._settings), now=now)
        async with aclosing(activities):
            async for one in activities:
                if isinstance(one, PendingActivity):
                    found += 1
                else:
                    unread += 1
        return Measure(float(found), f"{unread} workflows could not be read" if unread else "")

    async def alerts(self) -> None:
        """Nobody is asked."""


def external_activities(settings: Settings) -> Selection:
    """What waits for Stigmer; Stigmer's own workflows wait for its runners."""
    return Selection(
        activity_types=frozenset(settings.external.activity_types),
        other_than=frozenset(KIND_BY_WORKFLOW_TYPE),
    )


def measured(ended: Sequence[Ended], length: str) -> Handshakes:
    """What these handshakes make; `length` is how long the window is, in words."""
    failed = sum(1 for one in ended if one.failed)
    succeeded = sum(1 for one in ended if one.succeeded)
    lost = sum(1 for one in ended if one.lost)
    unread = sum(1 for one in ended if one.callback is None)
    took = sorted(one.duration for one in ended if one.duration is not None)
    callbacks, all_ = failed + succeeded, failed + succeeded + lost
    left_out = f", {unread} could not be read" if unread else ""
    wrong = f"{failed + lost} of {all_} in {length}{left_out}"
    return Handshakes(
        ended=Measure(float(all_), left_out.removeprefix(", ")),
        error_ratio=Measure((failed + lost) / all_ if all_ else 0.0, wrong),
        failure_ratio=Measure(
            failed / callbacks if callbacks else 0.0, f"{failed} of {callbacks} in {length}"
        ),
        completion_p99=Measure(
            took[math.ceil(_P99 * len(took)) - 1].total_seconds() if took else 0.0
        ),
    )


@dataclass(slots=True)
class Sampler:
    """Takes samples; what cannot be read is told in them.

    Attributes:
        source: Who says how the handshakes end.
        context: Whom to ask for the workers.
        workers: What they said last.
        asked: When.
    """

    source: Source
    context: CheckContext
    workers: Workers = _NOT_ASKED
    asked: datetime | None = None

    async def take(self, *, last: bool = False) -> Sample:
        """A sample of now; at the last one, workers are asked however lately they were."""
        now = self.context.access.now()
        due = self.asked is None or now - self.asked >= WORKERS_EVERY
        if due or last:
            self.workers, self.asked = await self._ask_workers(), now
        alerts, why_not = await _or(self._firing, lambda why: (None, why))
        return Sample(
            time=now,
            handshakes=await _or(lambda: self.source.handshakes(now), Handshakes.unknown),
            pending=await _or(lambda: self.source.pending(now), lambda why: Measure(None, why)),
            workers=self.workers,
            alerts=alerts,
            alerts_note=why_not,
        )

    async def _firing(self) -> tuple[tuple[str, ...] | None, str]:
        return await self.source.alerts(), ""

    async def _ask_workers(self) -> Workers:
        self.context.forget()
        return await _or(self._said, lambda why: Workers(None, note=why))

    async def _said(self) -> Workers:
        return told(await self.context.workers())


def told(checks: Sequence[QueueCheck]) -> Workers:
    """What is wrong with the workers; no word of any worker of a queue is no proof of either."""
    wrong = (NOT_POLLED, ONLY_STALE_POLLERS, TYPES_MISSING, WORKERS_DISAGREE)
    problems = tuple(evidence(checks, *wrong))
    callbacks = [check for check in checks if _has_callback(check)]
    lacking = tuple(evidence(callbacks, NOT_POLLED, TYPES_MISSING))
    silent = [
        check.workers.expected.name
        for check in checks
        if check.workers.expected.activity_types and not check.registration.said
    ]
    if silent and not problems:
        return Workers(None, note=f"no worker of {', '.join(silent)} says what it has")
    answers = sum(1 for check in checks for _ in check.registration.said)
    return Workers(problems, lacking, note=f"answers: {answers}")


def _has_callback(check: QueueCheck) -> bool:
    return CALLBACK_ACTIVITY_TYPE in check.workers.expected.activity_types


async def _or(read: Callable[[], Awaitable[T]], unknown: Callable[[str], T]) -> T:
    try:
        return await read()
    except StigmerOpsError as error:
        return unknown(" ".join(error.happened.split()))
