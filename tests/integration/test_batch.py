"""Plans carried out as workflows on a real server, by workers that are processes of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from stigmer_ops.errors import ExitCode
from stigmer_ops.sandbox.sandbox import Sandbox
from support.awaiting import Awaiting, awaiting
from support.batches import Batched, batched, completions
from support.hand_worker import unique


@pytest.fixture(scope="module")
async def population(sandbox: Sandbox) -> AsyncIterator[Awaiting]:
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    async with awaiting(client) as running:
        yield running


@pytest.fixture
async def batch(population: Awaiting, tmp_path: Path) -> AsyncIterator[Batched]:
    async with batched(population.client, tmp_path) as running:
        yield running


def names(count: int) -> list[str]:
    prefix = unique("order")
    return [f"{prefix}-{number}" for number in range(count)]


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
