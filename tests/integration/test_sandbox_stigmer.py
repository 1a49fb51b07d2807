"""The simulated Stigmer of a sandbox: its API answers, and its workers work, as Stigmer's do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from temporalio.client import WorkflowExecutionStatus

from stigmer_ops.sandbox import conditions, names
from stigmer_ops.sandbox.sandbox import Sandbox
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
