"""The sandbox itself: that it is what it claims to be, and that nothing of it is left behind."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.converter import DataConverter, PayloadCodec

from stigmer_ops import settings_sources
from stigmer_ops.errors import UnavailableError, UsageError
from stigmer_ops.sandbox import conditions
from stigmer_ops.sandbox.faults import FAULTS
from stigmer_ops.sandbox.handshake import Kind
from stigmer_ops.sandbox.plan import Encoding
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.stigmer.api import agentexecution_pb2 as agent


async def test_every_fault_becomes_visible_in_one_population(
    two_namespaces_sandbox: Sandbox,
) -> None:
    handshakes = await two_namespaces_sandbox.populate({one.id: 1 for one in FAULTS})

    seen = [next(iter((await one.observe()).values())) for one in handshakes]
    assert [one.activity is not None for one in seen] == [one.stays_pending for one in FAULTS]
    assert [len(one.stigmer) for one in seen] == [one.executions for one in FAULTS]


async def test_activities_of_one_workflow_have_faults_of_their_own(sandbox: Sandbox) -> None:
    faults = ["healthy", "token-not-passed", "stigmer-workflow-terminated", "still-running"]
    handshake = await sandbox.start_handshake(faults)
    await sandbox.settle(handshake)

    assert handshake.kind is Kind.PARALLEL
    assert handshake.faults == dict(zip(["5", "6", "7", "8"], faults, strict=True))
    seen = await handshake.observe()
    assert [seen[one].activity is None for one in handshake.activity_ids] == [
        True,
        False,
        False,
        False,
    ]
    assert seen["7"].stigmer[0].status == WorkflowExecutionStatus.TERMINATED
    assert seen["8"].stigmer[0].status == WorkflowExecutionStatus.RUNNING


async def test_handshake_with_more_activities_than_its_kind_has_is_refused(
    sandbox: Sandbox,
) -> None:
    with pytest.raises(UsageError, match="one external activity, not 2"):
        await sandbox.start_handshake("healthy", kind="single", agents=2)


async def test_time_limit_names_what_was_seen(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake("still-running")

    with pytest.raises(UnavailableError, match=r"still-running.*not seen within 0 s") as error:
        await handshake.until({"5": conditions.closed}, 0)

    assert handshake.workflow_id in error.value.happened
    assert "the external workflow is RUNNING" in error.value.happened
    assert "--time-scale" in error.value.advice


async def test_population_goes_on_without_what_is_not_seen_in_time(sandbox: Sandbox) -> None:
    told: dict[str, str] = {}

    found = await sandbox.populate(
        {"still-running": 1, "callback-fails": 1},
        seconds=-1,  # no handshake is where it is to be before Temporal was asked once
        not_seen=lambda handshake, error: told.update({handshake.fault_names: error.happened}),
    )

    assert found == []
    assert set(told) == {"still-running", "callback-fails"}
    assert "callback-fails" in told["callback-fails"]


async def test_handle_does_not_show_the_token(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake("still-running")
    await sandbox.settle(handshake)

    token = handshake.executions()[0].spec.callback_token
    assert token
    assert str(token)[2:20] not in repr(handshake)


async def test_environment_is_understood_by_the_settings(two_namespaces_sandbox: Sandbox) -> None:
    environment = two_namespaces_sandbox.environment()

    loaded = settings_sources.load(None, environment).settings
    assert loaded.stigmer.address == two_namespaces_sandbox.stigmer_address
    assert loaded.stigmer.namespace == two_namespaces_sandbox.stigmer_namespace
    assert loaded.stigmer.agent_run_timeout == timedelta(seconds=10)
    assert environment["TEMPORAL_NAMESPACE"] == two_namespaces_sandbox.namespace
    assert environment["TEMPORAL_ADDRESS"] == two_namespaces_sandbox.address


async def test_stigmer_workflow_has_the_real_id_queue_memo_input_and_time_limit(
    two_namespaces_sandbox: Sandbox,
) -> None:
    handshake = await two_namespaces_sandbox.start_handshake("healthy")
    await two_namespaces_sandbox.settle(handshake)
    [execution] = handshake.executions()

    handle = two_namespaces_sandbox.stigmer_client.get_workflow_handle(
        f"stigmer/agent-execution/invoke/{execution.metadata.id}"
    )
    described = await handle.describe()
    started = await anext(handle.fetch_history_events())
    attributes = started.workflow_execution_started_event_attributes
    [payload] = attributes.input.payloads
    assert described.task_queue == "agent_execution_stigmer"
    assert await described.memo() == {"activityTaskQueue": "agent_execution_runner"}
    assert attributes.workflow_run_timeout.ToTimedelta() == timedelta(seconds=10)
    assert payload.metadata["encoding"] == b"json/protobuf"
    assert payload.metadata["messageType"] == b"ai.stigmer.agentic.agentexecution.v1.AgentExecution"
    assert "callbackToken" in json.loads(payload.data)["spec"]


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("in_status", [False, True])
async def test_token_travels_in_both_encodings_and_both_fields(
    sandbox: Sandbox, encoding: Encoding, in_status: bool
) -> None:
    handshake = await sandbox.start_handshake(
        "healthy",
        script={
            "encoding": encoding,
            "token_in_status": in_status,
            "runs_for": timedelta(seconds=6),
        },
    )
    await sandbox.settle(handshake)

    execution = sandbox.store.get(agent.AgentExecution, handshake.executions()[0].metadata.id)
    assert execution is not None
    assert bool(execution.status.callback_token) is in_status
    assert bool(execution.spec.callback_token) is not in_status
    handle = sandbox.client.get_workflow_handle(handshake.workflow_id)
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED


class Deflate(PayloadCodec):
    """A codec, as those that encrypt."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Compress whole payloads."""
        return [
            Payload(
                metadata={"encoding": b"binary/deflate"},
                data=zlib.compress(payload.SerializeToString()),
            )
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """The inverse; payloads that are not compressed stay as they are."""
        return [
            Payload.FromString(zlib.decompress(payload.data))
            if payload.metadata.get("encoding") == b"binary/deflate"
            else payload
            for payload in payloads
        ]


@pytest.mark.parametrize("fault", ["healthy", "healthy-java"])
async def test_both_editions_work_behind_a_codec(sandbox: Sandbox, fault: str) -> None:
    encoded = Sandbox.start(
        server=sandbox.server,
        namespace=await sandbox.new_namespace(),
        data_converter=replace(DataConverter.default, payload_codec=Deflate()),
    )
    async with encoded as running:
        handshake = await running.start_handshake(fault, script={"runs_for": timedelta(seconds=6)})
        await running.settle(handshake)
        await running.client.get_workflow_handle(handshake.workflow_id).result()
        bare = await Client.connect(running.address, namespace=running.namespace)
        started = await anext(
            bare.get_workflow_handle(handshake.stigmer_workflow_ids()[0]).fetch_history_events()
        )

    [payload] = started.workflow_execution_started_event_attributes.input.payloads
    assert payload.metadata["encoding"] == b"binary/deflate"


async def test_markers_of_the_java_edition_are_javas(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake("callback-fails-java")
    await sandbox.settle(handshake)

    history = sandbox.stigmer_client.get_workflow_handle(
        handshake.stigmer_workflow_ids()[0]
    ).fetch_history_events()
    [marker] = [
        event.marker_recorded_event_attributes
        async for event in history
        if event.HasField("marker_recorded_event_attributes")
    ]
    details = {name: json.loads(marker.details[name].payloads[0].data) for name in ("type", "meta")}
    assert marker.marker_name == "LocalActivity"
    assert details["type"] == "CompleteExternalActivity"
    assert details["meta"]["atpt"] == 3
    assert "Connection refused" in marker.failure.cause.message
    assert marker.details["input"].payloads[0].data == handshake.executions()[0].spec.callback_token


async def visible_workflows(client: Client) -> int:
    """How many workflows visibility shows in the client's namespace."""
    return (await client.count_workflows()).count


async def test_isolated_sandboxes_do_not_see_each_other(sandbox: Sandbox) -> None:
    async with sandbox.isolated() as one, sandbox.isolated() as other:
        handshake = await one.start_handshake("still-running")
        await one.settle(handshake)

        assert one.namespace != other.namespace
        assert await visible_workflows(other.client) == 0
        async with asyncio.timeout(10):
            while not await visible_workflows(one.client):  # noqa: ASYNC110 - no event to await
                await asyncio.sleep(0.05)
