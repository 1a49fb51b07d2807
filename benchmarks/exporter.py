"""The exporter with 10,000 pending external activities: first sweep, steady cycle, memory, scrape.

The opponent of the first sweep is a client that describes every workflow and does nothing else; of
the steady cycle, a full scan. `python -m benchmarks.exporter [SCALE]`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import generate_latest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

with workflow.unsafe.imports_passed_through():
    from datetime import timedelta

    from benchmarks.diagnose import STIGMER_TYPE, External, execution_payload
    from benchmarks.pending import PYTHON, Bench, describe_all, measure
    from benchmarks.timing import median
    from stigmer_ops.exporter.cycle import Exporter
    from stigmer_ops.exporter.pending.tracker import PendingTracker
    from stigmer_ops.sandbox.many import start_waiting
    from stigmer_ops.sandbox.server import TemporalServer
    from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE, Settings
    from stigmer_ops.temporal.connection import ConnectionOptions, connect, resolve
    from stigmer_ops.temporal.frontend import Frontend, Pace

ACTIVITIES = 10_000
CHURN = 0.01
"""Share of the activities that end between two readings; as many begin."""
ROUNDS = 3
CYCLES = 5
SCRAPES = 20
STIGMER_QUEUE = "agent_execution_stigmer"
HANDSHAKES = "handshakes"
SETTINGS = Settings()


def now() -> datetime:
    return datetime.now(UTC)


async def frontend_at(address: str) -> Frontend:
    return await connect(resolve(ConnectionOptions(address=address), {}), pace=Pace(rps=0))


# --- One process each ----------------------------------------------------------------------------


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def bare(address: str) -> None:
    """The opponent: prints its two rates, and seconds of CPU."""
    used = cpu()
    await describe_all(address)
    sys.stdout.write(f"{cpu() - used}\n")


async def sweep(address: str) -> None:
    """The first sweep: prints activities a second, and seconds of CPU."""
    tracker = PendingTracker(await frontend_at(address), SETTINGS)
    began, used = time.perf_counter(), cpu()
    await tracker.sweep(now())
    seconds = time.perf_counter() - began
    sys.stdout.write(f"{tracker.tracked} {tracker.tracked / seconds} {cpu() - used}\n")


async def remember(address: str) -> None:
    """What a sweep leaves in memory: prints its bytes, and seconds of a summary."""
    frontend = await frontend_at(address)
    await PendingTracker(frontend, SETTINGS).sweep(now())  # all imports and caches are filled
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracker = PendingTracker(frontend, SETTINGS)
    await tracker.sweep(now())
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    times = []
    for _ in range(SCRAPES):
        began = time.perf_counter()
        tracker.summary(now())
        times.append(time.perf_counter() - began)
    sys.stdout.write(f"{after - before} {median(times)}\n")


MODES = {"--bare": bare, "--sweep": sweep, "--remember": remember}


def figures(mode: str, address: str) -> list[float]:
    """Run one mode in a process of its own; what it printed."""
    done = measure((*PYTHON, "-m", "benchmarks.exporter", mode, address))
    return [float(figure) for figure in done.out.split()]


# --- Handshakes that come and go -----------------------------------------------------------------


@workflow.defn(name=STIGMER_TYPE)
class Execution:
    """Calls back when it is told to."""

    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self, _execution: RawValue) -> None:
        """Wait, and call back."""
        await workflow.wait_condition(lambda: self.done)
        await workflow.execute_activity(
            CALLBACK_ACTIVITY_TYPE,
            workflow.info().workflow_id,
            start_to_close_timeout=timedelta(minutes=1),
        )

    @workflow.signal
    def finish(self) -> None:
        """Hear that the agent is done."""
        self.done = True


class Handshakes:
    """External workflows, each with the execution that completes its activity."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tokens: dict[str, bytes] = {}
        self.open: list[str] = []
        self.started = 0

    @activity.defn(name="CallAgentActivity")
    async def call_agent(self) -> None:
        """Start the execution, and stay pending."""
        token = activity.info().task_token
        execution = f"{STIGMER_TYPE}/aex-{activity.info().workflow_id}"
        self.tokens[execution] = token
        await self.client.start_workflow(
            STIGMER_TYPE,
            RawValue(execution_payload(execution, token)),
            id=execution,
            task_queue=STIGMER_QUEUE,
            run_timeout=timedelta(minutes=10),
        )
        activity.raise_complete_async()

    @activity.defn(name=CALLBACK_ACTIVITY_TYPE)
    async def call_back(self, execution: str) -> None:
        """Complete the external activity."""
        token = self.tokens.pop(execution)
        await self.client.get_async_activity_handle(task_token=token).complete()

    async def turn(self, count: int, *, others: int) -> None:
        """Begin so many, let those of before end, and wait until visibility knows."""
        ending = self.open
        names = [f"ticket-{self.started + number}" for number in range(count)]
        self.started += count
        await asyncio.gather(
            *(
                self.client.start_workflow("summarise-ticket", id=name, task_queue=HANDSHAKES)
                for name in names
            )
        )
        self.open = [f"{STIGMER_TYPE}/aex-{name}" for name in names]
        while not self.tokens.keys() >= set(self.open):  # noqa: ASYNC110 - the activity fills it
            await asyncio.sleep(0.1)
        for execution in ending:
            await self.client.get_workflow_handle(execution).signal(Execution.finish)
        await until_open(self.client, others + 2 * count)


async def until_open(client: Client, count: int) -> None:
    """Wait until visibility lists exactly so many workflows as open."""
    async with asyncio.timeout(300):
        while (await client.count_workflows("ExecutionStatus='Running'")).count != count:  # noqa: ASYNC110 - visibility tells nobody
            await asyncio.sleep(0.2)


@asynccontextmanager
async def handshakes(client: Client) -> AsyncIterator[Handshakes]:
    """Workers of both sides."""
    made = Handshakes(client)
    runner = UnsandboxedWorkflowRunner()
    external = Worker(
        client,
        task_queue=HANDSHAKES,
        workflows=[External],
        activities=[made.call_agent],
        workflow_runner=runner,
    )
    stigmer = Worker(
        client,
        task_queue=STIGMER_QUEUE,
        workflows=[Execution],
        activities=[made.call_back],
        workflow_runner=runner,
    )
    async with external, stigmer:
        yield made


# --- Steady cycles -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cycle:
    """One reading of the whole exporter."""

    calls: Counter[str]
    seconds: float
    cpu: float

    @property
    def rpcs(self) -> int:
        """How many calls it made."""
        return sum(self.calls.values())


class Steady:
    """The whole exporter on a namespace that changes a little between two readings."""

    def __init__(self, address: str) -> None:
        self.frontends: list[Frontend] = []
        # Readings follow each other faster here than by default. Without the slow sweep, whose
        # share depends on the time between two of them only.
        quick = {"interval": timedelta(seconds=1), "full_sweep_every": timedelta(0)}
        alone = SETTINGS.exporter.model_copy(update=quick)
        self.exporter = Exporter(
            ["default"],
            SETTINGS.model_copy(update={"exporter": alone}),
            self._connect,
            state_file=None,
            clock=now,
            log=lambda _: None,
        )
        self._address = address

    async def _connect(self, _namespace: str) -> Frontend:
        frontend = await frontend_at(self._address)
        self.frontends.append(frontend)
        return frontend

    def calls(self) -> Counter[str]:
        """All calls so far, by method."""
        return sum((frontend.calls for frontend in self.frontends), Counter[str]())

    async def read(self) -> Cycle:
        """Read everything once."""
        before, began, used = self.calls(), time.perf_counter(), cpu()
        if not await self.exporter.read_once():
            raise RuntimeError("something could not be read")
        return Cycle(self.calls() - before, time.perf_counter() - began, cpu() - used)

    def scrape(self) -> float:
        """Seconds of one exposition, the middle of several."""
        times = []
        for _ in range(SCRAPES):
            began = time.perf_counter()
            generate_latest(self.exporter.registry)
            times.append(time.perf_counter() - began)
        return median(times)


async def steady_cycles(client: Client, address: str, waiting: int) -> tuple[list[Cycle], Steady]:
    """The first reading, and some with churn before each."""
    steady = Steady(address)
    count = max(int(waiting * CHURN), 1)
    async with handshakes(client) as population:
        await population.turn(count, others=waiting)
        cycles = [await steady.read()]
        for _ in range(CYCLES):
            await population.turn(count, others=waiting)
            cycles.append(await steady.read())
    return cycles, steady


# --- What is printed -----------------------------------------------------------------------------


def _bar(name: str, value: float, unit: str, wanted: str = "") -> str:
    return f"{name:58} {value:8.2f} {unit}{f'  (target {wanted})' if wanted else ''}"


def first_sweep(bench: Bench) -> tuple[list[str], float]:
    """Against the bare client, by turns; the lines, and seconds of CPU of a sweep."""
    theirs, with_listing, ours, theirs_used, used = [], [], [], [], []
    for _ in range(ROUNDS):
        alone, both, seconds = figures("--bare", bench.address)
        theirs.append(alone)
        with_listing.append(both)
        theirs_used.append(seconds)
        tracked, rate, seconds = figures("--sweep", bench.address)
        if tracked != bench.count:
            raise RuntimeError(f"the sweep found {tracked} of {bench.count}")
        ours.append(rate)
        used.append(seconds)
    kept, summary = figures("--remember", bench.address)
    per_10_000 = kept / 2**20 * 10_000 / bench.count
    alone, both, rate = median(theirs), median(with_listing), median(ours)
    return [
        f"{bench.count} pending external activities, medians of {ROUNDS} alternating runs",
        f"bare client  {alone:8.0f} descriptions/s; {both:.0f}/s, listing included",
        f"first sweep  {rate:8.0f} activities/s, listing included",
        _bar("first sweep / bare client", rate / alone, "x", ">= 0.8"),
        _bar("  the same, bare client's listing included", rate / both, "x"),
        _bar("  CPU of the client, first sweep / bare", median(used) / median(theirs_used), "x"),
        _bar("memory that is kept, for 10,000 activities", per_10_000, "MiB"),
        _bar("summary for the gauges", summary * 1000, "ms", "< 50"),
    ], median(used)


def steady_lines(cycles: Sequence[Cycle], steady: Steady, count: int, swept: float) -> list[str]:
    """The whole exporter: callbacks, activities, task queues."""
    exporter = SETTINGS.exporter
    first, *others = cycles
    rpcs = median([cycle.rpcs for cycle in others])
    share = rpcs / count * 100
    used = median([cycle.cpu for cycle in others])
    by_method = ", ".join(f"{name} {number}" for name, number in others[-1].calls.most_common())
    queues = first.calls["describe_task_queue"] * (exporter.interval / exporter.queues_every)
    turn = exporter.full_sweep_every / exporter.interval
    seconds = exporter.interval.total_seconds()
    return [
        f"steady cycle of the whole exporter: {CHURN:.0%} of the activities ended, as many began, "
        f"each with its execution and callback; medians of {len(others)}",
        f"  RPCs: {by_method}",
        _bar("RPCs of a steady cycle / of a full scan", share, "%", "<= 5"),
        _bar("  besides: the task queues, spread over the cycles", queues / count * 100, "%"),
        _bar("  besides: the slow sweep, spread over the cycles", 100 / turn, "%"),
        _bar("duration of a steady cycle", median([c.seconds for c in others]), "s"),
        _bar(f"CPU of a steady cycle / {seconds:.0f} s interval", used / seconds * 100, "%"),
        _bar("  besides: the slow sweep, spread", swept / turn / seconds * 100, "%"),
        _bar("scrape", steady.scrape() * 1000, "ms", "< 50"),
    ]


async def _measure(scale: float) -> list[str]:
    count = max(int(ACTIVITIES * scale), 100)
    async with TemporalServer() as server:
        client = await Client.connect(server.address)
        await start_waiting(client, count)
        begun = time.monotonic()
        await until_open(client, count)
        lines, swept = await asyncio.to_thread(first_sweep, Bench(server, count))
        # Steady is what no list of recent starts holds any more.
        lag = SETTINGS.exporter.visibility_lag.total_seconds()
        await asyncio.sleep(max(0.0, begun + lag - time.monotonic()))
        cycles, steady = await steady_cycles(client, server.address, count)
        return [*lines, *steady_lines(cycles, steady, count, swept)]


def run(scale: float = 1.0) -> list[str]:
    """Measure everything; returns the lines to print.

    Args:
        scale: How many activities, as a share of 10,000.
    """
    return asyncio.run(_measure(scale))


def main(arguments: Sequence[str]) -> None:
    if arguments and arguments[0] in MODES:
        asyncio.run(MODES[arguments[0]](arguments[1]))
        sys.stdout.flush()
        os._exit(0)  # as the command itself ends: see stigmer_ops/cli/main.py
    for line in run(float(arguments[0]) if arguments else 1.0):
        print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
