"""Each alert that a fault can produce, from the fault to its repair.

Real exporters, Prometheus and Alertmanager watch a real sandbox, another one for each alert.
Scenarios mostly wait, so that several are under way at once; each test is one of them.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from support.alert_scenarios import SCENARIOS
from support.monitoring_stack import monitored

AT_ONCE = 5
"""As many as a machine with two cores can serve."""

pytestmark = pytest.mark.timeout(900)


class Stages:
    """The scenarios of all selected tests, some at a time."""

    def __init__(self, directory: Path, alerts: Sequence[str]) -> None:
        self._directory = directory
        self._gate = asyncio.Semaphore(AT_ONCE)
        # Those that take longest begin first.
        ranked = sorted(alerts, key=lambda alert: -SCENARIOS[alert].seconds)
        self._under_way = {alert: asyncio.ensure_future(self._play(alert)) for alert in ranked}

    async def played(self, alert: str) -> None:
        """Wait for a scenario's end; it is played again where it is asked for again."""
        await (self._under_way.pop(alert, None) or self._play(alert))

    async def close(self) -> None:
        """Stop those that nobody waits for."""
        for task in self._under_way.values():
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _play(self, alert: str) -> None:
        scenario = SCENARIOS[alert]
        async with (
            self._gate,
            monitored(
                Path(tempfile.mkdtemp(dir=self._directory)),
                exporters=scenario.exporters,
                gateway=scenario.gateway,
            ) as stage,
        ):
            await scenario.play(stage, alert)


@pytest.fixture(scope="module")
async def stages(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stages]:
    chosen = [
        str(item.callspec.params["alert"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and "stages" in item.fixturenames
    ]
    playing = Stages(tmp_path_factory.mktemp("stages"), chosen)
    yield playing
    await playing.close()


@pytest.mark.parametrize("alert", SCENARIOS)
async def test_alert_fires_is_explained_and_ends(alert: str, stages: Stages) -> None:
    await stages.played(alert)
