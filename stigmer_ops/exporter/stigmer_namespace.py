"""Stigmer's side of the handshake: read once for all the external namespaces that it serves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from stigmer_ops.errors import DeniedError
from stigmer_ops.exporter.callbacks.feed import OVERLAP
from stigmer_ops.exporter.callbacks.news import CallbackNews
from stigmer_ops.exporter.callbacks.reader import CallbackReader
from stigmer_ops.exporter.keeping import Keeper
from stigmer_ops.exporter.link import Link
from stigmer_ops.exporter.log import Health, Log
from stigmer_ops.exporter.pending.tracker import PendingTracker
from stigmer_ops.exporter.readings import Labels, Readings
from stigmer_ops.handshake.execution import Claim
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.promql import scaled
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.clock import Clock, measure_clock_skew

GIVEN_UP_SHOWN = timedelta(hours=1)
"""How long an item counts as unreadable that is not tried again: its alert waits for a while."""


class StigmerNamespace:
    """One namespace of Stigmer workflows, and the trackers of the external ones that it serves.

    Attributes:
        link: The namespace.
    """

    def __init__(
        self,
        link: Link,
        external: Sequence[Link],
        settings: Settings,
        keeper: Keeper,
        clock: Clock,
        log: Log,
    ) -> None:
        """Read nothing yet.

        Args:
            link: The namespace.
            external: The external namespaces whose executions run there.
            settings: For the reader.
            keeper: Of what is counted.
            clock: Our own time, UTC.
            log: Where events go.
        """
        self.link = link
        self._external = external
        self._trackers: dict[str, PendingTracker] = {}
        self._names: dict[str, str] = {}
        self._settings = settings
        self._keeper = keeper
        self._clock = clock
        self._reader: CallbackReader | None = None
        self._reading = asyncio.Lock()
        self._health = Health(log, "cannot read the callbacks", namespace=link.namespace)
        self._tried: datetime | None = None
        self._well = False
        self._unreadable: dict[Labels, float] = {}
        self._given_up: list[tuple[datetime, Counter[str]]] = []

    @property
    def namespace(self) -> str:
        """Its name."""
        return self.link.namespace

    @property
    def readings(self) -> Readings:
        """What could not be read: the last time, or lately and for good."""
        return {m.UNREADABLE: dict(self._unreadable)}

    async def tracker(self, link: Link) -> PendingTracker:
        """The tracker of an external namespace, which is told what happens to its activities.

        Raises:
            StigmerOpsError: The namespace cannot be reached.
        """
        frontend = await link.frontend()
        if link.namespace not in self._trackers:
            self._trackers[link.namespace] = PendingTracker(frontend, self._settings)
        return self._trackers[link.namespace]

    async def follow(self, now: datetime, *, fresh_for: timedelta) -> bool:
        """Read what is new, unless another external namespace had that tried a moment ago.

        Args:
            now: Our time.
            fresh_for: How long an answer is new enough.

        Returns:
            Whether it could be read. What was found until it could not is counted.
        """
        async with self._reading:
            if self._tried is None or now - self._tried >= fresh_for:
                self._well = await self._try(now)
                self._tried = now
            return self._well

    async def _try(self, now: datetime) -> bool:
        try:
            await self._follow(now)
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest goes on
            self._health.failed(error)
            return False
        self._health.worked()
        return True

    async def _follow(self, now: datetime) -> None:
        await self._learn_names()
        reader = await self._ready(now)
        caught_up = False
        while not caught_up:
            news = await reader.follow(now)
            self._tell(news)
            self._count_unreadable(news, now)
            await self._keeper.save()
            caught_up = news.caught_up

    async def _learn_names(self) -> None:
        """Ask for the ids, by which tokens name namespaces. One that is gone sends no callbacks.

        The trackers are made with it: what is read first says most of the links.
        """
        for link in self._external:
            if link.namespace not in self._names.values():
                try:
                    identifier = await (await link.frontend()).namespace_id()
                except DeniedError:
                    continue
                await self.tracker(link)
                self._names[identifier] = link.namespace

    async def _ready(self, now: datetime) -> CallbackReader:
        """The reader. A namespace that is new is read from now on, by its server's clock.

        The reader begins an overlap before its position, for what is listed late: what ended before
        now was not ours to count, and may have been counted by an exporter before us.
        """
        if self._reader is None:
            frontend = await self.link.frontend()
            skew = await measure_clock_skew(frontend, self._clock) or timedelta(0)
            state = self._keeper.state
            position = state.position(self.namespace, now + skew + OVERLAP)
            self._reader = CallbackReader(
                frontend, self._settings, position, state.totals, self._names
            )
        return self._reader

    def _tell(self, news: CallbackNews) -> None:
        for claim, edition in news.links:
            tracker = self._tracker_of(claim)
            if tracker is not None:
                tracker.linked(claim, edition)
        for end in news.ended:
            tracker = self._tracker_of(end.claim)
            if tracker is not None:
                tracker.touch(end.claim.workflow_id, end.claim.run_id)

    def _count_unreadable(self, news: CallbackNews, now: datetime) -> None:
        if news.given_up:
            self._given_up.append((now, news.given_up))
        shown = scaled(GIVEN_UP_SHOWN, self._settings)
        self._given_up = [one for one in self._given_up if now - one[0] < shown]
        found = news.unreadable - news.given_up
        for _, given_up in self._given_up:
            found += given_up
        self._unreadable = {
            (self.namespace, item): float(found[item]) for item in m.ITEM.values or ()
        }

    def _tracker_of(self, claim: Claim) -> PendingTracker | None:
        """Whose activity a token names; None for another team's, or where it does not tell."""
        return self._trackers.get(self._names.get(claim.namespace_id, ""))
