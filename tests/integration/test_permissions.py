"""What docs/security.md says of Temporal's permissions, against the code and a server's gateway."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from temporalio.service import WorkflowService

from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, stigmer_ops
from support.gateway import Gateway, gateway_to

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
READ, WRITE = "read", "write"
ROLES = dict(re.findall(r"^\| `([A-Z]\w+)` \| (read|write) \|", PAGE, re.MULTILINE))
"""Each call of Temporal's API that the page names, with the role that it takes."""

METHODS = {
    name: "".join(word.capitalize() for word in name.split("_"))
    for name in dir(WorkflowService)
    if not name.startswith("_")
}
"""The SDK's methods, with the names of the calls that they make."""


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
    """A command, the exit codes that it may have, and the calls with a writer's role it makes."""

    arguments: str
    codes: tuple[int, ...] = (0,)
    writes: frozenset[str] = frozenset()


READS = [
    Trial("pending list --all-types"),
    Trial("pending summary"),
    Trial("pending watch --count 1"),
    Trial("pending show -w {workflow} -a {activity}"),
    Trial("diagnose", (0, 1)),
    Trial("token validate --token-file {token}"),
    Trial("plan create --action fail --message m --out {folder}/plan.jsonl"),
    Trial("worker list"),
    Trial("worker check --passive", (0, 1)),
    Trial("activity complete -w {workflow} -a {activity} --dry-run"),
    Trial("activity fail -w {workflow} -a {activity} --message m --dry-run"),
    Trial("activity extend -w {workflow} -a {activity} --by 1h --dry-run"),
    Trial("exporter --once", (0, 1)),
    Trial("maintenance preflight --for 1h", (0, 1)),
    Trial("batch list"),
]
"""What a reader can do."""

_CLOCK = frozenset({"PollActivityTaskQueue"})
"""The server's clock is read off a poll of a queue that nobody else uses; a reader does without."""

_PROBE = frozenset(
    {"StartActivityExecution", "TerminateActivityExecution", "DeleteActivityExecution"}
)
_WORKER = frozenset(
    {
        *("PollWorkflowTaskQueue", "RespondWorkflowTaskCompleted", "PollActivityTaskQueue"),
        *("RecordWorkerHeartbeat", "ShutdownWorker"),
    }
)
"""What a worker of the SDK does."""

WRITES = [
    Trial("worker check", (0, 1), _PROBE),
    Trial(
        "smoke --rounds 1",
        (0, 1),
        frozenset(
            {
                *("StartWorkflowExecution", "RespondActivityTaskCompleted"),
                *("TerminateWorkflowExecution", "DeleteWorkflowExecution"),
                *_WORKER,
            }
        ),
    ),
    Trial(
        "activity extend -w {workflow} -a {activity} --by 1h --reason r --yes",
        writes=frozenset({"UpdateActivityOptions"}),
    ),
    Trial(
        "activity complete -w {workflow} -a {activity} --reason r --yes",
        writes=frozenset({"RespondActivityTaskCompleted"}),
    ),
    Trial(
        "activity fail -w {workflow} -a {activity} --message m --reason r --yes",
        writes=frozenset({"RespondActivityTaskFailed"}),
    ),
]
"""What takes a writer, and no more than these calls."""


@pytest.fixture
async def handshake(isolated_sandbox: Sandbox) -> Handshake:
    running = await isolated_sandbox.start_handshake("still-running")
    await isolated_sandbox.settle(running)
    return running


async def run(
    trial: Trial, sandbox: Sandbox, handshake: Handshake, gateway: Gateway, folder: Path
) -> Finished:
    token = folder / "token"
    token.write_bytes(handshake.executions()[0].spec.callback_token)
    words = [
        word.format(
            workflow=handshake.workflow_id,
            activity=handshake.activity_ids[0],
            token=token,
            folder=folder,
        )
        for word in trial.arguments.split()
    ]
    variables = {
        **sandbox.environment(),
        "TEMPORAL_ADDRESS": f"127.0.0.1:{gateway.port}",
        "STIGMER_OPS_AUDIT_PATH": str(folder / "audit.jsonl"),
    }
    return await stigmer_ops(*words, variables=variables)


async def as_reader(method: str, _request: bytes) -> grpc.StatusCode | None:
    """What Temporal's default authorizer lets the role reader do."""
    return None if ROLES.get(method) == READ else grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("trial", READS, ids=lambda trial: trial.arguments)
async def test_reader_can_do_what_reads(
    trial: Trial, isolated_sandbox: Sandbox, handshake: Handshake, tmp_path: Path
) -> None:
    async with gateway_to(isolated_sandbox.address, intercept=as_reader) as gateway:
        done = await run(trial, isolated_sandbox, handshake, gateway, tmp_path)
    assert done.code in trial.codes, done.out + done.err
    assert set(gateway.calls) - {"GetSystemInfo"}
    assert {call for call in gateway.calls if ROLES.get(call) != READ} <= _CLOCK


@pytest.mark.parametrize("trial", WRITES, ids=lambda trial: trial.arguments)
async def test_writer_is_asked_for_no_more_than_the_page_says(
    trial: Trial, isolated_sandbox: Sandbox, handshake: Handshake, tmp_path: Path
) -> None:
    async with gateway_to(isolated_sandbox.address) as gateway:
        done = await run(trial, isolated_sandbox, handshake, gateway, tmp_path)
    assert done.code in trial.codes, done.out + done.err
    written = {call for call in gateway.calls if ROLES.get(call) != READ}
    assert written - _CLOCK
    assert written <= trial.writes | _CLOCK


@pytest.mark.parametrize(
    "trial",
    [trial for trial in WRITES if trial.arguments.startswith("activity")],
    ids=lambda trial: trial.arguments,
)
async def test_reader_is_refused_what_writes(
    trial: Trial, isolated_sandbox: Sandbox, handshake: Handshake, tmp_path: Path
) -> None:
    async with gateway_to(isolated_sandbox.address, intercept=as_reader) as gateway:
        done = await run(trial, isolated_sandbox, handshake, gateway, tmp_path)
    assert done.code == 3, done.out + done.err
    assert "denied" in done.err
