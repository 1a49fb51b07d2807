"""How fast `pending list` is, against what one would do without it, on one server in one run.

Prints ratios, since times depend on the machine. `python -m benchmarks.pending [SCALE]`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client

from benchmarks.timing import environment, median
from stigmer_ops.handshake.token import synthesise
from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.server import TemporalServer, executable

WORKFLOWS = 5000
SAMPLE = 200
ROUNDS = 3
STARTS = 10
CONCURRENCY = 64

FEW, NONE = "a-tenth", "empty"
PYTHON = (sys.executable,)
STIGMER_OPS = (*PYTHON, "-m", "stigmer_ops")

SHELL_LOOP = r"""
"$TEMPORAL" workflow list --address "$ADDRESS" --limit "$SAMPLE" -o jsonl |
  grep -o '"execution":{"workflowId":"[^"]*"' | cut -d'"' -f6 |
  xargs -P8 -n1 "$TEMPORAL" workflow describe --address "$ADDRESS" -w
"""


@dataclass(frozen=True)
class Measured:
    """One process: its wall time in seconds, and its peak memory in MiB."""

    seconds: float
    peak: float
    out: str = ""


def measure(
    command: Sequence[str], *, variables: dict[str, str] | None = None, stdin: str = ""
) -> Measured:
    with (
        tempfile.TemporaryFile("w+") as given,
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        given.write(stdin)
        given.seek(0)
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=given, stdout=out, stderr=err, env={**environment(), **(variables or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            err.seek(0)
            raise RuntimeError(f"{command} exited {process.returncode}: {err.read()}")
        out.seek(0)
        return Measured(seconds, usage.ru_maxrss / 1024, out.read())


async def describe_all(address: str) -> None:
    """The bare client: describes every workflow and does nothing with it.

    Prints its rate of descriptions alone, and that with the listing before them.
    """
    client = await Client.connect(address)
    service = client.workflow_service
    began = time.perf_counter()
    request = ListWorkflowExecutionsRequest(
        namespace="default", query="ExecutionStatus='Running'", page_size=1000
    )
    executions = []
    while True:
        page = await service.list_workflow_executions(request, retry=True)
        executions += [workflow.execution for workflow in page.executions]
        if not page.next_page_token:
            break
        request.next_page_token = page.next_page_token
    todo = iter(executions)

    async def serve() -> None:
        for execution in todo:
            await service.describe_workflow_execution(
                DescribeWorkflowExecutionRequest(namespace="default", execution=execution),
                retry=True,
            )

    listed = time.perf_counter()
    await asyncio.gather(*(serve() for _ in range(CONCURRENCY)))
    ended = time.perf_counter()
    count = len(executions)
    sys.stdout.write(f"{count / (ended - listed)} {count / (ended - began)}\n")


class Bench:
    """One server with many workflows that wait, and what is measured on it."""

    def __init__(self, server: TemporalServer, count: int) -> None:
        self.address = server.address
        self.count = count

    def pending_list(self, *options: str, namespace: str = "default") -> Measured:
        """Run `pending list` without a limit on its rate."""
        return measure(
            (*STIGMER_OPS, "pending", "list", "--rps", "0", "-n", namespace, *options),
            variables={"TEMPORAL_ADDRESS": self.address},
        )

    def bare_rates(self) -> tuple[float, float]:
        """Descriptions a second of a client that does nothing else, and with its listing."""
        bare = measure((*PYTHON, "-m", "benchmarks.pending", "--bare", self.address))
        describing, with_listing = map(float, bare.out.split())
        return describing, with_listing

    def shell_loop_rate(self) -> float:
        """Descriptions a second of the loop that one types without this program."""
        sample = min(SAMPLE, self.count)
        variables = {
            "TEMPORAL": str(executable()), "ADDRESS": self.address, "SAMPLE": str(sample),
        }  # fmt: skip
        looped = measure(("bash", "-euo", "pipefail", "-c", SHELL_LOOP), variables=variables)
        described = looped.out.count("Pending Activities:")
        if described != sample:
            raise RuntimeError(f"the shell loop described {described} of {sample}")
        return sample / looped.seconds

    def compare(self) -> list[str]:
        """Measure all of them by turns; the lines to print."""
        shell = self.shell_loop_rate()
        bare: list[tuple[float, float]] = []
        lines: list[Measured] = []
        tables: list[Measured] = []
        idle: list[Measured] = []
        for _ in range(ROUNDS):
            bare.append(self.bare_rates())
            lines.append(self.pending_list("-o", "jsonl"))
            tables.append(self.pending_list())
            idle.append(self.pending_list("-o", "jsonl", namespace=NONE))
        if any(run.out.count("\n") != self.count for run in lines):
            raise RuntimeError("pending list did not find every activity")
        whole = self.count / median([run.seconds for run in lines])
        start_up = median([run.seconds for run in idle])
        without = self.count / (median([run.seconds for run in lines]) - start_up)
        describing = median([alone for alone, _ in bare])
        listing = median([both for _, both in bare])
        table = self.count / median([run.seconds for run in tables])
        few = median([self.pending_list("-o", "jsonl", namespace=FEW).peak for _ in range(ROUNDS)])
        few_rows = median([self.pending_list(namespace=FEW).peak for _ in range(ROUNDS)])
        return [
            f"{self.count} running workflows with one pending activity each, "
            f"medians of {ROUNDS} alternating runs",
            f"shell loop (xargs -P8)       {shell:8.0f} workflows/s, on a sample of {SAMPLE}",
            f"bare client                  {describing:8.0f} workflows/s, describing alone",
            f"                             {listing:8.0f} workflows/s, listing included",
            f"pending list -o jsonl        {whole:8.0f} workflows/s, whole process",
            f"                             {without:8.0f} workflows/s, without {start_up:.2f} s "
            "of start-up; listing included",
            f"pending list (table)         {table:8.0f} workflows/s, whole process",
            _ratio("pending list / shell loop, whole process", whole / shell, ">=", 25),
            _ratio("pending list / bare client, no start-up", without / describing, ">=", 0.8),
            _ratio("pending list / bare client, whole process", whole / describing),
            _ratio("  the same, bare client's listing included", whole / listing),
            _memory("jsonl", median([run.peak for run in lines]), few),
            _memory("table", median([run.peak for run in tables]), few_rows),
        ]


def _ratio(name: str, ratio: float, sign: str = "", target: float = 0.0) -> str:
    wanted = f"  (target {sign} {target:g})" if sign else ""
    return f"{name:44} {ratio:6.2f} x{wanted}"


def _memory(form: str, many: float, few: float) -> str:
    name = f"peak memory, all / a tenth, {form} ({many:.0f} / {few:.0f} MiB)"
    return _ratio(name, many / few, "<=", 1.3)


def start_up() -> list[str]:
    """Wall times of what starts without a server, against the imports of any such program."""
    token = synthesise(
        namespace_id="0fb1e9ae-9a3f-4d5c-8f2b-3f8c1c1f2a77", workflow_id="order-42",
        run_id="6a1d6e2e-4c6b-4b9e-9b61-0d0a6f0c7a11", scheduled_event_id=5, attempt=1,
        activity_id="5",
    ).hex()  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "token")
        file.write_text(token)
        commands = {
            "imports": (*PYTHON, "-c", "import typer, rich"),
            "--help": (*STIGMER_OPS, "--help"),
            "token decode": (*STIGMER_OPS, "token", "decode", "--token-file", str(file)),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(STARTS):
            for name, command in commands.items():
                times[name].append(measure(command).seconds)
    base = median(times.pop("imports"))
    return [
        f'python -c "import typer, rich" takes {base * 1000:.0f} ms, median of {STARTS}',
        *(
            _ratio(f"stigmer-ops {name}", median(taken) / base, "<=", 2.5)
            for name, taken in times.items()
        ),
    ]


async def _until_listed(client: Client, count: int) -> None:
    while (await client.count_workflows("ExecutionStatus='Running'")).count < count:  # noqa: ASYNC110 - visibility tells nobody that it has caught up
        await asyncio.sleep(0.2)


async def _scan(scale: float) -> list[str]:
    count = max(int(WORKFLOWS * scale), 20)
    async with TemporalServer(namespaces=(FEW, NONE)) as server:
        for namespace, number in (("default", count), (FEW, count // 10)):
            client = await Client.connect(server.address, namespace=namespace)
            await start_waiting(client, number)
            await _until_listed(client, number)
        return await asyncio.to_thread(Bench(server, count).compare)


def run(scale: float = 1.0) -> list[str]:
    """Measure everything; returns the lines to print.

    Args:
        scale: How many workflows, as a share of 5,000.
    """
    return [*asyncio.run(_scan(scale)), *start_up()]


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["--bare"]:
        asyncio.run(describe_all(arguments[1]))
        sys.stdout.flush()
        os._exit(0)  # as the command itself ends: see stigmer_ops/cli/main.py
    for line in run(float(arguments[0]) if arguments else 1.0):
        print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
