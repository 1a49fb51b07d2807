"""How fast `logs correlate` reads, against `grep -F` on the same file, and with how much memory.

The file is of the size that a day of a busy service has: lines of all layouts, in which one
handshake a megabyte is hidden. The installed command reads it, as a person would have it do.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stigmer_ops.logs.messages import MESSAGES

GIGABYTE = 1_000_000_000
_CHUNK_BYTES = 1_000_000
_SEED = 20261124
_WORDS = [
    *("request", "served", "session", "cache", "miss", "query", "plan", "retry", "connection"),
    *("pool", "idle", "worker", "task", "queue", "activity", "workflow", "execution", "token"),
    *("temporal", "stigmer", "status", "update", "sent", "streaming", "agent", "finished"),
]


@dataclass(frozen=True)
class Run:
    """One finished process: wall time in seconds, peak memory in bytes."""

    seconds: float
    peak: int


def run(scale: float = 1.0) -> list[str]:
    """Measure on a file of `scale` gigabytes; returns the lines to print."""
    with tempfile.TemporaryDirectory(prefix="stigmer-ops-bench-") as directory:
        whole = Path(directory, "whole.log")
        tenth = Path(directory, "tenth.log")
        dense = Path(directory, "dense.log")
        handshakes = write_log(whole, scale * GIGABYTE)
        write_log(tenth, scale * GIGABYTE / 10)
        dense_lines = write_log(dense, scale * GIGABYTE / 10, handshakes_a_chunk=10) * 10
        _measured(["wc", "-l", str(whole)])  # fills the page cache: nobody waits for the disk
        one_word = _measured(["grep", "-Fc", "external activity", str(whole)])
        command = _correlated(whole)
        return [
            f"correlate: {whole.stat().st_size / 1e6:,.0f} MB, {handshakes:,} handshakes",
            _row("grep -F, one string", whole, one_word),
            _row("grep -F, all strings of the registry", whole, _grep_all(whole, directory)),
            _row("logs correlate, all handshakes", whole, command),
            _row("logs correlate, one handshake in full", whole, _correlated(whole, "-e", "aex_1")),
            f"  ratio: {command.seconds / one_word.seconds:.1f} times the time of grep -F",
            _row(f"logs correlate, {dense_lines:,} lines of handshakes", dense, _correlated(dense)),
            f"  peak memory: {command.peak / 1e6:,.0f} MB, on a tenth of the file "
            f"{_correlated(tenth).peak / 1e6:,.0f} MB",
        ]


def write_log(path: Path, size: float, *, handshakes_a_chunk: int = 1) -> int:
    """Write a log of about `size` bytes; returns how many handshakes are in it."""
    generator = random.Random(_SEED)
    noise = [
        b"".join(_noise(generator, number) for number in range(_CHUNK_BYTES // 140))
        for _ in range(8)
    ]
    count = 0
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(generator.choice(noise))
            for _ in range(handshakes_a_chunk):
                file.write(_handshake(count))
                count += 1
    return count


def _noise(generator: random.Random, number: int) -> bytes:
    words = " ".join(generator.choices(_WORDS, k=generator.randint(5, 14)))
    second = number % 60
    layouts = (
        f'{{"level":"info","execution_id":"aex_n{number}","time":{1769076672 + number},'
        f'"message":"{words}"}}',
        f"2026/01/22 10:11:{second:02} INFO  {words} WorkflowID order-n{number} Attempt 1",
        f"2026-01-22T10:11:{second:02}.345Z  INFO 1 --- [worker-1] a.s.SomeClass : {words}",
        f"2026-01-22 10:11:{second:02},345 - temporalio.activity - INFO - {words}",
    )
    return generator.choice(layouts).encode() + b"\n"


def _handshake(number: int) -> bytes:
    execution, run_id = f"aex_{number}", f"01980000-0000-7000-8000-{number:012}"
    at = f"2026/01/22 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
    external = f"ActivityID 5 Attempt 1 WorkflowID order-{number} RunID {run_id}"
    stigmer = f"WorkflowID stigmer/agent-execution/invoke/{execution} RunID {run_id[::-1]}"
    messages = (
        f"Extracted Temporal task token for async completion {external}",
        f"Callback token present - workflow will complete external activity on finish "
        f"execution_id={execution}",
        f"Agent execution created with callback token {external} execution_id {execution}",
        f"Returning activity.ErrResultPending {external} execution_id {execution}",
        f"Starting workflow for execution {stigmer} execution_id {execution}",
        f"Callback token detected {stigmer} execution_id {execution} token_length 120",
        f"Workflow completed for execution {stigmer} execution_id {execution}",
        f"Completing external activity {stigmer}",
        f"Reporting success to external activity {stigmer}",
        f"Successfully completed external activity {stigmer}",
    )
    return b"".join(f"{at} INFO  {message}\n".encode() for message in messages)


def _correlated(path: Path, *options: str) -> Run:
    command = [sys.executable, "-m", "stigmer_ops", "logs", "correlate", "--offline", str(path)]
    return _measured([*command, *options, "-o", "json"])


def _grep_all(path: Path, directory: str) -> Run:
    patterns = Path(directory, "patterns")
    patterns.write_text("".join(f"{text}\n" for text in {message.text for message in MESSAGES}))
    return _measured(["grep", "-Fc", "-f", str(patterns), str(path)])


def _measured(command: Sequence[str]) -> Run:
    # Not to /dev/null: grep would stop at the first match.
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            command, stdout=output, env={**os.environ, "LC_ALL": "C.UTF-8"}
        ) as process,
    ):
        began = time.perf_counter()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{command[0]} exited with {process.returncode}")
    return Run(seconds, usage.ru_maxrss * 1024)


def _row(what: str, path: Path, measured: Run) -> str:
    speed = path.stat().st_size / 1e6 / measured.seconds
    return f"  {what:<42} {measured.seconds:7.2f} s {speed:8,.0f} MB/s"


if __name__ == "__main__":
    sys.stdout.write("\n".join(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)) + "\n")
