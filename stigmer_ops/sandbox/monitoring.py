"""What watches the sandbox: exporter, Prometheus with the generated rules, and Alertmanager."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from stigmer_ops.errors import CapabilityError, UnavailableError
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.metrics import COMPLETIONS
from stigmer_ops.monitoring.prometheus import Prometheus
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.sandbox.child import READY_SECONDS, first_to_end
from stigmer_ops.sandbox.monitoring_files import alertmanager_config, prometheus_config
from stigmer_ops.sandbox.program import Command, Program
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.scale import TimeScale
from stigmer_ops.sandbox.webhook import Notification, webhook
from stigmer_ops.settings_sources import load

PACKAGES: Mapping[str, str] = {
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
}
"""Programs that are needed, and the Debian packages that have them."""

_OURS = ("STIGMER_OPS_", "TEMPORAL_")
_WINDOW = timedelta(hours=1)
"""Nominal; a sandbox has too few handshakes for ratios over the usual five minutes."""
_CRITICAL_AGE = timedelta(hours=12)
_BACKLOG_AGE = timedelta(minutes=5)
_STALE_AFTER = timedelta(minutes=5)
_QUEUES_EVERY = timedelta(minutes=2)
_REGISTRATION_EVERY = timedelta(minutes=10)
_VISIBILITY_LAG = timedelta(minutes=2)
_LONGEST_CYCLE = timedelta(seconds=10)
"""What a busy machine may take to read a namespace: no exporter is stale before."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is to be watched, and how.

    Attributes:
        temporal_metrics: host:port of the Temporal server's own metrics.
        environment: How `stigmer-ops` reaches what is watched, and with which settings; the rules
            are generated from the same.
        namespaces: Temporal namespaces of external workflows; none for that of the environment.
        scale: Of the times between notifications.
        interval: Between scrapes, between evaluations, and between the exporters' cycles.
        exporters: How many exporters read it all.
        inherited: The environment of the programs where `environment` says nothing.
        tell: Called with every notification that arrives.
    """

    temporal_metrics: str
    environment: Mapping[str, str]
    namespaces: Sequence[str] = ()
    scale: TimeScale = field(default_factory=TimeScale)
    interval: timedelta = timedelta(seconds=1)
    exporters: int = 1
    inherited: Mapping[str, str] = field(default_factory=dict, repr=False)
    tell: Callable[[Notification], None] = lambda _notification: None


def settings_of(scale: TimeScale) -> dict[str, str]:
    """Variables that fit thresholds, rules and exporter to a sandbox, whose days are short."""
    ages = {
        "CRITICAL_AGE": scale(_CRITICAL_AGE),
        "QUEUE_BACKLOG_AGE": scale(_BACKLOG_AGE),
        "EXPORTER_STALE_AFTER": scale(_STALE_AFTER, floor=_LONGEST_CYCLE),
    }
    readings = {
        "QUEUES_EVERY": scale(_QUEUES_EVERY),
        "REGISTRATION_EVERY": scale(_REGISTRATION_EVERY),
        "VISIBILITY_LAG": scale(_VISIBILITY_LAG, floor=_LONGEST_CYCLE),
    }
    return {
        "STIGMER_OPS_MONITORING_TIME_SCALE": f"{scale.factor!r}",
        "STIGMER_OPS_MONITORING_WINDOW": f"{_WINDOW.total_seconds():g}s",
        **{
            f"STIGMER_OPS_MONITORING_THRESHOLDS_{name}": f"{age.total_seconds():g}s"
            for name, age in ages.items()
        },
        "STIGMER_OPS_EXPORTER_REGISTRATION_PROBE": "true",  # it is nobody else's namespace
        **{
            f"STIGMER_OPS_EXPORTER_{name}": f"{time.total_seconds():g}s"
            for name, time in readings.items()
        },
    }


class Monitoring:
    """The running programs; made by `Monitoring.start`.

    Attributes:
        exporters: `stigmer-ops exporter`.
        prometheus: With the generated rules.
        alertmanager: With the example's routes.
        told: Every notification so far.
    """

    def __init__(
        self,
        exporters: Sequence[Program],
        prometheus: Program,
        alertmanager: Program,
        told: list[Notification],
        environment: Mapping[str, str],
    ) -> None:
        self.exporters = tuple(exporters)
        self.prometheus = prometheus
        self.alertmanager = alertmanager
        self.told = told
        self._environment = environment

    @classmethod
    @asynccontextmanager
    async def start(cls, watch: Watch) -> AsyncIterator[Monitoring]:
        """Start everything, and stop it at the end of the block.

        Raises:
            CapabilityError: A program is not installed.
            UnavailableError: One does not start.
        """
        prometheus, alertmanager = require_programs()
        told: list[Notification] = []

        def tell(notification: Notification) -> None:
            told.append(notification)
            watch.tell(notification)

        async with AsyncExitStack() as stack:
            url = stack.enter_context(webhook(tell))
            programs = [
                Program(
                    "Alertmanager",
                    _alertmanager(alertmanager),
                    files={_ALERTMANAGER_FILE: alertmanager_config(url, watch.scale)},
                ),
                *(
                    Program(
                        "exporter",
                        _exporter(watch),
                        environment=_environment(watch),
                        ready_path="/-/healthy",
                    )
                    for _ in range(watch.exporters)
                ),
            ]
            await asyncio.gather(*map(stack.enter_async_context, programs))
            router, *exporters = programs
            collector = Program(
                "Prometheus",
                _prometheus(prometheus),
                files=_prometheus_files(watch, [one.address for one in exporters], router.address),
            )
            await stack.enter_async_context(collector)
            await _until_scraped(collector.url)
            yield cls(exporters, collector, router, told, watch.environment)

    @property
    def programs(self) -> tuple[Program, ...]:
        """All of them."""
        return (*self.exporters, self.prometheus, self.alertmanager)

    def environment(self) -> dict[str, str]:
        """The variables that point `stigmer-ops` at what is watched, and at what watches it."""
        return {
            **self._environment,
            "STIGMER_OPS_MONITORING_PROMETHEUS": self.prometheus.url,
            "STIGMER_OPS_MONITORING_ALERTMANAGER": self.alertmanager.url,
        }

    async def ended(self) -> None:
        """Wait until one of the programs ends by itself.

        Raises:
            UnavailableError: When it has.
        """
        await first_to_end(*(program.ended() for program in self.programs))


async def _until_scraped(url: str) -> None:
    """Wait for the first values: what happens before is an increase of nothing.

    Raises:
        UnavailableError: There are none in time.
    """
    prometheus = Prometheus(url, _ANSWER)
    try:
        async with asyncio.timeout(READY_SECONDS):
            # Nothing tells of a scrape.
            while not await asyncio.to_thread(prometheus.query, COMPLETIONS.name):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise UnavailableError(
            f"Prometheus at {url} has no values of the exporter after {READY_SECONDS:.0f} s"
        ) from None


def watch_of(sandbox: Sandbox) -> Watch:
    """A sandbox as what is watched."""
    return Watch(
        temporal_metrics=sandbox.server.metrics_address,
        environment={**sandbox.environment(), **settings_of(sandbox.scale)},
        scale=sandbox.scale,
    )


_ANSWER = timedelta(seconds=5)
_POLL_SECONDS = 0.2
_PROMETHEUS_FILE = "prometheus.yml"
_ALERTMANAGER_FILE = "alertmanager.yml"


def require_programs() -> list[str]:
    """Paths of the programs that are needed.

    Raises:
        CapabilityError: One is not installed; it names the packages.
    """
    found = {name: shutil.which(name) for name in PACKAGES}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise CapabilityError(
            f"not installed: {' and '.join(missing)}",
            not_done="the sandbox was not started",
            next_step=f"apt-get install {' '.join(PACKAGES[name] for name in missing)}, or leave "
            "out --monitoring",
        )
    return [path for path in found.values() if path is not None]


def _environment(watch: Watch) -> dict[str, str]:
    """Nothing of another Temporal, or of other settings, that the shell may point at."""
    kept = {name: value for name, value in watch.inherited.items() if not name.startswith(_OURS)}
    return {**kept, **watch.environment}


def _exporter(watch: Watch) -> Command:
    namespaces = [part for name in watch.namespaces for part in ("--namespace", name)]
    every = f"{watch.interval.total_seconds():g}s"
    return lambda address, _directory: (
        *(sys.executable, "-m", "stigmer_ops", "exporter"),
        *("--listen", address, "--interval", every, *namespaces),
    )


def _prometheus_files(watch: Watch, exporters: Sequence[str], router: str) -> dict[str, str]:
    settings = load(None, watch.environment).settings
    rules = rule_files(catalogue(settings), settings)
    config = prometheus_config(
        rule_files=sorted(rules),
        exporters=exporters,
        temporal=watch.temporal_metrics,
        alertmanager=router,
        interval=watch.interval,
    )
    return {**rules, _PROMETHEUS_FILE: config}


def _prometheus(executable: str) -> Command:
    return lambda address, directory: (
        executable,
        f"--config.file={directory / _PROMETHEUS_FILE}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    )


def _alertmanager(executable: str) -> Command:
    return lambda address, directory: (
        executable,
        f"--config.file={directory / _ALERTMANAGER_FILE}",
        f"--storage.path={directory / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",  # alone: it looks for no others
        "--log.level=warn",
    )
