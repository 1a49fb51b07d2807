"""Alerts on the exporter, and the one that sums up all critical ones."""

from __future__ import annotations

import asyncio
import itertools

from stigmer_ops.sandbox.names import AGENT_WORKFLOW
from support.alert_scenarios.scenario import Scenario
from support.monitoring_stack import Stage


async def all_down(stage: Stage, alert: str) -> None:
    """The only exporter is down."""
    (exporter,) = stage.monitoring.exporters
    await exporter.stop()
    await stage.fires(alert)
    assert "does not answer" in (await stage.checks("monitoring"))["exporter-up"]
    await exporter.start()
    await stage.resolves(alert)


async def one_down(stage: Stage, alert: str) -> None:
    """One of two exporters is down; the other one goes on."""
    exporter, _ = stage.monitoring.exporters
    await exporter.stop()
    await stage.fires(alert, instance=exporter.address, job="stigmer-ops")
    wrong = await stage.checks("monitoring")
    assert wrong["exporter-up"] == f"{exporter.address} does not answer"
    assert "exporter-fresh" not in wrong
    await exporter.start()
    await stage.resolves(alert)


async def refused(stage: Stage, alert: str) -> None:
    """Temporal answers no call of the exporter."""
    stage.refused.methods = frozenset({"*"})
    await stage.fires(alert)
    asked = await stage.run(
        *("metrics", "query", "-o", "json", "--expr"),
        'sum by (code) (rate(stigmer_ops_exporter_rpcs_total{code!="OK"}[20s])) > 0',
        code=None,
    )
    codes = {
        series["labels"]["code"] for answer in asked.json["answers"] for series in answer["series"]
    }
    assert codes == {"UNAVAILABLE"}
    stage.refused.methods = frozenset()
    await stage.resolves(alert)


async def stale(stage: Stage, alert: str) -> None:
    """Temporal does not let the exporter list workflows any more."""
    stage.refused.methods = frozenset({"*"})
    await stage.fires(alert)
    wrong = await stage.checks("monitoring")
    assert f"{stage.namespace} was last read" in wrong["exporter-fresh"]
    stage.refused.methods = frozenset()
    await stage.resolves(alert)


async def unreadable(stage: Stage, alert: str) -> None:
    """A version of Stigmer writes inputs that nobody else can read."""
    client = stage.sandbox.stigmer_client

    async def comes_in() -> None:
        for number in itertools.count():
            name = f"{AGENT_WORKFLOW}/aex_unreadable_{number}"
            await client.start_workflow(AGENT_WORKFLOW, "encrypted", id=name, task_queue="nobody")
            await asyncio.sleep(0.3)

    await stage.sandbox.start_handshake("still-running")
    coming = asyncio.create_task(comes_in())
    await stage.fires(alert, item="payload")
    assert "handshakes-readable" in await stage.checks("handshake")
    coming.cancel()
    await stage.resolves(alert)


async def rollback(stage: Stage, alert: str) -> None:
    """Any critical alert says that a deployment should be rolled back."""
    (exporter,) = stage.monitoring.exporters
    await exporter.stop()
    await stage.fires(alert)
    done = await stage.run("alerts", "status", "-o", "json", code=1)
    firing = {one["alert"] for one in done.json["alerts"] if one["state"] == "firing"}
    assert {"StigmerExporterDown", alert} <= firing
    await exporter.start()
    await stage.resolves(alert)


SCENARIOS = {
    "StigmerExporterDown": Scenario(all_down, 20),
    "StigmerExporterInstanceDown": Scenario(one_down, 30, exporters=2),
    "StigmerExporterStale": Scenario(stale, 40, gateway=True),
    "StigmerExporterCallsFailing": Scenario(refused, 40, gateway=True),
    "StigmerExporterUnreadable": Scenario(unreadable, 30),
    "StigmerRollbackTriggered": Scenario(rollback, 25),
}
