"""`apply --durable`, `batch` and `batch-worker` as people and maintenance windows use them."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from stigmer_ops.errors import ExitCode
from stigmer_ops.sandbox.sandbox import Sandbox
from support.audit import records
from support.awaiting import Awaiting
from support.batches import REASON, Batched, batched, completions
from support.command_line import stigmer_ops
from support.hand_worker import unique
from support.terminal import at_terminal

SLOWLY = ("--rps", "4", "--canary", "0")


@pytest.fixture
async def batch(population: Awaiting, tmp_path: Path) -> AsyncIterator[Batched]:
    async with batched(population.client, tmp_path) as running:
        yield running


async def planned(population: Awaiting, batch: Batched, count: int) -> list[str]:
    prefix = unique("order")
    started = await population.start(f"{prefix}-{number}" for number in range(count))
    await batch.of(map(population.row, started))
    return started


async def test_batch_is_paused_resumed_and_cancelled(population: Awaiting, batch: Batched) -> None:
    started = await planned(population, batch, 120)
    plan = str(batch.plan)
    assert (await batch.apply(*SLOWLY, "--detach")).code == ExitCode.OK
    await batch.worker()
    await batch.tried(5)

    paused = await batch.run("batch", "pause", plan, *REASON, "--yes", "-o", "json")
    assert (paused.code, paused.json["phase"]) == (ExitCode.OK, "paused"), paused.err
    before = await batch.show()
    await asyncio.sleep(1.5)
    after = await batch.show()
    assert before["progress"] == after["progress"]
    assert after["progress"]["pages_running"] == []
    assert "INC-7 restore" in after["progress"]["paused"]

    resumed = await batch.run("batch", "resume", plan, *REASON, "--yes", "-o", "json")
    assert resumed.json["phase"] == "running", resumed.err
    await batch.tried(after["progress"]["tried"] + 5)
    cancelled = await batch.run("batch", "cancel", plan, *REASON, "--yes", "-o", "json")
    assert cancelled.json["phase"] == "cancelled", cancelled.err

    report = await batch.apply("-o", "json")
    done = report.json["totals"]["done"]
    assert report.code == ExitCode.PARTIAL
    assert "cancelled by" in report.json["stopped"]
    assert 10 <= done < 120
    assert report.json["totals"]["failed"] == 0
    assert sum(map(len, (await completions(population.client, started)).values())) == done
    commands = [record.intent.command for record in records(batch.audit) if record.outcome]
    assert commands == ["apply --durable", "batch pause", "batch resume", "batch cancel"]

    rest = await batch.apply("-o", "json")
    assert (rest.code, rest.json["totals"]["done"]) == (ExitCode.OK, 120), rest.err
    assert rest.json["stats"]["tried"] == 120 - done


async def test_pages_of_a_terminated_batch_are_shown_and_ended(
    population: Awaiting, batch: Batched
) -> None:
    started = await planned(population, batch, 60)
    batch.variables |= {
        "STIGMER_OPS_BATCH_PAGE_ROWS": "10",
        "STIGMER_OPS_BATCH_PAGES_AT_ONCE": "2",
    }
    detached = await batch.apply(*SLOWLY, "--detach", "-o", "json")
    assert (detached.code, detached.json["pages"]) == (ExitCode.OK, 6), detached.err
    await batch.worker()
    await batch.tried(3)
    handle = population.client.get_workflow_handle(detached.json["workflow_id"])
    await handle.terminate("by mistake")
    left = await pages_left_open(batch)
    shown = await batch.run("batch", "list")
    cancel = ("batch", "cancel", str(batch.plan), *REASON)
    dry = await batch.run(*cancel, "--dry-run", "-o", "json")
    assert (await batch.show())["pages_left_open"] == left
    ended = await batch.run(*cancel, "--yes", "-o", "json")
    after = await batch.show()
    again = await batch.run(*cancel, "--yes")
    report = await batch.apply("-o", "json")

    assert 1 <= left <= 5
    assert f"TERMINATED, {left} page" in shown.out
    assert "stigmer-ops batch cancel" in shown.out
    assert (dry.code, dry.json["phase"]) == (ExitCode.OK, None)
    assert (ended.code, ended.json["phase"]) == (ExitCode.OK, "closed"), ended.err
    assert after["pages_left_open"] == 0
    assert (again.code, "has closed: TERMINATED" in again.err) == (ExitCode.REFUSED, True)
    done = report.json["totals"]["done"]
    assert (report.code, report.json["totals"]["failed"]) == (ExitCode.PARTIAL, 0)
    assert sum(map(len, (await completions(population.client, started)).values())) == done > 0
    commands = [record.intent.command for record in records(batch.audit) if record.outcome]
    assert commands == ["apply --durable", "batch cancel"]


async def pages_left_open(batch: Batched) -> int:
    """How many, once those under way have ended: each takes five seconds."""
    before, left = 7, 6
    async with asyncio.timeout(120):
        while left != before:
            await asyncio.sleep(6)
            before, left = left, int((await batch.show())["pages_left_open"])
    return left


async def test_worker_that_is_stopped_gives_back_what_it_has_not_begun(
    population: Awaiting, batch: Batched
) -> None:
    await planned(population, batch, 40)
    await batch.apply(*SLOWLY, "--detach")
    first = await batch.worker()
    await batch.tried(3)
    first.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(first.wait(), 60) == ExitCode.OK
    given_back = [line for line in batch.lines() if line["event"] == "page-ended" and line["left"]]
    assert given_back
    assert [line["event"] for line in batch.lines()][-1] == "worker-stopped"

    await batch.worker()
    done = await batch.apply("-o", "json")

    assert done.json["totals"]["done"] == 40, done.err
    attempts = {line["attempt"] for line in batch.lines() if "attempt" in line}
    assert attempts == {1}, "nothing was to be in doubt"


async def test_plan_that_was_handed_over_is_not_applied_here_as_well(
    population: Awaiting, batch: Batched
) -> None:
    started = await planned(population, batch, 3)
    handed_over = await batch.apply("--detach", "-o", "json")
    assert handed_over.json["kind"] == "BatchStarted", handed_over.err

    here = await batch.run("apply", str(batch.plan), *REASON, "--yes")
    dry = await batch.run("apply", str(batch.plan), "--dry-run", "-o", "json")
    shown = await batch.run("batch", "show", str(batch.plan))

    assert here.code == ExitCode.REFUSED
    assert f"stigmer-ops apply {batch.plan} --durable" in here.err
    assert (dry.code, dry.json["totals"]["would_be_done"]) == (ExitCode.OK, 3)
    assert shown.code == ExitCode.UNAVAILABLE, "no worker runs"
    assert "stigmer-ops batch-worker" in shown.err
    assert "3 rows" in shown.out
    assert not any((await completions(population.client, started)).values())
    await batch.worker()
    report = batch.folder / "report.csv"
    done = await batch.apply("--report", str(report))
    assert done.code == ExitCode.OK, done.err
    assert report.read_text().count(",done,") == 3
    verified = await batch.run("plan", "verify", str(batch.plan), "-o", "json")
    assert verified.json["totals"]["proved"] == 3
    plan = await batch.run("plan", "show", str(batch.plan), "-o", "json")
    assert plan.json["totals"]["done"] == 3
    again = await batch.apply()
    assert again.code == ExitCode.OK, "nothing is left"


async def test_batch_is_followed_from_another_machine(
    population: Awaiting, batch: Batched, tmp_path: Path
) -> None:
    await planned(population, batch, 30)
    await batch.apply(*SLOWLY, "--detach")
    await batch.worker()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(batch.plan, elsewhere)

    async with batched(population.client, elsewhere) as other:
        followed = await other.apply("-o", "json")

    assert (followed.code, followed.json["totals"]["done"]) == (ExitCode.OK, 30), followed.err
    here = await batch.apply("-o", "json")
    assert here.json["totals"]["done"] == 30, here.err


async def test_person_sees_the_plan_confirms_and_leaves_the_batch_to_itself(
    population: Awaiting, batch: Batched
) -> None:
    await planned(population, batch, 40)
    await batch.worker()
    variables = {**batch.variables, "STIGMER_OPS_AUDIT_PATH": str(batch.audit)}
    command = ("apply", str(batch.plan), *REASON, *SLOWLY, "--durable")
    async with at_terminal(*command, variables=variables) as terminal:
        await terminal.until("40 rows: 40 complete")
        await terminal.until("Write to 40 activities")
        terminal.type("y\n")
        await terminal.until("done", 60)
        terminal.type("\x03")
        assert await terminal.code(60) == ExitCode.INTERRUPTED
    assert "the batch goes on without this command" in terminal.screen
    async with at_terminal("batch", "show", str(batch.plan), variables=variables) as terminal:
        assert await terminal.code(60) == ExitCode.OK
    assert "running:" in terminal.screen
    done = await batch.apply()
    assert "40 done" in done.out


async def test_worker_that_cannot_audit_sends_nothing_and_another_goes_on(
    population: Awaiting, batch: Batched, tmp_path: Path
) -> None:
    started = await planned(population, batch, 5)
    await batch.apply("--detach")
    folder = tmp_path / "not-a-file"
    folder.mkdir()

    broken = await batch.worker(STIGMER_OPS_AUDIT_PATH=str(folder))

    assert await asyncio.wait_for(broken.wait(), 60) == ExitCode.REFUSED
    assert "audit-failed" in batch.logs[0].read_text()
    assert not any((await completions(population.client, started)).values())
    await batch.worker()
    done = await batch.apply("-o", "json")
    assert done.json["totals"]["done"] == 5, done.err


async def test_mixed_plan_of_diagnose_is_carried_out(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    await isolated_sandbox.populate({"callback-fails": 2, "token-not-passed": 1})
    client = await Client.connect(
        isolated_sandbox.address, namespace=isolated_sandbox.environment()["TEMPORAL_NAMESPACE"]
    )
    async with batched(client, tmp_path, **isolated_sandbox.environment()) as batch:
        await batch.run("diagnose", "--plan-out", str(batch.plan))
        await batch.worker()
        done = await batch.apply()
        verified = await batch.run("plan", "verify", str(batch.plan))
    assert done.code == ExitCode.OK, done.err + done.out
    assert "3 done" in done.out
    assert verified.code == ExitCode.OK, verified.out


async def test_what_makes_no_sense_is_refused(population: Awaiting, batch: Batched) -> None:
    await planned(population, batch, 1)
    detached = await batch.run("apply", str(batch.plan), *REASON, "--yes", "--detach")
    unknown = await batch.run("batch", "show", "0" * 64)
    misspelt = await batch.run("batch", "show", "plan.jsn")
    silent = await batch.run("batch", "pause", str(batch.plan), "--yes")
    closed = await batch.run("batch", "pause", str(batch.plan), *REASON, "--yes")
    read_only = await batch.run("batch-worker", STIGMER_OPS_READ_ONLY="1")
    listed = await batch.run("batch", "list", "-o", "jsonl")

    assert (detached.code, misspelt.code, silent.code) == (ExitCode.USAGE,) * 3
    assert (unknown.code, closed.code, read_only.code) == (ExitCode.REFUSED,) * 3
    assert "--durable" in detached.err
    assert "there is no batch" in unknown.err
    assert "stigmer-ops batch list" in misspelt.err
    assert "read-only" in read_only.err
    assert all(line["kind"] == "BatchItem" for line in listed.lines)


@pytest.mark.parametrize("command", [("batch", "list"), ("batch-worker",)])
async def test_nobody_there_is_told(command: tuple[str, ...]) -> None:
    done = await stigmer_ops(*command, variables={"TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert done.code == ExitCode.UNAVAILABLE
    assert "127.0.0.1:1" in done.err
    assert "next: " in done.err
