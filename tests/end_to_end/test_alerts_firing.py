"""Each alert that a fault of the handshake can produce, from the fault to its repair.

Real exporter, Prometheus and Alertmanager watch real sandboxes, a namespace for each alert. All
scenarios run at once, since each of them mostly waits; each test is one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

import pytest

from stigmer_ops.sandbox.sandbox import Sandbox
from support.alert_scenarios import activities, completions, workers
from support.monitoring_stack import Stage, monitored

Scenario = Callable[[Stage, str], Awaitable[None]]
SCENARIOS: Mapping[str, Scenario] = {
    **activities.SCENARIOS,
    **completions.SCENARIOS,
    **workers.SCENARIOS,
}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
async def scenes(
    sandbox: Sandbox, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[str, asyncio.Task[None]]]:
    """The scenarios of all selected tests, under way."""
    chosen = [
        str(item.callspec.params["alert"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and "scenes" in item.fixturenames
    ]
    async with monitored(sandbox, len(chosen), tmp_path_factory.mktemp("audit")) as stages:
        running = {
            alert: asyncio.ensure_future(SCENARIOS[alert](stage, alert))
            for alert, stage in zip(chosen, stages, strict=True)
        }
        yield running
        for task in running.values():
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


@pytest.mark.parametrize("alert", SCENARIOS)
async def test_alert_fires_is_explained_and_ends(
    alert: str, scenes: Mapping[str, asyncio.Task[None]]
) -> None:
    await scenes[alert]
