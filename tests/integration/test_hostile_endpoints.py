"""Credentials go to whom they are for, and are shown to nobody.

docs/security.md names each of these tests.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import stigmer_ops
from support.http_answers import answering
from support.pending import hand_worker, new_client

SECRET = "correct-horse-battery-staple"
CLOSED = "127.0.0.1:1"
"""An address that refuses connections."""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_codec_credentials_do_not_follow_a_redirection(sandbox: Sandbox, status: int) -> None:
    worker = hand_worker(await new_client(sandbox))
    await worker.started()
    with (
        answering() as (elsewhere, stolen),
        answering(status, {"Location": f"{elsewhere}/encode"}) as (endpoint, given),
    ):
        done = await stigmer_ops(
            *("activity", "complete", "-w", worker.workflow_id, "-a", "1", "--result", "1"),
            *("--codec-endpoint", endpoint, "--dry-run"),
            variables={
                "TEMPORAL_ADDRESS": sandbox.address,
                "TEMPORAL_NAMESPACE": worker.namespace,
                "TEMPORAL_CODEC_AUTH": SECRET,
            },
        )
    assert SECRET in given
    assert stolen == []
    assert done.code == 3, done.out
    assert f"answered {status}" in done.err
    assert SECRET not in done.out + done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("config", "show"),
        ("config", "show", "-o", "json"),
        ("pending", "list", "--debug"),
        ("check", "--debug"),
        ("metrics", "query", "--all", "--debug"),
        ("alerts", "status", "--debug"),
    ],
    ids=" ".join,
)
async def test_credentials_are_not_shown(arguments: tuple[str, ...], tmp_path: Path) -> None:
    key = tmp_path / "client.key"
    key.write_text(f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n")
    done = await stigmer_ops(
        *arguments,
        variables={
            "TEMPORAL_ADDRESS": CLOSED,
            "TEMPORAL_API_KEY": f"key-{SECRET}",
            "TEMPORAL_TLS_CLIENT_KEY_PATH": str(key),
            "TEMPORAL_TLS_CLIENT_CERT_PATH": str(key),
            "TEMPORAL_CODEC_ENDPOINT": f"http://operator:{SECRET}@{CLOSED}",
            "TEMPORAL_CODEC_AUTH": f"Bearer {SECRET}",
            "STIGMER_OPS_STIGMER_ADDRESS": CLOSED,
            "STIGMER_OPS_MONITORING_PROMETHEUS": f"http://operator:{SECRET}@{CLOSED}",
            "STIGMER_OPS_MONITORING_ALERTMANAGER": f"http://operator:{SECRET}@{CLOSED}",
        },
    )
    assert done.code in (0, 1, 2, 3), done.err
    assert SECRET not in done.out + done.err


@pytest.mark.parametrize("output", ["wide", "json"])
async def test_runtime_environment_of_an_execution_is_not_shown(
    sandbox: Sandbox, output: str
) -> None:
    client = await new_client(sandbox)
    worker = hand_worker(client)
    token = base64.b64encode(await worker.started()).decode()
    environment = {"OPENAI_API_KEY": {"value": SECRET, "isSecret": True}}
    execution = {
        "apiVersion": "agentic.stigmer.ai/v1",
        "kind": "AgentExecution",
        "metadata": {"id": "aex_1", "name": "planted", "org": "acme"},
        "spec": {"agentId": "a", "runtimeEnv": environment, "callbackToken": token},
    }
    message = b"ai.stigmer.agentic.agentexecution.v1.AgentExecution"
    metadata = {"encoding": b"json/protobuf", "messageType": message}
    handle = await client.start_workflow(
        "stigmer/agent-execution/invoke",
        RawValue(Payload(metadata=metadata, data=json.dumps(execution).encode())),
        id="stigmer/agent-execution/invoke/aex_1",
        task_queue="agent_execution_stigmer",
    )
    done = await stigmer_ops(
        *("diagnose", "-w", worker.workflow_id, "-a", "1", "-o", output, "--debug"),
        variables={**sandbox.environment(), "TEMPORAL_NAMESPACE": client.namespace},
    )
    assert handle.id.rpartition("/")[2] in done.out, done.err
    assert SECRET not in done.out + done.err
    assert token not in done.out + done.err
