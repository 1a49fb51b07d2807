"""Batches as users run them: `apply --durable` and batch workers, each a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client

from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.awaiting import together
from support.command_line import Finished, environment, stigmer_ops
from support.plans import written_plan

REASON = ("--reason", "INC-7 restore")


class Batched:
    """A plan in a folder, the commands about its batch, and workers for it."""

    def __init__(self, client: Client, folder: Path, **variables: str) -> None:
        self.client = client
        self.folder = folder
        self.plan = folder / "plan.jsonl"
        self.audit = folder / "audit.jsonl"
        self.workers: list[asyncio.subprocess.Process] = []
        self.logs: list[Path] = []
        self.variables = {
            "TEMPORAL_ADDRESS": client.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": client.namespace,
            "STIGMER_OPS_BATCH_WORKER_LOST_AFTER": "2s",
            **variables,
        }

    async def of(self, rows: Iterable[PlanRow]) -> str:
        """Write the plan; what ends the identities of its writes."""
        return await written_plan(self.plan, Frontend(self.client, Pace(rps=0)), rows)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "stigmer_ops", *arguments]

    def applying(self, *options: str) -> tuple[str, ...]:
        namespace = ("--confirm-namespace", self.client.namespace)
        return ("apply", str(self.plan), *REASON, "--durable", "--yes", *namespace, *options)

    async def apply(self, *options: str, seconds: float = 120, **variables: str) -> Finished:
        return await self.run(*self.applying(*options), seconds=seconds, **variables)

    async def run(self, *arguments: str, seconds: float = 60, **variables: str) -> Finished:
        audit = {"STIGMER_OPS_AUDIT_PATH": str(self.audit)}
        return await stigmer_ops(
            *arguments,
            variables={**self.variables, **audit, **variables},
            timeout_seconds=seconds,
        )

    async def started(self, *arguments: str) -> asyncio.subprocess.Process:
        """A command that goes on."""
        return await asyncio.create_subprocess_exec(
            *self.command(*arguments),
            env=environment({**self.variables, "STIGMER_OPS_AUDIT_PATH": str(self.audit)}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def worker(self, *options: str, **variables: str) -> asyncio.subprocess.Process:
        """Start a worker, with an audit file of its own, and wait until it polls."""
        number = len(self.logs)
        log = self.folder / f"worker-{number}.log"
        self.logs.append(log)
        audit = {"STIGMER_OPS_AUDIT_PATH": str(self.folder / f"worker-{number}.audit.jsonl")}
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *self.command("batch-worker", "-o", "jsonl", *options),
                env=environment({**self.variables, **audit, **variables}),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=file,
            )
        self.workers.append(process)
        async with asyncio.timeout(60):
            while b"worker-started" not in log.read_bytes():
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        return process

    async def kill_workers(self) -> None:
        """Kill -9 all that run."""
        for process in self.workers:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def lines(self) -> list[dict[str, Any]]:
        """What the workers logged, one after the other."""
        found = [json.loads(line) for log in self.logs for line in log.read_text().splitlines()]
        assert all("event" in line for line in found)
        return found

    async def show(self) -> dict[str, Any]:
        shown = await self.run("batch", "show", str(self.plan), "-o", "json")
        assert shown.code == 0, shown.err
        found: dict[str, Any] = shown.json
        return found

    async def tried(self, count: int, seconds: float = 60) -> dict[str, Any]:
        """Wait until the batch has tried so many rows."""
        async with asyncio.timeout(seconds):
            while True:
                shown = await self.run("batch", "show", str(self.plan), "-o", "json")
                if shown.code == 0 and shown.json["progress"]["tried"] >= count:
                    found: dict[str, Any] = shown.json["progress"]
                    return found
                await asyncio.sleep(0.2)


@asynccontextmanager
async def batched(client: Client, folder: Path, **variables: str) -> AsyncIterator[Batched]:
    """Batches in the client's namespace; its workers end with the block."""
    batch = Batched(client, folder, **variables)
    try:
        yield batch
    finally:
        await batch.kill_workers()


async def all_events(client: Client, workflow_id: str) -> list[HistoryEvent]:
    """The history of the newest run of a workflow."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    return list(history.events)


async def stored_events(client: Client, prefix: str) -> AsyncIterator[HistoryEvent]:
    """Every event of the workflows of these ids, as the server stores it."""
    async for each in client.list_workflows(f"WorkflowId STARTS_WITH '{prefix}'"):
        request = GetWorkflowExecutionHistoryRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=each.id, run_id=each.run_id),
        )
        while True:
            page = await client.workflow_service.get_workflow_execution_history(request)
            for event in page.history.events:
                yield event
            if not page.next_page_token:
                break
            request.next_page_token = page.next_page_token


async def raw_histories(client: Client, prefix: str) -> bytes:
    """All of that as bytes."""
    found = [event.SerializeToString() async for event in stored_events(client, prefix)]
    return b"".join(found)


async def event_sizes(client: Client, prefix: str) -> list[int]:
    """The size of each of these events in bytes."""
    return [event.ByteSize() async for event in stored_events(client, prefix)]


async def completion_times(client: Client, names: Iterable[str]) -> list[float]:
    """When each of the workflows' activities was completed, in seconds since the epoch."""
    found: list[float] = []

    async def read(name: str) -> None:
        found.extend(
            event.event_time.ToNanoseconds() / 1e9
            for event in await all_events(client, name)
            if event.HasField("activity_task_completed_event_attributes")
        )

    await together(read(name) for name in names)
    return found


async def completions(client: Client, names: Iterable[str]) -> dict[str, list[str]]:
    """Who completed the activity of each workflow."""
    found: dict[str, list[str]] = {}

    async def read(name: str) -> None:
        found[name] = [
            event.activity_task_completed_event_attributes.identity
            for event in await all_events(client, name)
            if event.HasField("activity_task_completed_event_attributes")
        ]

    await together(read(name) for name in names)
    return found
