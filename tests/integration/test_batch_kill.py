"""A batch whose feeder, workers and server are killed and restarted: nothing twice, nothing lost.

Some of the activities are retried behind its back, some are completed by their agent. At the end,
the report, the journal, the workers' audit trails and every workflow's history are compared row by
row.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from stigmer_ops.audit import Result, verify
from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.procedures.apply.journal import journal_path
from stigmer_ops.procedures.batch.messages import BATCH_TYPE, PAGE_TYPE
from stigmer_ops.sandbox.server import TemporalServer
from support.audit import records
from support.awaiting import awaiting
from support.batches import Batched, batched, completions
from support.disturbed import Disturbed

ROWS = 400
KILLS = 6
RESTARTS = frozenset({1, 4})
BEHIND_ITS_BACK = 4
"""Activities retried, and completed by their agent, in each round."""

SEED = 20261124
SETTINGS = {"limit.historyCount.suggestContinueAsNew": 60}
"""So low that the batch continues as new many times."""


@pytest.mark.timeout(900)
async def test_killed_at_random_instants_nothing_is_done_twice_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    chance = random.Random(SEED)
    database = tmp_path / "temporal.db"
    async with TemporalServer(db_filename=database, dynamic_config=SETTINGS) as server:
        client = await Client.connect(server.address)
        variables = {"STIGMER_OPS_BATCH_PAGE_ROWS": "10"}
        async with awaiting(client) as population, batched(client, tmp_path, **variables) as batch:
            names = await population.start(f"order-{number}" for number in range(ROWS))
            rows = [population.row(name) for name in names]
            mark = await batch.of(rows)
            await feeder_is_killed(batch, names)
            handed_over = await batch.apply(*LIMITS, "--detach")
            assert handed_over.code == 0, handed_over.err
            disturbed = Disturbed(population, chance, names, each_time=BEHIND_ITS_BACK)
            for number in range(KILLS):
                await asyncio.gather(batch.worker(), batch.worker())
                await asyncio.sleep(chance.uniform(0.2, 1.5))
                await disturbed.disturb()
                if number in RESTARTS:
                    await server.stop()
                    await server.start()
                    await asyncio.sleep(chance.uniform(0.5, 1.5))
                await batch.kill_workers()
            unfinished = await completions(client, names)
            await asyncio.gather(batch.worker(), batch.worker())
            report = await batch.apply(*LIMITS, "-o", "jsonl", seconds=240)
            assert report.code in (0, 4), report.err
            found = await completions(client, names)
            runs = [each async for each in client.list_workflows(f"WorkflowType = '{BATCH_TYPE}'")]

    by_us = sum(any(by.endswith(mark) for by in each) for each in unfinished.values())
    assert 0 < by_us < ROWS - 100, "the workers were to be killed in the middle"
    assert len(runs) > 2, "the batch was to continue as new"
    compare(batch, mark, rows, report.lines, found)
    assert disturbed.retried
    assert not [name for name in disturbed.retried if found[name]]


LIMITS = ("--rps", "60", "--canary", "3", "--stop-on-error-rate", "100")


async def feeder_is_killed(batch: Batched, names: list[str]) -> None:
    """Kill the command that hands the plan over, in the middle of that."""
    feeder = await batch.started(*batch.applying(*LIMITS))
    pages = f"WorkflowType = '{PAGE_TYPE}'"
    async with asyncio.timeout(60):
        while (await batch.client.count_workflows(pages)).count < 5:
            assert feeder.returncode is None
            await asyncio.sleep(0.02)
    feeder.kill()
    await feeder.communicate()
    fed = (await batch.client.count_workflows(pages)).count
    assert fed < ROWS / 10, "it was to be killed before the last page"
    await batch.worker()
    shown = await batch.show()
    assert shown["progress"]["phase"] == "feeding"
    assert not any((await completions(batch.client, names[:50])).values())


def compare(
    batch: Batched,
    mark: str,
    rows: list[PlanRow],
    report: list[dict[str, Any]],
    found: dict[str, list[str]],
) -> None:
    """Report, journal, audit trails and histories tell the same of every row."""
    *reported, whole = report
    assert [each["row"] for each in reported] == list(range(1, ROWS + 1))
    assert whole["totals"]["not_tried"] == whole["totals"]["failed"] == 0, whole
    journal = {}
    for text in journal_path(batch.plan).read_text().splitlines():
        line = json.loads(text)
        if "row" in line:
            assert line["row"] not in journal, "a row was read back twice"
            journal[line["row"]] = line
    audit = audited(batch.folder)
    for row, said in zip(rows, reported, strict=True):
        by = found[row.workflow_id]
        by_us = any(each.endswith(mark) for each in by)
        assert len(by) <= 1, f"{row.workflow_id} was completed twice"
        assert (said["outcome"] == "done") == by_us, said
        assert (said["outcome"] == "already done") == (bool(by) and not by_us), said
        assert journal[said["row"]]["outcome"] == said["outcome"]
        assert not by_us or Result.DONE in audit[said["operation_id"]]


def audited(folder: Path) -> dict[str, set[Result | None]]:
    """What all the workers' audit trails together say of each operation."""
    found: dict[str, set[Result | None]] = {}
    for trail in folder.glob("worker-*.audit.jsonl"):
        assert verify(trail).broken is None
        for record in records(trail):
            result = record.outcome.result if record.outcome else None
            found.setdefault(str(record.operation_id), set()).add(result)
    return found
