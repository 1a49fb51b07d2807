"""The tour of the sandbox, taken: every command of its page, as a reader would paste it."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from stigmer_ops.handshake.remedies import TICKET_TO_FILL_IN
from stigmer_ops.sandbox.environment_file import places_in
from stigmer_ops.sandbox.faults import FAULTS
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, stigmer_ops
from support.runbook_blocks import arguments_of, blocks

PAGE = Path(__file__).parent.parent.parent / "docs" / "tour.md"
BEGINS, NEEDS_MORE = "1. Break everything", "8. See the alerts arrive"
ENDLESS = "watch"
REPAIRED_BY_HAND = "callback-fails"
FINDS = {"diagnose", "check"}
"""They exit with 1 here, because there is something to find."""


def steps() -> Iterator[list[str]]:
    """The commands between the start of the sandbox and the part that needs Prometheus."""
    for block in blocks(PAGE.read_text()):
        if block.section in (BEGINS, NEEDS_MORE):
            continue
        for command in block.commands:
            for line in arguments_of(command.text):
                yield shlex.split(line)


@pytest.fixture
async def everything(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    """Everything broken, as slowly as the page advises for a machine that is busy."""
    async with Sandbox.start(
        server=sandbox.server, namespace=await sandbox.new_namespace(), time_scale=0.05
    ) as slow:
        missing: list[str] = []
        await slow.populate(
            {fault.id: 1 for fault in FAULTS},
            # As `sandbox` does: what a busy machine does not bring about in time is left out.
            not_seen=lambda handshake, _error: missing.append(handshake.fault_names),
        )
        assert REPAIRED_BY_HAND not in missing
        yield slow


@pytest.mark.timeout(600)
async def test_tour_works_as_written(everything: Sandbox, tmp_path: Path) -> None:
    variables = {
        **everything.environment(),
        **places_in(tmp_path),
        "STIGMER_OPS_THRESHOLDS_SMOKE_BUDGET": "10s",  # of this machine: others use it too
    }

    async def typed(*words: str) -> Finished:
        # A person reads what is shown, and says yes.
        yes = ("--yes",) if {"--reason"} & set(words) and "--dry-run" not in words else ()
        ended = await stigmer_ops(
            *words, *yes, variables=variables, directory=tmp_path, timeout_seconds=200
        )
        assert ended.code == (1 if words[0] in FINDS else 0), (words, ended.out, ended.err)
        return ended

    for words in steps():
        if words == [ENDLESS]:
            continue
        if "--verdict" in words:
            found = await typed(*words, "-o", "json")
            proposed = found.json["items"][0]["commands"]
            (repair,) = (one for one in proposed if " redeliver " in one)
            (line,) = arguments_of(repair)
            as_it_stands = shlex.split(line)
            refused = await stigmer_ops(*as_it_stands, "--yes", variables=variables)
            assert (refused.code, TICKET_TO_FILL_IN in refused.err) == (2, True)
            await typed(*(word.replace(TICKET_TO_FILL_IN, "TOUR-1") for word in as_it_stands))
            continue
        await typed(*words)

    left = await typed("diagnose", "-o", "json")
    # Who extended as the page says is not told that the timeouts are too long now.
    too_long = [item for item in left.json["items"] if "is longer than" in str(item["evidence"])]
    assert len(too_long) == 1
    assert set(left.json["counts"]) <= set(re.findall(r"`([a-z-]+)`", PAGE.read_text()))
