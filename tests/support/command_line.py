"""The installed command, run as a user runs it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent
HARMLESS = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_START"}


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output, which must be JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without whatever would change what the command does."""
    kept = {name: value for name, value in os.environ.items() if name in HARMLESS}
    return {**kept, "COLUMNS": "120", **(variables or {})}


async def stigmer_ops(
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout_seconds: float = 60,
    directory: Path | None = None,
    program: Sequence[str] = (sys.executable, "-m", "stigmer_ops"),
) -> Finished:
    """Run `stigmer-ops` with `arguments` in `directory`; standard input is empty unless given."""
    process = await asyncio.create_subprocess_exec(
        *program,
        *arguments,
        env=environment(variables),
        cwd=directory,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin or b""), timeout_seconds)
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        raise AssertionError(
            f"stigmer-ops {' '.join(arguments)} did not end in {timeout_seconds} s\n"
            f"{out.decode()}\n{err.decode()}"
        ) from None
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


async def killed_at(place: str, *arguments: str, variables: Mapping[str, str]) -> None:
    """Run a command that dies at a place of its journal, as `support.killed` names them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.killed", place, *arguments),
        env={**environment(variables), "PYTHONPATH": str(TESTS)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == -9, f"{place}: {process.returncode}\n{out!r}\n{err!r}"
