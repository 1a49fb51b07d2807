"""The seven scenarios of the original system's handshake test, on real histories."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType, PendingActivityState, TimeoutType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.sandbox import conditions, names
from stigmer_ops.sandbox.handshake import Handshake, Kind
from stigmer_ops.sandbox.plan import ActivitySettings
from stigmer_ops.sandbox.runner import AGENT_ERROR
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.zigflow import FALLBACK

CALLBACK_IDENTITY = "stigmer-server@sandbox"
BRIEFLY = {"runs_for": timedelta(seconds=10)}


async def events(client: Client, workflow_id: str, *types: str) -> list[HistoryEvent]:
    """The events of those types (without their prefix) in a history."""
    history = client.get_workflow_handle(workflow_id).fetch_history_events()
    wanted = {EventType.Value(f"EVENT_TYPE_{name}") for name in types}
    return [event async for event in history if event.event_type in wanted]


async def callbacks(sandbox: Sandbox, handshake: Handshake) -> list[HistoryEvent]:
    """The Go edition's callbacks that were scheduled for a handshake."""
    scheduled = await events(
        sandbox.stigmer_client, handshake.stigmer_workflow_ids()[0], "ACTIVITY_TASK_SCHEDULED"
    )
    return [
        event
        for event in scheduled
        if event.activity_task_scheduled_event_attributes.activity_type.name == names.CALLBACK
    ]


async def pending(sandbox: Sandbox, handshake: Handshake) -> list[tuple[str, str, int]]:
    """The pending activities of the external workflow: id, state, attempt."""
    described = await sandbox.client.get_workflow_handle(handshake.workflow_id).describe()
    return [
        (one.activity_id, PendingActivityState.Name(one.state)[23:], one.attempt)
        for one in described.raw_description.pending_activities
    ]


def token_of(handshake: Handshake) -> bytes:
    """The task token that Stigmer holds."""
    [execution] = handshake.executions()
    return execution.spec.callback_token


@pytest.mark.parametrize(
    ("fault", "encoding"), [("healthy", b"json/plain"), ("healthy-java", b"json/protobuf")]
)
async def test_it_001_success_resumes_the_external_workflow(
    sandbox: Sandbox, fault: str, encoding: bytes
) -> None:
    handshake = await sandbox.start_handshake(fault, script=BRIEFLY)
    await sandbox.settle(handshake)

    scheduled, completed = await events(
        sandbox.client, handshake.workflow_id, "ACTIVITY_TASK_SCHEDULED", "ACTIVITY_TASK_COMPLETED"
    )
    attributes = completed.activity_task_completed_event_attributes
    [payload] = attributes.result.payloads
    result = json.loads(payload.data)
    assert (
        scheduled.activity_task_scheduled_event_attributes.activity_type.name == "CallAgentActivity"
    )
    assert attributes.scheduled_event_id == scheduled.event_id
    assert attributes.identity == CALLBACK_IDENTITY
    assert payload.metadata["encoding"] == encoding
    assert result["metadata"]["id"] == handshake.executions()[0].metadata.id
    assert await events(sandbox.client, handshake.workflow_id, "WORKFLOW_EXECUTION_COMPLETED")


async def test_it_001_success_completes_a_standalone_activity(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake("healthy", kind=Kind.STANDALONE, script=BRIEFLY)
    await sandbox.settle(handshake)

    handle = sandbox.client.get_activity_handle(handshake.activity_ids[0], run_id=handshake.run_id)
    result = await handle.result()
    assert result["metadata"]["id"] == handshake.executions()[0].metadata.id


async def test_it_002_failure_of_the_agent_fails_the_external_activity(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake("agent-fails", script=BRIEFLY)
    await sandbox.settle(handshake)

    [failed] = await events(sandbox.client, handshake.workflow_id, "ACTIVITY_TASK_FAILED")
    attributes = failed.activity_task_failed_event_attributes
    assert attributes.failure.message == AGENT_ERROR
    assert attributes.identity == CALLBACK_IDENTITY
    with pytest.raises(WorkflowFailureError) as raised:
        await sandbox.client.get_workflow_handle(handshake.workflow_id).result()
    assert isinstance(raised.value.cause, ActivityError)
    assert isinstance(raised.value.cause.cause, ApplicationError)
    assert raised.value.cause.cause.message == AGENT_ERROR


async def test_it_002_failure_path_of_the_go_edition_never_fails_the_external_activity(
    sandbox: Sandbox,
) -> None:
    handshake = await sandbox.start_handshake("callback-decode-error")
    await sandbox.settle(handshake)

    [scheduled] = await callbacks(sandbox, handshake)
    [payload] = scheduled.activity_task_scheduled_event_attributes.input.payloads
    assert payload.metadata["encoding"] == b"json/plain"
    assert json.loads(payload.data)["Error"] == {}
    assert await pending(sandbox, handshake) == [("5", "STARTED", 1)]


async def test_it_003_without_a_token_nobody_calls_back(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake("token-not-passed")
    await sandbox.settle(handshake)

    assert token_of(handshake) == b""
    assert await callbacks(sandbox, handshake) == []
    assert await events(
        sandbox.stigmer_client,
        handshake.stigmer_workflow_ids()[0],
        "WORKFLOW_EXECUTION_COMPLETED",
    )
    assert await pending(sandbox, handshake) == [("5", "STARTED", 1)]


async def test_it_003_callback_without_a_token_does_nothing(sandbox: Sandbox) -> None:
    result = await sandbox.stigmer_client.execute_activity(
        names.CALLBACK,
        {"CallbackToken": "", "Result": None, "Error": None},
        id="callback-without-a-token",
        task_queue=names.AGENT_QUEUE,
        start_to_close_timeout=timedelta(seconds=10),
    )

    assert result is None


async def test_it_004_timeout_can_be_handled_and_the_late_callback_is_refused(
    sandbox: Sandbox,
) -> None:
    handshake = await sandbox.start_handshake(
        "healthy",
        kind=Kind.TIMEOUT_HANDLING,
        settings=ActivitySettings(start_to_close=timedelta(seconds=30)),
        script={"runs_for": timedelta(minutes=2)},
    )

    assert await sandbox.client.get_workflow_handle(handshake.workflow_id).result() == FALLBACK
    [timed_out] = await events(sandbox.client, handshake.workflow_id, "ACTIVITY_TASK_TIMED_OUT")
    failure = timed_out.activity_task_timed_out_event_attributes.failure
    assert failure.timeout_failure_info.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
    with pytest.raises(WorkflowFailureError):
        await sandbox.stigmer_client.get_workflow_handle(
            handshake.stigmer_workflow_ids()[0]
        ).result()
    [refused] = await events(
        sandbox.stigmer_client, handshake.stigmer_workflow_ids()[0], "ACTIVITY_TASK_FAILED"
    )
    reason = refused.activity_task_failed_event_attributes.failure
    assert reason.application_failure_info.type == "NotFound"
    assert reason.message == "workflow execution already completed"


async def test_it_004_timeout_that_is_not_handled_fails_the_workflow(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake(
        "token-not-passed", settings=ActivitySettings(start_to_close=timedelta(seconds=30))
    )

    with pytest.raises(WorkflowFailureError):
        await sandbox.client.get_workflow_handle(handshake.workflow_id).result()
    assert await events(sandbox.client, handshake.workflow_id, "ACTIVITY_TASK_TIMED_OUT")


async def test_it_005_restart_of_stigmer_between_token_and_callback(
    isolated_sandbox: Sandbox,
) -> None:
    handshake = await isolated_sandbox.start_handshake(
        "healthy", script={"runs_for": timedelta(minutes=1)}
    )
    await handshake.until({"5": conditions.agent_running}, 30)
    for role in ("service", "stigmer", "callback"):
        await isolated_sandbox.stop_worker(role)
    # The agent ends while nobody can take the next step of its Stigmer workflow.
    await handshake.until(
        {"5": lambda seen: conditions.waiting(seen) and not seen.stigmer[0].pending}, 30
    )
    for role in ("service", "stigmer", "callback"):
        await isolated_sandbox.start_worker(role)
    await isolated_sandbox.settle(handshake)

    assert len(await callbacks(isolated_sandbox, handshake)) == 1
    described = await isolated_sandbox.client.get_workflow_handle(handshake.workflow_id).describe()
    assert described.status is WorkflowExecutionStatus.COMPLETED


async def test_it_006_ten_concurrent_executions_each_complete_their_own_activity(
    sandbox: Sandbox,
) -> None:
    handshakes = await sandbox.populate({"healthy": 10})

    tokens = {token_of(one) for one in handshakes}
    assert len(tokens) == 10
    for one in handshakes:
        result = await sandbox.client.get_workflow_handle(one.workflow_id).result()
        assert result["metadata"]["id"] == one.executions()[0].metadata.id
        assert base64.b64decode(result["spec"]["callback_token"]) == token_of(one)


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        ("token-truncated", "Error deserializing task token."),
        ("token-double-encoded", "Error deserializing task token."),
        (
            "token-wrong-namespace",
            "Operation requested with a token from a different namespace.",
        ),
    ],
)
@pytest.mark.parametrize("kind", [Kind.SINGLE, Kind.STANDALONE])
async def test_it_007_corrupted_token_is_refused_three_times(
    sandbox: Sandbox, fault: str, refusal: str, kind: Kind
) -> None:
    handshake = await sandbox.start_handshake(fault, kind=kind)
    await sandbox.settle(handshake)

    stigmer_workflow_id = handshake.stigmer_workflow_ids()[0]
    [failed] = await events(sandbox.stigmer_client, stigmer_workflow_id, "ACTIVITY_TASK_FAILED")
    started = await events(sandbox.stigmer_client, stigmer_workflow_id, "ACTIVITY_TASK_STARTED")
    assert failed.activity_task_failed_event_attributes.failure.message == refusal
    assert started[-1].activity_task_started_event_attributes.attempt == 3
    assert conditions.waiting((await handshake.observe())[handshake.activity_ids[0]])


async def test_it_007_the_damaged_token_is_refused_from_anywhere(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake("token-truncated")
    await sandbox.settle(handshake)

    with pytest.raises(RPCError) as raised:
        await sandbox.client.get_async_activity_handle(task_token=token_of(handshake)).complete()
    assert raised.value.status is RPCStatusCode.INVALID_ARGUMENT
