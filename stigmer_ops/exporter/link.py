"""A namespace's frontend, connected when it is first needed, whose calls are counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from stigmer_ops.exporter.readings import Labels, Readings
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.temporal.frontend import Frontend

FAILURES = (
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "INTERNAL",
    "UNKNOWN",
)
"""Codes that are at 0 from a method's first call: the first failure is an increase only then."""

Connect = Callable[[str], Awaitable[Frontend]]
"""Connects to the namespace of that name; raises StigmerOpsError where that does not come about."""


class Link:
    """One namespace of the server; an exporter that starts before the server waits for it."""

    def __init__(self, namespace: str, connect: Connect) -> None:
        self.namespace = namespace
        self._connect = connect
        self._frontend: Frontend | None = None
        self._connecting = asyncio.Lock()
        self._rpcs: Counter[Labels] = Counter()

    async def frontend(self) -> Frontend:
        """The frontend. Once it is there, the SDK reconnects by itself.

        Raises:
            StigmerOpsError: It cannot be reached, or refuses us.
        """
        async with self._connecting:
            if self._frontend is None:
                self._frontend = await self._connect(self.namespace)
                self._frontend.observer = self._count
            return self._frontend

    def _count(self, method: str, code: str) -> None:
        name = "".join(word.capitalize() for word in method.split("_"))
        for possible in FAILURES:
            self._rpcs.setdefault((self.namespace, name, possible), 0)
        self._rpcs[(self.namespace, name, code)] += 1

    @property
    def readings(self) -> Readings:
        """The calls that ended."""
        return {m.RPCS: dict(self._rpcs)}
