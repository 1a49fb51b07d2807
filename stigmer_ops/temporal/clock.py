"""How far the Temporal server's clock is from ours. No API tells its time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
from temporalio.service import RPCError

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.task_queues import activity_pollers, newest_poll

CLOCK_QUEUE = "stigmer-ops/clock"
SKEW_LIMIT = timedelta(seconds=5)
"""What clocks may differ by, against thresholds of minutes; kept in step, it is milliseconds."""

_LISTED_FOR = timedelta(minutes=5)
"""How long the server lists a poller after its last poll (server 1.29 to 1.32)."""

_POLL_FOR = timedelta(seconds=5)
_LOOKS = 20
_BETWEEN_LOOKS_SECONDS = 0.01

Clock = Callable[[], datetime]


async def skew_by_pollers(frontend: Frontend, queue: str, clock: Clock) -> timedelta | None:
    """How far the server's clock is ahead of ours, at least, as the pollers of a queue show.

    The server writes down when each worker last polled, and forgets it after five minutes: so its
    time is at most five minutes after the newest poll that it lists.

    Args:
        frontend: Of the queue's namespace.
        queue: One that workers poll.
        clock: Our own time, UTC.

    Returns:
        Zero where our time is within those minutes; None where nobody polls, or we may not ask.
    """
    try:
        polled = await newest_poll(frontend, queue)
    except StigmerOpsError:
        return None
    if polled is None:
        return None
    skew = _outside(clock(), polled - SKEW_LIMIT, polled + _LISTED_FOR + SKEW_LIMIT)
    return -skew


def skew_sentence(skew: timedelta) -> str:
    """Say how far, and in which direction, this machine's clock is wrong."""
    ahead = "behind" if skew > timedelta(0) else "ahead of"
    return (
        f"this machine's clock is at least {abs(skew).total_seconds():.0f} s {ahead} the server's"
    )


async def measure_clock_skew(frontend: Frontend, clock: Clock) -> timedelta | None:
    """How far the server's clock is ahead of ours, at least; None where it cannot be measured.

    No API tells the server's time, but it writes down when a poll begins. So we poll a queue of our
    own, on which there are never tasks, and read when. Nothing is changed by it; the queue lists us
    as a poller for five minutes.
    """
    identity = f"{frontend.client.identity} {uuid.uuid4()}"
    before = clock()
    poll = asyncio.create_task(_poll(frontend, identity))
    try:
        for _ in range(_LOOKS):
            pollers = await activity_pollers(frontend, CLOCK_QUEUE)
            after = clock()
            for poller in pollers:
                if poller.identity == identity and poller.last_access_time is not None:
                    return _outside(poller.last_access_time, before, after)
            if poll.done():
                break
            await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)
    except StigmerOpsError:
        return None
    finally:
        poll.cancel()
        with suppress(asyncio.CancelledError):
            await poll
    return None


def _outside(time: datetime, earliest: datetime, latest: datetime) -> timedelta:
    """How far a time is outside a span: what the duration of the calls does not explain."""
    if time > latest:
        return time - latest
    return min(time - earliest, timedelta(0))


async def _poll(frontend: Frontend, identity: str) -> None:
    request = PollActivityTaskQueueRequest(
        namespace=frontend.namespace, task_queue=TaskQueue(name=CLOCK_QUEUE), identity=identity
    )
    with suppress(RPCError):
        await frontend.call(
            frontend.service.poll_activity_task_queue, request, retry=False, deadline=_POLL_FOR
        )
