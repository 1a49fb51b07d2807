"""The pending activities counted for the metrics, by arithmetic on what is remembered of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from stigmer_ops.exporter.pending.records import NEVER, GroupKey, TrackedActivity, time_of
from stigmer_ops.handshake.activity import AGE_BUCKETS
from stigmer_ops.monitoring.catalogue.metrics import SERVICE, SETTING

_BUCKETS = tuple(name for name, _ in AGE_BUCKETS)
_BOUNDS = tuple(bound.total_seconds() for _, bound in AGE_BUCKETS[:-1])
OTHER = GroupKey("other", "other")
"""The group of all that is beyond the limit of series."""


@dataclass(frozen=True, slots=True)
class Group:
    """The activities of one task queue and type.

    Attributes:
        count: How many there are, at least one.
        oldest: When the oldest was first scheduled.
        nearest_deadline: When the next of them times out; None if no timeout runs for any.
        timeout_used: Largest share of its own timeout that one has waited; 0 without timeouts.
            A paused activity may be past its deadline, and above 1.
        unsafe: How many have each unsafe setting; every setting is there.
    """

    count: int
    oldest: datetime
    nearest_deadline: datetime | None
    timeout_used: float
    unsafe: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PendingSummary:
    """All that the gauges of one namespace tell of its external activities.

    Attributes:
        by_age: Counts by service and age bucket; every combination is there.
        groups: By task queue and activity type; no more than the limit, `OTHER` not counted.
    """

    by_age: Mapping[tuple[str, str], int]
    groups: Mapping[GroupKey, Group]


@dataclass(slots=True)
class _Tally:
    count: int = 0
    oldest: float = NEVER
    nearest: float = NEVER
    used: float = 0.0
    unsafe: Counter[str] | None = None

    def merge(self, other: _Tally) -> None:
        self.count += other.count
        self.oldest = min(self.oldest, other.oldest)
        self.nearest = min(self.nearest, other.nearest)
        self.used = max(self.used, other.used)
        if other.unsafe:
            self.unsafe = (self.unsafe or Counter()) + other.unsafe

    def group(self) -> Group:
        unsafe = self.unsafe or Counter[str]()
        return Group(
            self.count,
            time_of(self.oldest),
            None if self.nearest == NEVER else time_of(self.nearest),
            self.used,
            {setting: unsafe.get(setting, 0) for setting in SETTING.values or ()},
        )


def summarise(
    activities: Iterable[TrackedActivity], now: datetime, limit: int, *, time_scale: float = 1.0
) -> PendingSummary:
    """Count them; one pass, no calls.

    Args:
        activities: What is remembered.
        now: For the ages; what seems to begin later has the age 0.
        limit: How many groups may stand for themselves.
        time_scale: How long an hour of the age buckets is, in hours.
    """
    at = now.timestamp()
    bounds = [bound * time_scale for bound in _BOUNDS]
    ages = {(service, bucket): 0 for service in SERVICE.values or () for bucket in _BUCKETS}
    tallies: dict[GroupKey, _Tally] = {}
    for activity in activities:
        ages[activity.service, _BUCKETS[bisect_right(bounds, at - activity.since)]] += 1
        tally = tallies.get(activity.group)
        if tally is None:
            tally = tallies[activity.group] = _Tally()
        _count(tally, activity, at)
    return PendingSummary(ages, _within(tallies, limit))


def _count(tally: _Tally, activity: TrackedActivity, at: float) -> None:
    tally.count += 1
    tally.oldest = min(tally.oldest, activity.since)
    if activity.deadline != NEVER:
        tally.nearest = min(tally.nearest, activity.deadline)
        whole = activity.deadline - activity.counts_from
        share = (at - activity.counts_from) / whole if whole > 0 else 1.0
        tally.used = max(tally.used, share)
    if activity.unsafe:
        if tally.unsafe is None:
            tally.unsafe = Counter()
        tally.unsafe.update(activity.unsafe)


def _within(tallies: Mapping[GroupKey, _Tally], limit: int) -> dict[GroupKey, Group]:
    """The largest for themselves, the rest as one."""
    ranked = sorted(tallies.items(), key=lambda item: (-item[1].count, item[0]))
    groups = {key: tally.group() for key, tally in ranked[:limit]}
    if ranked[limit:]:
        rest = _Tally()
        for _, tally in ranked[limit:]:
            rest.merge(tally)
        groups[OTHER] = rest.group()
    return groups
