"""Stigmer's gRPC service: the controllers of agent and workflow executions, and health."""

from __future__ import annotations

import uuid
from typing import Generic

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import BinaryProtoPayloadConverter, JSONProtoPayloadConverter

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.plan import ANNOTATION, Encoding, Script
from stigmer_ops.sandbox.store import Execution, ExecutionStore, OneKind, workflow_id_of
from stigmer_ops.stigmer.api import agentexecution_pb2 as agent
from stigmer_ops.stigmer.api import agentexecution_pb2_grpc as agent_grpc
from stigmer_ops.stigmer.api import workflowexecution_pb2 as workflow
from stigmer_ops.stigmer.api import workflowexecution_pb2_grpc as workflow_grpc

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 50, 100

_Context = grpc.aio.ServicerContext[object, object]


class StigmerService:
    """Stigmer's gRPC server on 127.0.0.1; it can be stopped and started again on the same port.

    Args:
        client: Client of the namespace of the Stigmer workflows.
        store: The executions; they are kept over a restart.
        port: Where to listen.
        time_scale: That of executions which come without a script, so not from a handshake.

    Attributes:
        address: Where the service listens, as host:port.
    """

    def __init__(
        self, client: Client, store: ExecutionStore, *, port: int, time_scale: float
    ) -> None:
        self._client = client
        self._own_script = Script(time_scale=time_scale).to_json()
        self._store = store
        self.address = f"127.0.0.1:{port}"
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        server = grpc.aio.server()
        agents = _Executions(agent.AgentExecution, self._store)
        workflows = _Executions(workflow.WorkflowExecution, self._store)
        agent_grpc.add_AgentExecutionQueryControllerServicer_to_server(
            _AgentQueries(agents), server
        )
        agent_grpc.add_AgentExecutionCommandControllerServicer_to_server(
            _AgentCommands(self), server
        )
        workflow_grpc.add_WorkflowExecutionQueryControllerServicer_to_server(
            _WorkflowQueries(workflows), server
        )
        workflow_grpc.add_WorkflowExecutionCommandControllerServicer_to_server(
            _WorkflowCommands(self), server
        )
        serving = health.aio.HealthServicer()
        await serving.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(serving, server)
        server.add_insecure_port(self.address)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Stop listening; calls under way have a second to end. Does nothing when stopped."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace=1.0)

    async def create(self, execution: Execution, context: _Context) -> None:
        """Accept an execution: give it an id, store it, start its Stigmer workflow.

        Args:
            execution: The request; it becomes the stored execution.
            context: The call, aborted with UNAVAILABLE if the script says so and with
                ALREADY_EXISTS if there is an execution of that name.
        """
        if ANNOTATION not in execution.metadata.annotations:
            execution.metadata.annotations[ANNOTATION] = self._own_script
        script = Script.of(execution.metadata.annotations)
        if script.create_refused:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "execution store is not available")
        prefix = "aex" if isinstance(execution, agent.AgentExecution) else "wex"
        execution.metadata.id = f"{prefix}_{uuid.uuid4().hex}"
        if not self._store.add(execution):
            await context.abort(
                grpc.StatusCode.ALREADY_EXISTS, f"{execution.metadata.name} exists already"
            )
        if isinstance(execution, agent.AgentExecution) and script.token_in_status:
            execution.status.callback_token = execution.spec.callback_token
            execution.spec.ClearField("callback_token")
        await self._start_workflow(execution, script)

    async def _start_workflow(self, execution: Execution, script: Script) -> None:
        workflow_id = workflow_id_of(execution)
        if isinstance(execution, workflow.WorkflowExecution):
            execution.status.temporal_workflow_id = workflow_id
        converter = (
            BinaryProtoPayloadConverter()
            if script.encoding is Encoding.BINARY
            else JSONProtoPayloadConverter()
        )
        payload = converter.to_payload(execution)
        assert payload is not None
        await self._client.start_workflow(
            workflow_id.rpartition("/")[0],
            RawValue(payload),
            id=workflow_id,
            task_queue=script.stigmer_queue,
            run_timeout=script.workflow_run_timeout,
            memo={names.RUNNER_QUEUE_MEMO: script.runner_queue},
        )


class _Executions(Generic[OneKind]):
    """Reads of one kind of execution."""

    def __init__(self, kind: type[OneKind], store: ExecutionStore) -> None:
        self._kind = kind
        self._store = store

    async def get(self, execution_id: str, context: _Context) -> OneKind:
        """The execution, or NOT_FOUND."""
        found = self._store.get(self._kind, execution_id)
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no execution {execution_id}")
        assert found is not None
        return found

    async def page(
        self,
        request: agent.ListAgentExecutionsRequest | workflow.ListWorkflowExecutionsRequest,
        context: _Context,
    ) -> tuple[int, list[OneKind]]:
        """One page and the number of pages. A page token is the number of the page, from 1."""
        if request.page_size < 0 or request.page_size > MAX_PAGE_SIZE:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "page_size must be 0 to 100")
        if request.page_token and not request.page_token.isdecimal():
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "page_token is not valid")
        size = request.page_size or DEFAULT_PAGE_SIZE
        first = (int(request.page_token or 1) - 1) * size
        found = self._store.find(self._kind, request.phase, request.tags)
        return -(-len(found) // size), found[max(first, 0) : max(first, 0) + size]


class _AgentQueries(agent_grpc.AgentExecutionQueryControllerServicer):
    def __init__(self, executions: _Executions[agent.AgentExecution]) -> None:
        self._executions = executions

    async def get(self, request: agent.AgentExecutionId, context: _Context) -> agent.AgentExecution:
        return await self._executions.get(request.value, context)

    async def list(
        self, request: agent.ListAgentExecutionsRequest, context: _Context
    ) -> agent.AgentExecutionList:
        pages, entries = await self._executions.page(request, context)
        return agent.AgentExecutionList(total_pages=pages, entries=entries)


class _WorkflowQueries(workflow_grpc.WorkflowExecutionQueryControllerServicer):
    def __init__(self, executions: _Executions[workflow.WorkflowExecution]) -> None:
        self._executions = executions

    async def get(
        self, request: workflow.WorkflowExecutionId, context: _Context
    ) -> workflow.WorkflowExecution:
        return await self._executions.get(request.value, context)

    async def list(
        self, request: workflow.ListWorkflowExecutionsRequest, context: _Context
    ) -> workflow.WorkflowExecutionList:
        pages, entries = await self._executions.page(request, context)
        return workflow.WorkflowExecutionList(total_pages=pages, entries=entries)


class _AgentCommands(agent_grpc.AgentExecutionCommandControllerServicer):
    def __init__(self, service: StigmerService) -> None:
        self._service = service

    async def create(
        self, request: agent.AgentExecution, context: _Context
    ) -> agent.AgentExecution:
        await self._service.create(request, context)
        return request


class _WorkflowCommands(workflow_grpc.WorkflowExecutionCommandControllerServicer):
    def __init__(self, service: StigmerService) -> None:
        self._service = service

    async def create(
        self, request: workflow.WorkflowExecution, context: _Context
    ) -> workflow.WorkflowExecution:
        await self._service.create(request, context)
        return request
