"""Alerts on the workers: whether they poll, keep up, have what is asked of them, and answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from temporalio import activity
from temporalio.worker import Worker

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.faults.scripts import LONG
from support.alert_scenarios.scenario import Scenario
from support.monitoring_stack import Stage, until


@activity.defn(name="Unrelated")
async def unrelated() -> None:
    """What a worker of another version has instead."""


@asynccontextmanager
async def _instead(stage: Stage, role: str, queue: str) -> AsyncIterator[None]:
    """A worker of another version polls instead of the role's, which is back at the end."""
    await stage.sandbox.stop_worker(role)
    async with Worker(stage.sandbox.stigmer_client, task_queue=queue, activities=[unrelated]):
        yield
    await stage.sandbox.start_worker(role)


# Whoever says goodbye is forgotten at once, or listed as one that did.
GONE = frozenset({"not-polled", "only-stale-pollers"})


async def _found(stage: Stage, queue: str, verdicts: Collection[str]) -> None:
    """Wait until `worker check` says so: pollers that are gone may be listed for a minute."""

    async def said() -> bool:
        return (await stage.worker_verdicts())[queue] in verdicts

    await until(said, f"worker check says {' or '.join(verdicts)} of {queue}")


async def no_pollers(stage: Stage, alert: str) -> None:
    """The agent runner is down."""
    await stage.quiet(alert)
    await stage.sandbox.stop_worker("runner")
    queue = names.AGENT_RUNNER_QUEUE
    await stage.fires(alert, task_queue=queue, task_type="activity")
    await _found(stage, queue, GONE)
    await stage.sandbox.start_worker("runner")
    await stage.resolves(alert)


async def callback_not_registered(stage: Stage, alert: str) -> None:
    """A version of Stigmer without the callback was rolled out."""
    await stage.quiet(alert)
    queue = names.AGENT_QUEUE
    async with _instead(stage, "callback", queue):
        await stage.fires(alert, task_queue=queue, activity_type=names.CALLBACK)
        handshake = await stage.sandbox.start_handshake("healthy")
        item = await stage.diagnosed(handshake, "callback-not-registered")
    await stage.mend(item)
    await stage.resolves(alert)


async def type_not_registered(stage: Stage, alert: str) -> None:
    """A version of the agent runner without its activities was rolled out."""
    await stage.quiet(alert)
    queue = names.AGENT_RUNNER_QUEUE
    async with _instead(stage, "runner", queue):
        await stage.fires(alert, task_queue=queue, activity_type=names.CLEAN_UP)
        await _found(stage, queue, {"activity-types-missing"})
    await stage.resolves(alert)


async def behind(stage: Stage, alert: str) -> None:
    """The agent runner is down, and its tasks wait."""
    await stage.sandbox.stop_worker("runner")
    patient = {"run_timeout": LONG, "schedule_to_start": LONG}
    handshake = await stage.sandbox.start_handshake("healthy", script=patient)
    await stage.fires(alert, task_queue=names.AGENT_RUNNER_QUEUE, task_type="activity")
    await stage.diagnosed(handshake, "runner-missing")
    await stage.sandbox.start_worker("runner")
    await stage.resolves(alert)


async def runner_times_out(stage: Stage, alert: str) -> None:
    """The agent runner was down for longer than its tasks may wait."""
    await stage.sandbox.stop_worker("runner")
    handshake = await stage.sandbox.start_handshake("healthy", script={"run_timeout": LONG})
    await stage.fires(
        alert,
        task_queue=names.AGENT_RUNNER_QUEUE,
        activity_type=names.ENSURE_THREAD,
        timeout_type="ScheduleToStart",
    )
    item = await stage.diagnosed(handshake, "callback-decode-error")
    await _found(stage, names.AGENT_RUNNER_QUEUE, GONE)
    await stage.sandbox.start_worker("runner")
    await stage.mend(item)
    await stage.resolves(alert)


SCENARIOS = {
    "StigmerPollersMissing": Scenario(no_pollers, 100),
    "StigmerCallbackNotRegistered": Scenario(callback_not_registered, 60),
    "StigmerActivityTypeNotRegistered": Scenario(type_not_registered, 60),
    "StigmerTaskQueueBehind": Scenario(behind, 30),
    "StigmerRunnerTimingOut": Scenario(runner_times_out, 60),
}
