"""Alerts on the external activities that wait, or waited in vain."""

from __future__ import annotations

from datetime import timedelta

from stigmer_ops.sandbox.faults.scripts import LONG
from stigmer_ops.sandbox.plan import ActivitySettings
from support.alert_scenarios.scenario import Scenario
from support.monitoring_stack import Stage

GROUP = {"task_queue": "zigflow_execution", "activity_type": "CallAgentActivity"}


async def stuck(stage: Stage, alert: str) -> None:
    """The token was not passed: nobody will ever complete the activity."""
    handshake = await stage.sandbox.start_handshake("token-not-passed")
    await stage.fires(alert, **GROUP)
    await stage.mend(await stage.diagnosed(handshake, "token-not-passed"))
    await stage.resolves(alert)


async def overdue(stage: Stage, alert: str) -> None:
    """Somebody terminated the Stigmer workflow."""
    handshake = await stage.sandbox.start_handshake("stigmer-workflow-terminated")
    await stage.fires(alert, **GROUP)
    await stage.mend(await stage.diagnosed(handshake, "stigmer-workflow-terminated"))
    await stage.resolves(alert)


async def deadline(stage: Stage, alert: str) -> None:
    """The agent works for longer than the external activity waits."""
    settings = ActivitySettings(start_to_close=timedelta(hours=2))
    handshake = await stage.sandbox.start_handshake("near-deadline", settings=settings)
    await stage.fires(alert, **GROUP)
    await stage.mend(await stage.diagnosed(handshake, "near-deadline"))
    await stage.resolves(alert)


async def many(stage: Stage, alert: str, **labels: str) -> None:
    """Nobody polls for the callback, so that what waits becomes more and more."""
    await stage.sandbox.stop_worker("callback")
    handshakes = [
        await stage.sandbox.start_handshake("healthy", script={"run_timeout": LONG})
        for _ in range(stage.settings.thresholds.backlog + 1)
    ]
    await stage.fires(alert, **labels)
    await stage.diagnosed(handshakes[0], "callback-not-polled")
    await stage.sandbox.start_worker("callback")
    await stage.resolves(alert)


async def backlog(stage: Stage, alert: str) -> None:
    """The same, for an hour in the sandbox's time."""
    await many(stage, alert, age_bucket="1-4h")


async def unsafe(stage: Stage, alert: str) -> None:
    """The retry policy has no limit; the next activity is to have one."""
    handshake = await stage.sandbox.start_handshake("unsafe-retries")
    await stage.fires(alert, **GROUP, setting="maximum_attempts")
    await stage.diagnosed(handshake, "unsafe-settings")
    which = ("-w", handshake.workflow_id, "-a", handshake.activity_ids[0])
    await stage.run("activity", "complete", *which, "--reason", "INC-1 replaced", "--yes")
    await stage.resolves(alert)


async def timed_out(stage: Stage, alert: str) -> None:
    """A token was not passed and the activity timed out; the next one waits for the same reason."""
    brief = ActivitySettings(start_to_close=timedelta(minutes=10))
    await stage.sandbox.start_handshake("token-not-passed", settings=brief)
    waiting = await stage.sandbox.start_handshake("token-not-passed")
    await stage.fires(alert)
    await stage.mend(await stage.diagnosed(waiting, "token-not-passed"))
    await stage.resolves(alert)


async def retried(stage: Stage, alert: str) -> None:
    """An attempt timed out, and its retry waits for an execution that holds the first token."""
    settings = ActivitySettings(start_to_close=timedelta(minutes=50), max_attempts=2)
    handshake = await stage.sandbox.start_handshake("still-running", settings=settings)
    await stage.fires(alert, **GROUP, timeout_type="StartToClose")
    await stage.mend(await stage.diagnosed(handshake, "token-stale"))
    await stage.resolves(alert)


SCENARIOS = {
    "StigmerExternalActivityStuck": Scenario(stuck, 45),
    "StigmerExternalActivityOverdue": Scenario(overdue, 35),
    "StigmerExternalActivityNearDeadline": Scenario(deadline, 50),
    "StigmerExternalActivityDeadlineImminent": Scenario(deadline, 50),
    "StigmerExternalActivityBacklog": Scenario(backlog, 130),
    "StigmerExternalActivitiesPendingHigh": Scenario(many, 100),
    "StigmerExternalActivityUnsafeSettings": Scenario(unsafe, 25),
    "StigmerExternalActivityTimedOut": Scenario(timed_out, 35),
    "StigmerExternalActivityRetried": Scenario(retried, 85),
}
