"""From the load to a number of replicas, with every reason as a sentence. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from stigmer_ops.handshake.workers import QueueWorkers, Slots, TaskKind
from stigmer_ops.monitoring.catalogue.promql import duration
from stigmer_ops.procedures.scaling.load import Load, Source, workers_of
from stigmer_ops.settings import Settings


class Direction(StrEnum):
    """What is to be done."""

    UP = "up"
    DOWN = "down"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Reason:
    """What one signal says.

    Attributes:
        signal: pending, backlog, slots or limits.
        replicas: How many it asks for; None where it asks for nothing.
        sentence: Why.
        trouble: Whether something is wrong that more replicas do not cure.
    """

    signal: str
    replicas: int | None
    sentence: str
    trouble: bool = False


@dataclass(frozen=True, slots=True)
class Recommendation:
    """How many replicas there should be.

    Attributes:
        replicas: Of each deployment.
        current: How many there are, as well as it is known; 0 where no worker polls.
        reasons: Why, the weightiest first.
    """

    replicas: int
    current: int
    reasons: tuple[Reason, ...]

    @property
    def direction(self) -> Direction:
        """What is to be done."""
        if self.replicas == self.current:
            return Direction.HOLD
        return Direction.UP if self.replicas > self.current else Direction.DOWN

    @property
    def trouble(self) -> bool:
        """Whether something is wrong that more replicas do not cure."""
        return any(reason.trouble for reason in self.reasons)


def recommend(load: Load, settings: Settings) -> Recommendation:
    """How many replicas there should be, and why."""
    scaling, current = settings.scaling, load.current
    signals = [_pending(load, settings)]
    for queue in load.queues:
        signals += [*_backlog(queue, current, settings), *_slots(queue, current, settings)]
    asked = [reason.replicas for reason in signals if reason.replicas is not None]
    wanted = max(asked, default=current)
    replicas = min(max(wanted, scaling.min_replicas), scaling.max_replicas)
    # Nobody polls: how many replicas there are is not known, and they may all be broken.
    if not current:
        signals.insert(0, Reason("workers", None, _NOBODY, trouble=True))
    reasons = sorted(signals, key=lambda one: (not one.trouble, -(one.replicas or 0)))
    return Recommendation(replicas, current, (*reasons, *_limited(wanted, settings)))


_NOBODY = (
    "No worker polls Stigmer's task queues. Replicas that do not poll are no help: "
    "stigmer-ops worker check"
)


def _pending(load: Load, settings: Settings) -> Reason:
    scaling, pending, limit = settings.scaling, load.pending, settings.thresholds.backlog
    wanted = math.ceil(pending.now / scaling.pending_per_pod)
    sustained_for = duration(scaling.sustained_for)
    counted = f"External activities that wait: {pending.now}"
    share = f"{scaling.pending_per_pod} a replica make {wanted}"
    if wanted <= max(load.current, scaling.min_replicas):
        return Reason("pending", wanted, f"{counted}; {share}.")
    if pending.least > limit:
        return Reason(
            "pending",
            wanted,
            f"{counted}, and more than {limit} for {sustained_for} "
            f"({_evidence(load, sustained_for)}); {share}.",
        )
    if pending.now > limit:
        return Reason(
            "pending",
            load.current,
            f"{counted}, more than {limit}, but as far as is known not for {sustained_for} "
            f"({_evidence(load, sustained_for)}): nothing is added before that.",
        )
    held = f"{counted}, no more than {limit}: nothing is added for them."
    return Reason("pending", load.current, held)


def _evidence(load: Load, sustained_for: str) -> str:
    least = load.pending.least
    if load.pending.source is Source.PROMETHEUS:
        return f"by Prometheus never fewer than {least}"
    return f"{least} of them have waited for all of the last {sustained_for}"


def _backlog(queue: QueueWorkers, current: int, settings: Settings) -> Iterator[Reason]:
    limit = settings.monitoring.thresholds.queue_backlog_age
    for kind in TaskKind:
        backlog = queue.backlog(kind)
        if not backlog.count or backlog.age is None or backlog.age <= limit:
            continue
        what = (
            f"{backlog.count} {kind} tasks of {queue.expected.name} wait, "
            f"the oldest for {backlog.age.total_seconds():.0f}s"
        )
        workers = len(workers_of(queue))
        if not workers or backlog.dispatch_rate <= 0:
            yield Reason(
                "backlog",
                current,
                f"{what}, and none is taken. That is no lack of replicas: stigmer-ops worker check",
                trouble=True,
            )
            continue
        # What keeps up with what comes, and has worked off the rest when the limit has passed.
        rate = backlog.add_rate + backlog.count / limit.total_seconds()
        wanted = max(math.ceil(workers * rate / backlog.dispatch_rate), current + 1)
        yield Reason(
            "backlog",
            wanted,
            f"{what}, longer than {duration(limit)}: {workers} workers take "
            f"{backlog.dispatch_rate:.2g} a second, and {rate:.2g} are needed.",
        )


def _slots(queue: QueueWorkers, current: int, settings: Settings) -> Iterator[Reason]:
    limit = settings.scaling.slots_used
    for kind in TaskKind:
        known = list(_known_slots(queue, kind))
        used = sum(slots.used for slots in known)
        total = sum(slots.used + (slots.available or 0) for slots in known)
        if not total or used / total <= limit:
            continue
        yield Reason(
            "slots",
            max(math.ceil(len(known) * used / total / limit), current + 1),
            f"{used} of the {total} {kind} slots of {queue.expected.name} are taken, "
            f"more than {limit:.0%}: its {len(known)} workers are about to stop polling.",
        )


def _known_slots(queue: QueueWorkers, kind: TaskKind) -> Iterator[Slots]:
    for beat in queue.heartbeats or ():
        slots = beat.slots(kind)
        if not beat.shut_down and slots is not None and slots.available is not None:
            yield slots


def _limited(wanted: int, settings: Settings) -> Iterator[Reason]:
    scaling = settings.scaling
    if wanted > scaling.max_replicas:
        most = f"No more than {scaling.max_replicas} (scaling.max_replicas): each has connections"
        yield Reason("limits", None, f"{most} of its own, and {wanted} would be too many of them.")
    if wanted < scaling.min_replicas:
        least = f"No fewer than {scaling.min_replicas} (scaling.min_replicas), though"
        yield Reason("limits", None, f"{least} {wanted} would do.")
