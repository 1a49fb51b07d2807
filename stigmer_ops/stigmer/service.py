"""The Stigmer service: what it says of itself and of an execution, and new executions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stigmer_ops.errors import (
    CapabilityError,
    DeniedError,
    InputError,
    StigmerOpsError,
    UnavailableError,
    UsageError,
)
from stigmer_ops.handshake.execution import ExecutionKind
from stigmer_ops.settings import Stigmer
from stigmer_ops.stigmer.api import (
    agentexecution_pb2,
    agentexecution_pb2_grpc,
    apiresource_pb2,
    workflowexecution_pb2,
    workflowexecution_pb2_grpc,
)

CALL_TIMEOUT_SECONDS = 5.0
CREATE_TIMEOUT_SECONDS = 30.0

Execution = agentexecution_pb2.AgentExecution | workflowexecution_pb2.WorkflowExecution


@dataclass(frozen=True, slots=True)
class ExecutionStatus:
    """What the service says: phase by its proto name, error, ISO 8601 times as it gives them.

    `message` is the whole execution as the service returned it; it may hold data of users.
    """

    phase: str
    error: str
    started_at: str
    completed_at: str
    message: Execution = field(repr=False)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The service could not be asked. `code` is the gRPC status code's name."""

    code: str
    reason: str


NOBODY_ANSWERS = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
"""Codes of a `NoAnswer` that came from no server."""


class StigmerService:
    """Stigmer's API over one channel."""

    def __init__(self, channel: grpc.aio.Channel, address: str) -> None:
        self.address = address
        self._agents = agentexecution_pb2_grpc.AgentExecutionQueryControllerStub(channel)
        self._workflows = workflowexecution_pb2_grpc.WorkflowExecutionQueryControllerStub(channel)
        self._commands = agentexecution_pb2_grpc.AgentExecutionCommandControllerStub(channel)
        self._health = health_pb2_grpc.HealthStub(channel)

    async def health(self) -> str | NoAnswer:
        """What grpc.health.v1 says of the server as a whole: SERVING, NOT_SERVING, UNKNOWN.

        A server without that service answers too: a `NoAnswer` with code UNIMPLEMENTED.
        """
        try:
            answer = await self._health.Check(
                health_pb2.HealthCheckRequest(), timeout=CALL_TIMEOUT_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            return NoAnswer(error.code().name, error.details() or "")
        status: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return status

    async def lists(self, kind: ExecutionKind) -> NoAnswer | None:
        """Ask for one execution of a kind; None if the service answers, else why it does not."""
        try:
            if kind is ExecutionKind.AGENT:
                await self._agents.list(
                    agentexecution_pb2.ListAgentExecutionsRequest(page_size=1),
                    timeout=CALL_TIMEOUT_SECONDS,
                )
            else:
                await self._workflows.list(
                    workflowexecution_pb2.ListWorkflowExecutionsRequest(page_size=1),
                    timeout=CALL_TIMEOUT_SECONDS,
                )
        except grpc.aio.AioRpcError as error:
            return NoAnswer(error.code().name, error.details() or "")
        return None

    async def create_agent_execution(
        self, *, name: str, agent_id: str, session_id: str, message: str, callback_token: bytes
    ) -> str:
        """Have an agent work for the activity of a task token. Sent once.

        Returns:
            The execution's id.

        Raises:
            StigmerOpsError: It was refused, or whether it was created is not known.
        """
        request = agentexecution_pb2.AgentExecution(
            metadata=apiresource_pb2.ApiResourceMetadata(name=name),
            spec=agentexecution_pb2.AgentExecutionSpec(
                agent_id=agent_id,
                session_id=session_id,
                message=message,
                callback_token=callback_token,
            ),
        )
        try:
            created = await self._commands.create(request, timeout=CREATE_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise self._refused(error) from None  # its text may quote the request
        return created.metadata.id

    def _refused(self, error: grpc.aio.AioRpcError) -> StigmerOpsError:
        code = error.code()
        happened = (
            f"Stigmer at {self.address} created no execution: {code.name} {error.details() or ''}"
        )
        match code:
            case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
                return DeniedError(happened, next_step="check stigmer.tls_* in the settings")
            case grpc.StatusCode.UNIMPLEMENTED:
                return CapabilityError(
                    happened, next_step="stigmer-ops check --category stigmer-service"
                )
            case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.NOT_FOUND:
                return UsageError(happened, next_step="check --agent-id and --session-id")
            case _:
                return UnavailableError(
                    happened, next_step="stigmer-ops check --category stigmer-service"
                )

    async def execution(
        self, kind: ExecutionKind, execution_id: str
    ) -> ExecutionStatus | NoAnswer | None:
        """The execution, None if the service has none of this id, or why it cannot be told."""
        try:
            if kind is ExecutionKind.AGENT:
                return _agent_status(
                    await self._agents.get(
                        agentexecution_pb2.AgentExecutionId(value=execution_id),
                        timeout=CALL_TIMEOUT_SECONDS,
                    )
                )
            return _workflow_status(
                await self._workflows.get(
                    workflowexecution_pb2.WorkflowExecutionId(value=execution_id),
                    timeout=CALL_TIMEOUT_SECONDS,
                )
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            return NoAnswer(error.code().name, error.details() or "")


def _agent_status(execution: agentexecution_pb2.AgentExecution) -> ExecutionStatus:
    status = execution.status
    return ExecutionStatus(
        agentexecution_pb2.ExecutionPhase.Name(status.phase),
        status.error,
        status.started_at,
        status.completed_at,
        execution,
    )


def _workflow_status(execution: workflowexecution_pb2.WorkflowExecution) -> ExecutionStatus:
    status = execution.status
    return ExecutionStatus(
        workflowexecution_pb2.ExecutionPhase.Name(status.phase),
        status.error,
        status.started_at,
        status.completed_at,
        execution,
    )


@asynccontextmanager
async def stigmer_service(settings: Stigmer) -> AsyncIterator[StigmerService | None]:
    """The service at the configured address, or None where none is configured.

    The channel connects on first use: a service that is down is told by the first call.

    Raises:
        InputError: A certificate or key file cannot be read.
    """
    if settings.address is None:
        yield None
        return
    async with _channel(settings, settings.address) as channel:
        yield StigmerService(channel, settings.address)


def _channel(settings: Stigmer, address: str) -> grpc.aio.Channel:
    if not settings.tls:
        return grpc.aio.insecure_channel(address)
    credentials = grpc.ssl_channel_credentials(
        _read(settings.tls_ca_path), _read(settings.tls_key_path), _read(settings.tls_cert_path)
    )
    return grpc.aio.secure_channel(address, credentials)


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", next_step="check stigmer.tls_* in the settings"
        ) from error
