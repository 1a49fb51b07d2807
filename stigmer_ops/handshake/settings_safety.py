"""Whether an activity's options are safe for completion from outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.duration import short_duration

ROOM = 1 / 4
"""What a timeout may be beyond the longest, as a share: `remedies.extension_of` moves deadlines
by no more, and whoever did as they were told is not to be warned of it."""


class UnsafeSetting(NamedTuple):
    """An option, as the metrics name it, and what is wrong with it."""

    setting: str
    problem: str


def unsafe_settings(
    activity: PendingActivity, *, run_timeout: timedelta, longest: timedelta
) -> Iterator[UnsafeSetting]:
    """What is unsafe; each setting at most once.

    Args:
        activity: With the timeouts and maximum attempts in force.
        run_timeout: Run timeout of the Stigmer workflow on which the activity waits.
        longest: The longest start-to-close timeout that anybody should wait for, but for `ROOM`.
    """
    if activity.maximum_attempts != 1:
        allowed = activity.maximum_attempts or "unlimited"
        yield UnsafeSetting(
            "maximum_attempts",
            f"maximum attempts is {allowed}: a retry makes the token stale and starts the agent "
            "again; recommended is 1",
        )
    if activity.timeouts.heartbeat:
        yield UnsafeSetting(
            "heartbeat_timeout", "a heartbeat timeout is set: nobody heartbeats while Stigmer works"
        )
    problem = _limit_problem(activity, run_timeout, longest)
    if problem:
        yield UnsafeSetting("start_to_close_timeout", problem)


def _limit_problem(activity: PendingActivity, run_timeout: timedelta, longest: timedelta) -> str:
    limit = activity.timeouts.start_to_close or activity.timeouts.schedule_to_close
    if limit is None:
        return "no start-to-close timeout: a lost callback is never noticed"
    if limit < run_timeout:
        return (
            f"the start-to-close timeout of {short_duration(limit)} is shorter than the Stigmer "
            f"workflow's own run timeout of {short_duration(run_timeout)}: it gives up while the "
            "agent still works"
        )
    if limit > longest * (1 + ROOM):
        return (
            f"the start-to-close timeout of {short_duration(limit)} is longer than "
            f"{short_duration(longest)}: nobody is told"
        )
    return ""
