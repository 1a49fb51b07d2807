"""Two operators at once: every activity ends once, each is told the truth, and the audits hold.

On one machine locks keep them apart. On two, with state directories of their own, only the server
does: of two fenced writes to an attempt it accepts one.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.errors import ExitCode
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.plan_file import open_plan
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.awaiting import ACTIVITY_ID, Awaiting
from support.command_line import Finished, stigmer_ops
from support.hand_worker import unique
from support.plans import written_plan

ENDINGS = ("activity_task_completed_event_attributes", "activity_task_failed_event_attributes")
TOGETHER = ("--rps", "40", "--concurrency", "2", "--canary", "0")
"""Slow enough for two runs to be under way at the same time."""
AT_LENGTH = ("--rps", "4", "--concurrency", "2", "--canary", "0")
"""Slow enough for a run to be under way however late the other is started."""


@dataclass
class Operator:
    """Somebody with a ticket, at a machine with a state directory."""

    ticket: str
    folder: Path
    population: Awaiting
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        client = self.population.client
        self.variables |= {
            "TEMPORAL_ADDRESS": client.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": client.namespace,
            "STIGMER_OPS_AUDIT_PATH": str(self.folder / "audit.jsonl"),
            "STIGMER_OPS_PROCEDURES_PATH": str(self.folder / "procedures"),
        }

    async def types(self, *arguments: str) -> Finished:
        return await stigmer_ops(*arguments, variables=self.variables)

    async def writes(self, *arguments: str) -> Finished:
        return await self.types(*arguments, "--reason", self.ticket, "--yes", "-o", "json")

    async def plans(self, name: str, workflows: Iterable[str], action: Action) -> str:
        """The path of a plan for these workflows' activities."""
        path = self.folder / name
        frontend = Frontend(self.population.client, Pace(rps=0))
        await written_plan(path, frontend, [self.population.row(w, action) for w in workflows])
        return str(path)

    async def recorded(self) -> Counter[str]:
        """How many operations of mine ended how, by a trail that must be whole."""
        verified = await self.types("audit", "verify", "-o", "json")
        assert verified.code == ExitCode.OK, verified.out
        assert verified.json["unfinished"] == []
        shown = await self.types("audit", "show", "--limit", "0", "-o", "json")
        return Counter(
            operation["outcome"]["result"]
            for operation in shown.json["operations"]
            if operation["reason"] == self.ticket and operation["target"]
        )


@pytest.fixture
def here(population: Awaiting, tmp_path: Path) -> tuple[Operator, Operator]:
    """Two at the same machine."""
    folder = tmp_path / "here"
    return Operator("INC-1", folder, population), Operator("INC-2", folder, population)


@pytest.fixture
def apart(population: Awaiting, tmp_path: Path) -> tuple[Operator, Operator]:
    """Two at machines of their own."""
    return (
        Operator("INC-1", tmp_path / "one", population),
        Operator("INC-2", tmp_path / "two", population),
    )


async def workflows(population: Awaiting, count: int) -> list[str]:
    prefix = unique("order")
    return await population.start(f"{prefix}-{number}" for number in range(count))


async def tickets(population: Awaiting, names: Iterable[str]) -> dict[str, str]:
    """Who ended the activity of each workflow, which must have ended exactly once."""
    found = {}
    for name in names:
        history = await population.client.get_workflow_handle(name).fetch_history()
        (ticket,) = [
            re.findall(r"INC-\d", getattr(event, kind).identity)[0]
            for event in history.events
            for kind in ENDINGS
            if event.HasField(kind)  # type: ignore[arg-type] # one of its fields
        ]
        found[name] = ticket
    return found


def done(report: Finished) -> set[str]:
    """The workflows that a report of `apply` claims."""
    return {row["workflow_id"] for row in report.json["rows"] if row["outcome"] == "done"}


def rows_of(report: Finished) -> dict[str, Any]:
    return {row["workflow_id"]: row for row in report.json["rows"]}


async def test_one_plan_on_one_machine_is_applied_by_one(
    here: tuple[Operator, Operator], population: Awaiting
) -> None:
    first, second = here
    names = await workflows(population, 12)
    plan = await first.plans("plan.jsonl", names, Action.COMPLETE)

    finished = await asyncio.gather(
        first.writes("apply", plan, *AT_LENGTH), second.writes("apply", plan, *AT_LENGTH)
    )

    by = await tickets(population, names)
    (winner,) = set(by.values())
    kept_out = finished[winner == "INC-1"]
    assert sorted(one.code for one in finished) == [ExitCode.OK, ExitCode.REFUSED]
    assert "another process is applying this plan" in kept_out.err
    assert await first.recorded() + await second.recorded() == {"done": 12}


async def test_copies_of_a_plan_on_two_machines_end_each_activity_once(
    apart: tuple[Operator, Operator], population: Awaiting
) -> None:
    names = await workflows(population, 20)
    plans = [await one.plans("plan.jsonl", names, Action.COMPLETE) for one in apart]

    reports = await asyncio.gather(
        *(one.writes("apply", plan, *TOGETHER) for one, plan in zip(apart, plans, strict=True))
    )

    by = await tickets(population, names)
    for one, report in zip(apart, reports, strict=True):
        # The plan has done all of it; whoever has, is named.
        assert report.code == ExitCode.OK, report.err
        assert done(report) == set(names)
        for name, row in rows_of(report).items():
            assert re.findall(r"INC-\d", row["by"] or one.ticket) == [by[name]], row
        assert (await one.recorded()).keys() <= {"done"}


async def test_plans_that_overlap_and_disagree_are_told_apart(
    here: tuple[Operator, Operator], population: Awaiting
) -> None:
    first, second = here
    names = await workflows(population, 18)
    completing = await first.plans("complete.jsonl", names[:12], Action.COMPLETE)
    failing = await second.plans("fail.jsonl", names[6:], Action.FAIL)

    reports = await asyncio.gather(
        first.writes("apply", completing, *TOGETHER), second.writes("apply", failing, *TOGETHER)
    )

    by = await tickets(population, names)
    claims = [done(report) for report in reports]
    assert claims[0] | claims[1] == set(names)
    assert claims[0] & claims[1] == set()
    assert claims[0] == {name for name, ticket in by.items() if ticket == "INC-1"}
    # One trail for both: its chain is whole, and it holds what each of them did.
    assert (await first.recorded())["done"] == len(claims[0])
    assert (await second.recorded())["done"] == len(claims[1])


async def test_completion_by_hand_meets_a_plan(
    apart: tuple[Operator, Operator], population: Awaiting
) -> None:
    planner, hand = apart
    names = await workflows(population, 6)
    plan = await planner.plans("plan.jsonl", names, Action.COMPLETE)
    by_hand = [
        hand.writes("activity", "complete", "-w", name, "-a", ACTIVITY_ID) for name in names[3:]
    ]

    report, *manual = await asyncio.gather(planner.writes("apply", plan, *TOGETHER), *by_hand)

    by = await tickets(population, names)
    assert done(report) == {name for name, ticket in by.items() if ticket == "INC-1"}
    for name, finished in zip(names[3:], manual, strict=True):
        expected = ExitCode.OK if by[name] == "INC-2" else ExitCode.REFUSED
        assert finished.code == expected, finished.err
    assert (await hand.recorded())["done"] == sum(one.code == 0 for one in manual)


async def test_two_completions_of_one_activity(
    apart: tuple[Operator, Operator], population: Awaiting
) -> None:
    (name,) = await workflows(population, 1)

    finished = await asyncio.gather(
        *(one.writes("activity", "complete", "-w", name, "-a", ACTIVITY_ID) for one in apart)
    )

    by = await tickets(population, [name])
    for one, each in zip(apart, finished, strict=True):
        assert each.code == (ExitCode.OK if by[name] == one.ticket else ExitCode.REFUSED), each.err


async def test_one_window_is_begun_on_one_machine(
    here: tuple[Operator, Operator], population: Awaiting
) -> None:
    names = await population.start([unique("window")], start_to_close=1800)
    begin = ("maintenance", "begin", "--for", "1h")

    finished = await asyncio.gather(*(one.writes(*begin) for one in here))
    status = await here[0].types("maintenance", "status", "-o", "json")
    ended = await here[0].writes("maintenance", "end")

    assert sorted(one.code for one in finished) == [ExitCode.OK, ExitCode.REFUSED], [
        one.err for one in finished
    ]
    assert status.json["state"] == "open"
    assert ended.code == ExitCode.OK, ended.err
    (activity,) = [
        one
        for one in (await here[0].types("pending", "list", "-o", "json")).json["activities"]
        if one["workflow_id"] == names[0]
    ]
    assert timedelta(seconds=activity["time_left_seconds"]) < timedelta(minutes=30)


async def test_plan_goes_on_while_a_window_is_begun(
    here: tuple[Operator, Operator], population: Awaiting
) -> None:
    names = await workflows(population, 8)
    plan = await here[0].plans("plan.jsonl", names, Action.COMPLETE)

    applied, begun = await asyncio.gather(
        here[0].writes("apply", plan, *TOGETHER),
        here[1].writes("maintenance", "begin", "--for", "1h"),
    )
    ended = await here[1].writes("maintenance", "end")

    assert [applied.code, begun.code, ended.code] == [0, 0, 0], applied.err + begun.err + ended.err
    assert set((await tickets(population, names)).values()) == {"INC-1"}
    assert (await here[0].recorded())["done"] == 8


async def test_one_path_gets_one_plan(
    here: tuple[Operator, Operator], population: Awaiting
) -> None:
    await workflows(population, 4)
    folder = here[0].folder
    path = folder / "plan.jsonl"
    create = ("plan", "create", "--action", "extend", "--by", "1h", "--out", str(path))

    finished = await asyncio.gather(*(here[0].types(*create) for _ in range(3)))

    assert sorted(one.code for one in finished) == [0, 2, 2], [one.err for one in finished]
    assert sum("exists, and a plan is never overwritten" in one.err for one in finished) == 2
    assert os.listdir(folder) == [path.name]  # noqa: PTH208 - pathlib's way counts as blocking
    with open_plan(path) as plan:
        assert not plan.edited
        assert plan.tally.rows >= 4


async def test_two_drains_agree(here: tuple[Operator, Operator], population: Awaiting) -> None:
    await workflows(population, 1)
    drain = ("drain", "--timeout", "0s", "-o", "json")
    finished = await asyncio.gather(*(one.types(*drain) for one in here))
    assert [one.code for one in finished] == [ExitCode.FINDINGS, ExitCode.FINDINGS]
    assert len({one.json["pending"] for one in finished}) == 1
