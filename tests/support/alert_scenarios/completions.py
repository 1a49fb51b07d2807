"""Alerts on the callbacks: whether they succeed, and how long they take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity
from temporalio.worker import Worker

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.callback import Callback
from stigmer_ops.sandbox.handshake import Handshake
from support.alert_scenarios.scenario import Scenario
from support.monitoring_stack import Stage

GO = {"service": "go"}
SLOW_SECONDS = 1.5


async def _failing(stage: Stage, fault: str, failures: int, successes: int) -> list[Handshake]:
    """So many callbacks that succeed, and then so many that fail; the latter's handshakes."""
    await stage.succeed(successes)
    return await stage.sandbox.populate({fault: failures})


async def _repaired(stage: Stage, handshakes: list[Handshake], verdict: str) -> None:
    items = [await stage.diagnosed(handshake, verdict) for handshake in handshakes]
    await asyncio.gather(*(stage.mend(item) for item in items))


async def most_fail(stage: Stage, alert: str) -> None:
    """The callback cannot reach Temporal."""
    handshakes = await _failing(stage, "callback-fails", 5, 0)
    await stage.fires(alert, **GO)
    await _repaired(stage, handshakes, "callback-failed")
    await stage.resolves(alert)


async def some_fail(stage: Stage, alert: str) -> None:
    """A part of the callbacks cannot reach Temporal."""
    handshakes = await _failing(stage, "callback-fails", 2, 5)
    await stage.fires(alert, **GO)
    await _repaired(stage, handshakes, "callback-failed")
    await stage.resolves(alert)


async def many_go_wrong(stage: Stage, alert: str) -> None:
    """Tokens are cut off, so that Temporal refuses them."""
    handshakes = await _failing(stage, "token-truncated", 5, 0)
    await stage.fires(alert)
    await _repaired(stage, handshakes, "token-truncated")
    await stage.resolves(alert)


async def few_go_wrong(stage: Stage, alert: str) -> None:
    """One token of many was cut off."""
    handshakes = await _failing(stage, "token-truncated", 1, 14)
    await stage.fires(alert)
    await _repaired(stage, handshakes, "token-truncated")
    await stage.resolves(alert)


async def budget_burns_slowly(stage: Stage, alert: str) -> None:
    """One callback of five fails; once it works again, the successes make up for it."""
    handshakes = await _failing(stage, "callback-fails", 1, 4)
    await stage.fires(alert, **GO)
    await _repaired(stage, handshakes, "callback-failed")
    await stage.succeed(20)
    await stage.resolves(alert)


async def slow(stage: Stage, alert: str) -> None:
    """The worker of the callback is slow."""
    await stage.sandbox.stop_worker("callback")
    async with _slow_callbacks(stage):
        await stage.succeed(6)
        await stage.fires(alert, **GO)
        asked = await stage.run("metrics", "query", "duration-p99", "-o", "json", code=None)
        (found,) = [one["value"] for one in _values(asked.json) if GO.items() <= one.items()]
        assert found >= SLOW_SECONDS
    await stage.sandbox.start_worker("callback")
    await stage.succeed(1)
    await stage.resolves(alert)


def _values(body: Any) -> list[dict[str, Any]]:
    """The series of an answer of `metrics query`, with their labels."""
    return [
        {**series["labels"], "value": series["value"]}
        for answer in body["answers"]
        for series in answer["series"]
    ]


class SlowCallback:
    """The callback activity, after a pause."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback

    @activity.defn(name=names.CALLBACK)
    async def complete_external_activity(self, given: Mapping[str, Any]) -> None:
        await asyncio.sleep(SLOW_SECONDS)
        await self._callback.complete_external_activity(given)


@asynccontextmanager
async def _slow_callbacks(stage: Stage) -> AsyncIterator[None]:
    callback = SlowCallback(Callback(stage.sandbox.client))
    async with Worker(
        stage.sandbox.stigmer_client,
        task_queue=names.AGENT_QUEUE,
        activities=[callback.complete_external_activity],
    ):
        yield


SCENARIOS = {
    "StigmerExternalActivityCompletionFailureHigh": Scenario(most_fail, 45),
    "StigmerExternalActivitySuccessRateLow": Scenario(some_fail, 50),
    "StigmerExternalActivityCompletionSlow": Scenario(slow, 60),
    "StigmerCompletionBudgetBurnFast": Scenario(most_fail, 45),
    "StigmerCompletionBudgetBurnSlow": Scenario(budget_burns_slowly, 120),
    "StigmerExternalActivityErrorRateCritical": Scenario(many_go_wrong, 45),
    "StigmerExternalActivityErrorRateHigh": Scenario(few_go_wrong, 50),
}
