"""The Stigmer service: what it says of an execution, where Temporal alone cannot tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio

from stigmer_ops.errors import InputError
from stigmer_ops.handshake.execution import ExecutionKind
from stigmer_ops.settings import Stigmer
from stigmer_ops.stigmer.api import (
    agentexecution_pb2,
    agentexecution_pb2_grpc,
    workflowexecution_pb2,
    workflowexecution_pb2_grpc,
)

CALL_TIMEOUT_SECONDS = 5.0

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


class StigmerService:
    """The query API of Stigmer over one channel."""

    def __init__(self, channel: grpc.aio.Channel, address: str) -> None:
        self.address = address
        self._agents = agentexecution_pb2_grpc.AgentExecutionQueryControllerStub(channel)
        self._workflows = workflowexecution_pb2_grpc.WorkflowExecutionQueryControllerStub(channel)

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
