"""Reads that outlast a busy server, beyond what the SDK retries by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

ResultT = TypeVar("ResultT")

THROTTLED_PAUSES = (5.0, 10.0, 20.0)
"""Seconds to wait while throttled, after the SDK has retried for up to 30 s."""

TIMED_OUT = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})
"""The server's word and the SDK's ("Timeout expired") for a call without an answer in time."""


async def patiently(read: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Read, again after a pause while the server throttles, and once more after a timeout.

    The SDK does not retry timeouts at all, and throttled calls not for long enough: other clients
    of the namespace may use its rate up for a minute.

    Raises:
        RPCError: The last answer.
    """
    timed_out = False
    for pause in THROTTLED_PAUSES:
        try:
            return await read()
        except RPCError as error:
            if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
                await asyncio.sleep(pause)
            elif error.status in TIMED_OUT and not timed_out:
                timed_out = True
            else:
                raise
    return await read()


GIVE_UP_AFTER = 8
"""Reads that fail in a row before the server counts as lost; at least as many as run at once."""

_NOBODY_ANSWERS = TIMED_OUT | frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
    }
)


class Outage:
    """Tells a server that nobody reaches any more from single things that cannot be read."""

    def __init__(self, concurrency: int) -> None:
        self._limit = max(GIVE_UP_AFTER, concurrency)
        self._failures_in_a_row = 0

    def answered(self) -> None:
        """Something was read."""
        self._failures_in_a_row = 0

    def includes(self, error: RPCError) -> bool:
        """Whether, after this failed read too, the rest would fail as well."""
        if error.status in _NOBODY_ANSWERS:
            self._failures_in_a_row += 1
        return self._failures_in_a_row >= self._limit
