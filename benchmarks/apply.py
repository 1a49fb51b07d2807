"""`apply` against a shell loop over the `temporal` CLI, and against a client that only completes.

All complete activities of one kind on one server: the loop some, the others as many as they can.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.workflowservice.v1 import RespondActivityTaskCompletedRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.diagnose import External, Tokens, bounded
from benchmarks.timing import environment, median
from stigmer_ops.audit import AuditTrail
from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.handshake.plan import PlanHeader, PlanRow
from stigmer_ops.handshake.token import decode
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.engine import Limits
from stigmer_ops.procedures.apply.journal import open_journal
from stigmer_ops.procedures.apply.recorder import Recorder
from stigmer_ops.procedures.apply.run import Operator, plan_run
from stigmer_ops.procedures.plan_file import new_plan, open_plan
from stigmer_ops.sandbox.server import TemporalServer, executable
from stigmer_ops.temporal.frontend import Frontend, Pace

COMPLETIONS = 5_000
ROUNDS = 2
LOOPED = 200
CANARIES = 5
ABSENT = 50_000
ABSENT_TRIED = 5_000
CONCURRENCY = 64
RESULT = Payloads(
    payloads=[Payload(metadata={"encoding": b"json/plain"}, data=b'{"status":"completed"}')]
)


@dataclass(frozen=True)
class Waiting:
    """A server with pending activities: their tokens, from which each contender takes its share."""

    client: Client
    tokens: Iterator[bytes]
    leave: Callable[[], Awaitable[None]]

    @property
    def address(self) -> str:
        """The frontend's host:port."""
        return self.client.service_client.config.target_host

    def take(self, many: int) -> list[bytes]:
        """Some that nobody had yet."""
        return [next(self.tokens) for _ in range(many)]


@asynccontextmanager
async def waiting(many: int) -> AsyncIterator[Waiting]:
    """A server with so many pending activities, each of a workflow of its own.

    Their worker goes on until `Waiting.leave`: it would take more of the machine than the client.
    """
    tokens = Tokens()
    async with TemporalServer() as server:
        client = await Client.connect(server.address)
        async with AsyncExitStack() as stack:
            worker = Worker(
                client,
                task_queue="zigflow_execution",
                workflows=[External],
                activities=[tokens.call_agent],
                workflow_runner=UnsandboxedWorkflowRunner(),
            )
            await stack.enter_async_context(worker)
            await bounded(
                client.start_workflow("summarise-ticket", id=f"o-{n}", task_queue=worker.task_queue)
                for n in range(many)
            )
            while len(tokens.by_workflow) < many:  # noqa: ASYNC110 - the activity fills it
                await asyncio.sleep(0.1)
            yield Waiting(client, iter(list(tokens.by_workflow.values())), stack.aclose)


async def bare(given: Waiting, tokens: Sequence[bytes]) -> float:
    """Send the prepared tokens and do nothing else; seconds."""
    client = given.client
    began = time.perf_counter()
    await bounded(
        client.workflow_service.respond_activity_task_completed(
            RespondActivityTaskCompletedRequest(
                namespace=client.namespace, task_token=token, result=RESULT, identity="bare"
            )
        )
        for token in tokens
    )
    return time.perf_counter() - began


async def shell_loop(given: Waiting, tokens: Sequence[bytes]) -> float:
    """Complete them as operators do it today; seconds."""
    ids = "".join(f"{decode(token).workflow_id}\n" for token in tokens)
    command = (
        f"xargs -P8 -I% {executable()} activity complete --address {given.address} "
        '--workflow-id % --activity-id 5 --result \'{"status":"completed"}\''
    )
    began = time.perf_counter()
    process = await asyncio.create_subprocess_shell(
        command, stdin=asyncio.subprocess.PIPE, env=environment()
    )
    await process.communicate(ids.encode())
    if process.returncode:
        raise RuntimeError(f"xargs exited with {process.returncode}")
    return time.perf_counter() - began


class Plans:
    """Writes plans into a folder."""

    def __init__(self, folder: Path, namespace_id: str) -> None:
        self._folder = folder
        self._header = PlanHeader("default", namespace_id)
        self._numbers = count(1)

    def of(self, tokens: Iterable[bytes]) -> Path:
        """A plan that completes what these tokens are for."""
        return self.write(map(completion, tokens))

    def write(self, rows: Iterable[PlanRow]) -> Path:
        """A plan of these rows."""
        path = self._folder / f"plan-{next(self._numbers)}.jsonl"
        with new_plan(path, self._header) as plan:
            for row in rows:
                plan.add(row)
        return path


def completion(token: bytes) -> PlanRow:
    named = decode(token)
    return PlanRow(
        action=Action.COMPLETE,
        workflow_id=named.workflow_id,
        run_id=named.run_id,
        activity_id=named.activity_id,
        scheduled_event_id=named.scheduled_event_id,
        attempt=named.attempt,
        result='{"status":"completed"}',
    )


def absent_rows(many: int) -> Iterator[PlanRow]:
    for number in range(many):
        yield PlanRow(Action.COMPLETE, "", str(uuid.uuid4()), f"gone-{number}", 1)


@dataclass(frozen=True)
class Applied:
    """What the command did: seconds and peak memory (bytes) of its process, its own report."""

    seconds: float
    peak: int
    report: dict[str, Any]


async def apply(given: Waiting, plan: Path, *options: str) -> Applied:
    """The command as a user runs it."""
    audit = str(plan.with_suffix(".audit"))
    output = plan.with_suffix(".out")
    command = [
        *(sys.executable, "-m", "stigmer_ops", "apply", str(plan), "--reason", "bench"),
        *("--yes", "--confirm-namespace", "default", "--rps", "0", "-o", "jsonl"),
        *("--concurrency", str(CONCURRENCY), "--address", given.address, *options),
    ]
    variables = {**environment(), "STIGMER_OPS_AUDIT_PATH": audit}
    seconds, peak = await asyncio.to_thread(measured, command, output, variables)
    last = output.read_bytes().rsplit(b"\n", 2)[-2]
    return Applied(seconds, peak, json.loads(last))


async def verify(given: Waiting, plan: Path) -> float:
    """`plan verify` on a plan that was applied; seconds."""
    command = [
        *(sys.executable, "-m", "stigmer_ops", "plan", "verify", str(plan), "--rps", "0"),
        *("--concurrency", str(CONCURRENCY), "--address", given.address),
    ]
    seconds, _ = await asyncio.to_thread(measured, command, plan.with_suffix(".out"), environment())
    return seconds


def measured(command: Sequence[str], output: Path, variables: dict[str, str]) -> tuple[float, int]:
    """Run a command; its seconds, and its peak memory in bytes."""
    began = time.perf_counter()
    with (
        output.open("wb") as file,
        subprocess.Popen(command, stdout=file, env=variables) as process,
    ):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - began, usage.ru_maxrss * 1024


async def engine(given: Waiting, plan: Path, *, recorded: bool) -> float:
    """The engine within this process, with its records or without any; seconds."""
    frontend = Frontend(given.client, Pace(rps=0))
    operator = Operator("bench", "bench", "stigmer-ops:bench@bench", "bench")
    trail = AuditTrail(plan.with_suffix(".audit"), now=lambda: datetime.now(UTC))
    began = time.perf_counter()
    with open_plan(plan) as opened, open_journal(opened) as journal:
        async with plan_run(
            opened,
            journal,
            Systems(frontend, frontend),
            operator,
            Limits(canary=0),
            trail=trail,
            now=lambda: datetime.now(UTC),
        ) as (run, recorder):
            if not recorded:
                forget(recorder)
            await run.run()
    return time.perf_counter() - began


def forget(recorder: Recorder) -> None:
    """Have a recorder write nothing, to learn what writing costs."""

    async def begun(*_arguments: object, **_named: object) -> None:
        return None

    recorder.begin = begun  # type: ignore[method-assign] # that is the point
    recorder.end = lambda *_arguments, **_named: None  # type: ignore[method-assign]


async def measure(scale: float) -> list[str]:
    """Alternate the contenders and compare their medians."""
    share = max(20, int(COMPLETIONS * scale / ROUNDS))
    looped = max(8, int(LOOPED * min(scale, 1)))
    part = max(10, share // 3)
    absent = max(1_000, int(ABSENT * scale))
    with tempfile.TemporaryDirectory(prefix="stigmer-ops-bench-") as folder:
        async with waiting(2 * ROUNDS * (share + part) + looped + CANARIES) as given:
            plans = Plans(Path(folder), await Frontend(given.client, Pace()).namespace_id())
            canaries = await apply(
                given,
                plans.of(given.take(CANARIES)),
                *("--canary", str(CANARIES)),
            )
            await given.leave()
            loop = await shell_loop(given, given.take(looped)) / looped
            bares, applies, kept, unkept = [], [], [], []
            for _ in range(ROUNDS):
                bares.append(await bare(given, given.take(share)))
                plan = plans.of(given.take(share))
                applies.append(await apply(given, plan, "--canary", "0"))
                kept.append(await engine(given, plans.of(given.take(part)), recorded=True))
                unkept.append(await engine(given, plans.of(given.take(part)), recorded=False))
            verified = await verify(given, plan)
            gone = [
                await apply(
                    given,
                    plans.write(absent_rows(number)),
                    *("--stop-on-error-rate", "100", "--max", str(ABSENT_TRIED)),
                )
                for number in (1_000, absent)
            ]
    if any(one.report["totals"]["done"] != share for one in applies):
        raise RuntimeError("apply did not complete everything")
    simple = share / median(bares)
    tried = gone[1].report["stats"]["tried"]
    whole = share / median([one.seconds for one in applies])
    rows = share / median([one.report["stats"]["seconds"] for one in applies])
    stats = applies[-1].report["stats"]
    recording = 1 - median(unkept) / median(kept)
    proving = canaries.report["stats"]["canary_seconds"] / CANARIES
    return [
        f"apply, {share:,} completions a run, median of {ROUNDS} runs",
        f"  xargs -P8 temporal activity complete:  {1 / loop:6,.0f}/s",
        f"  bare client with prepared tokens:      {simple:6,.0f}/s",
        f"  apply, start to exit of the command:   {whole:6,.0f}/s = {whole * loop:.1f} times "
        f"xargs (at least 10), {whole / simple:.0%} of bare (at least 60 %)",
        f"  apply, first row to last:              {rows:6,.0f}/s = {rows / simple:.0%} of bare",
        f"  calls: {stats['calls']}",
        f"  engine in one process:                 {part / median(kept):6,.0f}/s, and "
        f"{part / median(unkept):,.0f}/s without journal and audit, which so cost "
        f"{recording:.1%} (at most 10 %); {stats['groups']} groups written",
        f"  a canary with its proof, workflow task included: {proving * 1000:.0f} ms",
        f"  plan verify:                           {share / verified:6,.0f}/s",
        f"  refused rows, each read and explained: {tried / gone[1].seconds:6,.0f}/s; peak memory "
        f"{gone[0].peak / 1e6:.0f} MB for 1,000 rows, {gone[1].peak / 1e6:.0f} MB for {absent:,}",
    ]


def run(scale: float = 1.0) -> list[str]:
    """The lines to print."""
    return asyncio.run(measure(scale))


if __name__ == "__main__":
    sys.stdout.write("\n".join(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)) + "\n")
