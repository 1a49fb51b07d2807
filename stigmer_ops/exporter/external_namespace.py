"""One namespace of external workflows: what waits there, from the last time it could be read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from stigmer_ops.exporter.keeping import Keeper
from stigmer_ops.exporter.link import Link
from stigmer_ops.exporter.log import Event, Health, Level, Log
from stigmer_ops.exporter.pending.summary import PendingSummary
from stigmer_ops.exporter.pending.tracker import PendingTracker
from stigmer_ops.exporter.readings import Distribution, Readings
from stigmer_ops.exporter.stigmer_namespace import StigmerNamespace
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.clock import Clock

FULL, INCREMENTAL = "full", "incremental"

TOLD_EVERY_SECONDS = 15.0
"""How often the log says how far the first reading is: of many workflows it takes minutes."""


class ExternalNamespace:
    """Reads one namespace, cycle by cycle. What cannot be read leaves the values as they were.

    Attributes:
        link: The namespace.
        tried: Whether it was read, or could not be, at least once.
        last_success: When a reading of both sides began that came to its end; None before.
    """

    def __init__(
        self,
        link: Link,
        stigmer: StigmerNamespace,
        keeper: Keeper,
        settings: Settings,
        clock: Clock,
        log: Log,
    ) -> None:
        self.link = link
        self.tried = False
        self.last_success: datetime | None = None
        self._stigmer = stigmer
        self._keeper = keeper
        self._settings = settings
        self._clock = clock
        self._log = log
        self._swept = False
        self._durations: dict[str, Distribution] = {}
        self._pending: Readings = {}
        self._health = Health(log, "cannot read the pending activities", namespace=link.namespace)

    async def read(self) -> bool:
        """One cycle: callbacks first, since they tell which activities to look at.

        Returns:
            Whether both sides could be read.
        """
        now = self._clock()
        half = self._settings.exporter.interval / 2
        complete = await self._stigmer.follow(now, fresh_for=half)
        complete &= await self._read_pending(now)
        if complete:
            self.last_success = now
        self.tried = True
        return complete

    async def _read_pending(self, now: datetime) -> bool:
        began = time.monotonic()
        sweep = INCREMENTAL if self._swept else FULL
        try:
            tracker = await self._stigmer.tracker(self.link)
            if self._swept:
                await tracker.follow(now)
            else:
                async with self._telling_how_far(tracker):
                    await tracker.sweep(now)
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest goes on
            self._health.failed(error)
            return False
        self._swept = True
        self._count_timeouts(tracker)
        took = time.monotonic() - began
        before = self._durations.get(sweep, Distribution.empty(m.SCAN_DURATION))
        self._durations = {**self._durations, sweep: before.observe(m.SCAN_DURATION, took)}
        self._pending = pending_readings(self.namespace, tracker, self._clock())
        self._health.worked()
        if sweep == FULL:
            self._tell_of_the_first(tracker, took)
        return True

    @asynccontextmanager
    async def _telling_how_far(self, tracker: PendingTracker) -> AsyncIterator[None]:
        async def tell() -> None:
            while True:
                await asyncio.sleep(TOLD_EVERY_SECONDS)
                self._log(
                    Event(
                        Level.INFO,
                        "still reading for the first time",
                        {"namespace": self.namespace, "workflows": tracker.workflows_scanned},
                    )
                )

        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            telling.cancel()

    def _count_timeouts(self, tracker: PendingTracker) -> None:
        for end in tracker.drain_ends():
            self._keeper.state.totals.count_error(self.namespace, end.service, "timeout", end.key)

    def _tell_of_the_first(self, tracker: PendingTracker, took: float) -> None:
        self._log(
            Event(
                Level.INFO,
                "read for the first time",
                {
                    "namespace": self.namespace,
                    "activities": tracker.tracked,
                    "seconds": round(took, 3),
                },
            )
        )

    @property
    def namespace(self) -> str:
        """Its name."""
        return self.link.namespace

    @property
    def readings(self) -> Readings:
        """All that is known of it."""
        name = self.namespace
        at = 0.0 if self.last_success is None else self.last_success.timestamp()
        return {
            **self._pending,
            m.LAST_SUCCESS: {(name,): at},
            m.SCAN_DURATION: {(name, sweep): value for sweep, value in self._durations.items()},
        }


def pending_readings(namespace: str, tracker: PendingTracker, now: datetime) -> Readings:
    """What a tracker holds, as the catalogue's gauges."""
    return {
        **_summary_readings(namespace, tracker.summary(now)),
        m.TRACKED: {(namespace,): float(tracker.tracked)},
        m.WORKFLOWS_SCANNED: {(namespace,): float(tracker.workflows_scanned)},
        m.UNREADABLE: {
            (namespace, item): float(tracker.unreadable.get(item, 0))
            for item in m.ITEM.values or ()
        },
    }


def _summary_readings(namespace: str, summary: PendingSummary) -> Readings:
    groups = {(namespace, *key): group for key, group in summary.groups.items()}
    return {
        m.PENDING: {(namespace, *key): float(count) for key, count in summary.by_age.items()},
        m.PENDING_BY_TASK_QUEUE: {key: float(group.count) for key, group in groups.items()},
        m.OLDEST: {key: group.oldest.timestamp() for key, group in groups.items()},
        m.NEAREST_DEADLINE: {
            key: group.nearest_deadline.timestamp()
            for key, group in groups.items()
            if group.nearest_deadline is not None
        },
        m.TIMEOUT_USED: {key: group.timeout_used for key, group in groups.items()},
        m.UNSAFE_SETTINGS: {
            (*key, setting): float(count)
            for key, group in groups.items()
            for setting, count in group.unsafe.items()
        },
    }
