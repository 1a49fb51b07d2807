"""`apply --durable` with one worker and with two, against `apply` by itself.

All complete activities of one kind on one server, which has the same two cores as the workers.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from benchmarks.apply import Plans, Waiting, apply, waiting
from benchmarks.timing import environment
from stigmer_ops.procedures.batch.messages import batch_id
from stigmer_ops.procedures.batch.watching import batch_info
from stigmer_ops.procedures.plan_file import open_plan
from stigmer_ops.temporal.frontend import Frontend, Pace

COMPLETIONS = 2_000
WORKERS = (1, 2)


@asynccontextmanager
async def worker(given: Waiting, folder: Path, number: int) -> AsyncIterator[None]:
    """A batch worker, which polls when the block is entered."""
    log = folder / f"worker-{number}.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stigmer_ops", "batch-worker", "--rps", "0"),
            *("--address", given.address),
            env={**environment(), "STIGMER_OPS_AUDIT_PATH": str(folder / f"worker-{number}.audit")},
            stderr=file,
        )
    try:
        while b"worker-started" not in log.read_bytes():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
        yield
    finally:
        process.terminate()
        await process.wait()


async def batch_seconds(given: Waiting, plan: Path) -> float:
    """How long the batch of a plan took, from its start to its end, as the server says."""
    with open_plan(plan) as opened:
        info = await batch_info(Frontend(given.client, Pace()), batch_id(opened.sha256))
    if info is None or info.started is None or info.closed is None:
        raise RuntimeError("the batch did not end")
    return (info.closed - info.started).total_seconds()


async def measure(scale: float) -> list[str]:
    """Plain, then with so many workers; the rates and their ratios."""
    many = max(200, int(COMPLETIONS * scale))
    options = ("--canary", "0")
    lines = [f"apply --durable, {many:,} completions a run"]
    with tempfile.TemporaryDirectory(prefix="stigmer-ops-bench-") as name:
        folder = Path(name)
        async with waiting((1 + len(WORKERS)) * many) as given:
            plans = Plans(folder, await Frontend(given.client, Pace()).namespace_id())
            await given.leave()
            plain = await apply(given, plans.of(given.take(many)), *options)
            lines.append(f"  apply, start to exit of the command:   {many / plain.seconds:6,.0f}/s")
            rates: list[float] = []
            for count in WORKERS:
                plan = plans.of(given.take(many))
                async with AsyncExitStack() as stack:
                    for number in range(count):
                        await stack.enter_async_context(worker(given, folder, 10 * count + number))
                    began = time.perf_counter()
                    done = await apply(given, plan, *options, "--durable")
                    whole = time.perf_counter() - began
                if done.report["totals"]["done"] != many:
                    raise RuntimeError(f"not everything was completed: {done.report['totals']}")
                rates.append(many / await batch_seconds(given, plan))
                lines.append(
                    f"  {count} worker{'s' if count > 1 else ''}, batch from start to end:      "
                    f"{rates[-1]:6,.0f}/s; the command, which reads back: {many / whole:,.0f}/s"
                )
    lines.append(
        f"  2 workers have {rates[1] / rates[0]:.2f} times the rate of 1 (server and workers "
        f"share two cores), 1 has {rates[0] * plain.seconds / many:.0%} of apply's"
    )
    return lines


def run(scale: float = 1.0) -> list[str]:
    """The lines to print."""
    return asyncio.run(measure(scale))


if __name__ == "__main__":
    sys.stdout.write("\n".join(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)) + "\n")
