"""Nothing is counted twice and nothing is skipped, whatever happens to the reading."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
import temporalio.converter
from temporalio.client import Client

from stigmer_ops.errors import StigmerOpsError, UnavailableError
from stigmer_ops.exporter.callbacks.feed import OVERLAP
from stigmer_ops.exporter.callbacks.reader import TRIES
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.codec_server import CodecServer
from support.awaiting import Awaiting, awaiting
from support.codec import ReversingCodec, codec_server
from support.exporter_callbacks import Restartable, watching
from support.gateway import Interception, gateway_to
from support.stigmer_histories import CALL_BACK, StigmerHistories, stigmer_histories

HISTORY = "GetWorkflowExecutionHistory"
SUCCESS = "success"


@dataclasses.dataclass
class Ended:
    """Workflows whose callbacks were delivered, in a namespace of their own."""

    client: Client
    external: Awaiting
    stigmer: StigmerHistories
    number: int = 0

    async def add(self, more: int) -> list[str]:
        """Close more of them; their workflow ids."""
        names = [f"external-{self.number + n}" for n in range(more)]
        await self.external.start(names)
        handles = [
            await self.stigmer.start(CALL_BACK, token=self.external.tokens[name, 1])
            for name in names
        ]
        await asyncio.gather(*(handle.result() for handle in handles))
        self.number += more
        await self.stigmer.listed_as_closed(2 * self.number)  # the external ones close too
        return [handle.id for handle in handles]


@asynccontextmanager
async def ended(sandbox: Sandbox, client: Client | None = None) -> AsyncIterator[Ended]:
    if client is None:
        client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    async with awaiting(client) as external, stigmer_histories(client) as stigmer:
        yield Ended(client, external, stigmer)


@asynccontextmanager
async def through(
    sandbox: Sandbox, workflows: Ended, intercept: Interception
) -> AsyncIterator[Restartable]:
    """A reader that is connected through a gateway, which refuses some of its calls."""
    async with gateway_to(sandbox.address, intercept=intercept) as gateway:
        client = await Client.connect(gateway.address, namespace=workflows.client.namespace)
        yield await watching(client)


def refusing_history_of(
    workflow_id: Callable[[], str], status: grpc.StatusCode, *, tell: list[str] | None = None
) -> Interception:
    async def intercept(method: str, request: bytes) -> grpc.StatusCode | None:
        refused = method == HISTORY and workflow_id() and workflow_id().encode() in request
        if refused and tell is not None:
            tell.append(method)
        return status if refused else None

    return intercept


async def test_restart_between_counting_and_saving_counts_exactly(sandbox: Sandbox) -> None:
    async with ended(sandbox) as workflows:
        await workflows.add(3)
        reading = await watching(workflows.client)
        await reading.follow()
        saved = dataclasses.replace(reading)  # what the file holds now
        await workflows.add(2)
        await reading.follow()
        assert reading.completions == 5  # scraped, and lost: killed before it was saved
        assert saved.completions == 3
        again = await saved.follow()
        assert len(again.ended) == 2
        assert saved.completions == 5
        saved.begin()
        assert (await saved.follow()).ended == []
        assert saved.completions == 5


async def test_what_becomes_visible_late_is_counted_within_the_overlap(sandbox: Sandbox) -> None:
    async with ended(sandbox) as workflows:
        await workflows.add(2)
        reading = await watching(workflows.client)
        (news,) = await reading.follow_all()
        last = reading.position.time
        # A busy server closes a workflow a while after its callback.
        assert all(end.time is not None and end.time <= last for end in news.ended)
        late, missed = (
            await watching(workflows.client),
            await watching(workflows.client),
        )
        # Others with later times were read already when these two become visible.
        late.position.time = last + OVERLAP - timedelta(seconds=30)
        missed.position.time = last + OVERLAP + timedelta(seconds=30)
        assert len((await late.follow()).ended) == 2
        assert (await late.follow()).ended == []
        assert (await missed.follow()).ended == []


async def test_position_an_overlap_ahead_begins_exactly_there(sandbox: Sandbox) -> None:
    async with ended(sandbox) as workflows:
        await workflows.add(1)
        reading = await watching(workflows.client)
        await reading.follow_all()
        new = await watching(workflows.client)
        new.position.time = reading.position.time + timedelta(seconds=0.5) + OVERLAP
        await asyncio.sleep(1)  # so that the next one ends after that
        await workflows.add(1)
        assert len((await new.follow()).ended) == 1
        new.begin()
        assert (await new.follow()).ended == []
        await workflows.add(1)
        assert len((await new.follow()).ended) == 1


async def test_backlog_is_read_in_batches_each_of_which_can_be_saved(sandbox: Sandbox) -> None:
    async with ended(sandbox) as workflows:
        for _ in range(4):
            await workflows.add(8)
            await asyncio.sleep(1.2)  # the workflows' own times are what is tested
        reading = await watching(workflows.client, batch=10, overlap=timedelta(seconds=0.3))
        found: Counter[str] = Counter()
        batches = 0
        while reading.completions < 32:
            news = await reading.follow()
            assert len(news.ended) <= 10
            found.update(end.claim.workflow_id for end in news.ended)
            batches += bool(news.ended)
            reading.begin()  # killed after each save
        assert found == dict.fromkeys((f"external-{n}" for n in range(32)), 1)
        assert batches >= 4
        assert not [end for news in await reading.follow_all() for end in news.ended]
        assert len(reading.position.seen) <= 16


async def test_more_than_a_batch_within_the_overlap_is_read_at_once(sandbox: Sandbox) -> None:
    async with ended(sandbox) as workflows:
        await workflows.add(12)
        reading = await watching(workflows.client, batch=5)
        news = await reading.follow_all()
        assert sum(len(each.ended) for each in news) == reading.completions == 12
        assert (await reading.follow()).ended == []


async def test_unavailable_server_stops_reading_and_loses_nothing(sandbox: Sandbox) -> None:
    down = {"value": ""}
    intercept = refusing_history_of(lambda: down["value"], grpc.StatusCode.DEADLINE_EXCEEDED)
    async with (
        ended(sandbox) as workflows,
        through(sandbox, workflows, intercept) as reading,
    ):
        ids = await workflows.add(6)
        down["value"] = ids[0]
        with pytest.raises(UnavailableError):
            await reading.follow()
        before = reading.completions
        assert before < 6
        reading.begin()  # what was counted is in the state with what was seen
        down["value"] = ""
        await reading.follow_all()
        assert reading.completions == 6


async def test_links_found_before_an_error_are_told_by_the_next_call(sandbox: Sandbox) -> None:
    down = {"value": "stigmer"}

    async def no_lists(method: str, request: bytes) -> grpc.StatusCode | None:
        refused = method == "ListWorkflowExecutions" and b"CloseTime" in request
        return grpc.StatusCode.PERMISSION_DENIED if down["value"] and refused else None

    async with (
        ended(sandbox) as workflows,
        through(sandbox, workflows, no_lists) as reading,
    ):
        await workflows.add(2)
        with pytest.raises(StigmerOpsError, match="cannot list workflows"):
            await reading.follow()
        down["value"] = ""
        news = await reading.follow()
        assert len(news.links) == 4  # of the start, and of the end
        assert len(news.ended) == 2


async def test_one_history_that_cannot_be_read_is_tried_again(sandbox: Sandbox) -> None:
    broken = {"value": ""}
    intercept = refusing_history_of(lambda: broken["value"], grpc.StatusCode.PERMISSION_DENIED)
    async with (
        ended(sandbox) as workflows,
        through(sandbox, workflows, intercept) as reading,
    ):
        broken["value"] = (await workflows.add(4))[0]
        news = await reading.follow()
        assert len(news.ended) == 3
        assert news.unreadable == {"history": 2}  # its beginning, and the whole
        assert news.caught_up
        broken["value"] = ""
        news = await reading.follow()
        assert len(news.ended) == 1
        assert not news.unreadable
        assert reading.completions == 4


async def test_one_history_that_can_never_be_read_is_passed_over(sandbox: Sandbox) -> None:
    broken = {"value": ""}
    tried: list[str] = []
    intercept = refusing_history_of(
        lambda: broken["value"], grpc.StatusCode.PERMISSION_DENIED, tell=tried
    )
    async with (
        ended(sandbox) as workflows,
        through(sandbox, workflows, intercept) as reading,
    ):
        broken["value"] = (await workflows.add(2))[0]
        for _ in range(TRIES):
            assert (await reading.follow()).unreadable["history"] > 0
        for _ in range(2):
            assert not (await reading.follow()).unreadable
        assert len(tried) == 2 * TRIES
        assert reading.completions == 1
        await workflows.add(1)
        assert len((await reading.follow()).ended) == 1


async def test_deleted_workflow_is_passed_over(sandbox: Sandbox) -> None:
    gone = {"value": ""}
    intercept = refusing_history_of(lambda: gone["value"], grpc.StatusCode.NOT_FOUND)
    async with (
        ended(sandbox) as workflows,
        through(sandbox, workflows, intercept) as reading,
    ):
        gone["value"] = (await workflows.add(2))[0]
        news = await reading.follow()
        assert not news.unreadable
        assert len(news.ended) == 1
        gone["value"] = ""
        assert (await reading.follow()).ended == []


async def test_one_read_for_each_start_and_each_end(sandbox: Sandbox) -> None:
    async with ended(sandbox) as workflows:
        await workflows.add(5)
        reading = await watching(workflows.client)
        await reading.follow()
        calls = reading.frontend.calls
        assert calls == {"list_workflow_executions": 2, "get_workflow_execution_history": 10}
        await reading.follow()
        assert calls == {"list_workflow_executions": 4, "get_workflow_execution_history": 10}


@asynccontextmanager
async def encrypted(sandbox: Sandbox) -> AsyncIterator[Ended]:
    converter = dataclasses.replace(temporalio.converter.default(), payload_codec=ReversingCodec())
    client = await Client.connect(
        sandbox.address, namespace=await sandbox.new_namespace(), data_converter=converter
    )
    async with ended(sandbox, client) as workflows:
        yield workflows


async def _reading_with(sandbox: Sandbox, namespace: str, endpoint: str | None) -> Restartable:
    codec = None if endpoint is None else CodecServer(endpoint, namespace)
    converter = dataclasses.replace(temporalio.converter.default(), payload_codec=codec)
    client = await Client.connect(sandbox.address, namespace=namespace, data_converter=converter)
    return await watching(client)


async def test_payloads_are_read_through_the_codec_server(sandbox: Sandbox) -> None:
    async with encrypted(sandbox) as workflows, codec_server() as codec:
        await workflows.add(3)
        namespace = workflows.client.namespace
        reading = await _reading_with(sandbox, namespace, codec.endpoint)
        await reading.follow()
        assert reading.totals.completions == {(namespace, "go", SUCCESS): 3}


async def test_codec_server_that_is_down_loses_nothing(sandbox: Sandbox) -> None:
    async with encrypted(sandbox) as workflows:
        await workflows.add(3)
        namespace = workflows.client.namespace
        async with codec_server() as codec:
            endpoint = codec.endpoint
        reading = await _reading_with(sandbox, namespace, endpoint)
        with pytest.raises(UnavailableError, match="codec server"):
            await reading.follow()
        assert reading.completions == 0
        async with codec_server() as codec:
            back = await _reading_with(sandbox, namespace, codec.endpoint)
            back.position, back.totals = reading.position, reading.totals
            back.begin()
            await back.follow()
            assert back.completions == 3


async def test_payload_that_cannot_be_decoded_is_told_and_left_out(sandbox: Sandbox) -> None:
    async with encrypted(sandbox) as workflows:
        await workflows.add(2)
        reading = await _reading_with(sandbox, workflows.client.namespace, None)
        news = await reading.follow()
        assert news.unreadable == {"payload": 4}  # at the start, and at the end
        assert (news.links, news.ended) == ([], [])
        assert not (await reading.follow()).unreadable
