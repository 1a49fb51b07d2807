"""Whatever answers: credentials go to whom they are for, and no answer is obeyed or ends a program.

docs/security.md names each of these tests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import grpc
import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from fuzz.mutation import mutated
from fuzz.target import Target, attempt
from fuzz.targets import TARGETS
from stigmer_ops.errors import StigmerOpsError, UnavailableError
from stigmer_ops.procedures.maintenance.elsewhere import mark
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import stigmer_ops
from support.hostile import ALL_IN_ONE, OBEYED
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


@pytest.mark.parametrize("command", ["alerts status", "metrics query --all", "check"])
async def test_passwords_in_addresses_do_not_follow_a_redirection(command: str) -> None:
    with (
        answering() as (elsewhere, stolen),
        answering(307, {"Location": elsewhere}) as (url, given),
    ):
        address = url.replace("http://", f"http://operator:{SECRET}@")
        done = await stigmer_ops(
            *command.split(),
            variables={
                "TEMPORAL_ADDRESS": CLOSED,
                "STIGMER_OPS_MONITORING_PROMETHEUS": address,
                "STIGMER_OPS_MONITORING_ALERTMANAGER": address,
            },
        )
    assert any(given)
    assert not any(stolen)
    assert done.code in (1, 3), done.out + done.err
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


ASKING = [target for target in TARGETS if target.asks]
MUTATIONS = 40


@pytest.mark.parametrize("target", ASKING, ids=lambda target: target.name)
def test_any_answer_is_read_or_refused(target: Target) -> None:
    random = Random(1)
    for _ in range(MUTATIONS):
        answer = mutated(random.choice(target.seeds), target.seeds, random, limit=4_096)
        assert isinstance(attempt(target, answer), (StigmerOpsError, type(None))), answer


@pytest.mark.parametrize("answer", [b"[" * 100_000, b"\xff", b"9" * 5_000, b"", b"null", b"[null]"])
@pytest.mark.parametrize("target", ASKING, ids=lambda target: target.name)
def test_what_is_no_answer_is_told(target: Target, answer: bytes) -> None:
    if target.name == "alertmanager" and answer == b"":
        return  # as it answers to a silence that has ended
    assert isinstance(attempt(target, answer), UnavailableError)


@pytest.mark.parametrize(
    ("headers", "body", "told"),
    [
        ({}, b'{"payloads":[]}', "answered with 0 payloads to 1"),
        ({}, b"\xff", "did not answer with payloads"),
        ({}, b"[" * 100_000, "did not answer with payloads"),
        ({"Content-Length": "999"}, b"{", "did not answer with payloads"),
        ({"Content-Length": "x"}, b"{}", "answered with 0 payloads to 1"),
    ],
    ids=["none", "no-text", "brackets", "cut-off", "no-length"],
)
async def test_codec_server_that_answers_anything_is_told(
    sandbox: Sandbox, headers: dict[str, str], body: bytes, told: str
) -> None:
    client = await new_client(sandbox)
    worker = hand_worker(client)
    await worker.started()
    await client.start_workflow(
        "stigmer/agent-execution/invoke",
        RawValue(Payload(metadata={"encoding": b"binary/encrypted"}, data=b"x")),
        id="stigmer/agent-execution/invoke/aex_1",
        task_queue="agent_execution_stigmer",
    )
    with answering(200, headers, body) as (endpoint, given):
        done = await stigmer_ops(
            *("diagnose", "-o", "json", "--codec-endpoint", endpoint),
            variables={**sandbox.environment(), "TEMPORAL_NAMESPACE": client.namespace},
        )
    assert given
    assert done.code in (0, 1, 3), done.err
    assert told in done.out + done.err
    assert "Traceback" not in done.err


def rules(text: str) -> bytes:
    """An answer of Prometheus in which a rule of ours fires, with texts of somebody else's."""
    alert = {
        **{"state": "firing", "activeAt": "2026-11-24T03:12:09.123456789Z", "value": "1e+00"},
        "labels": {"alertname": text, "severity": "critical", text: text},
        "annotations": {"summary": text, "description": text},
    }
    rule = {
        **{"name": "StigmerExternalActivityStuck", "query": text, "duration": 0},
        **{"labels": {"severity": text}, "annotations": {"summary": text}, "lastError": text},
        **{"type": "alerting", "alerts": [alert]},
    }
    groups = [{"name": "stigmer-activities", "rules": [rule, {**rule, "name": text}]}]
    return json.dumps({"status": "success", "data": {"groups": groups}}).encode()


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("alerts status", 200),
        ("alerts status -o json", 200),
        ("metrics query --all", 200),
        ("check", 200),
        ("escalate", 200),
        ("report --out - --format md", 200),
        ("alerts status", 400),
        ("metrics query --all", 400),
        ("check", 503),
    ],
)
async def test_texts_of_prometheus_are_not_obeyed(
    sandbox: Sandbox, command: str, status: int
) -> None:
    client = await new_client(sandbox)
    said = rules(ALL_IN_ONE)
    if status != 200:
        said = json.dumps({"status": "error", "error": ALL_IN_ONE}).encode()
    with answering(status, {}, said) as (url, _):
        done = await stigmer_ops(
            *command.split(),
            variables={
                **sandbox.environment(),
                "TEMPORAL_NAMESPACE": client.namespace,
                "STIGMER_OPS_MONITORING_PROMETHEUS": url,
                "STIGMER_OPS_MONITORING_ALERTMANAGER": url,
            },
        )
    assert done.code in (0, 1, 2, 3), done.err
    assert OBEYED.findall(done.out + done.err) == []
    assert "Traceback" not in done.err


def planted_silence(namespace: str) -> bytes:
    """A window that nobody has begun, by somebody who may make silences."""
    begun = mark(run="0001", namespace=namespace, host=ALL_IN_ONE, begin=datetime.now(UTC))
    return json.dumps(
        [
            {
                "id": ALL_IN_ONE,
                "comment": begun.replace("\n", " "),
                "createdBy": ALL_IN_ONE,
                "startsAt": "2026-01-01T00:00:00Z",
                "endsAt": "2126-01-01T00:00:00Z",
                "matchers": [],
                "status": {"state": "active"},
            }
        ]
    ).encode()


@pytest.mark.parametrize(
    ("verb", "consent"), [("begin", ("--reason", "r", "--yes")), ("preflight", ())]
)
@pytest.mark.parametrize("planted", [False, True], ids=["error", "silence"])
async def test_texts_of_alertmanager_are_not_obeyed(
    sandbox: Sandbox, tmp_path: Path, verb: str, consent: tuple[str, ...], planted: bool
) -> None:
    client = await new_client(sandbox)
    status, said = 400, ALL_IN_ONE.encode()
    if planted:
        status, said = 200, planted_silence(client.namespace)
    with answering(status, {}, said) as (url, _):
        done = await stigmer_ops(
            *("maintenance", verb, "--for", "1h", *consent),
            variables={
                **sandbox.environment(),
                "TEMPORAL_NAMESPACE": client.namespace,
                "STIGMER_OPS_MONITORING_ALERTMANAGER": url,
                "STIGMER_OPS_PROCEDURES_PATH": str(tmp_path / "procedures"),
                "STIGMER_OPS_AUDIT_PATH": str(tmp_path / "audit.jsonl"),
            },
        )
    told = done.out + done.err
    refused = 4 if planted else 5
    assert done.code == (refused if verb == "begin" else 1), told
    assert ("was begun on" if planted else "Alertmanager") in " ".join(told.split())
    assert OBEYED.findall(told) == []


@asynccontextmanager
async def stigmer_saying(text: str, code: grpc.StatusCode) -> AsyncIterator[str]:
    """A Stigmer that answers to everything with an error; its address."""

    class Everything(grpc.GenericRpcHandler):
        def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
            async def refuse(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
                await context.abort(code, text)

            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Everything()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INTERNAL])
async def test_texts_of_stigmer_are_not_obeyed(sandbox: Sandbox, code: grpc.StatusCode) -> None:
    client = await new_client(sandbox)
    async with stigmer_saying(ALL_IN_ONE, code) as address:
        for command in ("check", "diagnose"):
            done = await stigmer_ops(
                command,
                variables={
                    **sandbox.environment(),
                    "TEMPORAL_NAMESPACE": client.namespace,
                    "STIGMER_OPS_STIGMER_ADDRESS": address,
                },
            )
            assert done.code in (0, 1, 3), done.err
            assert OBEYED.findall(done.out + done.err) == []


async def test_what_is_no_temporal_and_no_stigmer_is_told() -> None:
    with answering(200, {}, ALL_IN_ONE.encode()) as (url, _):
        address = url.removeprefix("http://")
        for command in ("pending list", "check"):
            done = await stigmer_ops(
                *command.split(),
                variables={"TEMPORAL_ADDRESS": address, "STIGMER_OPS_STIGMER_ADDRESS": address},
            )
            assert done.code in (1, 3), done.err
            assert OBEYED.findall(done.out + done.err) == []
            assert "Traceback" not in done.err
