"""Going slower where the namespace's rate limit is reached, and faster again afterwards.

The server shares one limit among all clients of a namespace, its workers included. The SDK makes
refused calls again, each by itself: with many under way, more are refused than accepted, and what
is accepted is taken from the workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

AnswerT = TypeVar("AnswerT")

PATIENCE = timedelta(seconds=90)
"""How long a refused call is made again: other clients may use the rate up for a minute."""

FIRST, LONGEST = 0.04, 1.0
"""Seconds between two calls: when the first one is refused, and at most."""

_SLOWER, _FASTER = 1.5, 0.97
"""By what the interval is multiplied when calls are refused, and when one is accepted."""

_AT_MOST_EVERY = 0.5
"""Seconds between two slowings: calls that were under way together are refused together."""


class Throttle:
    """The interval between the calls of one client; none until one is refused.

    Attributes:
        refusals: How many calls the server refused for its rate limit.
    """

    def __init__(self) -> None:
        self.refusals = 0
        self._interval = 0.0
        self._next = 0.0
        self._slowed_at = 0.0

    async def made(self, make: Callable[[], Awaitable[AnswerT]], *, patience: timedelta) -> AnswerT:
        """Make a call in its turn, and again while the server throttles.

        Args:
            make: Makes it, without retries of its own.
            patience: For how long to make it again; zero for never.

        Raises:
            RPCError: As answered.
        """
        clock = asyncio.get_running_loop().time
        give_up_at: float | None = None
        while True:
            await self._turn(clock())
            try:
                answer = await make()
            except RPCError as error:
                if not is_throttled(error):
                    raise
                now = clock()
                self._refused(now)
                give_up_at = give_up_at or now + patience.total_seconds()
                if now >= give_up_at:
                    raise
            else:
                self._accepted()
                return answer

    async def _turn(self, now: float) -> None:
        if self._interval:
            turn = max(now, self._next)
            self._next = turn + self._interval
            await asyncio.sleep(turn - now)

    def _refused(self, now: float) -> None:
        self.refusals += 1
        if now - self._slowed_at >= _AT_MOST_EVERY or not self._interval:
            self._slowed_at = now
            self._interval = min(max(self._interval * _SLOWER, FIRST), LONGEST)

    def _accepted(self) -> None:
        if self._interval:
            self._interval *= _FASTER
            if self._interval < FIRST / 16:
                self._interval = 0.0


def is_throttled(error: RPCError) -> bool:
    """Whether the same call may be accepted later: a message that is too large never will be."""
    too_large = "larger than max" in (error.message or "")
    return error.status is RPCStatusCode.RESOURCE_EXHAUSTED and not too_large
