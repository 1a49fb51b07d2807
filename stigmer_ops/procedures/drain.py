"""Waiting until what is pending has fallen to a target, and saying when that will be.

It only reads. What is started meanwhile counts too: the rate is what leaves, less what comes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from stigmer_ops.errors import StigmerOpsError, UnavailableError

RATE_WINDOW = timedelta(minutes=5)
"""Over how long the rate is taken: long enough for agents that take minutes."""


@dataclass(frozen=True, slots=True)
class Level:
    """How much is pending at a moment.

    Attributes:
        time: When it was counted.
        pending: How many; None where they could not all be read.
        target: To what they are to fall.
        fallen_per_second: How fast they fall; negative if they grow, None while nobody knows.
        trouble: Why they could not all be read.
    """

    time: datetime
    pending: int | None
    target: int
    fallen_per_second: float | None = None
    trouble: str = ""

    @property
    def reached(self) -> bool:
        """Whether they have fallen to the target."""
        return self.pending is not None and self.pending <= self.target

    @property
    def left(self) -> timedelta | None:
        """How long it will take at this rate; None if it will not, or if nobody knows."""
        if self.reached:
            return timedelta(0)
        if self.pending is None or not self.fallen_per_second or self.fallen_per_second < 0:
            return None
        return timedelta(seconds=(self.pending - self.target) / self.fallen_per_second)


class Levels:
    """Makes levels of counts, with the rate over the last `RATE_WINDOW`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._counted: deque[tuple[datetime, int]] = deque()

    def counted(self, time: datetime, pending: int) -> Level:
        """So many are pending."""
        self._counted.append((time, pending))
        while self._counted[0][0] < time - RATE_WINDOW:
            self._counted.popleft()
        since, before = self._counted[0]
        seconds = (time - since).total_seconds()
        rate = (before - pending) / seconds if seconds else None
        return Level(time, pending, self._target, rate)

    def unknown(self, time: datetime, trouble: str) -> Level:
        """They could not all be read."""
        return Level(time, None, self._target, trouble=trouble)


async def drained(
    count: Callable[[], Awaitable[int]],
    target: int,
    *,
    interval: timedelta,
    give_up_after: timedelta,
    now: Callable[[], datetime],
) -> AsyncGenerator[Level, None]:
    """Count until the target is reached or the time is up, and yield every level.

    The pause follows the count, so that a slow server is not asked without a rest.

    Args:
        count: How many are pending now.
        target: To what they are to fall.
        interval: Pause between two counts.
        give_up_after: How long to wait; zero counts once.
        now: The clock.

    Raises:
        StigmerOpsError: The first count failed, or the server refuses us.
    """
    levels = Levels(target)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + give_up_after.total_seconds()
    first = True
    while True:
        level = await _counted(count, levels, now, first=first)
        first = False
        yield level
        left = deadline - loop.time()
        if level.reached or left <= 0:
            return
        await asyncio.sleep(min(interval.total_seconds(), left))


async def _counted(
    count: Callable[[], Awaitable[int]],
    levels: Levels,
    now: Callable[[], datetime],
    *,
    first: bool,
) -> Level:
    try:
        pending = await count()
    except UnavailableError as error:
        if first:
            raise
        return levels.unknown(now(), _sentence(error))
    return levels.counted(now(), pending)


def _sentence(error: StigmerOpsError) -> str:
    return " ".join(error.happened.split())
