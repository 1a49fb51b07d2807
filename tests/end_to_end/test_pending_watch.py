"""`pending watch` as it is typed, on a real server."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from temporalio.client import Client

from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import environment
from support.gateway import gateway_to
from support.hand_worker import HandWorker
from support.pending import (
    Waiting,
    every_state_listed,
    listed,
    many_listed,
    new_client,
    pending,
    pointed_at,
)
from support.terminal import at_terminal

TERMINAL_CONTROLS = ("\x1b", "\x9b", "\u202e", "\r")


@pytest.fixture(scope="module")
async def waiting(sandbox: Sandbox) -> Waiting:
    return await every_state_listed(sandbox)


@pytest.fixture(scope="module")
async def many(sandbox: Sandbox) -> Client:
    return await many_listed(sandbox)


class Watch:
    """A running `pending watch -o jsonl`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def cycle(self) -> tuple[list[Any], Any]:
        """The changes of the next cycle, and its sums."""
        changes: list[Any] = []
        async with asyncio.timeout(20):
            while True:
                assert self.process.stdout is not None
                text = await self.process.stdout.readline()
                assert text, "the watch ended"
                line = json.loads(text)
                if line["kind"] == "WatchCycle":
                    return changes, line
                changes.append(line)

    async def until(self, kind: str, attempt: int = 1) -> Any:
        """The first change of that kind at that attempt."""
        while True:
            changes, _ = await self.cycle()
            for change in changes:
                if (change["kind"], change["attempt"]) == (kind, attempt):
                    return change


@asynccontextmanager
async def watching(client: Client, address: str | None = None) -> AsyncIterator[Watch]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stigmer_ops"),
        *("pending", "watch", "-o", "jsonl", "--interval", "100ms"),
        env=environment(pointed_at(client, address)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Watch(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_watch_streams_what_appears_changes_and_goes_and_ends_with_ctrl_c(
    sandbox: Sandbox,
) -> None:
    client = await new_client(sandbox)
    worker = HandWorker(client, attempts=2)
    async with watching(client) as watch:
        changes, sums = await watch.cycle()
        assert (changes, sums["cycle"], sums["pending"]) == ([], 1, 0)

        token = await worker.started()
        appeared = await watch.until("ActivityAppeared")
        await worker.fail(token, retryable=True)
        changed = await watch.until("ActivityChanged", attempt=2)
        await worker.terminate()
        gone = await watch.until("ActivityGone", attempt=2)

        watch.process.send_signal(signal.SIGINT)
        _, err = await watch.process.communicate()

    assert {appeared["workflow_id"], changed["workflow_id"], gone["workflow_id"]} == {
        worker.workflow_id
    }
    assert {"attempt", "last_failure", "state"} <= set(changed["changed"])
    assert watch.process.returncode == 130
    assert err == b"interrupted\n"


async def test_watch_outlives_an_outage_and_forgets_nothing_meanwhile(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    await start_waiting(client, 2)
    await listed(client, 2)
    down = False

    async def intercept(_method: str, _request: bytes) -> grpc.StatusCode | None:
        return grpc.StatusCode.DEADLINE_EXCEEDED if down else None

    async with (
        gateway_to(sandbox.address, intercept=intercept) as gateway,
        watching(client, gateway.address) as watch,
    ):
        changes, sums = await watch.cycle()
        assert len(changes) == 2
        down = True
        while not sums["error"]:
            changes, sums = await watch.cycle()
            assert not changes
        assert (sums["pending"], sums["complete"]) == (2, False)
        down = False
        while sums["error"]:
            changes, sums = await watch.cycle()
            assert not changes
        assert (sums["pending"], sums["complete"]) == (2, True)


async def test_watch_in_a_pipe_writes_plain_lines(many: Client) -> None:
    result = await pending(many, "watch", "--count", "1", "--rps", "0")
    lines = result.out.splitlines()
    assert result.code == 0, result.err
    assert len(lines) == 121
    assert all(" + order-" in line for line in lines[:-1])
    assert "120 pending, oldest " in lines[-1]
    assert "+120 ~0 -0" in lines[-1]


async def test_watch_on_a_terminal_refreshes_and_ends_cleanly(waiting: Waiting) -> None:
    async with at_terminal(
        # Few enough for the terminal's height.
        *("pending", "watch", "--interval", "200ms", "--attempt", "2+"),
        variables=pointed_at(waiting.client),
    ) as terminal:
        await terminal.until(waiting.id_of("backing-off"))
        await terminal.until("+0 ~0 -0")
        terminal.type("\x03")
        code = await terminal.code()
    assert code == 130
    assert "Traceback" not in terminal.screen


async def test_watch_leaves_every_history_as_it_was(many: Client) -> None:
    async def lengths() -> dict[str, int]:
        return {workflow.id: workflow.history_length async for workflow in many.list_workflows("")}

    before = await lengths()
    result = await pending(many, "watch", "--count", "2", "--interval", "0s", "--rps", "0")
    assert result.code == 0, result.err
    assert await lengths() == before
