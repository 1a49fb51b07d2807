"""A disk that is full: it is said, no half file is left, nothing is sent unaudited, and it resumes.

The limit is that of the process on the size of its files, which takes no privileges; a full disk
fails the same calls with another number. Plans that are under way are in test_apply_commands.py.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path

import pytest

from stigmer_ops.errors import ExitCode
from support.awaiting import ACTIVITY_ID, Awaiting
from support.command_line import Finished, environment, stigmer_ops
from support.hand_worker import unique

CONSENT = ("--reason", "INC-1 full disk", "--yes")
PLANNED = ("plan", "create", "--action", "extend", "--by", "1h", "--out", "plan.jsonl")
MADE = {
    "plan of a diagnosis": ("diagnose", "--plan-out", "plan.jsonl"),
    "plan": PLANNED,
    "report": ("report", "--out", "report.html"),
    "metrics": ("exporter", "--once", "--textfile", "metrics.prom"),
    "rules": ("alerts", "generate", "--out", "rules"),
}


@pytest.fixture(scope="module")
async def population(population: Awaiting) -> Awaiting:
    await population.start(f"order-{number}" for number in range(20))
    return population


class Disk:
    """A folder in which commands are typed, with or without room for what they write."""

    def __init__(self, folder: Path, population: Awaiting) -> None:
        self.folder = folder
        self.population = population
        client = population.client
        self.variables = {
            "TEMPORAL_ADDRESS": client.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": client.namespace,
            "STIGMER_OPS_AUDIT_PATH": str(folder / "audit.jsonl"),
            "STIGMER_OPS_PROCEDURES_PATH": str(folder / "procedures"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    async def types(self, *arguments: str, kilobytes: int | None = None) -> Finished:
        """Run a command; with `kilobytes`, no file can become larger."""
        if kilobytes is None:
            return await stigmer_ops(*arguments, variables=self.variables, directory=self.folder)
        command = shlex.join([sys.executable, "-m", "stigmer_ops"])
        limited = ("bash", "-c", f'ulimit -f {kilobytes}; exec {command} "$@"', "bash")
        return await stigmer_ops(
            *arguments, variables=self.variables, directory=self.folder, program=limited
        )

    def files(self) -> dict[str, bytes]:
        """All that is there, hidden files too."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    async def deadline(self, workflow_id: str) -> str:
        """When the server would time the activity out."""
        shown = await self.types("pending", "show", "-w", workflow_id, "-o", "json")
        (activity,) = shown.json["activities"]
        return str(activity["deadline"])


@pytest.fixture
def disk(tmp_path: Path, population: Awaiting) -> Disk:
    return Disk(tmp_path, population)


def is_told(finished: Finished, *, code: ExitCode) -> None:
    assert finished.code == code, finished.out + finished.err
    happened, *more = [line for line in finished.err.splitlines() if "File too large" in line]
    assert not more
    assert happened.startswith("error: cannot write")
    assert "  next: " in finished.err


@pytest.mark.parametrize("command", MADE.values(), ids=list(MADE))
async def test_no_half_file_is_left(disk: Disk, command: tuple[str, ...]) -> None:
    full = await disk.types(*command, kilobytes=1)

    assert "File too large" in full.err, full.err
    assert full.code in (ExitCode.USAGE, ExitCode.UNAVAILABLE), full.err
    assert disk.files() == {}
    again = await disk.types(*command)
    assert again.code in (ExitCode.OK, ExitCode.FINDINGS), again.err
    assert disk.files()


async def test_old_rules_stay_whole(disk: Disk) -> None:
    await disk.types("alerts", "generate", "--out", "rules")
    for path in disk.folder.glob("rules/*.yaml"):
        path.write_text("# mine\n" + path.read_text())
    before = disk.files()

    is_told(
        await disk.types("alerts", "generate", "--out", "rules", kilobytes=1), code=ExitCode.USAGE
    )

    assert disk.files() == before


async def test_no_room_for_the_intent_sends_nothing(disk: Disk) -> None:
    before = await disk.deadline("order-1")
    extend = ("activity", "extend", "-w", "order-1", "-a", ACTIVITY_ID, "--by", "1h", *CONSENT)

    is_told(await disk.types(*extend, kilobytes=0), code=ExitCode.REFUSED)

    assert await disk.deadline("order-1") == before
    assert (await disk.types(*extend)).code == ExitCode.OK
    assert (await disk.types("audit", "verify")).code == ExitCode.OK


async def test_no_room_for_the_outcome_is_told_and_the_trail_goes_on(disk: Disk) -> None:
    extend = ("activity", "extend", "-w", "order-2", "-a", ACTIVITY_ID, "--by", "1h", *CONSENT)

    is_told(await disk.types(*extend, kilobytes=1), code=ExitCode.PARTIAL)

    unfinished = await disk.types("audit", "verify", "-o", "json")
    assert unfinished.json["intact"]
    assert [one["target"]["workflow_id"] for one in unfinished.json["unfinished"]] == ["order-2"]
    assert (await disk.types(*extend)).code == ExitCode.OK
    assert (await disk.types("audit", "verify")).code == ExitCode.OK


async def test_window_is_resumed_when_there_is_room(disk: Disk, population: Awaiting) -> None:
    await population.start([unique("window")], start_to_close=1800)
    begin = ("maintenance", "begin", "--for", "1h", *CONSENT)

    is_told(await disk.types(*begin, kilobytes=0), code=ExitCode.REFUSED)
    assert not (disk.folder / "audit.jsonl").exists()
    half = await disk.types(*begin, kilobytes=4)
    assert half.code in (ExitCode.REFUSED, ExitCode.PARTIAL, ExitCode.USAGE), half.err
    begun = await disk.types(*begin)
    ended = await disk.types("maintenance", "end", *CONSENT)

    assert (begun.code, ended.code) == (ExitCode.OK, ExitCode.OK), begun.err + ended.err
    assert (await disk.types("audit", "verify")).code == ExitCode.OK


async def test_state_of_the_exporter_is_kept_until_there_is_room(disk: Disk) -> None:
    once = ("exporter", "--once", "--state-file", "state.json")
    assert (await disk.types(*once)).code == ExitCode.OK
    before = disk.files()

    full = await disk.types(*once, kilobytes=0)

    # What was counted is served all the same.
    assert "stigmer_pending_external_activities" in full.out
    assert "File too large" in full.err
    assert disk.files() == before
    assert (await disk.types(*once)).code == ExitCode.OK


@pytest.mark.parametrize("output", ["table", "json"])
async def test_result_that_cannot_be_written_is_no_defect(disk: Disk, output: str) -> None:
    command = shlex.join([sys.executable, "-m", "stigmer_ops", "pending", "list", "-o", output])
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"exec {command} >/dev/full"),
        env=environment(disk.variables),
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()

    assert process.returncode == ExitCode.UNAVAILABLE
    assert b"cannot write standard output: No space left on device" in err


async def test_dry_run_and_verification_need_room_for_temporary_files(disk: Disk) -> None:
    assert (await disk.types(*PLANNED)).code == ExitCode.OK
    before = os.listdir(disk.folder)  # noqa: PTH208 - pathlib's way counts as blocking

    for command in (("apply", "plan.jsonl", "--dry-run"), ("plan", "verify", "plan.jsonl")):
        full = await disk.types(*command, kilobytes=0)
        assert full.code == ExitCode.UNAVAILABLE, full.err
        assert "cannot write a temporary file" in full.err
        assert "TMPDIR" in full.err
    assert os.listdir(disk.folder) == before  # noqa: PTH208 - as above
