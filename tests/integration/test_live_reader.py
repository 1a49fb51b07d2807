"""The live view's reader on a real server: what it sees, what it costs, and what it survives."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc
import pytest
from temporalio.service import RetryConfig

from stigmer_ops.errors import StaleError, UnavailableError
from stigmer_ops.exporter.live import reader as live_module
from stigmer_ops.handshake.live import unpolled
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal import connection
from support.exporter import Watcher
from support.gateway import gateway_to
from support.hand_worker import ACTIVITY_TYPE
from support.live_view import AT_ONCE, reader_of
from support.patient_handshakes import populate
from support.pending import hand_worker, listed, new_client, schedule_all

MIXED = {"still-running": 2, "token-not-passed": 1, "callback-fails": 1, "healthy": 2}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on a server within a second or two, where an operator waits half a minute."""
    short = RetryConfig(initial_interval_millis=50, max_elapsed_time_millis=1000)
    monkeypatch.setattr(connection, "READ_RETRY", short)


async def test_both_sides_are_seen_and_judged(isolated_sandbox: Sandbox) -> None:
    await populate(isolated_sandbox, MIXED)
    reader = await reader_of({**isolated_sandbox.environment(), **AT_ONCE})
    await reader.refresh()
    view = reader.live()
    assert view.complete
    assert len(view.waiting) == 4
    assert view.by_age["0-1h"] == 4
    assert all(one.deadline is not None and one.started for one in view.waiting)
    assert sum(minute.succeeded for minute in view.callbacks) == 2
    assert view.callbacks_failed == 1
    assert len(view.queues) == 7
    assert {queue.expected.name for queue in view.queues if not unpolled(queue)} >= {
        "agent_execution_stigmer",
        "zigflow_execution",
    }
    await reader.judge(view.waiting)
    judged = reader.live()
    assert {name: count for name, (count, _) in judged.verdict_counts().items()} == {
        "token-not-passed": 1,
        "callback-failed": 1,
        "running": 2,
    }
    assert judged.stuck == 2
    assert judged.round.calls > 0
    assert judged.calls_in_all == view.calls_in_all + judged.round.calls


async def test_stigmer_in_a_namespace_of_its_own_is_read_too(
    two_namespaces_sandbox: Sandbox,
) -> None:
    await populate(two_namespaces_sandbox, {"healthy": 1, "still-running": 1})
    reader = await reader_of(two_namespaces_sandbox.environment())
    await reader.refresh()
    view = reader.live()
    assert view.complete
    assert len(view.waiting) == 1
    assert sum(minute.succeeded for minute in view.callbacks) == 1
    namespaces = {queue.expected.namespace for queue in view.queues}
    assert len(namespaces) == 2


async def test_refresh_follows_what_starts_and_ends(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"still-running": 1})
    reader = await reader_of(isolated_sandbox.environment())
    await reader.refresh()
    assert len(reader.live().waiting) == 1
    await populate(isolated_sandbox, {"token-not-passed": 1, "healthy": 1})
    async with asyncio.timeout(60):
        while len(reader.live().waiting) != 2:
            await reader.refresh()
    async with asyncio.timeout(60):
        while not sum(minute.succeeded for minute in reader.live().callbacks):
            await reader.refresh()
    counts = [sample.by_age["0-1h"] for sample in reader.live().history]
    assert counts[0] == 1
    assert counts[-1] == 2


async def test_refresh_makes_no_more_calls_than_a_cycle_of_the_exporter(
    isolated_sandbox: Sandbox,
) -> None:
    await populate(isolated_sandbox, MIXED)
    environment = isolated_sandbox.environment()
    rarely = {
        "STIGMER_OPS_EXPORTER_QUEUES_EVERY": "1h",
        "STIGMER_OPS_EXPORTER_REGISTRATION_EVERY": "1h",
    }
    watcher = Watcher({**environment, **rarely})
    reader = await reader_of(environment)
    for _ in range(2):  # what is new has been looked at as often as it is going to be
        await watcher.cycle()
        await reader.refresh()
    before = watcher.page.value(m.RPCS.name)
    await watcher.cycle()
    await reader.refresh()
    assert 0 < reader.live().calls <= watcher.page.value(m.RPCS.name) - before


async def test_lost_server_leaves_what_was_read_and_is_found_again(
    isolated_sandbox: Sandbox, impatient: None
) -> None:
    await isolated_sandbox.populate({"still-running": 1})
    lost = False

    async def intercept(_method: str, _request: bytes) -> grpc.StatusCode | None:
        return grpc.StatusCode.UNAVAILABLE if lost else None

    async with gateway_to(isolated_sandbox.address, intercept=intercept) as gateway:
        environment = {**isolated_sandbox.environment(), "TEMPORAL_ADDRESS": gateway.address}
        reader = await reader_of(environment)
        await reader.refresh()
        before = reader.live()
        lost = True
        await reader.refresh()
        await reader.judge(before.waiting)
        during = reader.live()
        assert during.waiting == before.waiting
        assert during.pending.read_at == before.pending.read_at
        assert any("refused by the gateway" in trouble for trouble in during.troubles)
        assert during.round.part.trouble
        lost = False
        await reader.refresh()
        await reader.judge(before.waiting)
        after = reader.live()
        assert after.complete
        assert after.pending.read_at != before.pending.read_at
        assert len(after.verdicts) == 1


async def test_server_that_was_never_read_is_an_error(
    isolated_sandbox: Sandbox, impatient: None
) -> None:
    lost = False

    async def intercept(_method: str, _request: bytes) -> grpc.StatusCode | None:
        return grpc.StatusCode.UNAVAILABLE if lost else None

    async with gateway_to(isolated_sandbox.address, intercept=intercept) as gateway:
        environment = {**isolated_sandbox.environment(), "TEMPORAL_ADDRESS": gateway.address}
        reader = await reader_of(environment)
        lost = True
        with pytest.raises(UnavailableError):
            await reader.refresh()
        assert reader.live().refreshes == 0


async def test_activity_that_ended_in_silence_goes_when_it_is_looked_at(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    worker = hand_worker(client)
    await schedule_all(worker, {"5": ACTIVITY_TYPE})
    await listed(client, 1)
    environment = {**sandbox.environment(), "TEMPORAL_NAMESPACE": client.namespace}
    reader = await reader_of(environment, interval=timedelta(hours=1))
    await reader.refresh()
    (one,) = reader.live().waiting
    await worker.complete_by_id("5")
    with pytest.raises(StaleError):
        await reader.why(one.key)
    await reader.refresh()
    assert reader.live().waiting == ()


async def test_round_is_limited_and_rests_in_proportion(
    isolated_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "JUDGED_AT_ONCE", 1)
    await isolated_sandbox.populate({"still-running": 2})
    reader = await reader_of(isolated_sandbox.environment(), round_every=timedelta(0))
    assert not reader.round_is_due
    reader = await reader_of(isolated_sandbox.environment(), round_every=timedelta(seconds=1))
    await reader.refresh()
    assert reader.round_is_due
    await reader.judge(reader.live().waiting)
    looked = reader.live().round
    assert (looked.asked, looked.skipped) == (1, 1)
    assert len(reader.live().verdicts) == 1
    assert not reader.round_is_due
