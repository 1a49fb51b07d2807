"""`apply` as a person and a maintenance window use it: asked, guarded, interrupted, resumed."""

from __future__ import annotations

import asyncio
import base64
import csv
import json
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.errors import ExitCode
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.journal import journal_path, open_journal
from stigmer_ops.procedures.plan_file import open_plan
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.awaiting import Awaiting
from support.command_line import Finished, environment, stigmer_ops
from support.hand_worker import unique
from support.plans import written_plan
from support.terminal import at_terminal

REASON = ("--reason", "INC-7 restore")


class Planned:
    """A plan that completes some activities, and the command that applies it."""

    def __init__(self, population: Awaiting, folder: Path) -> None:
        self.population = population
        self.namespace = population.client.namespace
        self.path = folder / "plan.jsonl"
        self.audit = folder / "audit.jsonl"
        self.names: list[str] = []

    @property
    def variables(self) -> dict[str, str]:
        return {
            "TEMPORAL_ADDRESS": self.population.client.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": self.namespace,
            "STIGMER_OPS_AUDIT_PATH": str(self.audit),
        }

    async def of(self, count: int) -> Planned:
        prefix = unique("order")
        self.names = await self.population.start(f"{prefix}-{n}" for n in range(count))
        frontend = Frontend(self.population.client, Pace(rps=0))
        await written_plan(self.path, frontend, map(self.population.row, self.names))
        return self

    async def apply(self, *options: str, **variables: str) -> Finished:
        return await stigmer_ops(
            "apply", str(self.path), *options, variables={**self.variables, **variables}
        )

    async def completed(self) -> int:
        """How many of the activities were completed."""
        histories = await asyncio.gather(
            *(self.population.client.get_workflow_handle(n).fetch_history() for n in self.names)
        )
        return sum(
            event.HasField("activity_task_completed_event_attributes")
            for history in histories
            for event in history.events
        )


@pytest.fixture
def planned(population: Awaiting, tmp_path: Path) -> Planned:
    return Planned(population, tmp_path)


async def test_plan_is_applied_reported_and_verified(planned: Planned, tmp_path: Path) -> None:
    await planned.of(3)
    await planned.population.retry(planned.names[1])
    report = tmp_path / "report.csv"

    done = await planned.apply(*REASON, "--yes", "--report", str(report), "-o", "json")

    assert done.code == ExitCode.REFUSED, done.err
    assert [row["outcome"] for row in done.json["rows"]] == ["done", "refused", "done"]
    assert done.json["totals"]["done"] == 2
    with report.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["workflow_id"] for row in rows] == planned.names
    assert "attempt 2" in rows[1]["detail"]
    verified = await stigmer_ops(
        "plan", "verify", str(planned.path), "-o", "json", variables=planned.variables
    )
    assert verified.code == ExitCode.FINDINGS
    assert verified.json["totals"] == {
        "proved": 2,
        "done_by_others": 0,
        "otherwise": 1,
        "unreadable": 0,
    }
    assert {row["workflow"] for row in verified.json["rows"] if row["check"] == "proved"} == {
        "resumed"
    }


async def test_machine_formats_hold_every_row(planned: Planned, tmp_path: Path) -> None:
    await planned.of(2)
    lines = await planned.apply("--dry-run", "-o", "jsonl")
    yaml = await planned.apply("--dry-run", "-o", "yaml")
    table = await planned.apply("--dry-run", "--report", str(tmp_path / "r.jsonl"))

    kinds = [line["kind"] for line in lines.lines]
    assert kinds == ["PlanRowOutcome", "PlanRowOutcome", "PlanReport"]
    assert yaml.out.count("outcome: would be done") == 2
    assert "2 would be done" in table.out
    written = (tmp_path / "r.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in written] == [1, 2]
    assert (lines.code, yaml.code, table.code) == (0, 0, 0)


async def test_many_activities_need_the_namespace_even_with_yes(planned: Planned) -> None:
    await planned.of(3)
    limit = {"STIGMER_OPS_WRITES_CONFIRM_ABOVE": "2"}

    refused = await planned.apply(*REASON, "--yes", **limit)
    wrong = await planned.apply(*REASON, "--yes", "--confirm-namespace", "other", **limit)
    few = await planned.apply(*REASON, "--yes", "--max", "2", **limit)
    named = await planned.apply(*REASON, "--yes", "--confirm-namespace", planned.namespace, **limit)

    assert refused.code == wrong.code == ExitCode.REFUSED
    assert f"--confirm-namespace {planned.namespace}" in refused.err
    assert few.code == ExitCode.PARTIAL
    assert named.code == ExitCode.OK, named.err
    assert await planned.completed() == 3


async def test_person_sees_the_plan_and_types_the_namespace(planned: Planned) -> None:
    await planned.of(2)
    variables = {**planned.variables, "STIGMER_OPS_WRITES_CONFIRM_ABOVE": "1"}
    async with at_terminal("apply", str(planned.path), *REASON, variables=variables) as terminal:
        await terminal.until("2 rows: 2 complete")
        await terminal.until("Type the namespace's name to go on:")
        terminal.type(f"{planned.namespace}\n")
        assert await terminal.code() == ExitCode.OK, terminal.screen
    assert "2 done" in terminal.screen
    async with at_terminal("apply", str(planned.path), *REASON, variables=variables) as terminal:
        assert await terminal.code() == ExitCode.OK, "nothing is left, so nothing is asked"


async def test_another_namespace_and_another_digest_are_refused(planned: Planned) -> None:
    await planned.of(1)
    elsewhere = await planned.apply(*REASON, "--yes", "--namespace", "default")
    edited = await planned.apply(*REASON, "--yes", "--digest", "0" * 64)
    assert (elsewhere.code, edited.code) == (ExitCode.REFUSED, ExitCode.REFUSED)
    assert f"the plan is for namespace {planned.namespace}" in elsewhere.err
    assert "the plan's digest is" in edited.err
    assert await planned.completed() == 0


async def test_read_only_mode_and_missing_reason_refuse(planned: Planned) -> None:
    await planned.of(1)
    read_only = await planned.apply(*REASON, "--yes", STIGMER_OPS_READ_ONLY="1")
    silent = await planned.apply("--yes")
    assert (read_only.code, silent.code) == (ExitCode.REFUSED, ExitCode.USAGE)
    assert not journal_path(planned.path).exists()


async def test_second_run_at_once_is_refused(planned: Planned) -> None:
    await planned.of(1)
    with open_plan(planned.path) as plan, open_journal(plan):
        locked = await planned.apply(*REASON, "--yes")
    assert locked.code == ExitCode.REFUSED
    assert "another process is applying this plan" in locked.err
    assert "fuser" in locked.err
    assert (await planned.apply(*REASON, "--yes")).code == ExitCode.OK


async def started(planned: Planned, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stigmer_ops", "apply", str(planned.path), *REASON, "--yes"),
        *options,
        env=environment(planned.variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted_run_ends_in_order_and_is_resumed(
    planned: Planned, number: signal.Signals
) -> None:
    await planned.of(30)
    process = await started(planned, "--rps", "10", "--canary", "0", "-o", "json")
    while planned.audit.exists() is False:  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.02)
    process.send_signal(number)
    out, err = await process.communicate()

    assert process.returncode == ExitCode.INTERRUPTED, err.decode()
    report = json.loads(out)
    assert f"interrupted by {number.name}" in report["stopped"]
    assert report["totals"]["failed"] == 0
    assert 0 < report["totals"]["done"] < 30
    rest = await planned.apply(*REASON, "--yes", "-o", "json")
    assert rest.code == ExitCode.OK
    assert rest.json["stats"]["tried"] == 30 - report["totals"]["done"]
    assert await planned.completed() == 30


@pytest.mark.parametrize("kilobytes", [1, 4, 12])
async def test_full_disk_stops_the_run_and_nothing_is_done_twice(
    planned: Planned, kilobytes: int
) -> None:
    await planned.of(20)
    command = shlex.join(
        [sys.executable, "-m", "stigmer_ops", "apply", str(planned.path), *REASON, "--yes"]
    )
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"ulimit -f {kilobytes}; exec {command} --concurrency 2 --canary 0"),
        env={**environment(planned.variables), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()

    before = await planned.completed()
    assert process.returncode in (ExitCode.REFUSED, ExitCode.PARTIAL), err.decode()
    assert b"File too large" in err
    assert before < 20
    rest = await planned.apply(*REASON, "--yes", "-o", "json")
    assert rest.code == ExitCode.OK, rest.err
    assert rest.json["totals"]["done"] == 20
    assert await planned.completed() == 20
    verified = await stigmer_ops("audit", "verify", variables=planned.variables)
    assert verified.code == 0, verified.out


async def test_no_token_is_in_plan_journal_audit_or_report(
    planned: Planned, tmp_path: Path
) -> None:
    await planned.of(2)
    await planned.population.retry(planned.names[0])
    report = tmp_path / "report.jsonl"
    done = await planned.apply(*REASON, "--yes", "--report", str(report), "-o", "json")
    files = (planned.path, journal_path(planned.path), planned.audit, report)
    places = [done.out, done.err, *(file.read_text() for file in files)]
    for token in planned.population.tokens.values():
        text = base64.b64encode(token).decode()
        assert not [form for form in (text, token.hex()) for place in places if form in place]


async def test_mixed_plan_of_diagnose_is_applied(isolated_sandbox: Sandbox, tmp_path: Path) -> None:
    await isolated_sandbox.populate({"callback-fails": 2, "token-not-passed": 1})
    plan = tmp_path / "plan.jsonl"
    variables: dict[str, Any] = {
        **isolated_sandbox.environment(),
        "STIGMER_OPS_AUDIT_PATH": str(tmp_path / "audit.jsonl"),
    }
    found = await stigmer_ops("diagnose", "--plan-out", str(plan), variables=variables)
    assert found.code == ExitCode.FINDINGS
    with open_plan(plan) as opened:
        assert opened.tally.by_action == {Action.REDELIVER: 2, Action.FAIL: 1}
        assert not opened.edited
    done = await stigmer_ops("apply", str(plan), *REASON, "--yes", variables=variables)
    assert done.code == ExitCode.OK, done.err + done.out
    assert "3 done" in done.out
    verified = await stigmer_ops("plan", "verify", str(plan), variables=variables)
    assert verified.code == ExitCode.OK, verified.out
