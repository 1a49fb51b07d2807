"""Reads that outlast a slow server, and when to give it up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

ResultT = TypeVar("ResultT")

TIMED_OUT = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})
"""The server's word and the SDK's ("Timeout expired") for a call without an answer in time."""


async def patiently(read: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Read, and once more after a timeout, which the SDK does not retry.

    Raises:
        RPCError: The last answer.
    """
    try:
        return await read()
    except RPCError as error:
        if error.status not in TIMED_OUT:
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
