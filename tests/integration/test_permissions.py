"""What docs/security.md says of Temporal's permissions, against the code and a server's gateway."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from temporalio.service import WorkflowService

from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.sandbox import Sandbox
from support.batches import batched
from support.command_line import Finished, stigmer_ops
from support.commands import commands
from support.gateway import Gateway, gateway_to

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
READ, WRITE = "read", "write"
ROLES = dict(re.findall(r"^\| `([A-Z]\w+)` \| (read|write) \|", PAGE, re.MULTILINE))
"""Each call of Temporal's API that the page names, with the role that it takes."""

BEYOND_READING = {
    name: frozenset(re.findall(r"`([A-Z]\w+)`", calls))
    for names, calls in re.findall(
        r"^\| (`[a-z].*?) \| (?:read|write) \| (.*) \|$", PAGE, re.MULTILINE
    )
    for name in re.findall(r"`([a-z][a-z -]*)`", names)
}
"""Each command that the page names, with the calls of a writer that it makes."""

METHODS = {
    name: "".join(word.capitalize() for word in name.split("_"))
    for name in dir(WorkflowService)
    if not name.startswith("_")
}
"""The SDK's methods, with the names of the calls that they make."""

WORKER = frozenset(
    {
        *("PollWorkflowTaskQueue", "RespondWorkflowTaskCompleted", "PollActivityTaskQueue"),
        *("RespondActivityTaskCompleted", "RespondQueryTaskCompleted", "RecordWorkerHeartbeat"),
        *("RecordActivityTaskHeartbeat", "ShutdownWorker"),
    }
)
"""What a worker of the SDK does; the page says which commands host one."""
CLOCK = frozenset({"PollActivityTaskQueue"})
"""The server's clock is read off a poll of its own; a reader reads it off those of workers."""
HOSTS = frozenset({"smoke", "batch-worker", "check", "deploy verify"})


def calls_in_code() -> set[str]:
    """Every call that the package makes itself; the sandbox is the world outside."""
    found = set()
    for path in (ROOT / "stigmer_ops").rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                owner = str(getattr(node.value, "attr", "") or getattr(node.value, "id", ""))
                if owner.endswith("service"):
                    found.add(METHODS[node.attr])
    return found


def test_page_names_every_call_that_the_code_makes_and_no_other() -> None:
    assert set(ROLES) == calls_in_code()


@dataclass(frozen=True)
class Trial:
    """A command with its arguments, the exit codes that it may have, and what precedes it."""

    command: str
    arguments: str = ""
    codes: tuple[int, ...] = (0,)
    before: tuple[str, ...] = ()
    fault: str = "still-running"

    def __str__(self) -> str:
        return f"{self.command} {self.arguments}".strip()

    @property
    def beyond_reading(self) -> frozenset[str]:
        """The calls of a writer that the page allows it."""
        hosted = WORKER if self.command in HOSTS else frozenset()
        return BEYOND_READING.get(self.command, frozenset()) | hosted | CLOCK


NAMED = "-w {workflow} -a {activity}"
PLAN = "plan create --action fail --message m --out {folder}/plan.jsonl"
CONSENT = "--reason r --yes"

READS = (
    Trial("pending list", "--all-types"),
    Trial("pending summary"),
    Trial("pending watch", "--count 1"),
    Trial("pending show", NAMED),
    Trial("diagnose", codes=(0, 1)),
    Trial("watch", "--count 1"),
    Trial("report", "--out {folder}/report.html", (0, 3)),
    Trial("escalate", codes=(0, 1, 3)),
    Trial("check", codes=(0, 1)),
    Trial("token validate", "--token-file {token}"),
    Trial("logs correlate", "{log} -e {execution}", (0, 1)),
    Trial("plan create", PLAN.removeprefix("plan create ")),
    Trial("plan verify", "{folder}/plan.jsonl", (0, 1), (PLAN,)),
    Trial("apply", "{folder}/plan.jsonl --reason r --dry-run", (0, 1), (PLAN,)),
    Trial("worker list"),
    Trial("worker check", "--passive", (0, 1)),
    Trial("activity complete", f"{NAMED} --dry-run"),
    Trial("activity fail", f"{NAMED} --message m --dry-run"),
    Trial("activity extend", f"{NAMED} --by 1h --dry-run"),
    Trial("exporter", "--once", (0, 1)),
    Trial("drain", "--target 9"),
    Trial("deploy preflight", codes=(0, 1)),
    Trial("deploy verify", "--for 1s --every 1s --no-smoke", (0, 1, 3)),
    Trial("scale recommend", codes=(0, 1)),
    Trial("maintenance preflight", "--for 1h", (0, 1)),
    Trial("maintenance begin", "--for 1h --reason r --dry-run"),
    Trial("batch list"),
)
"""What a reader can do."""

WRITES = (
    Trial("worker check", codes=(0, 1)),
    Trial("check", "--smoke", (0, 1)),
    Trial("deploy verify", "--for 1s --every 1s", (0, 1, 3)),
    Trial("report", "--out {folder}/report.html", (0, 3)),
    Trial("smoke", "--rounds 1", (0, 1)),
    Trial("activity extend", f"{NAMED} --by 1h {CONSENT}"),
    Trial("activity complete", f"{NAMED} {CONSENT}"),
    Trial("activity complete", f"{NAMED} --unfenced {CONSENT}"),
    Trial("activity fail", f"{NAMED} --message m {CONSENT}"),
    Trial("activity fail", f"{NAMED} --message m --unfenced {CONSENT}"),
    Trial("activity redeliver", f"{NAMED} {CONSENT}", fault="callback-fails"),
    Trial("apply", f"{{folder}}/plan.jsonl {CONSENT}", before=(PLAN,)),
    Trial("maintenance begin", f"--for 2h {CONSENT}", (0, 5)),
    Trial("maintenance end", CONSENT, (0, 1, 5), (f"maintenance begin --for 2h {CONSENT}",)),
)
"""What takes a writer, and no more than the calls of the page."""

ELSEWHERE = {
    "batch show": "test_batch_is_carried_out_with_the_calls_of_the_page",
    "batch pause": "test_batch_is_carried_out_with_the_calls_of_the_page",
    "batch resume": "test_batch_is_carried_out_with_the_calls_of_the_page",
    "batch cancel": "test_batch_is_carried_out_with_the_calls_of_the_page",
    "batch-worker": "test_batch_is_carried_out_with_the_calls_of_the_page",
    "maintenance status": "reads the journals of windows, and connects to nothing",
    "config show": "connects to nothing",
    "config check": "connects to nothing",
    "metrics query": "asks Prometheus; the namespace is a label there",
}


def test_every_command_that_connects_is_tried_here() -> None:
    connects = {
        name
        for name, found in commands()
        if any("--namespace" in parameter.opts for parameter in found.params)
    }
    assert connects == {trial.command for trial in (*READS, *WRITES)} | set(ELSEWHERE)
    assert set(BEYOND_READING) <= connects


@dataclass(frozen=True)
class Place:
    """A sandbox with one handshake, and a folder for files."""

    sandbox: Sandbox
    handshake: Handshake
    folder: Path

    async def run(self, line: str, address: str) -> Finished:
        execution = self.handshake.executions()[0]
        token = self.folder / "token"
        token.write_bytes(execution.spec.callback_token)
        log = self.folder / "log"
        log.write_text(f"INF Callback token detected execution_id={execution.metadata.id}\n")
        names = {
            "workflow": self.handshake.workflow_id,
            "activity": self.handshake.activity_ids[0],
            "execution": execution.metadata.id,
            "token": str(token),
            "log": str(log),
            "folder": str(self.folder),
        }
        return await stigmer_ops(
            *(word.format(**names) for word in line.split()), variables=self.variables(address)
        )

    def variables(self, address: str) -> dict[str, str]:
        """What leads a command there, and keeps what it writes in the folder."""
        return {
            **self.sandbox.environment(),
            "TEMPORAL_ADDRESS": address,
            "STIGMER_OPS_AUDIT_PATH": str(self.folder / "audit.jsonl"),
            "STIGMER_OPS_PROCEDURES_PATH": str(self.folder / "procedures"),
        }

    async def tried(self, trial: Trial, gateway: Gateway) -> Finished:
        """The trial through a gateway; what precedes it goes past the gateway."""
        for line in trial.before:
            done = await self.run(line, self.sandbox.address)
            assert done.code in (0, 5), done.out + done.err
        return await self.run(str(trial), f"127.0.0.1:{gateway.port}")


@pytest.fixture(scope="module")
async def quiet(sandbox: Sandbox) -> AsyncIterator[tuple[Sandbox, Handshake]]:
    """A sandbox for those who only look."""
    async with sandbox.isolated() as running:
        handshake = await running.start_handshake("still-running")
        await running.settle(handshake)
        yield running, handshake


async def as_reader(method: str, _request: bytes) -> grpc.StatusCode | None:
    """What Temporal's default authorizer lets the role reader do."""
    return None if ROLES.get(method) == READ else grpc.StatusCode.PERMISSION_DENIED


def beyond(calls: list[str]) -> set[str]:
    return {call for call in calls if ROLES.get(call) != READ}


@pytest.mark.parametrize("trial", READS, ids=str)
async def test_reader_can_do_what_reads(
    trial: Trial, quiet: tuple[Sandbox, Handshake], tmp_path: Path
) -> None:
    place = Place(*quiet, tmp_path)
    async with gateway_to(place.sandbox.address, intercept=as_reader) as gateway:
        done = await place.tried(trial, gateway)
    assert done.code in trial.codes, done.out + done.err
    assert set(gateway.calls) - {"GetSystemInfo"}
    # What it would rather do, and does without.
    assert beyond(gateway.calls) <= trial.beyond_reading


@pytest.mark.parametrize("trial", WRITES, ids=str)
async def test_writer_is_asked_for_no_more_than_the_page_says(
    trial: Trial, isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    handshake = await isolated_sandbox.start_handshake(trial.fault)
    await isolated_sandbox.settle(handshake)
    place = Place(isolated_sandbox, handshake, tmp_path)
    async with gateway_to(isolated_sandbox.address) as gateway:
        done = await place.tried(trial, gateway)
    assert done.code in trial.codes, done.out + done.err
    assert beyond(gateway.calls)
    assert beyond(gateway.calls) <= trial.beyond_reading


@pytest.mark.parametrize(
    "trial", [trial for trial in WRITES if trial.command.startswith("activity")], ids=str
)
async def test_reader_is_refused_what_writes(
    trial: Trial, isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    handshake = await isolated_sandbox.start_handshake(trial.fault)
    await isolated_sandbox.settle(handshake)
    place = Place(isolated_sandbox, handshake, tmp_path)
    async with gateway_to(isolated_sandbox.address, intercept=as_reader) as gateway:
        done = await place.tried(trial, gateway)
    assert done.code == 3, done.out + done.err
    assert "denied" in done.err


async def test_batch_is_carried_out_with_the_calls_of_the_page(
    isolated_sandbox: Sandbox, tmp_path: Path
) -> None:
    handshake = await isolated_sandbox.start_handshake("still-running")
    await isolated_sandbox.settle(handshake)
    place = Place(isolated_sandbox, handshake, tmp_path)
    await place.run(PLAN, isolated_sandbox.address)
    plan = "{folder}/plan.jsonl"
    steps = (
        Trial("apply", f"{plan} --durable --detach {CONSENT}"),
        Trial("batch show", plan, (0, 3)),  # no worker answers yet
        Trial("batch pause", f"{plan} {CONSENT}"),
        Trial("batch resume", f"{plan} {CONSENT}"),
        Trial("batch cancel", f"{plan} {CONSENT}"),
    )
    for trial in steps:
        async with gateway_to(isolated_sandbox.address) as gateway:
            done = await place.tried(trial, gateway)
        assert done.code in trial.codes, done.out + done.err
        assert beyond(gateway.calls) <= trial.beyond_reading, trial

    async with gateway_to(isolated_sandbox.address) as gateway:
        address = place.variables(f"127.0.0.1:{gateway.port}")
        async with batched(isolated_sandbox.client, tmp_path, **address) as batch:
            await batch.worker()
            async with asyncio.timeout(60):
                while not beyond(gateway.calls):  # noqa: ASYNC110 - a gateway tells nobody
                    await asyncio.sleep(0.05)
            await batch.kill_workers()
    assert beyond(gateway.calls)
    assert beyond(gateway.calls) <= Trial("batch-worker").beyond_reading
