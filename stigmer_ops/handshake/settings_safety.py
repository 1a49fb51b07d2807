"""Whether an activity's options are safe for completion from outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from stigmer_ops.handshake.activity import PendingActivity


def unsafe_settings(
    activity: PendingActivity, *, run_timeout: timedelta, longest: timedelta
) -> Iterator[str]:
    """What is unsafe, a sentence each.

    Args:
        activity: With the timeouts and maximum attempts in force.
        run_timeout: Run timeout of the Stigmer workflow on which the activity waits.
        longest: The longest start-to-close timeout that anybody should wait for.
    """
    if activity.maximum_attempts != 1:
        allowed = activity.maximum_attempts or "unlimited"
        yield (
            f"maximum attempts is {allowed}: a retry makes the token stale and starts the agent "
            "again; recommended is 1"
        )
    if activity.timeouts.heartbeat:
        yield "a heartbeat timeout is set: nobody heartbeats while Stigmer works"
    limit = activity.timeouts.start_to_close or activity.timeouts.schedule_to_close
    if limit is None:
        yield "no start-to-close timeout: a lost callback is never noticed"
    elif limit < run_timeout:
        yield (
            f"the start-to-close timeout of {limit} is shorter than the Stigmer workflow's own "
            f"run timeout of {run_timeout}: it gives up while the agent still works"
        )
    elif limit > longest:
        yield f"the start-to-close timeout of {limit} is longer than {longest}: nobody is told"
