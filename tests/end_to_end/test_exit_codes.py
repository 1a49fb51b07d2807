"""Each exit code of the table is reached, by the command that a person would type."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from stigmer_ops.audit import OutcomeNotRecordedError
from stigmer_ops.cli.commands import run
from stigmer_ops.cli.option_sets import Common
from stigmer_ops.errors import ExitCode
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import environment, stigmer_ops

NOBODY = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}


async def test_0_done() -> None:
    done = await stigmer_ops("config", "check")
    assert (done.code, done.err) == (ExitCode.OK, "")


async def test_1_findings(tmp_path: Path) -> None:
    broken = tmp_path / "audit.jsonl"
    broken.write_text('{"sequence": 1}\n')
    done = await stigmer_ops("audit", "verify", "--file", str(broken))
    assert done.code == ExitCode.FINDINGS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pending", "lisst"), "list"),
        (("pending", "list", "--older-than", "4x"), "4x"),
        (("pending", "list", "--no-such-option"), "--no-such-option"),
        (("config", "check", "--config", "/nonexistent.yaml"), "/nonexistent.yaml"),
        (("token", "decode", "--token-file", "/nonexistent"), "/nonexistent"),
    ],
)
async def test_2_usage(arguments: tuple[str, ...], said: str) -> None:
    done = await stigmer_ops(*arguments)
    assert done.code == ExitCode.USAGE
    assert said in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    "arguments", [("pending", "list"), ("pending", "summary"), ("diagnose",), ("worker", "list")]
)
async def test_3_unavailable(arguments: tuple[str, ...]) -> None:
    done = await stigmer_ops(*arguments, variables=NOBODY)
    assert done.code == ExitCode.UNAVAILABLE
    assert "127.0.0.1:1" in done.err
    assert "next: " in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


async def test_4_refused() -> None:
    write = ("activity", "complete", "-w", "w", "-a", "5", "--reason", "INC-1", "--yes")
    done = await stigmer_ops(*write, variables={**NOBODY, "STIGMER_OPS_READ_ONLY": "1"})
    assert done.code == ExitCode.REFUSED
    assert "read-only" in done.err
    assert "nothing was sent" in done.err


def test_5_partly_done() -> None:
    def partly(_: object) -> ExitCode:
        raise OutcomeNotRecordedError("the disk is full")

    assert run(Common(), partly) is ExitCode.PARTIAL


def test_70_defect(capsys: pytest.CaptureFixture[str]) -> None:
    def defective(_: object) -> ExitCode:
        raise ZeroDivisionError("secret-in-a-message")

    assert run(Common(), defective) is ExitCode.INTERNAL
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert "secret-in-a-message" not in said
    assert "--debug" in said


async def test_130_interrupted(sandbox: Sandbox) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "stigmer_ops",
        "pending",
        "watch",
        "-o",
        "jsonl",
        env=environment(sandbox.environment()),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 30)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert b"Traceback" not in err


async def test_json_error_is_json() -> None:
    done = await stigmer_ops("pending", "list", "-o", "json", variables=NOBODY)
    assert done.code == ExitCode.UNAVAILABLE
    assert '"reference": "unavailable"' in done.err
