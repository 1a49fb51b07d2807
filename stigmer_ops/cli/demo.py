"""The demo: the real commands, run against a sandbox, in the order of an incident."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from stigmer_ops.cli.context import Invocation
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.output import console
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.sandbox import Sandbox

STUCK, LOST, HEALTHY = "order-4711", "order-4712", "order-4713"


async def run_demo(invocation: Invocation) -> ExitCode:
    """Start a sandbox, let a fault strike, find it, repair it, prove it.

    Returns:
        OK, or the code of the first command that did not end as it should.
    """
    invocation.say("starting a Temporal server with a simulated Zigflow and Stigmer …")
    async with Sandbox.start() as sandbox:
        stuck = await sandbox.start_handshake("token-not-passed", workflow_id=STUCK)
        lost = await sandbox.start_handshake("callback-fails", workflow_id=LOST)
        healthy = await sandbox.start_handshake("still-running", workflow_id=HEALTHY)
        await sandbox.settle(stuck, lost, healthy)
        with TemporaryDirectory() as directory:
            token_file = _token_file(Path(directory), healthy)
            variables = {
                **os.environ,
                **sandbox.environment(),
                "STIGMER_OPS_AUDIT_PATH": str(Path(directory, "audit.jsonl")),
            }
            story = Story(invocation, variables)
            code = await _tell(story, token_file)
    if code is ExitCode.OK:
        story.write(
            "Now break it yourself: run the sandbox in one terminal, and in another what it says. "
            "docs/tour.md is ten minutes of what to try.",
            "sandbox",
        )
    return code


def _token_file(directory: Path, handshake: Handshake) -> Path:
    path = directory / "token"
    path.write_bytes(handshake.executions()[0].spec.callback_token)
    return path


async def _tell(story: Story, token_file: Path) -> ExitCode:
    steps: tuple[tuple[str, tuple[str, ...], ExitCode], ...] = (
        (
            "You are paged: something is stuck. What is waiting, for how long, and until when?",
            ("pending", "list"),
            ExitCode.OK,
        ),
        (
            "Is the system itself healthy?",
            ("check", "--category", "temporal", "--category", "handshake"),
            ExitCode.FINDINGS,
        ),
        ("Why is each stuck, and what mends it?", ("diagnose",), ExitCode.FINDINGS),
        (
            "Is this task token worth anything? (That of a running execution; it is never shown.)",
            ("token", "validate", "--token-file", str(token_file)),
            ExitCode.OK,
        ),
        (
            f"The callback of {LOST} failed. What would redelivering its result do?",
            _write("redeliver", LOST, "--dry-run"),
            ExitCode.OK,
        ),
        (
            "Deliver it to exactly that attempt, and prove it from the history.",
            _write("redeliver", LOST, "--reason", "INC-1 callback lost", "--yes"),
            ExitCode.OK,
        ),
        (
            f"Nobody will ever answer {STUCK}. Complete it by hand.",
            _write("complete", STUCK, "--reason", "INC-1 token was not passed", "--yes"),
            ExitCode.OK,
        ),
        (
            "A second time is refused, and told why.",
            _write("complete", STUCK, "--reason", "INC-1 again", "--yes"),
            ExitCode.REFUSED,
        ),
        ("Is anything left?", ("diagnose",), ExitCode.OK),
        ("What was done, by whom, and why?", ("audit", "show"), ExitCode.OK),
        ("Is the record whole?", ("audit", "verify"), ExitCode.OK),
    )
    for sentence, arguments, expected in steps:
        code = await story.show(sentence, arguments)
        if code != expected:
            story.invocation.say(f"that command was to exit {expected.value}, and exited {code}")
            return ExitCode.FINDINGS
    return ExitCode.OK


def _write(verb: str, workflow_id: str, *more: str) -> tuple[str, ...]:
    return ("activity", verb, "-w", workflow_id, "-a", "5", *more)


class Story:
    """Tells what comes next, runs it, and lets its output through."""

    def __init__(self, invocation: Invocation, variables: Mapping[str, str]) -> None:
        self.invocation = invocation
        self._variables = variables

    def write(self, sentence: str, *arguments: str) -> None:
        """Tell what comes next, and the command to type for it."""
        told = textwrap.fill(
            sentence,
            console().width,
            initial_indent="# ",
            subsequent_indent="# ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        sys.stdout.write(f"\n{told}\n$ stigmer-ops {shlex.join(arguments)}\n")
        sys.stdout.flush()

    async def show(self, sentence: str, arguments: tuple[str, ...]) -> int:
        """Run one command; returns its exit code."""
        self.write(sentence, *arguments)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stigmer_ops",
            *arguments,
            env=self._variables,
            stdin=asyncio.subprocess.DEVNULL,
        )
        return await process.wait()
