"""What is remembered of an external activity: little, since there may be very many."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from stigmer_ops.exporter.callbacks.news import SERVICES, Service
from stigmer_ops.handshake.activity import ActivityKey, PendingActivity
from stigmer_ops.handshake.execution import Edition
from stigmer_ops.handshake.settings_safety import unsafe_settings
from stigmer_ops.settings import Settings

NEVER = math.inf

SAME_TIME = 0.001
"""Seconds by which two tellings of one event's time may differ."""


class Run(NamedTuple):
    """A workflow run, or a standalone activity, which has no workflow id."""

    workflow_id: str
    run_id: str
    standalone_id: str = ""

    @classmethod
    def of(cls, key: ActivityKey) -> Run:
        """In which an activity waits."""
        return cls(key.workflow_id, key.run_id, "" if key.workflow_id else key.activity_id)


class Link(NamedTuple):
    """That an execution holds the token of an attempt; `edition` is None where it does not show."""

    attempt: int
    edition: Edition | None


NO_LINK = Link(0, None)


class GroupKey(NamedTuple):
    """By what activities are grouped."""

    task_queue: str
    activity_type: str


@dataclass(slots=True)
class TrackedActivity:
    """An external activity as it was last described. Times are seconds since the epoch.

    Attributes:
        activity_id: Unique among what is pending in its run.
        attempt: The attempt that is pending.
        group: Its task queue and type.
        since: When it was first scheduled, as well as that is known.
        exact: Whether that is known for certain.
        live: Whether a worker took the attempt, so that its token can be used.
        expected: When a change is to be expected that nobody tells of: NEVER, or a time that may
            have passed.
        deadline: When the attempt will time out; NEVER if no timeout runs.
        counts_from: From when that timeout counts.
        may_time_out: The earliest that it may time out, even if a worker had taken the attempt
            the moment it was scheduled.
        unsafe: Its settings that are unsafe.
        link: The execution that holds its token.
    """

    activity_id: str
    attempt: int
    group: GroupKey
    since: float
    exact: bool
    live: bool
    expected: float
    deadline: float
    counts_from: float
    may_time_out: float
    unsafe: tuple[str, ...]
    link: Link = NO_LINK

    @property
    def service(self) -> Service:
        """Value of the metrics' label `service`."""
        return SERVICES[self.link.edition]

    def learn(self, link: Link) -> None:
        """Take a link over, unless a better one is known: any edition, then the later attempt."""
        self.link = max(self.link, link, key=_worth)

    def is_same(self, other: TrackedActivity) -> bool:
        """Whether `other`, of the same run, is this activity and not a later one with its id."""
        if self.activity_id != other.activity_id or other.attempt < self.attempt:
            return False
        return not (self.exact and other.exact) or abs(self.since - other.since) < SAME_TIME


def _worth(link: Link) -> tuple[bool, int]:
    return link.edition is not None, link.attempt


@dataclass(slots=True)
class TrackedRun:
    """The external activities of one run, at least one.

    `recheck` is when it is to be described again if nothing is heard of it before; `round` the
    round of the slow sweep in which it was last described.
    """

    activities: tuple[TrackedActivity, ...]
    recheck: float
    round: int


class Records:
    """Makes records, which share what is equal."""

    def __init__(self, settings: Settings) -> None:
        self._run_timeout = settings.stigmer.agent_run_timeout
        self._longest = settings.thresholds.longest_timeout
        self._soon = settings.exporter.interval.total_seconds() / 2
        self._groups: dict[GroupKey, GroupKey] = {}
        self._unsafe: dict[tuple[str, ...], tuple[str, ...]] = {}

    def record(self, activity: PendingActivity, now: datetime) -> TrackedActivity:
        """What is remembered of `activity`; without any time of its own it waits since `now`."""
        key = GroupKey(activity.task_queue, activity.activity_type)
        unsafe = tuple(
            found.setting
            for found in unsafe_settings(
                activity, run_timeout=self._run_timeout, longest=self._longest
            )
        )
        timeouts = activity.running_timeouts()
        deadline = min(timeouts, key=lambda timeout: timeout.time, default=None)
        latest = NEVER if deadline is None else deadline.time.timestamp()
        live = activity.state.token_is_live
        return TrackedActivity(
            activity_id=activity.activity_id,
            attempt=activity.attempt,
            group=self._groups.setdefault(key, key),
            since=(activity.waiting_since or now).timestamp(),
            exact=activity.attempt <= 1 or activity.first_scheduled_time is not None,
            live=live,
            expected=_expected(activity, latest),
            deadline=latest,
            counts_from=NEVER if deadline is None else deadline.since.timestamp(),
            may_time_out=_may_time_out(activity, latest),
            unsafe=self._unsafe.setdefault(unsafe, unsafe),
        )

    def recheck(self, activities: Iterable[TrackedActivity], now: float) -> float:
        """When to describe a run again that has these activities.

        What was expected by now and has not come is looked for again when as much time has passed
        once more: a paused activity may stay past its deadline, and a queue without workers, for
        days.
        """
        expected = min((activity.expected for activity in activities), default=NEVER)
        return expected if expected > now else now + max(self._soon, now - expected)


def _expected(activity: PendingActivity, deadline: float) -> float:
    """The deadline; or, of what waits for a worker, when it was or will be scheduled."""
    if activity.state.token_is_live or activity.scheduled_time is None:
        return deadline
    return min(deadline, activity.scheduled_time.timestamp())


def _may_time_out(activity: PendingActivity, deadline: float) -> float:
    timeout = activity.timeouts.start_to_close
    if activity.state.token_is_live or activity.scheduled_time is None or timeout is None:
        return deadline
    return min(deadline, (activity.scheduled_time + timeout).timestamp())


def time_of(seconds: float) -> datetime:
    """Seconds since the epoch as a time."""
    return datetime.fromtimestamp(seconds, UTC)
