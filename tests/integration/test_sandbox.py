"""The sandbox itself: that it is what it claims to be, and that nothing of it is left behind."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.converter import DataConverter, PayloadCodec

from stigmer_ops import settings_sources
from stigmer_ops.errors import CapabilityError, UnavailableError, UsageError
from stigmer_ops.sandbox import conditions, names
from stigmer_ops.sandbox import server as server_module
from stigmer_ops.sandbox.child import free_ports
from stigmer_ops.sandbox.faults import FAULTS
from stigmer_ops.sandbox.handshake import Kind
from stigmer_ops.sandbox.plan import Encoding
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.server import TemporalServer, executable
from stigmer_ops.stigmer.api import agentexecution_pb2 as agent
from stigmer_ops.stigmer.api.agentexecution_pb2_grpc import (
    AgentExecutionCommandControllerStub,
    AgentExecutionQueryControllerStub,
)
from stigmer_ops.stigmer.api.apiresource_pb2 import ApiResourceMetadata
from stigmer_ops.stigmer.api.workflowexecution_pb2 import (
    ListWorkflowExecutionsRequest,
    WorkflowExecutionId,
)
from stigmer_ops.stigmer.api.workflowexecution_pb2_grpc import WorkflowExecutionQueryControllerStub

SERVE = """
import asyncio, json
from stigmer_ops.sandbox.serve import serve
def report(event):
    print(json.dumps({"step": event.step, **event.data}), flush=True)
asyncio.run(serve(report, faults={"still-running": 2}))
"""


def servers_at(address: str) -> list[str]:
    """Command lines of the processes that have to do with the server at that address."""
    port = address.rpartition(":")[2]
    listing = subprocess.run(
        ["ps", "-axww", "-o", "command"], capture_output=True, text=True, check=True
    )
    return [line for line in listing.stdout.splitlines() if f"--port={port}" in line]


def gone(address: str, seconds: float = 15.0) -> bool:
    """Whether the server's processes end within that time."""
    end = time.monotonic() + seconds
    while servers_at(address):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def address_served_by(child: subprocess.Popen[str]) -> str:
    """The address of the server, once a process that runs `SERVE` is ready."""
    assert child.stdout is not None
    for line in child.stdout:
        event = json.loads(line)
        if event["step"] == "ready":
            return str(event["TEMPORAL_ADDRESS"])
    raise AssertionError("the sandbox was never ready")


def test_no_process_is_left_behind_however_the_parent_ends() -> None:
    with ExitStack() as stack:
        children = {
            how: stack.enter_context(
                subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
            )
            for how in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
        }
        for child in children.values():
            stack.callback(child.kill)
        addresses = {how: address_served_by(child) for how, child in children.items()}
        # Each has a server and its supervisor.
        assert [len(servers_at(address)) for address in addresses.values()] == [2, 2, 2]

        for how, child in children.items():
            child.send_signal(how)

        codes = {how: child.wait(timeout=20) for how, child in children.items()}
        assert codes[signal.SIGKILL] == -signal.SIGKILL
        assert 0 not in codes.values()
        assert [how for how, address in addresses.items() if not gone(address)] == []


async def test_error_in_the_block_stops_the_server() -> None:
    async def fail() -> str:
        async with Sandbox.start() as running:
            message = running.address
            raise ValueError(message)

    with pytest.raises(ValueError, match=r"127\.0\.0\.1") as raised:
        await fail()

    assert servers_at(str(raised.value)) == []


async def test_restart_with_a_file_keeps_workflows_and_address(tmp_path: Path) -> None:
    async with Sandbox.start(db_filename=tmp_path / "temporal.db") as running:
        handshake = await running.start_handshake("still-running")
        await running.settle(handshake)
        before = running.address

        await running.server.stop()
        assert not running.server.running
        await running.server.start()

        assert running.address == before
        await handshake.until({"5": conditions.agent_running}, 30)


async def test_port_that_is_taken_is_refused(sandbox: Sandbox) -> None:
    port = int(sandbox.address.rpartition(":")[2])

    with pytest.raises(UnavailableError, match=rf"port {port} is in use"):
        await TemporalServer(port=port).start()


async def test_server_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "temporal.db"

    with pytest.raises(UnavailableError, match="ended while it was starting") as raised:
        await TemporalServer(db_filename=nowhere).start()

    assert "no such file or directory" in raised.value.happened


def test_missing_server_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_candidates", list)

    with pytest.raises(CapabilityError) as raised:
        executable()

    assert "stigmer-ops[sandbox]" in raised.value.next_step


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


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


@pytest.fixture
async def channel(sandbox: Sandbox) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to Stigmer."""
    async with grpc.aio.insecure_channel(sandbox.stigmer_address) as open_channel:
        yield open_channel


async def test_stigmer_is_healthy_until_it_is_stopped(isolated_sandbox: Sandbox) -> None:
    request = health_pb2.HealthCheckRequest()
    async with grpc.aio.insecure_channel(isolated_sandbox.stigmer_address) as open_channel:
        stub = health_pb2_grpc.HealthStub(open_channel)
        assert (await stub.Check(request)).status == health_pb2.HealthCheckResponse.SERVING

        await isolated_sandbox.stop_worker("service")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Check(request)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE

        await isolated_sandbox.start_worker("service")
        assert (await stub.Check(request, wait_for_ready=True)).status == 1


async def test_stigmer_gets_and_lists_executions_page_by_page(
    isolated_sandbox: Sandbox,
) -> None:
    handshakes = await isolated_sandbox.populate(
        {"token-not-passed": 3, "still-running": 2, "workflow-edition-without-callback": 1}
    )
    async with grpc.aio.insecure_channel(isolated_sandbox.stigmer_address) as open_channel:
        agents = AgentExecutionQueryControllerStub(open_channel)
        workflows = WorkflowExecutionQueryControllerStub(open_channel)

        running = await agents.list(
            agent.ListAgentExecutionsRequest(phase=agent.EXECUTION_IN_PROGRESS)
        )
        assert {one.metadata.id for one in running.entries} == {
            one.executions()[0].metadata.id for one in handshakes[3:5]
        }

        pages = [
            await agents.list(agent.ListAgentExecutionsRequest(page_size=2, page_token=token))
            for token in ("", "2", "3", "4")
        ]
        assert [page.total_pages for page in pages] == [3] * 4
        assert [len(page.entries) for page in pages] == [2, 2, 1, 0]

        [listed] = (await workflows.list(ListWorkflowExecutionsRequest())).entries
        got = await workflows.get(WorkflowExecutionId(value=listed.metadata.id))
        assert got.status.temporal_workflow_id == handshakes[5].stigmer_workflow_ids()[0]


async def test_stigmer_refuses_what_it_does_not_know_or_has_already(
    channel: grpc.aio.Channel,
) -> None:
    queries = AgentExecutionQueryControllerStub(channel)
    commands = AgentExecutionCommandControllerStub(channel)
    execution = agent.AgentExecution(metadata=ApiResourceMetadata(name="twice", org="acme"))

    accepted = await commands.create(execution)
    assert accepted.metadata.id.startswith("aex_")
    assert accepted.status.phase == agent.EXECUTION_PENDING
    codes = []
    for call in (
        commands.create(execution),
        queries.get(agent.AgentExecutionId(value="aex_unknown")),
        queries.list(agent.ListAgentExecutionsRequest(page_size=101)),
        queries.list(agent.ListAgentExecutionsRequest(page_token="next")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        codes.append(raised.value.code().name)
    assert codes == ["ALREADY_EXISTS", "NOT_FOUND", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]


async def test_create_call_that_stigmer_refuses_fails_the_external_activity(
    sandbox: Sandbox,
) -> None:
    handshake = await sandbox.start_handshake("create-fails")
    await sandbox.settle(handshake)

    assert handshake.executions() == []
    described = await sandbox.client.get_workflow_handle(handshake.workflow_id).describe()
    assert described.status is WorkflowExecutionStatus.FAILED


async def test_runner_that_stops_leaves_work_waiting_until_it_is_back(
    isolated_sandbox: Sandbox,
) -> None:
    await isolated_sandbox.stop_worker("runner")
    handshake = await isolated_sandbox.start_handshake("healthy")
    await handshake.until({"5": conditions.runner_missing}, 30)

    await isolated_sandbox.start_worker("runner")

    await isolated_sandbox.settle(handshake)
    assert isolated_sandbox.store.of_handshake(handshake.id)[0].status.phase == (
        agent.EXECUTION_COMPLETED
    )


async def test_workflow_definitions_are_validated_on_their_own_queues(sandbox: Sandbox) -> None:
    valid = await sandbox.stigmer_client.execute_workflow(
        names.VALIDATION_WORKFLOW,
        "do: []",
        id="validate",
        task_queue=names.VALIDATION_QUEUE,
        result_type=bool,
        execution_timeout=timedelta(seconds=20),
    )

    assert valid is True


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
