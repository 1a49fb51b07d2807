"""A namespace whose rate limit is low: commands take longer, and what they say is right."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.server import TemporalServer
from support.command_line import Finished, stigmer_ops
from support.metrics_page import MetricsPage

NAMESPACE = "orders"
WAITING = 80
LIMIT = 25
"""Calls a second that the server accepts in the namespace, and how many of them at once."""

DESCRIBE = {"operation": "DescribeWorkflowExecution", "service_name": "frontend"}


@pytest.fixture(scope="module")
async def limited(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TemporalServer]:
    """A server with the limit, on a database that was filled without it."""
    database = tmp_path_factory.mktemp("limited") / "temporal.db"
    async with TemporalServer(namespaces=(NAMESPACE,), db_filename=database) as filling:
        client = await Client.connect(filling.address, namespace=NAMESPACE)
        await start_waiting(client, WAITING)
        while (await client.count_workflows("")).count < WAITING:  # noqa: ASYNC110 - visibility tells nobody that it has caught up
            await asyncio.sleep(0.1)
    limits = {
        "frontend.namespaceRPS": LIMIT,
        "frontend.namespaceRPS.visibility": LIMIT,
        "frontend.namespaceBurstRatio": 1.0,
    }
    async with TemporalServer(
        namespaces=(NAMESPACE,), db_filename=database, dynamic_config=limits
    ) as server:
        yield server


async def described(server: TemporalServer) -> tuple[float, float]:
    """How many descriptions the server was asked for since it began, and how many it refused."""
    url = f"http://{server.metrics_address}/metrics"
    with await asyncio.to_thread(urllib.request.urlopen, url, timeout=20) as answer:
        page = MetricsPage.parse(answer.read().decode())

    def count(name: str) -> float:
        # The reader ends the names of all counters like that.
        return (
            page.value(f"{name}_total", **DESCRIBE) if page.has(f"{name}_total", **DESCRIBE) else 0
        )

    return count("service_requests"), count("service_errors_resource_exhausted")


async def run(server: TemporalServer, folder: Path, *arguments: str) -> Finished:
    variables = {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_NAMESPACE": NAMESPACE}
    return await stigmer_ops(*arguments, variables=variables, directory=folder, timeout_seconds=120)


async def test_scans_under_the_limit_are_not_refused(
    limited: TemporalServer, tmp_path: Path
) -> None:
    _, before = await described(limited)
    listed = await run(limited, tmp_path, "pending", "list", "--rps", "15", "-o", "json")
    _, after = await described(limited)

    assert (listed.code, len(listed.json["activities"])) == (0, WAITING)
    assert listed.err == ""
    assert after == before


async def test_scans_over_the_limit_slow_down_and_are_right(
    limited: TemporalServer, tmp_path: Path
) -> None:
    asked_before, refused_before = await described(limited)
    summary = await run(limited, tmp_path, "pending", "summary", "-o", "json")
    diagnosis = await run(limited, tmp_path, "diagnose", "-o", "json")
    exported = await run(limited, tmp_path, "exporter", "--once")
    watched = await run(limited, tmp_path, "watch", "--count", "1", "-o", "jsonl")
    reported = await run(limited, tmp_path, "report", "--out", "r.html", "-o", "json")
    asked_after, refused_after = await described(limited)
    refused = refused_after - refused_before
    accepted = asked_after - asked_before - refused

    assert (summary.code, summary.json["complete"], summary.json["count"]) == (0, True, WAITING)
    assert sum(diagnosis.json["counts"].values()) == WAITING
    assert f"activities={WAITING}" in exported.err
    (line,) = watched.lines
    assert (line["complete"], line["pending"]) == (True, WAITING)
    assert reported.json["waiting"] == WAITING
    assert "a lower --rps spares its workers" in summary.err
    # Each of them begins with as many calls at once as it may have under way, of which most are
    # refused; from then on few are.
    assert accepted >= 5 * WAITING
    assert 0 < refused < accepted
