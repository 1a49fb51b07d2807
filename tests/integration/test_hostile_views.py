"""What a member of a namespace may plant, in whatever shows or writes it: no view obeys it.

docs/security.md names each of these tests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue

from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, stigmer_ops
from support.hand_worker import HandWorker
from support.hostile import ALL_IN_ONE, NOW, OBEYED, is_harmless_page
from support.pending import hand_worker, listed, new_client

PLANTED = (
    ALL_IN_ONE,
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "[x](javascript:alert(1)) ![y](http://evil/) @here <!channel> | a | `b`",
    "a/b c/../d?e=1&f#g%00",
    "ü" * 490,
    "--yes",
)
"""Ids of workflows, of executions, of workers; reasons and failures."""


@pytest.fixture(scope="module")
async def planted(sandbox: Sandbox) -> Client:
    """A workflow for each, whose execution was ended by force, with hostile words at every turn."""
    client = await new_client(sandbox)
    for text in PLANTED:
        worker = hand_worker(client, workflow_id=text, workflow_type=text, queue=text[:200])
        await worker.started()
        await plant_execution(worker, text)
    await listed(client, len(PLANTED))
    return client


async def plant_execution(worker: HandWorker, text: str) -> None:
    token = base64.b64encode(worker.token).decode()
    execution = {"metadata": {"id": text}, "spec": {"callbackToken": token}}
    message = b"ai.stigmer.agentic.agentexecution.v1.AgentExecution"
    metadata = {"encoding": b"json/protobuf", "messageType": message}
    handle = await worker.client.start_workflow(
        "stigmer/agent-execution/invoke",
        RawValue(Payload(metadata=metadata, data=json.dumps(execution).encode())),
        id=f"stigmer/agent-execution/invoke/{text[:400]}",
        task_queue=text[:200],
    )
    await handle.terminate(reason=text)


async def run(client: Client, folder: Path, *arguments: str, **variables: str) -> Finished:
    known = {
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
        "STIGMER_OPS_AUDIT_PATH": str(folder / "audit.jsonl"),
        **NOW,
    }
    return await stigmer_ops(*arguments, variables={**known, **variables})


VIEWS = (
    "pending list -o wide",
    "pending watch --count 1",
    "diagnose -o wide",
    "watch --count 1 --interval 1s",
    "watch --count 1 --interval 1s -o jsonl",
    "escalate",
    "escalate --message",
    "escalate -o json",
    "drain --target 0 --timeout 1s --interval 1s",
    "check",
    "deploy preflight",
    "scale recommend",
    "maintenance preflight --for 2h",
    "maintenance preflight --for 2h -o yaml",
    "maintenance begin --for 2h --reason r --dry-run",
    "batch list",
    "worker check --passive",
    "worker list -o json",
    "report --out -",
    "report --out - --format md",
    "report --out {folder}/report.html -o json",
)


@pytest.mark.parametrize("view", VIEWS)
async def test_no_view_obeys_what_was_planted(planted: Client, tmp_path: Path, view: str) -> None:
    done = await run(planted, tmp_path, *view.format(folder=tmp_path).split())
    assert done.code in (0, 1, 3, 5), done.err
    assert done.out
    assert OBEYED.findall(done.out + done.err) == []
    assert "Traceback" not in done.err


async def test_report_is_a_page_without_what_was_planted(planted: Client, tmp_path: Path) -> None:
    done = await run(planted, tmp_path, "report", "--out", f"{tmp_path}/report.html")
    assert done.code in (0, 3), done.err
    page = (tmp_path / "report.html").read_text()
    is_harmless_page(page)
    assert "alert(1)" in page


async def test_plan_of_what_was_planted_is_shown_tried_and_reported(
    planted: Client, tmp_path: Path
) -> None:
    file = tmp_path / "plan.jsonl"
    plan = str(file)
    commands: tuple[tuple[str, ...], ...] = (
        ("diagnose", "--plan-out", plan),
        ("plan", "show", plan),
        ("plan", "verify", plan),
        ("apply", plan, "--reason", "r", "--dry-run"),
        ("apply", plan, "--reason", "r", "--dry-run", "--report", f"{tmp_path}/report.csv"),
    )
    for command in commands:
        done = await run(planted, tmp_path, *command)
        assert done.code in (0, 1, 4), (command, done.err)
        assert OBEYED.findall(done.out + done.err) == [], command
    text = file.read_text()
    assert OBEYED.findall(text) == []
    rows = [json.loads(line) for line in text.splitlines()[1:]]
    assert {row["workflow_id"] for row in rows} == set(PLANTED)


async def test_settings_and_files_may_hold_what_was_planted(
    planted: Client, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump({"external": {"activity_types": list(PLANTED)}}))
    for command in ("config show", "pending summary", "exporter --once"):
        done = await run(planted, tmp_path, *command.split(), "--config", str(settings))
        assert done.code in (0, 1), done.err
        assert OBEYED.findall(done.out + done.err) == [], command


INPUTS: dict[str, tuple[dict[str, bytes], bytes]] = {
    "brackets": ({"encoding": b"json/protobuf"}, b"[" * 100_000),
    "objects": ({"encoding": b"json/plain"}, b'{"spec":' * 100_000),
    "megabytes": ({"encoding": b"json/plain"}, b'{"spec":{"callbackToken":"' + b"A" * 1_500_000),
    "token-of-groups": (
        {"encoding": b"json/plain"},
        json.dumps({"spec": {"callbackToken": base64.b64encode(b"(" * 900_000).decode()}}).encode(),
    ),
    "no-ascii": ({"encoding": b"json/plain"}, b'{"spec":{"callbackToken":"\xd9\xa3"}}'),
    "half-a-character": (
        {"encoding": b"json/plain"},
        b'{"metadata":{"id":"\\ud800"},"spec":{"callbackToken":"\\ud800"}}',
    ),
    "digits": ({"encoding": b"json/plain"}, b'{"spec":' + b"9" * 5_000 + b"}"),
    "encrypted": ({"encoding": b"binary/encrypted"}, b"\x00\x1b[2J"),
    "unknown": ({"encoding": ALL_IN_ONE.encode(), "messageType": b"\xff" * 900}, b""),
    "nothing": ({}, b""),
}
"""Inputs of Stigmer workflows, as somebody may write them who may start workflows."""


async def test_inputs_of_any_kind_are_told_and_end_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    client = await new_client(sandbox)
    await hand_worker(client).started()
    for name, (metadata, data) in INPUTS.items():
        await client.start_workflow(
            "stigmer/agent-execution/invoke",
            RawValue(Payload(metadata=metadata, data=data)),
            id=f"stigmer/agent-execution/invoke/{name}",
            task_queue="agent_execution_stigmer",
        )
    await listed(client, len(INPUTS) + 1)
    for command in ("diagnose", "watch --count 1", "exporter --once", "escalate"):
        done = await run(client, tmp_path, *command.split())
        assert done.code in (0, 1, 3), done.err
        assert "Traceback" not in done.err
        assert "defect" not in done.err
        assert OBEYED.findall(done.out + done.err) == []
    seen = await run(client, tmp_path, "diagnose", "-o", "json")
    unreadable = {item["workflow_id"].rpartition("/")[2] for item in seen.json["unreadable"]}
    assert unreadable == INPUTS.keys() - {"token-of-groups"}


async def test_timeouts_of_ten_thousand_years_are_shown(sandbox: Sandbox, tmp_path: Path) -> None:
    client = await new_client(sandbox)
    worker = hand_worker(client, start_to_close=315_576_000_000)
    await worker.started()
    await listed(client, 1)
    for command in (
        "pending list",
        "diagnose",
        "watch --count 1",
        "maintenance preflight --for 1h",
    ):
        done = await run(client, tmp_path, *command.split())
        assert done.code in (0, 1), done.out + done.err
        assert "defect" not in done.err


@contextmanager
def kubectl(folder: Path, script: str) -> Iterator[dict[str, str]]:
    """A kubectl that does what the script says: variables under which it is found."""
    path = folder / "bin" / "kubectl"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    yield {"PATH": f"{path.parent}:/usr/bin:/bin"}


@pytest.mark.parametrize("end", ["exit 0", "exit 1"])
async def test_what_kubectl_prints_is_not_obeyed(planted: Client, tmp_path: Path, end: str) -> None:
    said = "printf '\\033[2J\\302\\233[red]\\342\\200\\256x\\n\\r\\377'"
    with kubectl(tmp_path, f"{said}; {said} >&2; {end}") as variables:
        done = await run(planted, tmp_path, "deploy", "preflight", "--execute", **variables)
    assert done.code in (0, 1, 3), done.err
    assert "kubectl" in done.out + done.err
    assert OBEYED.findall(done.out + done.err) == []
