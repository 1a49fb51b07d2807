"""The runner: in order, written down before, resumed after being cut off at any instant."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stigmer_ops.audit import Result, verify
from stigmer_ops.errors import ExitCode, UnavailableError, UsageError
from stigmer_ops.procedures.apply.run import Operator
from stigmer_ops.procedures.runner.journal import (
    ProcedureJournalError,
    ProcedureLockedError,
    StepRecord,
    next_run,
    open_journal,
    read_journal,
    runs,
)
from stigmer_ops.procedures.runner.run import (
    Author,
    PreconditionError,
    ProcedureRun,
    Standing,
    StepDoubtfulError,
    planned,
)
from stigmer_ops.procedures.runner.step import (
    Step,
    StepResult,
    StepState,
    Task,
    doing,
    done,
    found,
    undoing,
    waiting,
)
from support.audit import records, trail_at

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
AUTHOR = Author(
    Operator("alice", "bastion-1", "stigmer-ops:alice@bastion-1 INC-7", "INC-7 upgrade"),
    "maintenance begin",
    "default",
    "127.0.0.1:7233",
)


class CutOffError(Exception):
    """Stands for kill -9: nothing of the program runs any further."""


@dataclass
class Valves:
    """What the steps of these tests change: valves that are open or closed."""

    open: set[str] = field(default_factory=set)
    turned: list[str] = field(default_factory=list)
    cut_off: str = ""
    unreachable: str = ""
    stuck: str = ""
    by_hand: str = ""
    odd: str = ""

    def turn(self, name: str, place: str) -> None:
        if self.cut_off == f"{name} {place}":
            raise CutOffError


@dataclass(frozen=True)
class Valve:
    """What is done to one valve."""

    name: str

    async def open(self, world: Valves, record: StepRecord) -> StepResult:
        if world.by_hand == self.name and not record.confirmed:
            return waiting("to be turned by hand", [f"turn {self.name}"])
        if world.odd == self.name:
            return found("it drips", ["one drop"])
        if not record.notes:
            record.note(was=self.name in world.open)
        world.turn(self.name, "before")
        if world.unreachable == self.name:
            raise UnavailableError(f"valve {self.name} does not answer")
        if self.name not in world.open:
            world.turned.append(self.name)
        world.open.add(self.name)
        world.turn(self.name, "after")
        return done(f"{self.name} is open", {"opened": self.name})

    async def undo(self, world: Valves, record: StepRecord) -> StepResult:
        if not record.of(self.name).notes[0]["was"]:
            world.open.discard(self.name)
        world.turned.append(f"-{self.name}")
        return done(f"{self.name} is as it was")

    async def verify(self, world: Valves, _record: StepRecord) -> str:
        return "nothing flows" if world.stuck == self.name else ""

    async def precondition(self, world: Valves) -> str:
        return "the pipe is hot" if world.stuck == f"hot {self.name}" else ""

    async def skip(self, _world: Valves) -> str:
        return "there is none" if self.name == "none" else ""

    async def plan(self, _world: Valves, _record: StepRecord) -> Sequence[str]:
        return [f"turn {self.name}"]


def valve(name: str) -> Step[Valves]:
    one = Valve(name)
    return Step(
        id=name,
        sentence=f"Open valve {name}",
        page="maintenance#mitigation",
        act=one.open,
        undo=one.undo,
        undo_sentence=f"Close valve {name}",
        verify=one.verify,
        precondition=one.precondition,
        skip=one.skip,
        plan=one.plan,
    )


STEPS = [valve("a"), valve("none"), valve("b"), valve("c")]
BEGIN = doing(*STEPS)
END = undoing(*reversed(STEPS))


async def run(
    folder: Path, world: Valves, tasks: Sequence[Task[Valves]] = BEGIN, *confirmed: str
) -> tuple[ExitCode, list[str]]:
    """Carry tasks out as a new process would; the exit code, and the states of the tasks."""
    trail = trail_at(folder.parent / "audit.jsonl")
    with open_journal(folder) as journal:
        if not journal.head:
            journal.open_head("valves", {"valves": 3}, NOW)
        standing: Standing[Valves] = Standing(journal, tuple(tasks))
        runner = ProcedureRun(
            journal, world, AUTHOR, trail, now=lambda: NOW, observer=lambda *_: None
        )
        await runner.carry_out(standing, confirmed=confirmed)
        if standing.error is not None:
            raise standing.error
        return standing.exit_code, [standing.progress(task).state.value for task in tasks]


async def test_steps_are_done_in_order_and_only_once(tmp_path: Path) -> None:
    world = Valves()
    assert await run(tmp_path / "0001", world) == (0, ["done", "skipped", "done", "done"])
    assert await run(tmp_path / "0001", world) == (0, ["done", "skipped", "done", "done"])
    assert world.turned == ["a", "b", "c"]
    commands = [record.intent.command for record in records(tmp_path / "audit.jsonl")]
    assert commands == [f"maintenance begin {name}" for name in "aabbcc"]


@pytest.mark.parametrize("place", ["a before", "a after", "b before", "b after", "c after"])
async def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path: Path, place: str) -> None:
    world = Valves(cut_off=place)
    with pytest.raises(CutOffError):
        await run(tmp_path / "0001", world)
    interrupted = read_journal(tmp_path / "0001").progress(place[0])
    assert interrupted.state is StepState.BEGUN
    world.cut_off = ""
    assert (await run(tmp_path / "0001", world))[0] == 0
    assert world.turned == ["a", "b", "c"]
    trail = records(tmp_path / "audit.jsonl")
    last = {record.operation_id: record.outcome for record in trail}
    assert all(outcome and outcome.result is Result.DONE for outcome in last.values())
    assert len(last) == 3, "what was cut off is the same operation when it goes on"
    assert verify(tmp_path / "audit.jsonl").broken is None


async def test_end_undoes_only_what_was_done_in_reverse_and_once(tmp_path: Path) -> None:
    world = Valves(unreachable="c", open={"b"})
    with pytest.raises(UnavailableError, match="valve c"):
        await run(tmp_path / "0001", world)
    assert read_journal(tmp_path / "0001").progress("c").state is StepState.FAILED
    for _ in range(2):
        code, states = await run(tmp_path / "0001", world, END)
        assert (code, states) == (0, ["done", "done", "skipped", "done"])
    assert world.turned == ["a", "-c", "-b", "-a"]
    assert world.open == {"b"}, "it was open before"


async def test_what_was_never_begun_is_not_undone(tmp_path: Path) -> None:
    world = Valves(stuck="hot b")
    with pytest.raises(PreconditionError, match="the pipe is hot"):
        await run(tmp_path / "0001", world)
    _, states = await run(tmp_path / "0001", world, END)
    assert states == ["skipped", "skipped", "skipped", "done"]
    assert world.turned == ["a", "-a"]


async def test_what_cannot_be_verified_has_failed_and_is_tried_again(tmp_path: Path) -> None:
    world = Valves(stuck="b")
    with pytest.raises(StepDoubtfulError, match="b is open, but nothing flows"):
        await run(tmp_path / "0001", world)
    world.stuck = ""
    assert (await run(tmp_path / "0001", world))[0] == 0


async def test_a_finding_does_not_stop_the_run_and_is_looked_at_again(tmp_path: Path) -> None:
    world = Valves(odd="a")
    code, states = await run(tmp_path / "0001", world)
    assert (code, states) == (1, ["found", "skipped", "done", "done"])
    world.odd = ""
    assert (await run(tmp_path / "0001", world))[0] == 0


async def test_a_step_by_hand_waits_until_it_is_confirmed(tmp_path: Path) -> None:
    world = Valves(by_hand="b")
    for _ in range(2):
        assert await run(tmp_path / "0001", world) == (5, ["done", "skipped", "waiting", "pending"])
    assert read_journal(tmp_path / "0001").progress("b").lines == ("turn b",)
    with pytest.raises(UsageError, match="there is no such step"):
        await run(tmp_path / "0001", world, BEGIN, "z")
    for _ in range(2):
        assert (await run(tmp_path / "0001", world, BEGIN, "b"))[0] == 0


async def test_a_step_can_be_confirmed_before_it_waits(tmp_path: Path) -> None:
    assert (await run(tmp_path / "0001", Valves(by_hand="b"), BEGIN, "b"))[0] == 0


async def test_the_plan_shows_what_would_be_done_and_what_is_in_the_way(tmp_path: Path) -> None:
    world = Valves(stuck="hot b")
    with open_journal(tmp_path / "0001") as journal:
        plan = await planned([*BEGIN, *END], journal, world, now=lambda: NOW)
    assert [(one.task.key, one.reason, one.obstacle, one.lines) for one in plan[:3]] == [
        ("a", "", "", ("turn a",)),
        ("none", "there is none", "", ()),
        ("b", "", "the pipe is hot", ("turn b",)),
    ]
    assert {one.reason for one in plan[4:]} == {"it was not done"}
    assert world.turned == []


def test_a_journal_is_held_by_one_program(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path / "0001"),
        pytest.raises(ProcedureLockedError, match="another process"),
        open_journal(tmp_path / "0001"),
    ):
        raise AssertionError("it was opened twice")


async def test_a_line_that_was_cut_off_is_dropped_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    world = Valves()
    await run(tmp_path / "0001", world)
    path = tmp_path / "0001" / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind":"TaskBeg')
    assert (await run(tmp_path / "0001", world))[0] == 0
    assert path.read_bytes() == whole
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"{}\n", *lines[3:]]))
    with pytest.raises(ProcedureJournalError, match=r"journal\.jsonl:3"):
        read_journal(tmp_path / "0001")


async def test_the_journal_can_be_cut_after_any_line(tmp_path: Path) -> None:
    await run(tmp_path / "0001", Valves())
    lines = (tmp_path / "0001" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    assert [json.loads(line)["kind"] for line in lines[:4]] == [
        "ProcedureJournal",
        "TaskBegun",
        "TaskNoted",
        "TaskEnded",
    ]
    for kept in range(len(lines) + 1):
        folder = tmp_path / f"cut-{kept}" / "0001"
        folder.mkdir(parents=True)
        (folder / "journal.jsonl").write_bytes(b"".join(lines[:kept]))
        assert (await run(folder, Valves()))[0] == 0


def test_runs_are_numbered(tmp_path: Path) -> None:
    assert runs(tmp_path / "maintenance") == []
    assert next_run(tmp_path).name == "0001"
    with open_journal(next_run(tmp_path)):
        assert next_run(tmp_path).name == "0002"
    assert [each.name for each in runs(tmp_path)] == ["0001"]
