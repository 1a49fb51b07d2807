"""Writes whose answer does not come back: told from the history, never sent a second time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from temporalio.client import Client

from stigmer_ops.errors import StaleError, UnavailableError
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.frontend import Frontend
from support.activity_writes import (
    AUTHOR,
    VERBS,
    by_ids,
    executed,
    extension,
    frontend_of,
    history,
    ours,
    planned,
    results_in,
)
from support.gateway import Gateway, Interception, gateway_to
from support.hand_worker import HandWorker

WRITES = (
    "RespondActivityTaskCompleted",
    "RespondActivityTaskFailed",
    "UpdateActivityOptions",
)


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@asynccontextmanager
async def unreliable(
    sandbox: Sandbox,
    *,
    lose_answers_of: Container[str] = (),
    intercept: Interception | None = None,
) -> AsyncIterator[tuple[Frontend, Gateway]]:
    async with gateway_to(
        sandbox.address, lose_answers_of=lose_answers_of, intercept=intercept
    ) as gateway:
        client = await Client.connect(gateway.address, namespace=sandbox.namespace)
        yield frontend_of(client), gateway


def writes_sent(gateway: Gateway) -> list[str]:
    return [call for call in gateway.calls if call in WRITES]


@pytest.mark.parametrize("verb", VERBS)
async def test_lost_answer_is_found_in_the_history(
    sandbox: Sandbox, trail: Path, verb: str
) -> None:
    worker = HandWorker(sandbox.client)
    await worker.started()
    async with unreliable(sandbox, lose_answers_of=WRITES) as (frontend, gateway):
        write = await planned(frontend, await by_ids(frontend, worker), verb)
        proof = await executed(frontend, write, trail)

    assert proof.answer_lost
    assert proof.identity == AUTHOR.identity
    assert [proof.event_id] == ours(await history(worker))
    assert len(writes_sent(gateway)) == 1
    assert results_in(trail) == ["done"]


async def test_lost_answer_to_a_retryable_failure_is_found_in_the_next_attempt(
    sandbox: Sandbox, trail: Path
) -> None:
    worker = HandWorker(sandbox.client, attempts=3)
    await worker.started()
    async with unreliable(sandbox, lose_answers_of=WRITES) as (frontend, gateway):
        write = await planned(frontend, await by_ids(frontend, worker), "fail", retryable=True)
        proof = await executed(frontend, write, trail)

    assert (proof.outcome, proof.attempt, proof.answer_lost) == ("RETRYING", 2, True)
    assert len(writes_sent(gateway)) == 1


async def test_lost_answer_to_an_extension_is_found_in_the_description(
    sandbox: Sandbox, trail: Path
) -> None:
    worker = HandWorker(sandbox.client)
    await worker.started()
    async with unreliable(sandbox, lose_answers_of=WRITES) as (frontend, gateway):
        write = await extension(frontend, await by_ids(frontend, worker), by=timedelta(hours=1))
        proof = await executed(frontend, write, trail)

    assert proof.answer_lost
    assert proof.change is not None
    assert proof.change.after.start_to_close == timedelta(seconds=600 + 3600)
    assert len(writes_sent(gateway)) == 1


async def test_call_that_never_arrived_is_unknown_and_can_be_made_again(
    sandbox: Sandbox, trail: Path
) -> None:
    worker = HandWorker(sandbox.client)
    await worker.started()

    async def cut(method: str, _request: bytes) -> grpc.StatusCode | None:
        return grpc.StatusCode.UNAVAILABLE if method in WRITES else None

    async with unreliable(sandbox, intercept=cut) as (frontend, gateway):
        write = await planned(frontend, await by_ids(frontend, worker), "complete")
        with pytest.raises(UnavailableError, match="attempt 1 is still pending") as lost:
            await executed(frontend, write, trail)
    assert "the fence keeps it from being done twice" in lost.value.next_step
    assert len(writes_sent(gateway)) == 1
    assert results_in(trail) == ["unknown"]

    direct = frontend_of(sandbox.client)
    again = await planned(direct, await by_ids(direct, worker), "complete")
    proof = await executed(direct, again, trail)
    assert (proof.outcome, proof.answer_lost) == ("COMPLETED", False)


async def test_extension_that_never_arrived_is_to_be_looked_at_before_it_is_made_again(
    sandbox: Sandbox, trail: Path
) -> None:
    worker = HandWorker(sandbox.client)
    await worker.started()

    async def cut(method: str, _request: bytes) -> grpc.StatusCode | None:
        return grpc.StatusCode.UNAVAILABLE if method in WRITES else None

    async with unreliable(sandbox, intercept=cut) as (frontend, _):
        write = await extension(frontend, await by_ids(frontend, worker), by=timedelta(hours=1))
        with pytest.raises(UnavailableError, match="its timeouts are as they were") as lost:
            await executed(frontend, write, trail)

    # No fence would keep it from being done twice, should the first one arrive after all.
    assert lost.value.next_step.startswith("stigmer-ops pending show ")


async def test_somebody_elses_completion_is_not_taken_for_ours(
    sandbox: Sandbox, trail: Path
) -> None:
    worker = HandWorker(sandbox.client)
    await worker.started()

    async def overtaken(method: str, _request: bytes) -> grpc.StatusCode | None:
        if method not in WRITES:
            return None
        await worker.complete_by_id(identity="bob@bastion")
        return grpc.StatusCode.UNAVAILABLE

    async with unreliable(sandbox, intercept=overtaken) as (frontend, _):
        write = await planned(frontend, await by_ids(frontend, worker), "complete")
        with pytest.raises(StaleError, match="COMPLETED by bob@bastion"):
            await executed(frontend, write, trail)

    assert results_in(trail) == ["refused"]


async def test_retry_by_another_is_not_taken_for_ours(sandbox: Sandbox, trail: Path) -> None:
    worker = HandWorker(sandbox.client, attempts=3)
    token = await worker.started()

    async def overtaken(method: str, _request: bytes) -> grpc.StatusCode | None:
        if method not in WRITES:
            return None
        await worker.fail(token, retryable=True)
        return grpc.StatusCode.UNAVAILABLE

    async with unreliable(sandbox, intercept=overtaken) as (frontend, _):
        write = await planned(frontend, await by_ids(frontend, worker), "fail", retryable=True)
        with pytest.raises(StaleError, match="attempt 1 was meant, and attempt 2"):
            await executed(frontend, write, trail)


async def test_throttled_write_is_said_not_to_have_been_made(sandbox: Sandbox, trail: Path) -> None:
    worker = HandWorker(sandbox.client)
    await worker.started()

    async def throttled(method: str, _request: bytes) -> grpc.StatusCode | None:
        return grpc.StatusCode.RESOURCE_EXHAUSTED if method in WRITES else None

    async with unreliable(sandbox, intercept=throttled) as (frontend, gateway):
        write = await planned(frontend, await by_ids(frontend, worker), "complete")
        with pytest.raises(UnavailableError) as refused:
            await executed(frontend, write, trail)

    assert refused.value.not_done == "the activity was not changed"
    assert len(writes_sent(gateway)) == 1
    assert results_in(trail) == ["failed"]
    assert ours(await history(worker)) == []


async def test_write_that_cannot_be_read_back_is_recorded_as_done(
    sandbox: Sandbox, trail: Path
) -> None:
    worker = HandWorker(sandbox.client)
    await worker.started()
    written = asyncio.Event()

    async def blind_after_the_write(method: str, _request: bytes) -> grpc.StatusCode | None:
        if method in WRITES:
            written.set()
            return None
        return grpc.StatusCode.PERMISSION_DENIED if written.is_set() else None

    async with unreliable(sandbox, intercept=blind_after_the_write) as (frontend, _):
        write = await planned(frontend, await by_ids(frontend, worker), "complete")
        with pytest.raises(UnavailableError, match="accepted the write, but it could not be read"):
            await executed(frontend, write, trail)

    assert results_in(trail) == ["done"]
    assert len(ours(await history(worker))) == 1


async def test_extension_of_an_attempt_that_ends_right_after_it_is_recorded_as_done(
    sandbox: Sandbox, trail: Path
) -> None:
    worker = HandWorker(sandbox.client, attempts=3)
    token = await worker.started()
    written = asyncio.Event()

    async def end_it(method: str, _request: bytes) -> grpc.StatusCode | None:
        if method in WRITES:
            written.set()
        elif written.is_set():
            written.clear()
            await worker.fail(token, retryable=True)
        return None

    async with unreliable(sandbox, intercept=end_it) as (frontend, _):
        write = await extension(frontend, await by_ids(frontend, worker), by=timedelta(hours=1))
        with pytest.raises(UnavailableError, match=r"accepted the write.*at attempt 2"):
            await executed(frontend, write, trail)

    assert results_in(trail) == ["done"]


async def test_extension_that_is_lost_for_an_attempt_that_ended_is_not_called_done(
    sandbox: Sandbox, trail: Path
) -> None:
    worker = HandWorker(sandbox.client)
    token = await worker.started()

    async def overtaken(method: str, _request: bytes) -> grpc.StatusCode | None:
        if method not in WRITES:
            return None
        await worker.complete(token)
        return grpc.StatusCode.UNAVAILABLE

    async with unreliable(sandbox, intercept=overtaken) as (frontend, _):
        write = await extension(frontend, await by_ids(frontend, worker), by=timedelta(hours=1))
        with pytest.raises(StaleError, match="completed") as stale:
            await executed(frontend, write, trail)

    assert "lost" in stale.value.not_done
    assert results_in(trail) == ["refused"]
