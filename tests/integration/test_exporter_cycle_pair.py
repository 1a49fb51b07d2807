"""Two exporters that watch the same namespace, scraped by a real Prometheus with our rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stigmer_ops.exporter.web.server import Listen, served
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue import expressions as e
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.promql import Scope, duration
from stigmer_ops.monitoring.catalogue.recordings import (
    PENDING,
    PENDING_TOTAL,
    completion_rate,
    completions_in,
    error_rate,
    failure_ratio,
)
from stigmer_ops.monitoring.prometheus import Prometheus
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings_sources import load
from support.exporter import Watcher
from support.patient_handshakes import populate
from support.prometheus import running_prometheus

WINDOW = timedelta(minutes=1)
SETTINGS = load(None, {"STIGMER_OPS_MONITORING_WINDOW": "1m"}).settings
RULES = rule_files(catalogue(SETTINGS), SETTINGS)
PATIENCE_SECONDS = 60.0


@asynccontextmanager
async def running(watcher: Watcher) -> AsyncIterator[str]:
    """Let an exporter run and serve; host:port."""
    exporter = watcher.exporter
    with served(
        Listen("127.0.0.1", 0), exporter.registry, exporter.condition, watcher.events.append
    ) as url:
        task = asyncio.create_task(exporter.run())
        try:
            yield urlsplit(url).netloc
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def until(prometheus: Prometheus, expr: str, holds: Callable[[float], bool]) -> float:
    """Wait until the one value of an expression is as it shall be."""
    values: list[float] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                answer = await asyncio.to_thread(prometheus.query, expr)
                values = [sample.value for sample in answer]
                if len(values) == 1 and holds(values[0]):
                    return values[0]
                await asyncio.sleep(0.3)
    except TimeoutError:
        raise AssertionError(f"{expr} is {values}") from None


async def test_two_exporters_count_as_one(isolated_sandbox: Sandbox, tmp_path: Path) -> None:
    environment = isolated_sandbox.environment()
    rates = {
        completion_rate(WINDOW).name: m.COMPLETIONS.name,
        error_rate(WINDOW).name: m.ERRORS.name,
    }
    async with running(Watcher(environment)) as one, running(Watcher(environment)) as other:
        with running_prometheus(tmp_path, {"stigmer-ops": [one, other]}, RULES) as url:
            prometheus = Prometheus(url, timeout=SETTINGS.monitoring.prometheus_timeout)
            await until(prometheus, f"count({m.LAST_SUCCESS.name} > 0)", lambda value: value == 2)
            await populate(isolated_sandbox, {"healthy": 3, "callback-fails": 2})
            await until(prometheus, f"sum({m.COMPLETIONS.name})", lambda value: value == 10)
            await until(prometheus, f"sum({m.ERRORS.name})", lambda value: value == 4)
            await until(prometheus, f"sum({m.PENDING.name})", lambda value: value == 4)
            # Both saw everything, and what alerts look at has it once.
            await until(prometheus, f"sum({PENDING.name})", lambda value: value == 2)
            await until(prometheus, f"sum({PENDING_TOTAL.name})", lambda value: value == 2)
            for recorded, counted in rates.items():
                own = f"sum by (instance) (rate({counted}[{duration(WINDOW)}]))"
                times = f"sum({recorded}) / scalar(max({own}))"
                await until(prometheus, times, lambda value: 0.8 < value < 1.2)
            failed = failure_ratio(WINDOW).name
            await until(prometheus, f"max({failed})", lambda value: abs(value - 0.4) < 0.1)
            in_window = f"sum({completions_in(Scope(SETTINGS), WINDOW)})"
            total = await until(prometheus, in_window, lambda value: value > 0)
            assert total < 9  # five, extrapolated to the window's edges
            await until(prometheus, e.timed_out(Scope(SETTINGS)), lambda value: value == 0)
            await until(
                prometheus,
                'count(ALERTS{alertname="StigmerMetricsMissing"}) or vector(0)',
                lambda value: value == 0,
            )
