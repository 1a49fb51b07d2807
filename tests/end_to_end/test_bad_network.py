"""Every command over a network that is slow and tears connections.

What it says is right, or it says that it could not be read, with what to do next; it never hangs,
and a write is never made twice.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from stigmer_ops.cli.option_sets import Connection, Connections
from stigmer_ops.errors import ExitCode
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.history import CLOSES_ACTIVITY
from support.awaiting import awaiting
from support.bad_network_commands import POPULATION, READS
from support.batches import REASON, batched, completions
from support.command_line import Finished, stigmer_ops
from support.commands import commands, declaration
from support.fault_proxy import Faults, fault_proxy

DELAY, RESETS = 0.1, 0.05
"""Seconds that a byte is under way each way, and the share of chunks at which it breaks."""

AT_ONCE = 6
TIMEOUT_SECONDS = 120
GIVE_UPS = 2
"""Of all reads, how many may say that they could not read."""

ELSEWHERE = {"config check": "asks nobody", "config show": "asks nobody"}

WRITES = {
    "activity complete": ("still-running", ()),
    "activity fail": ("still-running", ("--message", "the agent is gone")),
    "activity extend": ("still-running", ("--by", "2h")),
    "activity redeliver": ("callback-fails", ()),
}
"""The fault of the handshake, and what the command needs."""

TRIED_BY = {
    "test_write_is_made_once_or_said_not_to_be_certain": set(WRITES),
    "test_plan_is_carried_out_once_however_often_it_is_resumed": {"apply", "plan verify"},
    "test_batch_is_carried_out_once": {
        *("batch-worker", "batch show", "batch pause", "batch resume", "batch cancel"),
    },
    "test_window_is_taken_back_to_what_was": {
        *("maintenance begin", "maintenance status", "maintenance end"),
    },
    "test_torn_connection_is_no_bad_deployment": {"deploy verify"},
}

CONSENT = ("--reason", "INC-7 bad network", "--yes")


@dataclass(frozen=True)
class BadNetwork:
    """A namespace behind it, and a folder for files."""

    sandbox: Sandbox
    folder: Path

    async def run(self, *arguments: str, seed: int, directory: Path) -> Finished:
        """Run a command through a connection of its own, which breaks as `seed` says."""
        async with fault_proxy(self.sandbox.address, Faults(DELAY, RESETS, seed)) as proxy:
            return await self.run_to(proxy.address, *arguments, directory=directory)

    async def run_to(self, address: str, *arguments: str, directory: Path) -> Finished:
        """Run a command to this address of Temporal."""
        variables = {
            **self.sandbox.environment(),
            "TEMPORAL_ADDRESS": address,
            "STIGMER_OPS_AUDIT_PATH": str(directory / "audit.jsonl"),
            "STIGMER_OPS_PROCEDURES_PATH": str(directory / "procedures"),
            "STIGMER_OPS_THRESHOLDS_SMOKE_BUDGET": "30s",
        }
        return await stigmer_ops(
            *arguments,
            variables=variables,
            directory=directory,
            timeout_seconds=TIMEOUT_SECONDS,
        )

    def new_folder(self, name: str) -> Path:
        folder = self.folder / name.replace(" ", "-")
        folder.mkdir()
        return folder


@asynccontextmanager
async def unhurried(sandbox: Sandbox, folder: Path) -> AsyncIterator[BadNetwork]:
    """A namespace of its own, in which an hour is an hour, so that verdicts keep still."""
    async with Sandbox.start(
        server=sandbox.server, namespace=await sandbox.new_namespace(), time_scale=1
    ) as own:
        yield BadNetwork(own, folder)


@pytest.fixture(scope="module")
async def network(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BadNetwork]:
    async with unhurried(sandbox, tmp_path_factory.mktemp("network")) as bad:
        yield bad


def ids(handshake: Handshake) -> tuple[str, ...]:
    return ("-w", handshake.workflow_id, "-a", handshake.activity_ids[0])


async def together(work: Sequence[Awaitable[Any]]) -> list[Any]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: Awaitable[Any]) -> Any:
        async with gate:
            return await item

    return list(await asyncio.gather(*map(one, work)))


def advice(done: Finished) -> str:
    """What to do next, as the error says that the command ended with."""
    for line in done.err.splitlines():
        if line.startswith("{") and '"kind": "Error"' in line:
            return str(json.loads(line)["next"])
        if line.startswith("  next: "):
            return line.removeprefix("  next: ")
    return ""


def test_every_command_that_talks_to_temporal_is_tried() -> None:
    talking = {
        name
        for name, found in commands()
        if declaration(found).option_sets & {Connection, Connections}
    }
    assert TRIED_BY.keys() <= globals().keys()
    assert talking == READS.keys() | ELSEWHERE.keys() | set().union(*TRIED_BY.values())


async def test_reads_are_right_or_say_that_they_could_not_read(network: BadNetwork) -> None:
    running, *_ = await network.sandbox.populate(POPULATION)
    (execution,) = running.executions()
    token, log = network.folder / "token", network.folder / "stigmer.log"
    token.write_bytes(base64.b64encode(execution.spec.callback_token))
    line = {"message": "Callback token detected", "execution_id": execution.metadata.id}
    log.write_text(json.dumps(line) + "\n")
    named = {
        "workflow": running.workflow_id,
        "activity": running.activity_ids[0],
        "execution": execution.metadata.id,
        "token": str(token),
        "log": str(log),
    }

    async def one(seed: int, name: str) -> tuple[str, Finished]:
        options = READS[name].options.format(**named).split()
        directory = network.new_folder(name)
        return name, await network.run(*name.split(), *options, seed=seed, directory=directory)

    done = await together([one(seed, name) for seed, name in enumerate(READS)])

    gave_up = [name for name, one in done if one.code == ExitCode.UNAVAILABLE and advice(one)]
    wrong = [
        (name, one.code, one.out[-600:], one.err[-600:])
        for name, one in done
        if name not in gave_up and not READS[name].went_right(one)
    ]
    assert wrong == []
    assert len(gave_up) <= GIVE_UPS, gave_up


def closings(events: Sequence[HistoryEvent]) -> list[str]:
    """Who ended an activity, event by event."""
    return [
        CLOSES_ACTIVITY[event.event_type](event).identity
        for event in events
        if event.event_type in CLOSES_ACTIVITY
    ]


async def effects(handshake: Handshake) -> int:
    """How often the activity was ended, or its timeout of a day was made two hours longer."""
    handle = handshake.client.get_workflow_handle(handshake.workflow_id)
    ended = closings((await handle.fetch_history()).events)
    described = (await handle.describe()).raw_description
    hours = [
        each.activity_options.start_to_close_timeout.ToTimedelta() / timedelta(hours=1)
        for each in described.pending_activities
    ]
    return len(ended) + sum(round((length - 24) / 2) for length in hours)


async def test_write_is_made_once_or_said_not_to_be_certain(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with unhurried(sandbox, tmp_path) as bad:
        handshakes = await bad.sandbox.populate({"still-running": 6, "callback-fails": 2})
        waiting = {"still-running": handshakes[:6], "callback-fails": handshakes[6:]}
        todo = [
            (name, options, waiting[fault].pop())
            for _ in range(2)
            for name, (fault, options) in WRITES.items()
        ]

        async def one(seed: int, name: str, options: tuple[str, ...], of: Handshake) -> None:
            directory = bad.new_folder(f"{name} {seed}")
            line = (*name.split(), *ids(of), *options, *CONSENT)
            done = await bad.run(*line, seed=seed, directory=directory)
            made = await effects(of)

            if done.code == ExitCode.OK:
                assert made == 1, name
                return
            assert (done.code, made <= 1) == (ExitCode.UNAVAILABLE, True), done.err
            assert advice(done), done.err
            if "cannot reach" in done.err:
                assert made == 0

        await together([one(seed, *each) for seed, each in enumerate(todo)])


async def test_plan_is_carried_out_once_however_often_it_is_resumed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with unhurried(sandbox, tmp_path) as bad:
        handshakes = await bad.sandbox.populate({"callback-fails": 8})
        planned = await stigmer_ops(
            *("plan", "create", "--action", "redeliver", "--out", "plan.jsonl"),
            variables=bad.sandbox.environment(),
            directory=tmp_path,
        )
        assert planned.code == ExitCode.OK, planned.err
        for seed in range(5):
            applied = await bad.run(
                *("apply", "plan.jsonl", *CONSENT, "-o", "json"), seed=seed, directory=tmp_path
            )
            if applied.code == ExitCode.OK:
                break
            assert applied.code in (ExitCode.UNAVAILABLE, ExitCode.PARTIAL), applied.err
        verified = await bad.run("plan", "verify", "plan.jsonl", seed=9, directory=tmp_path)

        assert applied.json["totals"]["done"] == 8
        assert [await effects(one) for one in handshakes] == [1] * 8
    assert verified.code == ExitCode.OK or advice(verified)


async def test_batch_is_carried_out_once(sandbox: Sandbox, tmp_path: Path) -> None:
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    async with (
        awaiting(client) as population,
        fault_proxy(sandbox.address, Faults(DELAY, RESETS, seed=1)) as proxy,
        batched(client, tmp_path, TEMPORAL_ADDRESS=proxy.address) as batch,
    ):
        started = await population.start(f"order-{number}" for number in range(12))
        await batch.of(map(population.row, started))
        plan, consent = str(batch.plan), (*REASON, "--yes", "-o", "json")
        handed_over = await batch.apply("--canary", "0", "--rps", "2", "--detach")
        await batch.worker()
        said = [
            await batch.run("batch", *words, plan, *options)
            for words, options in (
                (("pause",), consent),
                (("show",), ()),
                (("resume",), consent),
            )
        ]
        followed = await batch.apply("-o", "json")
        said.append(await batch.run("batch", "cancel", plan, *consent))
        found = await completions(client, started)

    assert handed_over.code == ExitCode.OK, handed_over.err
    for one in (*said, followed):
        assert one.code == ExitCode.OK or advice(one), one.err
    assert followed.json["totals"]["done"] == 12, followed.err
    assert [len(by) for by in found.values()] == [1] * 12


async def test_window_is_taken_back_to_what_was(sandbox: Sandbox, tmp_path: Path) -> None:
    async with (
        unhurried(sandbox, tmp_path) as bad,
        # One for all commands, since a window is known by the address that it was begun at.
        fault_proxy(sandbox.address, Faults(DELAY, RESETS, seed=1)) as proxy,
    ):
        handshakes = await bad.sandbox.populate({"still-running": 4})

        async def types(*options: str) -> Finished:
            return await bad.run_to(proxy.address, "maintenance", *options, directory=tmp_path)

        async def until_done(*options: str) -> None:
            for _ in range(4):
                done = await types(*options, *CONSENT)
                if done.code == ExitCode.OK:
                    return
                assert done.code in (ExitCode.UNAVAILABLE, ExitCode.PARTIAL), done.err
            raise AssertionError(done.err)

        await until_done("begin", "--for", "25h", "--margin", "1h")
        longer = [await effects(one) for one in handshakes]
        status = await types("status", "-o", "json")
        await until_done("end")
        afterwards = [await effects(one) for one in handshakes]

    assert longer == [1] * 4
    assert status.json["state"] == "open"
    assert afterwards == [0] * 4


async def test_torn_connection_is_no_bad_deployment(network: BadNetwork) -> None:
    line = ("deploy", "verify", "--no-smoke", "--for", "1s", "--every", "500ms", "-o", "json")
    done = await network.run(
        *line, "--may-be-quiet", seed=3, directory=network.new_folder("deploy verify")
    )

    assert (done.code, done.json["passed"]) == (ExitCode.OK, True) or advice(done), done.err
