"""What Stigmer has to do: what waits, since when, and how its workers keep up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stigmer_ops.handshake.workers import QueueWorkers, TaskKind
from stigmer_ops.monitoring.answer import Window
from stigmer_ops.monitoring.catalogue.expressions import pending_total
from stigmer_ops.monitoring.catalogue.promql import Scope, pattern_of
from stigmer_ops.monitoring.prometheus import Prometheus
from stigmer_ops.monitoring.trend import aligned
from stigmer_ops.settings import Settings

ROLES = ("agent_execution_stigmer", "workflow_execution_stigmer", "workflow_validation_stigmer")
"""Roles of the task queues that Stigmer's own deployments poll."""
_STEPS = 30
"""Values of the past that Prometheus is asked for."""


class Source(StrEnum):
    """How it is known how many waited before."""

    PROMETHEUS = "prometheus"
    """From the series."""
    AGES = "ages"
    """Who has waited for so long waited all the time; who has gone since is not counted."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The external activities that wait.

    Attributes:
        now: How many.
        least: How many waited at any time in the last `scaling.sustained_for`, or more.
        source: How that is known.
    """

    now: int
    least: int
    source: Source


@dataclass(frozen=True, slots=True)
class Load:
    """What the recommendation goes by.

    Attributes:
        pending: What waits for Stigmer.
        queues: The task queues of its deployments.
        replicas: How many replicas there are, where somebody said it.
    """

    pending: Pending
    queues: tuple[QueueWorkers, ...]
    replicas: int | None = None

    @property
    def current(self) -> int:
        """How many replicas there are: as said, or the most workers that one queue has."""
        if self.replicas is not None:
            return self.replicas
        return max((len(workers_of(queue)) for queue in self.queues), default=0)


def workers_of(queue: QueueWorkers) -> frozenset[str]:
    """Identities of the workers of a queue; one whose slots are all taken has no poller left."""
    polling = {identity for kind in TaskKind for identity in queue.live(kind)}
    saturated = {beat.identity for kind in TaskKind for beat in queue.saturated(kind)}
    return frozenset(polling | saturated)


def pending_by_ages(ages: Iterable[timedelta], sustained_for: timedelta) -> Pending:
    """What is known from the ages of those that wait now."""
    known = list(ages)
    least = sum(1 for age in known if age >= sustained_for)
    return Pending(len(known), least, Source.AGES)


def least_pending(
    prometheus: Prometheus, settings: Settings, namespace: str, now: datetime
) -> int | None:
    """The fewest that waited in the last `scaling.sustained_for`; None where there are gaps.

    Raises:
        StigmerOpsError: Prometheus cannot be reached, or refuses us.
    """
    length = settings.scaling.sustained_for
    window = Window(now, length, max(length / _STEPS, timedelta(seconds=1)))
    expr = pending_total(Scope(settings, {"namespace": pattern_of((namespace,))}))
    totals: dict[int, float] = defaultdict(float)
    for line in prometheus.query_range(expr, window.start, window.end, window.step):
        values = aligned(line.points, window.start, window.step, window.count)
        for number, value in enumerate(values):
            if value is not None:
                totals[number] += value
    return round(min(totals.values())) if totals and len(totals) == window.count else None
