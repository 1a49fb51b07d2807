"""`apply` killed at random instants, its server restarted meanwhile: nothing twice, nothing lost.

A thousand rows are applied by a command that is killed again and again. Some of their activities
are retried behind its back, some are completed by their agent. At the end, the journal, the audit
trail and every workflow's history are compared row by row.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
)
from temporalio.client import Client

from stigmer_ops.audit import Result, verify
from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.procedures.apply.journal import journal_path
from stigmer_ops.sandbox.server import TemporalServer
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.audit import records
from support.awaiting import awaiting, together
from support.command_line import environment
from support.disturbed import Disturbed
from support.plans import written_plan

ROWS = 1_000
KILLS = 30
RESTARTS = frozenset({8, 16, 24})
BEHIND_ITS_BACK = 2
"""Activities retried, and completed by their agent, after each kill."""

SEED = 20261124


@pytest.mark.timeout(600)
async def test_killed_at_random_instants_nothing_is_done_twice_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    chance = random.Random(SEED)
    plan = tmp_path / "plan.jsonl"
    async with TemporalServer(db_filename=tmp_path / "temporal.db") as server:
        client = await Client.connect(server.address)
        async with awaiting(client) as population:
            names = await population.start(f"order-{number}" for number in range(ROWS))
            rows = [population.row(name) for name in names]
            mark = await written_plan(plan, Frontend(client, Pace()), rows)
            disturbed = Disturbed(population, chance, names, each_time=BEHIND_ITS_BACK)
            killed = 0
            for number in range(KILLS):
                killed += await applied_and_killed(
                    server, plan, after=chance.uniform(0, 1), from_first_row=number % 3 != 0
                )
                await disturbed.disturb()
                if number in RESTARTS:
                    await restarted_while_applying(server, plan)
            report = await applied_to_the_end(server, plan)
            histories = await read_histories(client, rows)

    assert killed >= KILLS * 0.8, "most runs were to be killed before their end"
    compare(plan, mark, rows, report, histories)
    assert disturbed.retried, "some activities were to be retried before their row was sent"
    assert not [name for name in disturbed.retried if ours(histories[name], mark)]


async def command(server: TemporalServer, plan: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stigmer_ops", "apply", str(plan), "--reason", "INC-7 restore"),
        *("--yes", "--confirm-namespace", "default", "--address", server.address),
        *("--canary", "0", "--concurrency", "16", "--stop-on-error-rate", "100", *options),
        env=environment({"STIGMER_OPS_AUDIT_PATH": str(plan.with_name("audit.jsonl"))}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def applied_and_killed(
    server: TemporalServer, plan: Path, *, after: float, from_first_row: bool
) -> bool:
    """Apply slowly, and kill -9 after so many seconds; whether it was still running then.

    They count from the start of the command, or from its first line in the journal.
    """
    process = await command(server, plan, "--rps", "60", "-o", "jsonl")
    if from_first_row:
        await begun(process, plan)
    await asyncio.sleep(after)
    running = process.returncode is None
    if running:
        process.kill()
    await process.communicate()
    return running


async def begun(process: asyncio.subprocess.Process, plan: Path) -> None:
    """Wait until a run that was just started writes into the journal, or has ended."""
    size = length(plan)
    while process.returncode is None and length(plan) == size:  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)


def length(plan: Path) -> int:
    journal = journal_path(plan)
    return journal.stat().st_size if journal.exists() else 0


async def restarted_while_applying(server: TemporalServer, plan: Path) -> None:
    """Restart the server under a run, which is to survive it."""
    process = await command(server, plan, "--rps", "20", "--max", "30", "-o", "jsonl")
    await begun(process, plan)
    await asyncio.sleep(0.3)
    await server.stop()
    await server.start()
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode in (0, 4, 5), (out[-500:], err[-500:])
    assert b"Traceback" not in err


async def applied_to_the_end(server: TemporalServer, plan: Path) -> list[dict[str, Any]]:
    process = await command(server, plan, "--rps", "0", "-o", "jsonl")
    out, err = await process.communicate()
    assert process.returncode in (0, 4), err.decode()
    return [json.loads(line) for line in out.splitlines()]


async def read_histories(client: Client, rows: list[PlanRow]) -> dict[str, list[Any]]:
    """Attributes of the events that ended the activity of each workflow, attempts included."""
    found: dict[str, list[Any]] = {}

    async def read(row: PlanRow) -> None:
        answer = await client.workflow_service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(
                namespace=client.namespace,
                execution=WorkflowExecution(workflow_id=row.workflow_id, run_id=row.run_id),
            ),
            retry=True,
        )
        found[row.workflow_id] = [
            event.activity_task_completed_event_attributes
            for event in answer.history.events
            if event.HasField("activity_task_completed_event_attributes")
        ]

    await together(read(row) for row in rows)
    return found


def ours(completed: list[Any], mark: str) -> bool:
    return any(event.identity.endswith(mark) for event in completed)


def compare(
    plan: Path,
    mark: str,
    rows: list[PlanRow],
    report: list[dict[str, Any]],
    histories: dict[str, list[Any]],
) -> None:
    """Report, journal, audit and histories tell the same of every row."""
    *reported, whole = report
    assert [each["row"] for each in reported] == list(range(1, ROWS + 1))
    assert whole["totals"]["not_tried"] == whole["totals"]["failed"] == 0
    assert sum(whole["totals"].values()) == ROWS
    journal = last_in_journal(plan)
    audit = audited(plan.with_name("audit.jsonl"))
    for row, said in zip(rows, reported, strict=True):
        completed = histories[row.workflow_id]
        by_us = ours(completed, mark)
        assert len(completed) <= 1, f"{row.workflow_id} was completed twice"
        assert (said["outcome"] == "done") == by_us, said
        assert (said["outcome"] == "already done") == (bool(completed) and not by_us), said
        assert journal[said["row"]]["outcome"] == said["outcome"]
        results = audit[row.workflow_id]
        assert (Result.DONE in results) == by_us, (said, results)
        assert None not in results, f"an operation on {row.workflow_id} has no outcome"
    assert verify(plan.with_name("audit.jsonl")).broken is None


def last_in_journal(plan: Path) -> dict[int, dict[str, Any]]:
    """The last line about each row; and none was begun after it was done."""
    last: dict[int, dict[str, Any]] = {}
    for text in journal_path(plan).read_text().splitlines():
        line = json.loads(text)
        if row := line.get("row"):
            before = last.get(row, {}).get("outcome")
            assert before not in ("done", "already done", "refused"), f"row {row} was settled"
            last[row] = line
    return last


def audited(trail: Path) -> dict[str, set[Result | None]]:
    """How the operations on each workflow ended; None for one that did not."""
    ended: dict[Any, Result | None] = {}
    workflows: defaultdict[str, set[Any]] = defaultdict(set)
    for record in records(trail):
        assert record.intent.target is not None
        workflows[record.intent.target.workflow_id or ""].add(record.operation_id)
        result = record.outcome.result if record.outcome else None
        if result is not None or record.operation_id not in ended:
            ended[record.operation_id] = result
    return defaultdict(
        set, {name: {ended[each] for each in operations} for name, operations in workflows.items()}
    )
