"""The task queues of the handshake: who polls them, what waits in them, what is registered.

Nothing is said of what was not seen: a queue whose workers told nothing of their activity types has
no series for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from stigmer_ops.exporter.link import Link
from stigmer_ops.exporter.log import Health, Log
from stigmer_ops.exporter.readings import Labels, Readings, Series
from stigmer_ops.handshake.queue_verdicts import QueueCheck
from stigmer_ops.handshake.registration import Answer, ProbeMethod, Registration, missing
from stigmer_ops.handshake.workers import ExpectedQueue, QueueWorkers, TaskKind
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.model import Metric
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.clock import Clock
from stigmer_ops.temporal.worker_check import ProbeChoice, check_workers, look_at_workers

TASK_QUEUE = "task_queue"
"""What could not be read, as the metrics' label `item` names it."""
_NO_DELAY = timedelta(0)


class QueueNamespace:
    """Looks at the queues of one namespace every few minutes.

    Workers are asked what they have registered only if `exporter.registration_probe` is set, since
    that starts activities in the namespace. Otherwise the failures of pending activities are read,
    in which workers tell the same, if only of a type that somebody has missed.
    """

    def __init__(
        self,
        link: Link,
        queues: Sequence[ExpectedQueue],
        settings: Settings,
        clock: Clock,
        log: Log,
    ) -> None:
        """Look at nothing yet.

        Args:
            link: The namespace.
            queues: What to look at.
            settings: How often, and how.
            clock: Our own time, UTC.
            log: Where events go.
        """
        self.link = link
        self._queues = queues
        self._settings = settings
        self._clock = clock
        self._health = Health(log, "cannot read the task queues", namespace=link.namespace)
        self._looked: datetime | None = None
        self._asked: datetime | None = None
        self._unreadable = 0
        self._polled: dict[Metric, dict[Labels, float]] = {}
        self._registered: dict[Labels, float] = {}

    @property
    def namespace(self) -> str:
        """Its name."""
        return self.link.namespace

    @property
    def readings(self) -> Readings:
        """What was last seen. A queue that was never looked at has no series: 0 would page."""
        unreadable: Series = {(self.namespace, TASK_QUEUE): float(self._unreadable)}
        return {**self._polled, m.REGISTERED: self._registered, m.UNREADABLE: unreadable}

    async def read(self) -> bool:
        """Look again if it is time to. What cannot be read leaves what was last seen.

        Returns:
            Whether nothing went wrong.
        """
        try:
            await self._follow(self._clock())
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest goes on
            self._unreadable = len(self._queues)
            self._health.failed(error)
            return False
        self._unreadable = 0
        self._health.worked()
        return True

    async def _follow(self, now: datetime) -> None:
        timing = self._settings.exporter
        stale_after = self._settings.thresholds.poller_stale_after
        frontend = await self.link.frontend()
        if _due(self._asked, timing.registration_every, now):
            checks, _ = await check_workers(
                frontend, self._queues, self._choice(), clock=self._clock, stale_after=stale_after
            )
            self._registered = {
                labels: value for check in checks for labels, value in registered(check)
            }
            looked = [check.workers for check in checks]
            self._asked = now
        elif _due(self._looked, timing.queues_every, now):
            looked = await look_at_workers(
                frontend, self._queues, clock=self._clock, stale_after=stale_after
            )
        else:
            return
        self._looked = now
        self._polled = _polled(looked)

    def _choice(self) -> ProbeChoice:
        if self._settings.read_only:
            return ProbeChoice(ProbeMethod.NONE, "read-only mode")
        if not self._settings.exporter.registration_probe:
            return ProbeChoice(ProbeMethod.NONE, "exporter.registration_probe is not set")
        return ProbeChoice(None)


def _due(last: datetime | None, every: timedelta, now: datetime) -> bool:
    return last is None or now - last >= every


def _kinds(queue: ExpectedQueue) -> Sequence[TaskKind]:
    return [kind for kind in TaskKind if kind in queue.kinds]


def _labels(queue: ExpectedQueue, kind: TaskKind) -> Labels:
    return (queue.namespace, queue.name, kind.value)


def _polled(looked: Sequence[QueueWorkers]) -> dict[Metric, dict[Labels, float]]:
    pollers: dict[Labels, float] = {}
    backlog: dict[Labels, float] = {}
    age: dict[Labels, float] = {}
    for workers in looked:
        for kind in _kinds(workers.expected):
            labels = _labels(workers.expected, kind)
            waiting = workers.backlog(kind)
            pollers[labels] = len(workers.live(kind))
            backlog[labels] = waiting.count
            age[labels] = (waiting.age or _NO_DELAY).total_seconds()
    return {m.POLLERS: pollers, m.QUEUE_BACKLOG: backlog, m.QUEUE_BACKLOG_AGE: age}


def registered(check: QueueCheck) -> Iterator[tuple[Labels, float]]:
    """Of each activity type that a queue shall have, whether its workers have it, where known."""
    queue = check.workers.expected
    for activity_type in queue.activity_types:
        has = _has(check.registration, activity_type)
        if has is not None:
            yield (queue.namespace, queue.name, activity_type), float(has)


def _has(registration: Registration, activity_type: str) -> bool | None:
    """Whether every worker that told has the type; None where none told."""
    said = [one for _, one in registration.said]
    if any(missing(one, (activity_type,)) for one in said):
        return False
    # A dynamic activity takes every type.
    certain = registration.those(Answer.RAN) or any(activity_type in one.registered for one in said)
    return True if certain else None
