"""Reads that outlast a busy server, beyond what the SDK retries by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

ResultT = TypeVar("ResultT")

THROTTLED_PAUSES = (5.0, 10.0, 20.0)
"""Seconds to wait while throttled, after the SDK has retried for up to 30 s."""

TIMED_OUT = frozenset({RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})
"""The server's word and the SDK's ("Timeout expired") for a call without an answer in time."""


async def patiently(read: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Read, again after a pause while the server throttles, and once more after a timeout.

    The SDK does not retry timeouts at all, and throttled calls not for long enough: other clients
    of the namespace may use its rate up for a minute.

    Raises:
        RPCError: The last answer.
    """
    timed_out = False
    for pause in THROTTLED_PAUSES:
        try:
            return await read()
        except RPCError as error:
            if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
                await asyncio.sleep(pause)
            elif error.status in TIMED_OUT and not timed_out:
                timed_out = True
            else:
                raise
    return await read()
