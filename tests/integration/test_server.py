"""What a real server says of itself, and its clock against ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.service import RPCError

from stigmer_ops.errors import DeniedError
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.connection import ConnectionOptions, connect, resolve
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.server import describe_server, measure_clock_skew
from support.gateway import gateway_to, refusing


async def frontend_at(address: str, namespace: str) -> Frontend:
    target = resolve(ConnectionOptions(address=address, namespace=namespace), {})
    return await connect(target, pace=Pace(rps=0))


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
