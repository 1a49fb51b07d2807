"""Plans carried out as workflows on a real server, by workers that are processes of their own."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.converter import default

from stigmer_ops.errors import ExitCode
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.batch.messages import PAGE_TYPE
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.describe import describe_workflow
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.awaiting import Awaiting, awaiting, names
from support.batches import (
    Batched,
    batched,
    completion_times,
    completions,
    event_sizes,
    raw_histories,
)
from support.codec import ReversingCodec, codec_server


@pytest.fixture
async def batch(population: Awaiting, tmp_path: Path) -> AsyncIterator[Batched]:
    async with batched(population.client, tmp_path) as running:
        yield running


async def test_plan_is_carried_out_and_read_back(population: Awaiting, batch: Batched) -> None:
    started = await population.start(names(40))
    await population.retry(started[3])
    mark = await batch.of(map(population.row, started))
    await batch.worker()

    done = await batch.apply("-o", "json")

    assert done.code == ExitCode.REFUSED, done.err
    outcomes = [row["outcome"] for row in done.json["rows"]]
    assert outcomes == ["done"] * 3 + ["refused"] + ["done"] * 36
    found = await completions(population.client, started)
    assert [len(found[name]) for name in started] == [1] * 3 + [0] + [1] * 36
    assert all(each.endswith(mark) for by in found.values() for each in by)


async def test_plan_is_carried_out_in_a_namespace_of_its_own(
    population: Awaiting, sandbox: Sandbox, tmp_path: Path
) -> None:
    started = await population.start(names(3))
    elsewhere = await sandbox.new_namespace()
    async with batched(population.client, tmp_path, STIGMER_OPS_BATCH_NAMESPACE=elsewhere) as batch:
        await batch.of(map(population.row, started))
        await batch.worker()
        done = await batch.apply("-o", "json")
        listed = await batch.run("batch", "list", "-o", "json")

    assert done.json["totals"]["done"] == 3, done.err
    (item,) = listed.json["items"]
    assert (item["status"], item["namespace"]) == ("COMPLETED", population.client.namespace)
    batches = await Client.connect(sandbox.address, namespace=elsewhere)
    assert (await batches.count_workflows(f"WorkflowType = '{PAGE_TYPE}'")).count == 1
    here = await population.client.count_workflows(f"WorkflowId = '{item['workflow_id']}'")
    assert here.count == 0


async def test_canary_that_breaks_its_workflow_stops_the_batch(
    population: Awaiting, batch: Batched
) -> None:
    retried = await population.start(names(1))
    await population.retry(retried[0])
    fragile = await population.start(names(24), fragile=True)
    await batch.of(map(population.row, [*retried, *fragile]))
    await batch.worker()

    stopped = await batch.apply("-o", "json")

    assert stopped.code == ExitCode.PARTIAL, stopped.err
    outcomes = [row["outcome"] for row in stopped.json["rows"]]
    assert outcomes == ["refused", "done", *["not tried"] * 23]
    assert "its workflow cannot go on" in stopped.json["stopped"]
    assert (await batch.show())["progress"]["phase"] == "stopped"


async def test_canaries_of_each_action_are_proved_first(
    population: Awaiting, batch: Batched
) -> None:
    started = await population.start(names(30))
    actions = (Action.COMPLETE, Action.FAIL)
    rows = [population.row(name, actions[n % 2]) for n, name in enumerate(started)]
    await batch.of(rows)
    await batch.worker()

    done = await batch.apply("--canary", "2", "-o", "json")

    assert done.code == ExitCode.OK, done.err
    turns = [line for line in batch.lines() if line["event"] == "page-ended"]
    assert [(turn["done"], turn["left"]) for turn in turns[:2]] == [(2, 8), (2, 8)]
    assert sum(turn["done"] for turn in turns) == 30


async def test_too_many_errors_stop_the_batch(population: Awaiting, batch: Batched) -> None:
    (name,) = await population.start(names(1))
    rows = [
        population.row(name, workflow_id=f"{name}-{number}", scheduled_event_id=5)
        for number in range(400)
    ]
    await batch.of(rows)
    await batch.worker()

    stopped = await batch.apply("--canary", "0", "--concurrency", "8", "-o", "json")

    assert stopped.code == ExitCode.PARTIAL
    assert "were refused or failed: more than 20 %" in stopped.json["stopped"]
    assert 20 <= stopped.json["totals"]["refused"] < 300
    shown = await batch.show()
    assert len(shown["troubles"]) == stopped.json["totals"]["refused"]
    assert {each["workflow_id"] for each in shown["troubles"]} <= {r.workflow_id for r in rows}


async def test_extensions_are_made_once_however_often_their_worker_is_killed(
    population: Awaiting, batch: Batched
) -> None:
    started = await population.start(names(30))
    extended = {"extend_by_seconds": 3600.0}
    await batch.of([population.row(name, Action.EXTEND, **extended) for name in started])
    handed_over = await batch.apply("--canary", "1", "--rps", "100", "--detach")
    assert handed_over.code == ExitCode.OK, handed_over.err
    for seconds in (1.5, 2.5, 2.0):
        await batch.worker()
        await asyncio.sleep(seconds)
        await batch.kill_workers()
    await batch.worker()

    done = await batch.apply("-o", "json")

    assert done.json["totals"]["done"] == 30, done.err
    frontend = Frontend(population.client, Pace(rps=0))
    for name in started:
        workflow = await describe_workflow(frontend, name, "")
        assert workflow.pending[0].timeouts.start_to_close == timedelta(hours=25)


async def test_terminated_batch_is_read_back_and_the_rest_is_done_by_another(
    population: Awaiting, batch: Batched
) -> None:
    started = await population.start(names(60))
    mark = await batch.of(map(population.row, started))
    await batch.apply("--rps", "5", "--canary", "1", "--detach")
    await batch.worker()
    await batch.tried(1)
    workflow_id = (await batch.show())["workflow_id"]
    await population.client.get_workflow_handle(workflow_id).terminate("by mistake")

    first = await batch.apply("-o", "json")
    second = await batch.apply("-o", "json")

    assert first.code == ExitCode.PARTIAL, first.err
    assert first.json["stopped"] == "the batch workflow was terminated"
    assert 0 < first.json["totals"]["done"] < 60
    assert second.json["totals"]["done"] == 60, second.err
    assert second.json["stats"]["tried"] == 60 - first.json["totals"]["done"]
    found = await completions(population.client, started)
    assert all(len(by) == 1 and by[0].endswith(mark) for by in found.values())


async def test_rate_is_shared_by_all_workers(population: Awaiting, batch: Batched) -> None:
    started = await population.start(names(200))
    await batch.of(map(population.row, started))
    await asyncio.gather(batch.worker(), batch.worker())

    done = await batch.apply("--rps", "40", "--canary", "0", "-o", "json")

    assert done.json["totals"]["done"] == 200, done.err
    times = sorted(await completion_times(population.client, started))
    for first, later in zip(times, times[60:], strict=False):
        assert later - first > 0.9 * 60 / 40, "60 calls took less than their time"
    workers = {line["pid"] for line in batch.lines() if line["event"] == "page-begun"}
    assert len(workers) == 2, "both were to have their share"


LARGEST = 2 * 1024 * 1024
SECRET = "swordfish-4711"


async def test_nothing_of_a_plan_is_stored_in_plain_or_too_large(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    converter = dataclasses.replace(default(), payload_codec=ReversingCodec())
    client = await Client.connect(
        sandbox.address, namespace=await sandbox.new_namespace(), data_converter=converter
    )
    results = [
        json.dumps(SECRET),
        json.dumps(SECRET + '"' * ((LARGEST - 4000) // 2)),
        json.dumps("é" * ((LARGEST - 4000) // 6) + SECRET),
    ]
    async with awaiting(client) as population, codec_server() as codec:
        started = await population.start(names(4))
        rows = [
            population.row(name, result=result)
            for name, result in zip(started[:3], results, strict=True)
        ]
        rows.append(population.row(started[3], Action.FAIL, message=SECRET))
        endpoint = {"TEMPORAL_CODEC_ENDPOINT": codec.endpoint}
        async with batched(client, tmp_path, **endpoint) as batch:
            await batch.of(rows)
            await batch.worker()
            done = await batch.apply("-o", "json")
            listed = await batch.run("batch", "list", "-o", "json")
        delivered = [await client.get_workflow_handle(name).result() for name in started[:3]]
        stored = await raw_histories(client, "stigmer-ops/batch")
        sizes = await event_sizes(client, "stigmer-ops/batch")

    assert done.json["totals"]["done"] == 4, done.out + done.err
    assert delivered == [json.loads(result) for result in results]
    assert listed.json["items"][0]["reason"] == "INC-7 restore"
    assert SECRET.encode() not in stored
    assert b"INC-7 restore" not in stored
    assert max(sizes) < 512 * 1024
    assert len(stored) > LARGEST, "the results are to be among what was looked at"
    for token in population.tokens.values():
        for form in (token, base64.b64encode(token), token.hex().encode()):
            assert form not in stored
            assert form[::-1] not in stored
