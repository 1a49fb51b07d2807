"""Which of the pending activities are wanted, and in which order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from stigmer_ops.handshake.activity import ActivityState, PendingActivity

_FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Attempts:
    """A range of attempts: exactly `first`, or `first` and later."""

    first: int
    and_later: bool = False

    def __contains__(self, attempt: int) -> bool:
        return attempt >= self.first if self.and_later else attempt == self.first


def parse_attempts(text: str) -> Attempts:
    """`2` is the second attempt, `2+` is every retry.

    Raises:
        ValueError: It is neither.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,9})(\+?)", text, re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is not an attempt such as 1 or 2+")
    return Attempts(int(match[1]), and_later=bool(match[2]))


@dataclass(frozen=True, slots=True)
class Selection:
    """What is looked for; an empty set and None mean any.

    Attributes:
        activity_types: Activity types, exactly as registered.
        workflow_types: Types of the workflows that wait. Standalone activities have none, so any
            name here leaves them out.
        other_than: Types of workflows that are known to have no such activity, and are not read.
        task_queues: Queues of the activities, which need not be those of their workflows.
        states: `PendingActivityState`s.
        attempts: Which attempts.
        older_than: The least age.
        expires_within: The most time left to the deadline; what is overdue counts as well.
    """

    activity_types: frozenset[str] = frozenset()
    workflow_types: frozenset[str] = frozenset()
    other_than: frozenset[str] = frozenset()
    task_queues: frozenset[str] = frozenset()
    states: frozenset[ActivityState] = frozenset()
    attempts: Attempts | None = None
    older_than: timedelta | None = None
    expires_within: timedelta | None = None

    def matches(self, activity: PendingActivity, now: datetime) -> bool:
        """Whether the activity is wanted."""
        return self.matches_kind(activity) and self.matches_times(activity, now)

    def matches_kind(self, activity: PendingActivity) -> bool:
        """Whether all but its times are as wanted."""
        return (
            _any_or_in(activity.activity_type, self.activity_types)
            and _any_or_in(activity.workflow_type, self.workflow_types)
            and _any_or_in(activity.task_queue, self.task_queues)
            and _any_or_in(activity.state, self.states)
            and (self.attempts is None or activity.attempt in self.attempts)
        )

    def matches_times(self, activity: PendingActivity, now: datetime) -> bool:
        """Whether its age and the time left to its deadline are as wanted."""
        if self.older_than is not None and activity.age(now) < self.older_than:
            return False
        if self.expires_within is None:
            return True
        left = activity.time_left(now)
        return left is not None and left <= self.expires_within


def _any_or_in(value: str, wanted: frozenset[Any]) -> bool:
    return not wanted or value in wanted


class SortKey(StrEnum):
    """An order of activities, the one first that an operator should see first."""

    AGE = "age"
    TIME_LEFT = "time-left"
    ATTEMPT = "attempt"
    WORKFLOW = "workflow"


def _by_age(activity: PendingActivity) -> datetime:
    return activity.waiting_since or _FAR


def _by_time_left(activity: PendingActivity) -> datetime:
    deadline = activity.deadline
    return _FAR if deadline is None else deadline.time


_LEADING: dict[SortKey, Callable[[PendingActivity], Any]] = {
    SortKey.AGE: _by_age,
    SortKey.TIME_LEFT: _by_time_left,
    SortKey.ATTEMPT: lambda activity: -activity.attempt,
    SortKey.WORKFLOW: lambda activity: activity.workflow_id,
}


@dataclass(frozen=True, slots=True)
class Order:
    """By what to sort: oldest, nearest deadline, highest attempt or first workflow id comes first.

    Equals come in the order of their ids, so that two runs agree. An activity without a deadline
    counts as having the farthest one.
    """

    key: SortKey = SortKey.AGE
    reverse: bool = False

    def rank(self, activity: PendingActivity) -> tuple[Any, ...]:
        """What `sorted` compares."""
        leading = _LEADING[self.key](activity)
        return (leading, activity.workflow_id, activity.activity_id, activity.run_id)


class Ranking:
    """Takes any number of activities and keeps the first `limit` of them in order.

    It never holds more than twice the limit, however many it is given. A limit of 0 keeps all.
    """

    def __init__(self, order: Order, limit: int = 0) -> None:
        self.seen = 0
        self._order = order
        self._limit = limit
        self._kept: list[PendingActivity] = []

    def add(self, activity: PendingActivity) -> None:
        """Take one more."""
        self.seen += 1
        self._kept.append(activity)
        if self._limit and len(self._kept) >= 2 * self._limit:
            self._sort()

    def first(self) -> list[PendingActivity]:
        """The first of those taken so far, in order."""
        self._sort()
        return list(self._kept)

    @property
    def left_out(self) -> int:
        """How many of those taken are not among the first."""
        return max(self.seen - self._limit, 0) if self._limit else 0

    def _sort(self) -> None:
        self._kept.sort(key=self._order.rank, reverse=self._order.reverse)
        if self._limit:
            del self._kept[self._limit :]
