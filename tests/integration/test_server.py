"""What a real server says of itself, and its clock against ours."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.service import RPCError

from stigmer_ops.errors import DeniedError
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.clock import measure_clock_skew, skew_by_pollers
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.server import describe_server
from stigmer_ops.temporal.task_queues import newest_poll
from support.frontends import frontend_at
from support.gateway import gateway_to, refusing


async def polled(frontend: Frontend, queue: str) -> None:
    """Wait until the server knows that workers poll the queue."""
    async with asyncio.timeout(20):
        while await newest_poll(frontend, queue) is None:  # noqa: ASYNC110 - no event to await
            await asyncio.sleep(0.1)


def now() -> datetime:
    return datetime.now(UTC)


async def test_server_tells_version_cluster_and_capabilities(sandbox: Sandbox) -> None:
    frontend = await frontend_at(sandbox.address, sandbox.namespace)
    server = await describe_server(frontend, now)
    assert re.fullmatch(r"\d+\.\d+\.\d+", server.version)
    assert re.fullmatch(r"[0-9a-f-]{36}", server.cluster_id)
    assert {"standalone_activities", "worker_heartbeats"} <= server.capabilities  # of the namespace
    assert "internal_error_differentiation" in server.capabilities  # of the system
    assert "workflow_update_callbacks" not in server.capabilities
    assert server.clock_skew is not None
    assert abs(server.clock_skew) < timedelta(milliseconds=50)


@pytest.mark.parametrize("ours", [timedelta(seconds=90), timedelta(seconds=-90)])
async def test_clock_skew_is_how_far_the_server_is_ahead(sandbox: Sandbox, ours: timedelta) -> None:
    frontend = await frontend_at(sandbox.address, sandbox.namespace)
    skew = await measure_clock_skew(frontend, lambda: now() + ours)
    assert skew is not None
    assert abs(skew + ours) < timedelta(seconds=2)


@pytest.mark.parametrize(
    ("ours", "least"),
    [
        (timedelta(0), timedelta(0)),
        (timedelta(days=-1), timedelta(days=1)),  # a worker has polled in our future
        (timedelta(days=1), timedelta(days=-1)),  # the server would have forgotten the worker
    ],
)
async def test_pollers_show_in_one_call_how_wrong_a_clock_is_at_least(
    sandbox: Sandbox, ours: timedelta, least: timedelta
) -> None:
    frontend = await frontend_at(sandbox.address, sandbox.namespace)
    queue = Settings().task_queues.zigflow_execution.name
    await polled(frontend, queue)
    skew = await skew_by_pollers(frontend, queue, lambda: now() + ours)
    assert skew is not None
    assert abs(skew) <= abs(least)
    assert abs(skew - least) < timedelta(minutes=6)
    assert (skew == timedelta(0)) is (ours == timedelta(0))


async def test_skew_is_unknown_where_nobody_polls(sandbox: Sandbox) -> None:
    frontend = await frontend_at(sandbox.address, sandbox.namespace)
    assert await skew_by_pollers(frontend, "nobody-polls-this", now) is None


async def test_clock_skew_is_unknown_where_we_may_not_poll(sandbox: Sandbox) -> None:
    async with gateway_to(sandbox.address, intercept=refusing("PollActivityTaskQueue")) as gateway:
        frontend = await frontend_at(gateway.address, sandbox.namespace)
        assert await measure_clock_skew(frontend, now) is None


async def test_cluster_is_unknown_where_it_is_not_told(sandbox: Sandbox) -> None:
    async with gateway_to(sandbox.address, intercept=refusing("GetClusterInfo")) as gateway:
        frontend = await frontend_at(gateway.address, sandbox.namespace)
        server = await describe_server(frontend, now)
    assert server.cluster_id == ""
    assert server.version != ""


async def test_server_that_refuses_us_is_an_error(sandbox: Sandbox) -> None:
    async with gateway_to(sandbox.address) as gateway:
        frontend = await frontend_at(gateway.address, "no-such-namespace")
        with pytest.raises(DeniedError, match="no-such-namespace") as raised:
            await describe_server(frontend, now)
    assert isinstance(raised.value.__cause__, RPCError)
