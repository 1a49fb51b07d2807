"""Every verdict on a real server, and the server's own word that the verdict was right."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
)
from temporalio.client import Client

from stigmer_ops.errors import DeniedError
from stigmer_ops.handshake.token import TokenDamagedError, decode, read_form
from stigmer_ops.handshake.token_validation import (
    TokenValidation,
    double_encoded,
    malformed,
)
from stigmer_ops.handshake.token_verdicts import TOKEN_VERDICTS
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.token_state import validate_token
from support.command_line import Finished, stigmer_ops
from support.hand_worker import HandWorker
from support.token_scenarios import CASES, Case

READS = {
    "describe_namespace",
    "describe_workflow_execution",
    "describe_activity_execution",
    "get_workflow_execution_history_reverse",
}


async def validate(client: Client, stored: bytes) -> tuple[TokenValidation, Frontend]:
    """As `token validate` does with what was pasted in base64."""
    frontend = Frontend(client, Pace())
    try:
        found = read_form(base64.b64encode(stored))
    except TokenDamagedError as error:
        return malformed(error.damage), frontend
    result = await validate_token(frontend, found.token)
    return (double_encoded(found.damage, result) if found.damage else result), frontend


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_verdict_is_what_the_server_then_answers(sandbox: Sandbox, case: Case) -> None:
    stored = await case.scenario(sandbox.client)

    result, frontend = await validate(sandbox.client, stored)

    assert result.verdict.id == case.verdict, result.finding
    assert case.finding in result.finding
    assert set(frontend.calls) <= READS
    assert frontend.calls.total() <= 6
    predicted = result.server_answer
    assert predicted is not None
    code, message = await HandWorker(sandbox.client).complete(stored)
    assert code == predicted.code
    assert message.startswith(predicted.message.removesuffix("(...)"))
    assert predicted.message.endswith("(...)") or message == predicted.message


def test_every_verdict_is_reached() -> None:
    elsewhere = {"wrong-namespace"}  # below: it takes two namespaces
    assert {case.verdict for case in CASES} | elsewhere == {each.id for each in TOKEN_VERDICTS}


async def test_token_of_another_namespace_is_told_by_that_namespaces_name(sandbox: Sandbox) -> None:
    other = await sandbox.new_namespace()
    elsewhere = await Client.connect(sandbox.address, namespace=other)
    token = await HandWorker(elsewhere).started()

    result, _ = await validate(sandbox.client, token)

    assert result.verdict.id == "wrong-namespace"
    assert other in result.finding
    assert result.next_step == f"stigmer-ops token validate --namespace {other}"
    assert result.server_answer is not None
    answered = await HandWorker(sandbox.client).complete(token)
    assert answered == tuple(result.server_answer)
    there, _ = await validate(elsewhere, token)
    assert there.verdict.id == "current"


async def test_validating_changes_nothing(sandbox: Sandbox) -> None:
    worker = HandWorker(sandbox.client)
    token = await worker.started()

    async def state() -> tuple[Any, Any]:
        described = await worker.call(
            "describe_workflow_execution",
            DescribeWorkflowExecutionRequest(
                namespace=worker.namespace, execution=worker.execution
            ),
        )
        history = await worker.call(
            "get_workflow_execution_history",
            GetWorkflowExecutionHistoryRequest(
                namespace=worker.namespace, execution=worker.execution
            ),
        )
        return described, history

    before = await state()
    result, _ = await validate(sandbox.client, token)
    assert result.verdict.id == "current"
    assert await state() == before


async def test_evidence_of_a_completion_is_its_event(sandbox: Sandbox) -> None:
    worker = HandWorker(sandbox.client)
    token = await worker.started()
    before = datetime.now(UTC)
    await worker.complete_by_id(identity="alice@bastion INC-1")

    result, _ = await validate(sandbox.client, token)

    assert result.seen is not None
    ended = result.seen.ended
    assert ended is not None
    assert (ended.outcome, ended.event_id, ended.identity) == (
        "COMPLETED",
        7,
        "alice@bastion INC-1",
    )
    assert ended.time is not None
    assert abs((ended.time - before).total_seconds()) < 10


async def test_evidence_of_a_reset_is_the_current_run(sandbox: Sandbox) -> None:
    case = next(each for each in CASES if each.scenario.__name__ == "the_workflow_was_reset")
    token = decode(await case.scenario(sandbox.client))

    result = await validate_token(Frontend(sandbox.client, Pace()), token)

    current = await sandbox.client.workflow_service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(
            namespace=sandbox.namespace,
            execution=WorkflowExecution(workflow_id=token.workflow_id),
        )
    )
    run_id = current.workflow_execution_info.execution.run_id
    assert result.seen is not None
    assert result.seen.current_run is not None
    assert result.seen.current_run.run_id == run_id != token.run_id
    assert f"--run-id {run_id}" in result.next_step


async def test_unknown_namespace_of_the_connection_is_an_error(sandbox: Sandbox) -> None:
    token = decode(await HandWorker(sandbox.client).started())
    client = await Client.connect(sandbox.address, namespace="nobody-made-this")

    with pytest.raises(DeniedError, match="nobody-made-this"):
        await validate_token(Frontend(client, Pace()), token)


async def command(sandbox: Sandbox, token: bytes, *arguments: str) -> Finished:
    return await stigmer_ops(
        "token",
        "validate",
        *arguments,
        variables=sandbox.environment(),
        stdin=base64.b64encode(token),
    )


async def test_command_says_current_and_exits_0(sandbox: Sandbox) -> None:
    token = await HandWorker(sandbox.client).started()

    finished = await command(sandbox, token, "-o", "json")

    assert finished.code == 0, finished.err
    assert finished.json["kind"] == "TokenValidation"
    assert finished.json["verdict"] == "current"
    assert finished.json["accepted"] is True
    assert finished.json["evidence"]["pending"]["state"] == "STARTED"
    assert finished.json["inside"] is None
    assert base64.b64encode(token).decode() not in finished.out + finished.err


async def test_command_says_stale_and_exits_1(sandbox: Sandbox) -> None:
    worker = HandWorker(sandbox.client, attempts=3, retry_after=0.01)
    token = await worker.started()
    await worker.fail(token, retryable=True)
    await worker.take()

    finished = await command(sandbox, token)

    assert finished.code == 1
    lines = finished.out.splitlines()
    assert lines[0].startswith("stale-attempt: ")
    assert "attempt 1, and the activity is now at attempt 2 (STARTED)" in lines[1]
    assert lines[2].startswith("the server would answer: NOT_FOUND: invalid activityID")
    assert lines[3].startswith("next: stigmer-ops pending show --workflow-id ")


async def test_command_with_hostile_ids_prints_them_visibly(sandbox: Sandbox) -> None:
    hostile = "order-\x1b[2J\u202e$(reboot) " + uuid.uuid4().hex[:6]
    worker = HandWorker(sandbox.client, workflow_id=hostile)
    token = await worker.started()

    finished = await command(sandbox, token)

    assert finished.code == 0
    assert "\x1b" not in finished.out
    assert "\\x1b[2J\\u202e" in finished.out
    assert "--workflow-id $'order-\\x1b" in finished.out


async def test_command_exits_3_when_nobody_listens(sandbox: Sandbox) -> None:
    token = await HandWorker(sandbox.client).started()

    finished = await command(sandbox, token, "--address", "127.0.0.1:1", "--debug")

    assert finished.code == 3
    assert "cannot reach Temporal at 127.0.0.1:1" in finished.err
    assert base64.b64encode(token).decode() not in finished.out + finished.err
