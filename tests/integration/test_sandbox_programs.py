"""Programs beside the sandbox's server: they can be used at once, and nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stigmer_ops.errors import UnavailableError
from stigmer_ops.sandbox.program import Program

SERVES = "import sys; from http.server import test, SimpleHTTPRequestHandler as H; "
SERVES += "test(H, port=int(sys.argv[1]), bind='127.0.0.1')"


def serving(files: dict[str, str] | None = None, seen: list[Path] | None = None) -> Program:
    """A web server of its own directory."""

    def command(address: str, directory: Path) -> list[str]:
        if seen is not None:
            seen.append(directory)
        port = address.rpartition(":")[2]
        change = f"import os; os.chdir({str(directory)!r}); "
        return [sys.executable, "-c", change + SERVES, port]

    return Program("Web", command, files=files, ready_path="/")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what a process does cannot be awaited
            await asyncio.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_program_serves_its_files_and_leaves_nothing() -> None:
    seen: list[Path] = []
    async with serving({"rules.yaml": "groups: []\n"}, seen) as program:
        assert program.running
        assert (seen[0] / "rules.yaml").read_text() == "groups: []\n"
        before = program.address
        await program.stop()
        await program.start()
        assert program.address == before
    assert [path for path in seen if path.exists()] == []


async def test_program_that_ends_at_once_says_its_last_words() -> None:
    program = Program(
        "Web",
        lambda _address, _directory: [sys.executable, "-c", "raise SystemExit('no such flag')"],
    )
    with pytest.raises(UnavailableError, match="ended while it was starting: no such flag"):
        await program.start()
    assert not program.running


async def test_program_that_ends_by_itself_is_told() -> None:
    async with serving() as program:
        ended = asyncio.create_task(program.ended())
        process = program._process
        assert process is not None
        os.kill(process.pid, signal.SIGTERM)
        with pytest.raises(UnavailableError, match="ended"):
            await asyncio.wait_for(ended, 20)


async def test_nothing_survives_a_parent_that_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "told"
    parent = f"""
import asyncio, sys
from pathlib import Path
from stigmer_ops.sandbox.program import Program

async def main():
    def command(address, directory):
        Path({str(told)!r}).write_text(str(directory))
        return [sys.executable, "-c", {SERVES!r}, address.rpartition(":")[2]]
    async with Program("Web", command, ready_path="/") as program:
        print(program._process.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    supervisor = int(await process.stdout.readline())
    directory = Path(told.read_text())
    await until(directory.is_dir)
    process.kill()
    await process.wait()
    await until(lambda: not alive(supervisor))
    await until(lambda: not directory.exists())
