"""The server is stopped and started again, with its database, in the middle of commands."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from stigmer_ops.errors import ExitCode
from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.server import TemporalServer
from stigmer_ops.temporal.history import CLOSES_ACTIVITY
from support.awaiting import together
from support.command_line import environment, stigmer_ops

READING, WRITING = "reading", "writing"
READ, WRITTEN = 200, 80
PATIENCE_SECONDS = 150
SLOWLY = ("--rps", "40")
"""So that a scan takes some seconds more than the restart."""


@dataclass
class Command:
    """A running command, and the lines that it wrote so far."""

    process: asyncio.subprocess.Process
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    async def listen(self) -> None:
        async def keep(stream: asyncio.StreamReader | None, lines: list[str]) -> None:
            assert stream is not None
            while line := await stream.readline():
                lines.append(line.decode())

        await asyncio.gather(
            keep(self.process.stdout, self.out), keep(self.process.stderr, self.err)
        )

    @property
    def documents(self) -> list[Any]:
        return [json.loads(line) for line in self.out]

    @property
    def document(self) -> Any:
        return json.loads("".join(self.out))

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)


@asynccontextmanager
async def started(
    *arguments: str, variables: Mapping[str, str], directory: Path
) -> AsyncIterator[Command]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stigmer_ops", *arguments),
        env=environment(variables),
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    command = Command(process)
    listening = asyncio.create_task(command.listen())
    try:
        yield command
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening


@dataclass(frozen=True)
class World:
    """The server, and a folder for files."""

    server: TemporalServer
    folder: Path

    def variables(self, namespace: str) -> dict[str, str]:
        return {
            "TEMPORAL_ADDRESS": self.server.address,
            "TEMPORAL_NAMESPACE": namespace,
            "STIGMER_OPS_AUDIT_PATH": str(self.folder / "audit.jsonl"),
        }

    def command(self, namespace: str, *arguments: str) -> AbstractAsyncContextManager[Command]:
        variables = self.variables(namespace)
        return started(*arguments, variables=variables, directory=self.folder)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with TemporalServer(
        namespaces=(READING, WRITING), db_filename=tmp_path / "temporal.db"
    ) as server:
        for namespace, count in ((READING, READ), (WRITING, WRITTEN)):
            client = await Client.connect(server.address, namespace=namespace)
            await start_waiting(client, count)
            while (await client.count_workflows("")).count < count:  # noqa: ASYNC110 - visibility tells nobody that it has caught up
                await asyncio.sleep(0.1)
        yield World(server, tmp_path)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - other processes make it true
            await asyncio.sleep(0.05)


async def completions(client: Client) -> Counter[int]:
    """How many workflows have so many ended activities."""
    found: Counter[int] = Counter()

    async def count(workflow_id: str) -> None:
        history = await client.get_workflow_handle(workflow_id).fetch_history()
        found[sum(event.event_type in CLOSES_ACTIVITY for event in history.events)] += 1

    await together([count(one.id) async for one in client.list_workflows("")])
    return found


async def test_commands_outlast_it_and_writes_are_made_once(world: World) -> None:
    planned = await stigmer_ops(
        *("plan", "create", "--action", "complete", "--out", "plan.jsonl"),
        variables=world.variables(WRITING),
        directory=world.folder,
    )
    assert planned.code == ExitCode.OK, planned.err
    consent = ("--reason", "INC-7 restart", "--yes")
    async with (
        world.command(READING, "pending", "list", *SLOWLY, "-o", "jsonl") as listing,
        world.command(READING, "diagnose", *SLOWLY, "-o", "json") as diagnosis,
        world.command(
            READING, "pending", "watch", "--interval", "1s", "--count", "3", "-o", "jsonl"
        ) as following,
        world.command(
            READING, "watch", "--interval", "1s", "--count", "4", "-o", "jsonl"
        ) as watching,
        world.command(
            *(WRITING, "apply", "plan.jsonl", *consent),
            *("--canary", "0", "--rps", "20", "-o", "json"),
        ) as applying,
    ):
        journal = world.folder / "plan.jsonl.journal.jsonl"
        await until(lambda: listing.out and watching.out and following.out and journal.exists())
        await world.server.stop()
        await asyncio.sleep(2)  # as long as a frontend is away when it is rolled
        await world.server.start()
        codes = [await each.ended() for each in (listing, diagnosis, following, watching, applying)]
    found = await completions(await Client.connect(world.server.address, namespace=WRITING))

    told = [each.err for each in (listing, diagnosis, following, watching, applying)]
    assert codes[1] in (ExitCode.OK, ExitCode.FINDINGS), told
    assert [*codes[:1], *codes[2:]] == [ExitCode.OK] * 4, told
    assert len({each["workflow_id"] for each in listing.documents}) == len(listing.out) == READ
    assert sum(diagnosis.document["counts"].values()) == READ
    for last in (following.documents[-1], watching.documents[-1]):
        assert (last["complete"], last["pending"]) == (True, READ)
    assert applying.document["totals"]["done"] == WRITTEN
    assert found == {1: WRITTEN}
