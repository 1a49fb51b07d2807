"""Which errors are waited out."""

from __future__ import annotations

import pytest
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.temporal.patience import patiently


class Server:
    """Answers with each of `statuses` in turn, then with "answer"."""

    def __init__(self, *statuses: RPCStatusCode) -> None:
        self.statuses = list(statuses)
        self.asked = 0

    async def read(self) -> str:
        self.asked += 1
        if self.statuses:
            raise RPCError("no", self.statuses.pop(0), b"")
        return "answer"


THROTTLED, TIMEOUT = RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    "statuses",
    [
        (),
        (TIMEOUT,),
        (RPCStatusCode.CANCELLED,),
    ],
    ids=str,
)
async def test_answer_is_had_in_the_end(statuses: tuple[RPCStatusCode, ...]) -> None:
    server = Server(*statuses)
    assert await patiently(server.read) == "answer"
    assert server.asked == len(statuses) + 1


@pytest.mark.parametrize(
    ("statuses", "asked"),
    [
        ((THROTTLED,), 1),  # every call outlasts that by itself
        ((TIMEOUT, THROTTLED), 2),
        ((TIMEOUT, TIMEOUT), 2),
        ((RPCStatusCode.NOT_FOUND,), 1),
        ((RPCStatusCode.UNAVAILABLE,), 1),  # the SDK has retried it for long enough
        ((RPCStatusCode.PERMISSION_DENIED,), 1),
    ],
    ids=str,
)
async def test_last_error_is_raised(statuses: tuple[RPCStatusCode, ...], asked: int) -> None:
    server = Server(*statuses)
    with pytest.raises(RPCError) as caught:
        await patiently(server.read)
    assert server.asked == asked
    assert caught.value.status is statuses[asked - 1]
