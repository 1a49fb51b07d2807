"""The journal: what it keeps, whom it keeps out, and what it makes of its own remains."""

from __future__ import annotations

import asyncio
import errno
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from stigmer_ops.audit import AuditTrail, Entry
from stigmer_ops.errors import AuditError
from stigmer_ops.handshake.plan import PlanHeader, PlanRow
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply import journal as journal_module
from stigmer_ops.procedures.apply.journal import (
    Journal,
    JournalError,
    JournalLine,
    PlanLockedError,
    intent_line,
    journal_path,
    open_journal,
    outcome_line,
    read_journal,
    scratch_journal,
)
from stigmer_ops.procedures.apply.recorder import Recorder
from stigmer_ops.procedures.plan_file import PlanFile, new_plan, open_plan
from support.audit import intent, records

NOW = "2026-11-24T03:12:09.123Z"
DONE = RowOutcome(RowState.DONE, "completes", by="alice", event_id=7, time=datetime.now(UTC))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "plan.jsonl"
    with new_plan(path, PlanHeader("orders")) as plan:
        for number in range(4):
            plan.add(PlanRow(Action.COMPLETE, f"order-{number}", str(uuid4()), "5", 1, 5))
    return path


def intended(row: int) -> JournalLine:
    return intent_line(row, operation_id=str(uuid4()), time=NOW)


def ended(row: int, outcome: RowOutcome = DONE) -> JournalLine:
    return outcome_line(row, outcome, operation_id=str(uuid4()), time=NOW)


def write(path: Path, *lines: JournalLine) -> None:
    with open_plan(path) as plan, open_journal(plan) as journal:
        journal.append(lines)


def test_outcomes_are_there_when_it_is_opened_again(path: Path) -> None:
    write(path, intended(1), ended(1), intended(3), JournalLine(0, {"kind": "ApplyRun", "pid": 1}))
    with open_plan(path) as plan, open_journal(plan) as journal:
        assert journal.outcome(1) == DONE
        assert journal.state(2) is RowState.NOT_TRIED
        assert journal.in_doubt(3)
        assert journal.state(3) is RowState.FAILED
        assert "what became of it was not read" in journal.outcome(3).detail
        assert journal.last_run["pid"] == 1
        assert journal.counts() == {RowState.DONE: 1, RowState.FAILED: 1, RowState.NOT_TRIED: 2}


def test_last_line_about_a_row_counts(path: Path) -> None:
    write(path, intended(1), ended(1, RowOutcome(RowState.FAILED, "x")), intended(1))
    with open_plan(path) as plan, open_journal(plan) as journal:
        assert journal.in_doubt(1)


def test_second_writer_is_kept_out_and_readers_are_not(path: Path) -> None:
    with open_plan(path) as plan, open_journal(plan) as journal:
        journal.append([intended(1)])
        with (
            pytest.raises(PlanLockedError, match="another process is applying this plan"),
            open_journal(plan),
        ):
            pass
        with read_journal(plan) as read:
            assert read is not None
            assert read.in_doubt(1)


def test_link_to_a_plan_has_the_plans_journal(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    assert journal_path(link) == journal_path(path)


@pytest.mark.parametrize("remains", ['{"kind":"RowOut', '{"kind": 1}x', "\0\0\0\0", '{"row":9}\n'])
def test_remains_of_an_interrupted_write_are_cut_off(path: Path, remains: str) -> None:
    write(path, intended(1))
    whole = journal_path(path).read_text()
    journal_path(path).write_text(whole + remains)
    with open_plan(path) as plan:
        with read_journal(plan) as read:
            assert read is not None
            assert read.in_doubt(1)
        write(path, ended(1))
        with read_journal(plan) as read:
            assert read is not None
            assert read.outcome(1) == DONE
    kept = [json.loads(line) for line in journal_path(path).read_text().splitlines()]
    assert [line.get("row") for line in kept] == [None, 1, 1]


def test_journal_whose_first_line_was_cut_begins_anew(path: Path) -> None:
    journal_path(path).write_text('{"schema_vers')
    write(path, intended(1))
    with open_plan(path) as plan, open_journal(plan) as journal:
        assert journal.in_doubt(1)


@pytest.mark.parametrize("damage", ["{}\n", '{"row":1,"outcome":"mended"}\n', "x\n", '{"row":5}\n'])
def test_damage_in_the_middle_is_told_with_its_line(path: Path, damage: str) -> None:
    write(path, intended(1))
    journal = journal_path(path)
    first, second = journal.read_text().splitlines(keepends=True)
    broken = first + damage + second if damage != "{}\n" else damage + first
    journal.write_text(broken)
    with (
        open_plan(path) as plan,
        pytest.raises(JournalError, match=r":[12]: this is not a line"),
        open_journal(plan),
    ):
        pass
    assert journal.read_text() == broken


def test_journal_of_an_edited_plan_is_refused(path: Path) -> None:
    write(path, intended(1))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with (
        open_plan(path) as plan,
        pytest.raises(JournalError, match="was edited after it had been begun"),
        open_journal(plan),
    ):
        pass


def test_dry_run_writes_to_a_copy(path: Path) -> None:
    write(path, intended(1), ended(1))
    before = journal_path(path).read_text()
    with open_plan(path) as plan, scratch_journal(plan) as scratch:
        scratch.append([ended(2, RowOutcome(RowState.WOULD_BE_DONE))])
        assert scratch.outcome(1) == DONE
        assert scratch.state(2) is RowState.WOULD_BE_DONE
    assert journal_path(path).read_text() == before


class Steps:
    """Notes the order in which files are written, and fails where it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[str] = []
        self.fail_at = ""
        journal, audit = Journal.append, AuditTrail.append_many
        monkeypatch.setattr(
            Journal, "append", lambda own, lines: self._take("journal", journal, own, lines)
        )
        monkeypatch.setattr(
            AuditTrail, "append_many", lambda own, lines: self._take("audit", audit, own, lines)
        )

    def _take(self, name: str, really: object, own: object, lines: object) -> object:
        listed = list(lines)  # type: ignore[call-overload] # a sequence of either kind
        told = ["outcome" if _is_outcome(line) else "intent" for line in listed]
        self.taken += [f"{name} {step}" for step in told]
        if self.fail_at in self.taken[-len(told) :] and told:
            raise AuditError("full")
        return really(own, listed)  # type: ignore[operator] # the method


def _is_outcome(line: object) -> bool:
    if isinstance(line, Entry):
        return line.outcome is not None
    return isinstance(line, JournalLine) and "outcome" in line.record


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def recorder(plan: PlanFile, journal: Journal) -> Recorder:
    trail = AuditTrail(plan.path.with_name("audit.jsonl"), now=lambda: datetime.now(UTC))
    return Recorder(journal, trail, now=lambda: datetime.now(UTC))


async def test_intent_is_in_the_journal_first_and_the_outcome_last(
    path: Path, steps: Steps
) -> None:
    entry = Entry.opening(intent())
    with open_plan(path) as plan, open_journal(plan) as journal:
        steps.taken.clear()
        async with recorder(plan, journal) as recording:
            await recording.begin(1, entry)
            assert steps.taken == ["journal intent", "audit intent"]
            recording.end(1, DONE, entry)
    assert steps.taken[2:] == ["audit outcome", "journal outcome"]
    assert [record.phase for record in records(path.with_name("audit.jsonl"))] == [
        "intent",
        "outcome",
    ]


async def test_many_rows_wait_for_one_disk(path: Path) -> None:
    with open_plan(path) as plan, open_journal(plan) as journal:
        async with recorder(plan, journal) as recording:
            rows = [recording.begin(row, Entry.opening(intent())) for row in range(1, 5)]
            await asyncio.gather(*rows)
            groups = recording.costs.groups
    assert groups <= 2


async def test_what_cannot_be_recorded_is_not_begun(path: Path, steps: Steps) -> None:
    with open_plan(path) as plan, open_journal(plan) as journal:
        async with recorder(plan, journal) as recording:
            steps.fail_at = "audit intent"
            with pytest.raises(AuditError):
                await recording.begin(1, Entry.opening(intent()))
            with pytest.raises(AuditError):
                await recording.begin(2, Entry.opening(intent()))
            assert recording.error is not None


async def test_outcome_that_cannot_be_recorded_leaves_the_row_in_doubt(
    path: Path, steps: Steps
) -> None:
    entry = Entry.opening(intent())
    with open_plan(path) as plan, open_journal(plan) as journal:
        async with recorder(plan, journal) as recording:
            await recording.begin(1, entry)
            steps.fail_at = "audit outcome"
            recording.end(1, DONE, entry)
        assert recording.error is not None
        assert journal.in_doubt(1)


async def test_row_in_doubt_has_no_outcome_in_the_journal(path: Path) -> None:
    entry = Entry.opening(intent())
    with open_plan(path) as plan, open_journal(plan) as journal:
        async with recorder(plan, journal) as recording:
            await recording.begin(1, entry)
            recording.end(1, RowOutcome(RowState.FAILED, "no answer", in_doubt=True), entry)
        assert journal.in_doubt(1)
    (_, last) = records(path.with_name("audit.jsonl"))
    assert last.outcome is not None
    assert last.outcome.result == "unknown"


def test_full_disk_is_told_and_leaves_no_half_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with open_plan(path) as plan, open_journal(plan) as journal:
        monkeypatch.setattr(journal_module, "append_durably", full)
        with pytest.raises(JournalError, match="No space left") as told:
            journal.append([intended(1)])
        assert "df -h" in told.value.next_step
        assert journal.state(1) is RowState.NOT_TRIED


def test_journal_is_json_lines(path: Path) -> None:
    write(path, intended(1), ended(1))
    kinds = [json.loads(line)["kind"] for line in journal_path(path).read_text().splitlines()]
    assert kinds == ["PlanJournal", "RowIntent", "RowOutcome"]
