"""The exporter: its namespaces, each read at its own pace, and what came of it, to be scraped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from stigmer_ops import __version__
from stigmer_ops.errors import InputError, StigmerOpsError
from stigmer_ops.exporter.callbacks.totals import Totals
from stigmer_ops.exporter.collector import CatalogueCollector, registry_of
from stigmer_ops.exporter.external_namespace import ExternalNamespace
from stigmer_ops.exporter.keeping import Keeper
from stigmer_ops.exporter.link import Connect, Link
from stigmer_ops.exporter.log import Health, Log
from stigmer_ops.exporter.queues import QueueNamespace
from stigmer_ops.exporter.readings import EXPORTED, Distribution, Readings, zeros
from stigmer_ops.exporter.stigmer_namespace import StigmerNamespace
from stigmer_ops.exporter.web.server import Condition
from stigmer_ops.handshake.workers import ExpectedQueue
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.clock import Clock
from stigmer_ops.temporal.expected_queues import expected_queues

_HEARTBEAT_SECONDS = 1.0
_DEAD_AFTER_SECONDS = 30.0
"""Without a heartbeat for so long, the event loop hangs."""


class _Part(Protocol):
    """What knows something of one namespace."""

    @property
    def namespace(self) -> str: ...
    @property
    def readings(self) -> Readings: ...


class Exporter:
    """Reads external namespaces, and Stigmer's, and publishes what their metrics are.

    Each namespace is read in a loop of its own, so that a slow one does not hold up the others.
    Stigmer's is read for whichever of its external namespaces comes first.

    Attributes:
        registry: What is to be exposed; any thread may collect it.
    """

    def __init__(
        self,
        namespaces: Sequence[str],
        settings: Settings,
        connect: Connect,
        *,
        state_file: Path | None,
        clock: Clock,
        log: Log,
    ) -> None:
        """Connect to nothing yet.

        Args:
            namespaces: The external namespaces; at least one, each once.
            settings: What to read, and how often.
            connect: Connects to a namespace.
            state_file: Where what was counted is kept between runs; None to begin anew each time.
            clock: Our own time, UTC.
            log: Where events go.
        """
        self._interval = settings.exporter.interval.total_seconds()
        self._collector = CatalogueCollector()
        self.registry = registry_of(self._collector)
        self._keeper = Keeper(state_file, log)
        self._reached = Health(log, "cannot reach Temporal")
        self._beat = time.monotonic()
        queues = _queues(namespaces, settings)
        self._links = {name: Link(name, connect) for name in dict.fromkeys((*namespaces, *queues))}
        served: dict[str, list[Link]] = {}
        for name in namespaces:
            served.setdefault(settings.stigmer.namespace or name, []).append(self._links[name])
        stigmer = {
            name: StigmerNamespace(self._links[name], external, settings, self._keeper, clock, log)
            for name, external in served.items()
        }
        self._stigmer = tuple(stigmer.values())
        self._external = tuple(
            ExternalNamespace(
                self._links[name],
                stigmer[settings.stigmer.namespace or name],
                self._keeper,
                settings,
                clock,
                log,
            )
            for name in namespaces
        )
        self._queues = tuple(
            QueueNamespace(self._links[name], found, settings, clock, log)
            for name, found in queues.items()
        )
        self._all: tuple[ExternalNamespace | QueueNamespace, ...] = (
            *self._external,
            *self._queues,
        )
        self._collector.publish("zeros", _zeros(namespaces, tuple(self._links)))
        self._publish()

    async def read_once(self) -> bool:
        """Read everything once.

        Returns:
            Whether all of it could be read; the log says what could not.

        Raises:
            StigmerOpsError: The state file cannot be used, or nothing can be reached.
        """
        with self._keeper:
            await self._keeper.open(tuple(self._links.values()))
            read = await asyncio.gather(*(one.read() for one in self._all))
            await self._keeper.save()
        self._publish()
        return all(read)

    async def run(self) -> None:
        """Read everything again and again, until it is cancelled; what was counted is then saved.

        Raises:
            InputError: The state file cannot be used.
        """
        heart = asyncio.ensure_future(self._live())
        with self._keeper:
            try:
                await self._begin()
                async with asyncio.TaskGroup() as loops:
                    for one in self._all:
                        loops.create_task(self._repeat(one.read))
            finally:
                heart.cancel()
                await self._keeper.save()

    async def _begin(self) -> None:
        """Wait until a server can be reached: whose state the file holds is not known before."""
        while True:
            try:
                await self._keeper.open(tuple(self._links.values()))
            except InputError:
                raise
            except StigmerOpsError as error:
                self._reached.failed(error)
                await asyncio.sleep(min(self._interval, 5))
            else:
                self._reached.worked()
                return

    async def _repeat(self, read: Callable[[], Awaitable[bool]]) -> None:
        while True:
            due = time.monotonic() + self._interval
            await read()
            self._publish()
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _live(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    def _publish(self) -> None:
        """Hand over what is known now."""
        parts: dict[str, Sequence[_Part]] = {
            "calls": tuple(self._links.values()),
            "callbacks": self._stigmer,
            "queues": self._queues,
            "pending": self._external,
        }
        for name, found in parts.items():
            for part in found:
                self._collector.publish(f"{name} {part.namespace}", part.readings)
        self._collector.publish("counted", _counted(self._keeper.state.totals))

    def condition(self) -> Condition:
        """How it fares; any thread may ask.

        It is ready when every namespace was tried, and one of them was read in full.
        """
        successes = {one.link.namespace: one.last_success for one in self._external}
        return Condition(
            alive=time.monotonic() - self._beat < _DEAD_AFTER_SECONDS,
            ready=all(one.tried for one in self._external) and any(successes.values()),
            facts={
                "version": __version__,
                **{
                    f"namespace {name}": "not read yet" if at is None else f"read {at:%F %T} UTC"
                    for name, at in successes.items()
                },
            },
        )


def _queues(namespaces: Sequence[str], settings: Settings) -> Mapping[str, list[ExpectedQueue]]:
    """The queues of both sides by their namespace; those of a Stigmer that is shared once."""
    found: dict[str, dict[str, ExpectedQueue]] = {}
    for namespace in namespaces:
        for queue in expected_queues(settings, namespace):
            found.setdefault(queue.namespace, {})[queue.name] = queue
    return {namespace: list(queues.values()) for namespace, queues in found.items()}


def _zeros(external: Sequence[str], every: Sequence[str]) -> Readings:
    """What exists from the start. What may be unreadable concerns Stigmer's namespaces too."""
    return {
        **zeros(EXPORTED, namespace=external),
        **zeros((m.UNREADABLE,), namespace=every),
        m.BUILD_INFO: {(__version__,): 1.0},
    }


def _counted(totals: Totals) -> Readings:
    return {
        m.COMPLETIONS: {labels: float(count) for labels, count in totals.completions.items()},
        m.ERRORS: {labels: float(count) for labels, count in totals.errors.items()},
        m.COMPLETION_DURATION: {
            labels: Distribution(tuple(found.counts), found.sum_seconds)
            for labels, found in totals.durations.items()
        },
    }
