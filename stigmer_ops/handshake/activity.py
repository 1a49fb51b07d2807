"""An activity that waits: what Temporal tells of it, and when it will time out.

The model is that of `temporal.api.workflow.v1.PendingActivityInfo` and, for standalone activities,
`temporal.api.activity.v1.ActivityExecutionInfo`, reduced to what an operator needs. Times are
UTC-aware; a time or timeout that is not set is None, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class ActivityState(StrEnum):
    """`temporal.api.enums.v1.PendingActivityState`, by its own names.

    "Waits for an external completion" and "still runs in a worker" are both STARTED: the server
    is not told which.
    """

    SCHEDULED = "SCHEDULED"
    STARTED = "STARTED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    PAUSED = "PAUSED"
    PAUSE_REQUESTED = "PAUSE_REQUESTED"
    UNSPECIFIED = "UNSPECIFIED"

    @property
    def token_is_live(self) -> bool:
        """Whether a worker took the attempt, so that its task token can be used."""
        return self in _STARTED_STATES


_STARTED_STATES = frozenset(
    {ActivityState.STARTED, ActivityState.CANCEL_REQUESTED, ActivityState.PAUSE_REQUESTED}
)


class TimeoutType(StrEnum):
    """`temporal.api.enums.v1.TimeoutType`, by Temporal's names."""

    START_TO_CLOSE = "START_TO_CLOSE"
    SCHEDULE_TO_START = "SCHEDULE_TO_START"
    SCHEDULE_TO_CLOSE = "SCHEDULE_TO_CLOSE"
    HEARTBEAT = "HEARTBEAT"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The four activity timeouts in force, from `ActivityOptions`."""

    schedule_to_close: timedelta | None = None
    schedule_to_start: timedelta | None = None
    start_to_close: timedelta | None = None
    heartbeat: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the running attempt will time out, and by which timeout."""

    time: datetime
    timeout_type: TimeoutType
    since: datetime
    """From when that timeout counts: attempt start, first schedule, or last heartbeat."""

    def share_used(self, now: datetime) -> float:
        """How much of the timeout has passed: 0.0 at its beginning, 1.0 at the deadline."""
        whole = (self.time - self.since).total_seconds()
        return 1.0 if whole <= 0 else (now - self.since).total_seconds() / whole


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failure of an activity: its message, and its application type if it has one.

    `truncated`: the server kept only the beginning (of a pending activity's failure, 4 KiB).
    `encoded`: the payload that holds its text, where a data converter has encoded that and it was
    not decoded; `message` then only stands for it.
    """

    message: str
    type: str = ""
    truncated: bool = False
    encoded: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ActivityKey:
    """Which activity: unique in a namespace. A standalone activity has no workflow id."""

    workflow_id: str
    run_id: str
    activity_id: str


@dataclass(frozen=True, slots=True)
class PendingActivity:
    """One pending activity of a running workflow, or one running standalone activity."""

    namespace: str
    workflow_id: str
    run_id: str
    activity_id: str
    activity_type: str
    state: ActivityState
    attempt: int
    workflow_type: str = ""
    task_queue: str = ""
    scheduled_time: datetime | None = None
    """When the current attempt was scheduled. Past the first attempt, not the first schedule."""
    last_started_time: datetime | None = None
    last_heartbeat_time: datetime | None = None
    expiration_time: datetime | None = None
    """First schedule + schedule-to-close as it was then; not refreshed by UpdateActivityOptions."""
    timeouts: Timeouts = Timeouts()
    maximum_attempts: int = 0
    """0 means unlimited, as in `RetryPolicy`; 1 where the activity has no retry policy."""
    last_failure: Failure | None = None
    last_worker_identity: str = ""
    paused: bool = False
    first_scheduled_time: datetime | None = None
    """From the history event, where it was read; see `waiting_since` otherwise."""
    standalone: bool = False
    workflow_paused: bool = False
    workflow_expiration_time: datetime | None = None
    """When its run times out, and the activity with it; None where nothing limits the run."""

    @property
    def key(self) -> ActivityKey:
        """The activity's identity, for joins."""
        return ActivityKey(self.workflow_id, self.run_id, self.activity_id)

    @property
    def waiting_since(self) -> datetime | None:
        """When the activity was first scheduled, as well as it is known.

        Exact at the first attempt and where the history was read. Past that it is derived from the
        expiration time, which the server computes from the first schedule; failing that, it is the
        current attempt's schedule, and the activity is at least that old.
        """
        if self.first_scheduled_time is not None:
            return self.first_scheduled_time
        if self.attempt <= 1:
            return self.scheduled_time or self.last_started_time
        if self.expiration_time is not None and self.timeouts.schedule_to_close:
            return self.expiration_time - self.timeouts.schedule_to_close
        return self.scheduled_time or self.last_started_time

    def age(self, now: datetime) -> timedelta:
        """How long the activity has been waiting; zero if its times are unknown or ahead of now."""
        since = self.waiting_since
        return timedelta(0) if since is None else max(now - since, timedelta(0))

    @property
    def deadline(self) -> Deadline | None:
        """The earliest of the timeouts that run for this attempt, or None if none does.

        While an activity is paused, its timers do not fire, but they do run: what is overdue fires
        on unpause. The deadline of a paused activity is therefore still told.
        """
        return min(self.running_timeouts(), key=lambda deadline: deadline.time, default=None)

    def running_timeouts(self) -> list[Deadline]:
        """Every timeout that counts for the current attempt, with its end, in no order."""
        started = self.last_started_time if self.state.token_is_live else None
        heard = max(filter(None, (started, self.last_heartbeat_time)), default=None)
        running = [
            (TimeoutType.SCHEDULE_TO_CLOSE, self.waiting_since, self.timeouts.schedule_to_close)
        ]
        if started is not None:
            running.append((TimeoutType.START_TO_CLOSE, started, self.timeouts.start_to_close))
            running.append((TimeoutType.HEARTBEAT, heard, self.timeouts.heartbeat))
        else:
            running.append(
                (
                    TimeoutType.SCHEDULE_TO_START,
                    self.scheduled_time,
                    self.timeouts.schedule_to_start,
                )
            )
        return [
            Deadline(since + timeout, kind, since)
            for kind, since, timeout in running
            if since is not None and timeout
        ]

    def time_left(self, now: datetime) -> timedelta | None:
        """Time until the deadline, negative if it has passed; None without a deadline."""
        deadline = self.deadline
        return None if deadline is None else deadline.time - now


AGE_BUCKETS: tuple[tuple[str, timedelta], ...] = (
    ("0-1h", timedelta(hours=1)),
    ("1-4h", timedelta(hours=4)),
    ("4-12h", timedelta(hours=12)),
    ("12-24h", timedelta(hours=24)),
    ("24h+", timedelta.max),
)
"""Label values of `stigmer_pending_external_activities{age_bucket}`, with their upper bounds."""


def age_bucket(age: timedelta) -> str:
    """The age bucket of an age; a bound belongs to the bucket above it."""
    return next(label for label, upper in AGE_BUCKETS if age < upper or upper == timedelta.max)
