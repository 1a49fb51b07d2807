"""What the Temporal server says of itself, and how far its clock is from ours."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.message import Message
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    GetClusterInfoRequest,
    GetSystemInfoRequest,
    GetSystemInfoResponse,
    PollActivityTaskQueueRequest,
)
from temporalio.service import RPCError

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.task_queues import activity_pollers

CLOCK_QUEUE = "stigmer-ops/clock"
SKEW_LIMIT = timedelta(seconds=5)
"""What clocks may differ by, against thresholds of minutes; kept in step, it is milliseconds."""
_POLL_FOR = timedelta(seconds=5)
_LOOKS = 20
_BETWEEN_LOOKS_SECONDS = 0.01

Clock = Callable[[], datetime]


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


def skew_sentence(skew: timedelta) -> str:
    """Say how far, and in which direction, this machine's clock is wrong."""
    ahead = "behind" if skew > timedelta(0) else "ahead of"
    return (
        f"this machine's clock is at least {abs(skew).total_seconds():.0f} s {ahead} the server's"
    )


async def measure_clock_skew(frontend: Frontend, clock: Clock) -> timedelta | None:
    """How far the server's clock is ahead of ours, at least; None where it cannot be measured.

    No API tells the server's time, but it writes down when a poll begins. So we poll a queue of our
    own, on which there are never tasks, and read when. Nothing is changed by it; the queue lists us
    as a poller for five minutes.
    """
    identity = f"{frontend.client.identity} {uuid.uuid4()}"
    before = clock()
    poll = asyncio.create_task(_poll(frontend, identity))
    try:
        for _ in range(_LOOKS):
            pollers = await activity_pollers(frontend, CLOCK_QUEUE)
            after = clock()
            for poller in pollers:
                if poller.identity == identity and poller.last_access_time is not None:
                    return _outside(poller.last_access_time, before, after)
            if poll.done():
                break
            await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)
    except StigmerOpsError:
        return None
    finally:
        poll.cancel()
        with suppress(asyncio.CancelledError):
            await poll
    return None


def _outside(time: datetime, earliest: datetime, latest: datetime) -> timedelta:
    """How far a time is outside a span: what the duration of the calls does not explain."""
    if time > latest:
        return time - latest
    return min(time - earliest, timedelta(0))


async def _poll(frontend: Frontend, identity: str) -> None:
    request = PollActivityTaskQueueRequest(
        namespace=frontend.namespace, task_queue=TaskQueue(name=CLOCK_QUEUE), identity=identity
    )
    with suppress(RPCError):
        await frontend.call(
            frontend.service.poll_activity_task_queue, request, retry=False, deadline=_POLL_FOR
        )
