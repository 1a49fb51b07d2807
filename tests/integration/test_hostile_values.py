"""What a member of a namespace may plant does no harm to whoever looks, and is read exactly.

docs/security.md names each of these tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import RespondActivityTaskFailedRequest
from temporalio.client import Client

from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, environment, stigmer_ops
from support.commands import parse
from support.hand_worker import HandWorker
from support.hostile import ALL_IN_ONE, NOW, OBEYED, OTHERS, SHELL
from support.pending import HOSTILE, hand_worker, listed, new_client, schedule_all

PLANTED = (*HOSTILE, *SHELL, *OTHERS, ALL_IN_ONE)


@pytest.fixture(scope="module")
async def planted(sandbox: Sandbox) -> list[HandWorker]:
    """A workflow for each: its id, its type, its activity's id and type, and a failure's text."""
    client = await new_client(sandbox)
    workers = [
        hand_worker(client, workflow_id=text, workflow_type=text, attempts=2, retry_after=3600)
        for text in PLANTED
    ]
    for worker, text in zip(workers, PLANTED, strict=True):
        await schedule_all(worker, {text: text})
    await asyncio.gather(*(fail_first(worker) for worker in workers))
    await listed(client, len(PLANTED))
    return workers


async def fail_first(worker: HandWorker) -> None:
    """Fail the activity once, with a text that is as hostile as its id."""
    await worker.call(
        "respond_activity_task_failed",
        RespondActivityTaskFailedRequest(
            namespace=worker.namespace,
            task_token=worker.token,
            identity=worker.workflow_id,
            failure=Failure(
                message=worker.workflow_id,
                application_failure_info=ApplicationFailureInfo(type=worker.workflow_id),
            ),
        ),
    )


def client_of(workers: list[HandWorker]) -> Client:
    return workers[0].client


async def run(client: Client, *arguments: str, **variables: str) -> Finished:
    address = client.service_client.config.target_host
    known = {"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": client.namespace, **NOW}
    return await stigmer_ops(*arguments, variables={**known, **variables})


def looks(worker: HandWorker) -> list[tuple[str, ...]]:
    """Commands that show a workflow, or all."""
    text = worker.workflow_id
    named = (f"--workflow-id={text}", f"--activity-id={text}")
    return [
        ("pending", "show", *named),
        ("pending", "show", f"--workflow-id=no {text}", f"--activity-id={text}"),
        ("diagnose", *named, "--all-types"),
        ("activity", "complete", *named, "--result", "1", "--unfenced", "--dry-run"),
    ]


@pytest.mark.parametrize("output", ["table", "wide", "json", "jsonl", "yaml"])
async def test_nothing_reaches_the_terminal(planted: list[HandWorker], output: str) -> None:
    for command in (
        ("pending", "list", "--all-types"),
        ("pending", "summary", "--all-types"),
        ("diagnose", "--all-types"),
    ):
        done = await run(client_of(planted), *command, "-o", output)
        assert done.code in (0, 1), done.err
        assert OBEYED.findall(done.out + done.err) == []


@pytest.mark.parametrize("text", [ALL_IN_ONE, "--yes"])
async def test_looking_at_one_is_harmless(planted: list[HandWorker], text: str) -> None:
    worker = next(one for one in planted if one.workflow_id == text)
    for command in looks(worker):
        done = await run(client_of(planted), *command)
        assert done.code in (0, 1), done.out + done.err
        assert OBEYED.findall(done.out + done.err) == []


@pytest.mark.parametrize("output", ["json", "jsonl", "yaml"])
async def test_machines_read_exactly_what_was_planted(
    planted: list[HandWorker], output: str
) -> None:
    done = await run(client_of(planted), "pending", "list", "--all-types", "-o", output)
    records = parsed(done.out, output)
    read = {
        (record["workflow_id"], record["activity_id"], record["last_failure"]["message"])
        for record in records
    }
    assert read == {(text, text, text) for text in PLANTED}


def parsed(text: str, output: str) -> list[dict[str, Any]]:
    if output == "jsonl":
        return [
            record for line in text.splitlines() if "workflow_id" in (record := json.loads(line))
        ]
    found = json.loads(text) if output == "json" else yaml.safe_load(text)
    items: list[dict[str, Any]] = found["activities"]
    return items


@pytest.mark.parametrize("output", ["table", "json"])
async def test_errors_and_tracebacks_are_harmless(
    planted: list[HandWorker], output: str, tmp_path: Path
) -> None:
    text = ALL_IN_ONE
    named = (f"--workflow-id={text}", f"--activity-id=no {text}")
    for command in (
        ("activity", "fail", *named, "--message", text, "--dry-run"),
        ("pending", "list", f"--config={tmp_path}/{text.replace('/', '')[:80]}"),
        ("pending", "list", f"--namespace={text}"),
        ("runbook", "show", text),
    ):
        done = await run(client_of(planted), *command, "--debug", "-o", output)
        assert done.code in (2, 3, 4), done.out + done.err
        assert "Traceback" in done.err
        assert OBEYED.findall(done.out + done.err) == [], command


async def test_proposed_commands_name_what_was_planted_and_run_nothing(
    planted: list[HandWorker], tmp_path: Path
) -> None:
    done = await run(client_of(planted), "diagnose", "--all-types", "-o", "json")
    items = done.json["items"]
    assert {item["activity"]["workflow_id"] for item in items} == set(PLANTED)
    for item in items:
        for command in item["commands"]:
            words = await as_bash_reads(command, tmp_path)
            assert words[0] == "stigmer-ops"
            parse(shlex.join(words[1:]))
            if "-w" in words:
                assert words[words.index("-w") + 1] == item["activity"]["workflow_id"]
                assert words[words.index("-a") + 1] == item["activity"]["activity_id"]
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - pathlib's way counts as blocking


async def as_bash_reads(command: str, folder: Path) -> list[str]:
    """The words of a line as it is pasted: bash splits and expands, and nothing is run."""
    program = f"stigmer-ops() {{ printf '%s\\0' stigmer-ops \"$@\"; }}\n{command}\n"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-u", "-c", program),
        cwd=folder,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, f"{shlex.quote(command)}: {err.decode()}"
    return out.decode(errors="replace").split("\0")[:-1]


async def test_exporter_shows_no_planted_name(planted: list[HandWorker]) -> None:
    client = client_of(planted)
    done = await run(
        client, "exporter", "--once", STIGMER_OPS_EXTERNAL_ACTIVITY_TYPES="CallAgentActivity"
    )
    assert done.code in (0, 1), done.err
    samples = [line for line in done.out.splitlines() if line and not line.startswith("#")]
    assert samples
    assert [text for text in PLANTED if len(text) > 3 and text in "\n".join(samples)] == []
    assert OBEYED.findall(done.out + done.err) == []
