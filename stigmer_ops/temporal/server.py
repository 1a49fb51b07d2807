"""What the Temporal server says of itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from google.protobuf.message import Message
from temporalio.api.workflowservice.v1 import (
    GetClusterInfoRequest,
    GetSystemInfoRequest,
    GetSystemInfoResponse,
)
from temporalio.service import RPCError

from stigmer_ops.temporal.clock import Clock, measure_clock_skew
from stigmer_ops.temporal.frontend import Frontend


@dataclass(frozen=True, slots=True)
class ServerDescription:
    """A Temporal server.

    Attributes:
        version: As in "1.32.0"; empty where it does not say.
        cluster_id: A UUID; empty where we may not know it.
        capabilities: What it can do in the namespace, by the field names of
            `NamespaceInfo.Capabilities` and `GetSystemInfoResponse.Capabilities`.
        clock_skew: How far its clock is ahead of ours (negative: behind), at least; zero where
            no difference can be told; None where it could not be measured.
    """

    version: str
    cluster_id: str
    capabilities: frozenset[str]
    clock_skew: timedelta | None


async def describe_server(frontend: Frontend, clock: Clock) -> ServerDescription:
    """Ask the server for its version, its capabilities and, by a detour, its time.

    Args:
        frontend: The server, with the namespace whose capabilities are meant.
        clock: Our own time, UTC.

    Raises:
        StigmerOpsError: The system information or the namespace could not be read.
    """
    system, namespace, cluster_id, skew = await asyncio.gather(
        _system_info(frontend),
        frontend.describe_namespace(),
        _cluster_id(frontend),
        measure_clock_skew(frontend, clock),
    )
    return ServerDescription(
        version=system.server_version,
        cluster_id=cluster_id,
        capabilities=_set_fields(system.capabilities)
        | _set_fields(namespace.namespace_info.capabilities),
        clock_skew=skew,
    )


def _set_fields(capabilities: Message) -> frozenset[str]:
    return frozenset(field.name for field, _ in capabilities.ListFields())


async def _system_info(frontend: Frontend) -> GetSystemInfoResponse:
    try:
        return await frontend.call(frontend.service.get_system_info, GetSystemInfoRequest())
    except RPCError as error:
        raise frontend.translate(error, "read the system information") from error


async def _cluster_id(frontend: Frontend) -> str:
    # Hosted services refuse it to their users.
    try:
        answer = await frontend.call(frontend.service.get_cluster_info, GetClusterInfoRequest())
    except RPCError:
        return ""
    return answer.cluster_id
