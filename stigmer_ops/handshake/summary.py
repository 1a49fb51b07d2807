"""Pending activities counted, with the oldest and the soonest to time out of each group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from stigmer_ops.handshake.activity import AGE_BUCKETS, PendingActivity, age_bucket
from stigmer_ops.handshake.selection import Order, SortKey

_OLDEST = Order(SortKey.AGE).rank
_NEAREST = Order(SortKey.TIME_LEFT).rank


@dataclass(slots=True)
class Tally:
    """A group of activities.

    Attributes:
        count: How many there are.
        oldest: The longest waiting.
        nearest: The one with the nearest deadline; None where none has a deadline.
    """

    count: int = 0
    oldest: PendingActivity | None = None
    nearest: PendingActivity | None = None

    def add(self, activity: PendingActivity) -> None:
        """Count one more."""
        self.count += 1
        if self.oldest is None or _OLDEST(activity) < _OLDEST(self.oldest):
            self.oldest = activity
        if activity.deadline is not None and (
            self.nearest is None or _NEAREST(activity) < _NEAREST(self.nearest)
        ):
            self.nearest = activity


@dataclass(slots=True)
class Summary:
    """Counts by age, type, queue and state. It holds two activities a group, not all of them.

    Attributes:
        now: For the ages.
        all: Everything.
        by_age: Every age bucket in its order, also those without activities.
        by_type: Activity types.
        by_queue: Task queues of the activities.
        by_state: `PendingActivityState`s.
    """

    now: datetime
    all: Tally = field(default_factory=Tally)
    by_age: dict[str, Tally] = field(
        default_factory=lambda: {bucket: Tally() for bucket, _ in AGE_BUCKETS}
    )
    by_type: dict[str, Tally] = field(default_factory=dict)
    by_queue: dict[str, Tally] = field(default_factory=dict)
    by_state: dict[str, Tally] = field(default_factory=dict)

    def add(self, activity: PendingActivity) -> None:
        """Count one more in every group that it belongs to."""
        self.all.add(activity)
        for dimension in DIMENSIONS:
            groups = dimension.groups(self)
            groups.setdefault(dimension.group_of(activity, self.now), Tally()).add(activity)


@dataclass(frozen=True, slots=True)
class Dimension:
    """By what activities are grouped: its name in JSON, its heading, and how to find the group."""

    name: str
    heading: str
    groups: Callable[[Summary], dict[str, Tally]]
    group_of: Callable[[PendingActivity, datetime], str]

    def tallies(self, summary: Summary) -> list[tuple[str, Tally]]:
        """Its groups: the age buckets in their order, of others the largest first."""
        groups = list(self.groups(summary).items())
        if self is not BY_AGE:
            groups.sort(key=lambda group: (-group[1].count, group[0]))
        return groups


BY_AGE = Dimension(
    "by_age",
    "AGE",
    lambda summary: summary.by_age,
    lambda activity, now: age_bucket(activity.age(now)),
)
DIMENSIONS: tuple[Dimension, ...] = (
    BY_AGE,
    Dimension(
        "by_activity_type",
        "ACTIVITY TYPE",
        lambda summary: summary.by_type,
        lambda activity, _now: activity.activity_type,
    ),
    Dimension(
        "by_task_queue",
        "TASK QUEUE",
        lambda summary: summary.by_queue,
        lambda activity, _now: activity.task_queue,
    ),
    Dimension(
        "by_state",
        "STATE",
        lambda summary: summary.by_state,
        lambda activity, _now: activity.state.value,
    ),
)
