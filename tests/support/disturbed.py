"""What others do to activities while a plan for them is carried out."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from temporalio.service import RPCError, RPCStatusCode

from support.awaiting import Awaiting


class Disturbed:
    """Activities that are retried, or completed by their agent, behind the plan's back.

    Args:
        population: They, and their tokens.
        chance: Which of them.
        names: Of all workflows of the plan.
        each_time: How many are retried, and how many are completed, in each round.

    Attributes:
        retried: Those whose attempt ended before it was written to.
    """

    def __init__(
        self, population: Awaiting, chance: random.Random, names: list[str], *, each_time: int
    ) -> None:
        self._population = population
        self._names = chance.sample(names, len(names))
        self._each_time = each_time
        self.retried: set[str] = set()

    async def disturb(self) -> None:
        """One round; what does not wait any more is passed over."""
        for name in self._next():
            if await self._still(self._population.fail, name):
                self.retried.add(name)
        for name in self._next():
            await self._still(self._population.complete, name)

    def _next(self) -> list[str]:
        return [self._names.pop() for _ in range(self._each_time)]

    async def _still(self, end: Callable[[str], Awaitable[None]], name: str) -> bool:
        """End the first attempt with its own token; whether it still waited."""
        try:
            await end(name)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True
