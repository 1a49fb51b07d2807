"""Moving the deadline of an activity: which timeouts have to become how long.

A pending activity dies of the first timeout that runs out, and each counts from another moment. So
a deadline is moved by raising every running timeout that ends before the new one, and no other.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from stigmer_ops.handshake.activity import PendingActivity, Timeouts, TimeoutType

FIELDS = {
    TimeoutType.SCHEDULE_TO_CLOSE: "schedule_to_close",
    TimeoutType.SCHEDULE_TO_START: "schedule_to_start",
    TimeoutType.START_TO_CLOSE: "start_to_close",
    TimeoutType.HEARTBEAT: "heartbeat",
}
"""Fields of `Timeouts`; with `_timeout` appended, those of Temporal's `ActivityOptions`."""


NO_DEADLINE = "no timeout runs for it, so it has no deadline that could be moved"


@dataclass(frozen=True, slots=True)
class TimeoutChange:
    """Timeouts before and after.

    Attributes:
        before: As they were read.
        after: As they are to be; equal to `before` where nothing changes.
        deadline_before: When the activity would time out; None if nothing runs.
        deadline: When it is to time out.
        outlives_workflow: When the workflow itself times out, if that is before `deadline`.
    """

    before: Timeouts
    after: Timeouts
    deadline_before: datetime | None
    deadline: datetime
    outlives_workflow: datetime | None = None

    @property
    def changed(self) -> tuple[str, ...]:
        """The fields of `Timeouts` that change."""
        names = (field.name for field in fields(Timeouts))
        return tuple(
            name for name in names if getattr(self.before, name) != getattr(self.after, name)
        )


def wanted_deadline(
    activity: PendingActivity,
    *,
    by: timedelta | None = None,
    until: datetime | None = None,
    start_to_close: timedelta | None = None,
) -> datetime | None:
    """The deadline that one of three ways of saying it means.

    Args:
        activity: As it is now.
        by: Later than its deadline by this much.
        until: This moment.
        start_to_close: This long after the start of the attempt.

    Returns:
        None where the activity has no deadline to add to, or has not started.
    """
    if until is not None:
        return until
    if by is not None:
        deadline = activity.deadline
        return None if deadline is None else deadline.time + by
    started = activity.last_started_time if activity.state.token_is_live else None
    return None if started is None or start_to_close is None else started + start_to_close


def deadline_moved_to(activity: PendingActivity, until: datetime) -> TimeoutChange:
    """Raise every running timeout of `activity` that ends before `until`.

    Timeouts become whole seconds, rounded up, so the deadline is at `until` or up to a second
    later. Nothing is shortened.
    """
    raised: dict[str, timedelta] = {}
    for running in activity.running_timeouts():
        if running.time < until:
            raised[FIELDS[running.timeout_type]] = _whole_seconds(until - running.since)
    after = replace(activity.timeouts, **raised)
    moved = replace(activity, timeouts=after).deadline
    before = activity.deadline
    return TimeoutChange(
        before=activity.timeouts,
        after=after,
        deadline_before=None if before is None else before.time,
        deadline=until if moved is None else moved.time,
    )


def _whole_seconds(duration: timedelta) -> timedelta:
    whole = timedelta(seconds=duration // timedelta(seconds=1))
    return whole if whole == duration else whole + timedelta(seconds=1)
