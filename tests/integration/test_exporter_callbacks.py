"""Every callback on a real server is counted once, as what it is."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from stigmer_ops.exporter.callbacks.news import Link
from stigmer_ops.handshake.execution import Edition, TokenState
from stigmer_ops.sandbox.sandbox import Sandbox
from support.awaiting import Awaiting, awaiting
from support.exporter_callbacks import Kind, Restartable, id_of, kind_of, watching
from support.patient_handshakes import PATIENCE_SECONDS, populate
from support.stigmer_histories import (
    CALL_BACK,
    CONTINUE,
    HANG,
    WAIT,
    StigmerHistories,
    stigmer_histories,
)

FAULTS: dict[str, Kind | None] = {
    "healthy": ("go", "success", None),
    "healthy-java": ("java", "success", None),
    "agent-fails": ("java", "success", None),
    "callback-fails": ("go", "failure", "unknown"),
    "callback-fails-java": ("java", "failure", "unknown"),
    "callback-decode-error": ("go", "failure", "unknown"),
    "callback-not-registered": ("go", "failure", "unknown"),
    "callback-wrong-namespace": ("go", "failure", "client_error"),
    "stale-token": ("go", "failure", "client_error"),
    "token-double-encoded": ("go", "failure", "client_error"),
    "token-truncated": ("go", "failure", "client_error"),
    "token-wrong-namespace": None,
    "token-not-passed": None,
    "stigmer-workflow-terminated": None,
    "stigmer-workflow-cancelled-go": None,
    "stigmer-workflow-timed-out": None,
    "stigmer-without-callback": None,
    "workflow-edition-without-callback": None,
    "callback-queue-unpolled": None,
    "callback-retrying": None,
    "still-running": None,
}
"""What each fault counts as; None where no callback of ours came to its end."""


async def test_each_fault_counts_as_what_it_is_and_only_once(isolated_sandbox: Sandbox) -> None:
    ending = {fault: kind for fault, kind in FAULTS.items() if kind is not None}
    others = dict.fromkeys(FAULTS.keys() - ending.keys(), 1)
    await asyncio.gather(
        populate(isolated_sandbox, dict.fromkeys(ending, 1)),
        isolated_sandbox.populate(others, seconds=PATIENCE_SECONDS),
    )
    reading = await watching(isolated_sandbox.client)
    counted: Counter[Kind] = Counter()
    expected = Counter(ending.values())
    while counted.total() < expected.total():  # the last of them may not be visible yet
        counted += Counter(map(kind_of, (await reading.follow()).ended))
    assert counted == expected
    for _ in range(2):
        assert (await reading.follow()).ended == []
        reading.begin()
    assert reading.completions == expected.total()
    namespace = isolated_sandbox.namespace
    assert reading.errors == {
        (namespace, service, error): count
        for (service, _, error), count in expected.items()
        if error is not None
    }


async def test_started_executions_are_linked_to_their_activities(isolated_sandbox: Sandbox) -> None:
    faults = ["still-running", "healthy-java", "token-not-passed"]
    handshakes = [await isolated_sandbox.start_handshake(fault) for fault in faults]
    await isolated_sandbox.settle(*handshakes)
    reading = await watching(isolated_sandbox.client)
    links = (await reading.follow()).links
    by_run = {link.claim.run_id: link for link in links}
    assert by_run[handshakes[0].run_id].edition is Edition.GO
    assert by_run[handshakes[1].run_id].edition is Edition.JAVA
    assert by_run[handshakes[0].run_id].claim.activity_id == handshakes[0].activity_ids[0]
    assert [link.claim.state for link in links].count(TokenState.ABSENT) == 1
    assert (await reading.follow()).links == []
    reading.begin()
    again = {link.claim.run_id for link in (await reading.follow()).links}
    assert again == by_run.keys()  # a new process has no links yet


async def test_edition_is_told_once_a_workflow_task_has_ended(isolated_sandbox: Sandbox) -> None:
    client = isolated_sandbox.client
    reading = await watching(client)
    async with awaiting(client) as external, stigmer_histories(client) as stigmer:
        await external.start(["late"])
        token = external.tokens["late", 1]
        nobody = StigmerHistories(client, "nobody-polls-this")
        await nobody.start(WAIT, token=token)
        await _until_linked(reading, None)
        assert [link.edition for link in (await reading.follow()).links] == [None]
        assert (await reading.follow()).links == []
        await stigmer.start(WAIT, token=token)
        await _until_linked(reading, Edition.GO)


async def _until_linked(reading: Restartable, edition: Edition | None) -> None:
    links: list[Link] = []
    while not links or links[-1].edition is not edition:
        links += (await reading.follow()).links


async def test_duration_is_from_scheduling_to_end_with_retries(isolated_sandbox: Sandbox) -> None:
    client = isolated_sandbox.client
    reading = await watching(client)
    async with awaiting(client) as external, stigmer_histories(client) as stigmer:
        await external.start(["a"])
        handle = await stigmer.run(CALL_BACK, CALL_BACK, token=external.tokens["a", 1])
        first, second = (await reading.follow()).ended
        events = (await handle.fetch_history()).events
    assert kind_of(first) == ("go", "success", None)
    assert kind_of(second) == ("go", "failure", "client_error")
    # Three attempts, 0.3 s and 0.6 s apart.
    assert timedelta(seconds=0.9) < second.duration < timedelta(seconds=60)
    assert second.time is not None
    scheduled = [e.event_time.ToDatetime(second.time.tzinfo) for e in events if e.event_type == 10]
    assert second.duration == second.time - scheduled[1]
    labels = (client.namespace, "go", "failure")
    assert reading.totals.durations[labels].sum_seconds == second.duration.total_seconds()


async def test_java_durations_are_those_of_the_local_activity(isolated_sandbox: Sandbox) -> None:
    await populate(isolated_sandbox, {"healthy-java": 3, "callback-fails-java": 1})
    reading = await watching(isolated_sandbox.client)
    ended = [end for news in await reading.follow_all() for end in news.ended]
    assert len(ended) == 4
    for end in ended:
        if end.status == "failure":  # two waits between three attempts
            waits = isolated_sandbox.scale(timedelta(seconds=3))
            assert waits <= end.duration < waits + timedelta(seconds=20)
        else:
            assert timedelta(0) < end.duration < timedelta(seconds=20)


@pytest.fixture
async def external(isolated_sandbox: Sandbox) -> AsyncIterator[Awaiting]:
    async with awaiting(isolated_sandbox.client) as population:
        await population.start(["one", "two", "three"])
        yield population


@pytest.fixture
async def stigmer(isolated_sandbox: Sandbox) -> AsyncIterator[StigmerHistories]:
    async with stigmer_histories(isolated_sandbox.client) as histories:
        yield histories


async def test_each_run_of_one_that_continues_as_new_counts_its_own(
    isolated_sandbox: Sandbox, external: Awaiting, stigmer: StigmerHistories
) -> None:
    reading = await watching(isolated_sandbox.client)
    handle = await stigmer.start(CALL_BACK, CONTINUE, CALL_BACK, token=external.tokens["one", 1])
    await handle.result()
    await stigmer.listed_as_closed(2, handle.id)
    kinds = Counter(kind_of(end) for end in (await reading.follow()).ended)
    assert kinds == {("go", "success", None): 1, ("go", "failure", "client_error"): 1}
    assert reading.errors.total() == 1
    assert (await reading.follow()).ended == []


async def test_callback_without_a_token_is_an_error_and_no_completion(
    isolated_sandbox: Sandbox, stigmer: StigmerHistories
) -> None:
    reading = await watching(isolated_sandbox.client)
    await stigmer.run(CALL_BACK)
    (end,) = (await reading.follow()).ended
    assert kind_of(end) == ("go", None, "token_empty")
    assert reading.completions == 0
    assert reading.errors == {(isolated_sandbox.namespace, "go", "token_empty"): 1}


async def test_callback_that_is_cut_off_by_a_termination_is_not_counted(
    isolated_sandbox: Sandbox, external: Awaiting, stigmer: StigmerHistories
) -> None:
    reading = await watching(isolated_sandbox.client)
    handle = await stigmer.start(HANG, token=external.tokens["one", 1])
    while not (await handle.describe()).raw_description.pending_activities:
        pass
    await handle.terminate("enough")
    await stigmer.listed_as_closed(1, handle.id)
    news = await reading.follow()
    assert news.ended == []
    assert reading.completions == reading.errors.total() == 0
    assert not news.unreadable


@pytest.mark.parametrize(("before", "counted"), [(4, 2), (10, 1)], ids=["callback", "end"])
async def test_reset_does_not_count_what_it_copied(
    isolated_sandbox: Sandbox,
    external: Awaiting,
    stigmer: StigmerHistories,
    before: int,
    counted: int,
) -> None:
    reading = await watching(isolated_sandbox.client)
    handle = await stigmer.run(CALL_BACK, token=external.tokens["one", 1])
    await isolated_sandbox.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=isolated_sandbox.namespace,
            workflow_execution=WorkflowExecution(
                workflow_id=handle.id, run_id=handle.result_run_id or ""
            ),
            reason="once more",
            workflow_task_finish_event_id=before,
            request_id=uuid.uuid4().hex,
        )
    )
    await stigmer.listed_as_closed(2, handle.id)
    kinds = [kind_of(end) for end in (await reading.follow()).ended]
    assert len(kinds) == counted
    assert kinds.count(("go", "success", None)) == 1
    assert reading.completions == counted


async def test_shared_namespace_counts_only_for_those_that_are_watched(sandbox: Sandbox) -> None:
    shared, ours, theirs = [await _new_client(sandbox) for _ in range(3)]
    reading = await watching(shared, ours)
    both = await watching(shared, ours, theirs)
    for client in (ours, theirs):
        async with awaiting(client) as external, stigmer_histories(shared, client) as stigmer:
            await external.start(["one"])
            await stigmer.run(CALL_BACK, token=external.tokens["one", 1])
    (end,) = (await reading.follow()).ended
    await both.follow()
    assert end.namespace == ours.namespace
    assert reading.totals.completions == {(ours.namespace, "go", "success"): 1}
    assert both.totals.completions == {
        (ours.namespace, "go", "success"): 1,
        (theirs.namespace, "go", "success"): 1,
    }


async def _new_client(sandbox: Sandbox) -> Client:
    return await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())


async def test_token_of_a_namespace_that_does_not_exist_is_an_error_of_stigmer(
    isolated_sandbox: Sandbox, external: Awaiting, stigmer: StigmerHistories
) -> None:
    reading = await watching(isolated_sandbox.client)
    real = (await id_of(isolated_sandbox.client)).encode()
    nowhere = external.tokens["one", 1].replace(real, str(uuid.uuid4()).encode())
    await stigmer.run(CALL_BACK, token=nowhere)
    await stigmer.run(CALL_BACK, token=b"\xff\xff no token at all")
    kinds = Counter(kind_of(end) for end in (await reading.follow()).ended)
    assert kinds == {("go", "failure", "client_error"): 2}
    assert reading.errors == {(isolated_sandbox.namespace, "go", "client_error"): 2}
    assert reading.frontend.calls["describe_namespace"] == 1
