"""Connections that break under what is under way: made again, and nothing is done twice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from stigmer_ops.errors import UnavailableError
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.connection import TORN_PAUSES, ConnectionOptions, connect, resolve
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.command_line import stigmer_ops
from support.fault_proxy import Faults, fault_proxy
from support.gateway import gateway_to, refusing
from support.terminal import at_terminal


class FirstOf:
    """A container that holds each of its methods until it was asked for it once."""

    def __init__(self, *methods: str) -> None:
        self._left = set(methods)

    def __contains__(self, method: object) -> bool:
        held = method in self._left
        self._left.discard(str(method))
        return held


async def connected(address: str) -> Frontend:
    return await connect(resolve(ConnectionOptions(address=address), {}), pace=Pace(rps=0))


async def test_connection_that_is_torn_while_it_is_made_is_made_again(sandbox: Sandbox) -> None:
    async with fault_proxy(sandbox.address, Faults(resets=1)) as proxy:
        connecting = asyncio.create_task(connected(proxy.address))
        while proxy.resets < 2:  # noqa: ASYNC110 - chance resets them
            await asyncio.sleep(0.01)
        proxy.faults = Faults()
        frontend = await connecting
        described = await frontend.describe_namespace()

    assert described.namespace_info.name == "default"


async def test_connection_that_is_always_torn_is_given_up_soon_and_says_so(
    sandbox: Sandbox,
) -> None:
    began = time.monotonic()
    async with fault_proxy(sandbox.address, Faults(resets=1)) as proxy:
        with pytest.raises(UnavailableError) as torn:
            await connected(proxy.address)

    assert torn.value.happened.endswith("(without TLS): the connection was reset")
    assert proxy.connections == 1 + len(TORN_PAUSES)
    assert time.monotonic() - began < 20


async def test_what_is_harmless_to_send_twice_outlasts_a_lost_answer(
    isolated_sandbox: Sandbox,
) -> None:
    lost = FirstOf("RespondActivityTaskCompleted", "StartActivityExecution")
    async with gateway_to(isolated_sandbox.address, lose_answers_of=lost) as gateway:
        variables = {**isolated_sandbox.environment(), "TEMPORAL_ADDRESS": gateway.address}
        smoke = await stigmer_ops("smoke", "--rounds", "2", "-o", "json", variables=variables)
        workers = await stigmer_ops("worker", "check", "-o", "json", variables=variables)
        calls = Counter(gateway.calls)

    assert (smoke.json["rounds_completed"], smoke.json["stopped"]) == (2, None), smoke.err
    # On a busy machine a worker may be late.
    verdicts = {queue["verdict"] for queue in workers.json["task_queues"]}
    assert verdicts <= {"healthy", "worker-silent"}, workers.out
    (probe,) = workers.json["probes"]
    assert probe["started"] == probe["deleted"] == calls["StartActivityExecution"] - 1
    assert probe["left_behind"] == []


async def test_count_that_fails_is_only_missed_by_the_progress(isolated_sandbox: Sandbox) -> None:
    refuse_count = refusing("CountWorkflowExecutions")
    async with gateway_to(isolated_sandbox.address, intercept=refuse_count) as gateway:
        variables = {**isolated_sandbox.environment(), "TEMPORAL_ADDRESS": gateway.address}
        async with at_terminal("pending", "list", variables=variables) as terminal:
            code = await terminal.code(timeout_seconds=60)
        counted = gateway.calls.count("CountWorkflowExecutions")

    assert (code, counted) == (0, 1), terminal.screen
    assert "no such activity is pending" in terminal.screen
