"""An exporter in this process, which reads when it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from stigmer_ops.exporter.cycle import Exporter
from stigmer_ops.exporter.log import Event
from stigmer_ops.settings_sources import load
from stigmer_ops.temporal.connection import ConnectionOptions, connect, resolve
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.metrics_page import MetricsPage

SHARP = {
    "STIGMER_OPS_EXPORTER_INTERVAL": "1s",
    "STIGMER_OPS_EXPORTER_QUEUES_EVERY": "0s",
    "STIGMER_OPS_EXPORTER_REGISTRATION_EVERY": "0s",
}
"""Everything is read in every cycle."""


@dataclass
class Watcher:
    """An exporter and what it logged.

    Attributes:
        environment: TEMPORAL_* and STIGMER_OPS_* variables.
        namespaces: The external ones; the environment's if there are none.
        state_file: See `Exporter`.
        ahead: How far its clock is ahead; moving it makes time pass.
    """

    environment: Mapping[str, str]
    namespaces: tuple[str, ...] = ()
    state_file: Path | None = None
    ahead: float = 0.0
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = load(
            None,
            {
                name: value
                for name, value in {**SHARP, **self.environment}.items()
                if name.startswith("STIGMER_OPS_")
            },
        ).settings
        self.target = resolve(ConnectionOptions(), self.environment)
        self.exporter = Exporter(
            self.namespaces or (self.target.namespace,),
            settings,
            self._connect,
            state_file=self.state_file,
            clock=self._now,
            log=self.events.append,
        )

    async def _connect(self, namespace: str) -> Frontend:
        options = ConnectionOptions(namespace=namespace)
        return await connect(resolve(options, self.environment), pace=Pace(rps=0))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.ahead, UTC)

    async def cycle(self) -> bool:
        """Read everything once, as if an interval had passed."""
        self.ahead += 1
        return await self.exporter.read_once()

    @property
    def page(self) -> MetricsPage:
        """What it exposes now."""
        return MetricsPage.of(self.exporter.registry)

    def logged(self) -> list[str]:
        """What it logged since this was last called."""
        found = [event.message for event in self.events]
        self.events.clear()
        return found
