"""How calls slow down while a server refuses them, and recover."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.temporal.throttle import Throttle

NEVER, LONG = timedelta(0), timedelta(seconds=60)


class Limited:
    """A server that accepts so many calls a second, and a burst of as many."""

    def __init__(self, rate: float) -> None:
        self.rate = self.tokens = rate
        self.at = asyncio.get_running_loop().time()
        self.accepted = self.refused = 0

    async def call(self) -> str:
        now = asyncio.get_running_loop().time()
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        await asyncio.sleep(0.002)
        if self.tokens < 1:
            self.refused += 1
            raise RPCError("namespace rate limit exceeded", RPCStatusCode.RESOURCE_EXHAUSTED, b"")
        self.tokens -= 1
        self.accepted += 1
        return "answer"


async def test_many_calls_settle_at_what_the_server_accepts() -> None:
    server, throttle = Limited(rate=100), Throttle()
    gate = asyncio.Semaphore(64)

    async def one() -> str:
        async with gate:
            return await throttle.made(server.call, patience=LONG)

    answers = await asyncio.gather(*(one() for _ in range(300)))

    assert answers == ["answer"] * 300
    assert server.accepted == 300
    assert throttle.refusals == server.refused
    assert 0 < server.refused < 150


async def test_unlimited_calls_are_not_spaced() -> None:
    server, throttle = Limited(rate=10_000), Throttle()
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(throttle.made(server.call, patience=LONG) for _ in range(500)))

    assert throttle.refusals == 0
    assert asyncio.get_running_loop().time() - began < 5


async def test_write_is_not_made_again() -> None:
    server = Limited(rate=0)
    with pytest.raises(RPCError):
        await Throttle().made(server.call, patience=NEVER)

    assert server.refused == 1


async def test_server_that_goes_on_refusing_is_given_up() -> None:
    server = Limited(rate=0)
    with pytest.raises(RPCError):
        await Throttle().made(server.call, patience=timedelta(seconds=0.2))

    assert 2 <= server.refused <= 10


@pytest.mark.parametrize(
    "error",
    [
        RPCError("no", RPCStatusCode.UNAVAILABLE, b""),
        RPCError(
            "grpc: received message larger than max (5 vs. 4)",
            RPCStatusCode.RESOURCE_EXHAUSTED,
            b"",
        ),
    ],
    ids=lambda error: error.message,
)
async def test_what_is_no_rate_limit_is_raised_at_once(error: RPCError) -> None:
    throttle, made = Throttle(), 0

    async def call() -> str:
        nonlocal made
        made += 1
        raise error

    with pytest.raises(RPCError):
        await throttle.made(call, patience=LONG)
    assert (made, throttle.refusals) == (1, 0)
