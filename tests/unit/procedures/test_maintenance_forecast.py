"""What a window does to what waits, and what is kept of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stigmer_ops.cli.window_options import WindowKind
from stigmer_ops.errors import InputError
from stigmer_ops.handshake.activity import ActivityState, PendingActivity, Timeouts
from stigmer_ops.procedures.maintenance.forecast import Fate, Outlook, forecast
from stigmer_ops.procedures.maintenance.procedure import MAINTENANCE
from stigmer_ops.procedures.maintenance.restoration import is_same_attempt
from stigmer_ops.procedures.maintenance.snapshot import (
    FILE_NAME,
    activity_of,
    activity_record,
    read_snapshot,
)
from stigmer_ops.procedures.maintenance.window import KINDS, Kind, Window, window_of
from stigmer_ops.runbook import PageKind, pages
from support.activities import HOUR, NOW, pending
from support.runbook_blocks import blocks

WINDOW = Window(Kind.STIGMER, NOW, NOW + 2 * HOUR, HOUR / 4, reason="CHG-7")
UNTIL = NOW + 2 * HOUR + HOUR / 4
SECOND = timedelta(seconds=1)


def started(left: timedelta, **changes: object) -> PendingActivity:
    """An activity that started two hours ago, and has so much time left."""
    timeouts = Timeouts(start_to_close=2 * HOUR + left)
    return pending(timeouts=timeouts, **changes)


@pytest.mark.parametrize(
    ("activity", "fate", "extend_to"),
    [
        (started(3 * HOUR), Fate.SAFE, None),
        (started(2 * HOUR + HOUR / 4), Fate.SAFE, None),
        (pending(timeouts=Timeouts()), Fate.SAFE, None),
        (started(HOUR), Fate.EXPIRES, UNTIL),
        (started(2 * HOUR + SECOND), Fate.EXPIRES, UNTIL),
        (started(-SECOND), Fate.EXPIRES, UNTIL),
        (started(HOUR, paused=True), Fate.PAUSED_EXPIRES, UNTIL),
        (started(-HOUR, paused=True), Fate.PAUSED_OVERDUE, UNTIL),
        (
            started(HOUR, workflow_expiration_time=NOW + 90 * HOUR / 60),
            Fate.WORKFLOW_ENDS,
            NOW + 90 * HOUR / 60 - SECOND,
        ),
        (started(3 * HOUR, workflow_expiration_time=NOW + HOUR), Fate.WORKFLOW_ENDS, None),
        (
            started(HOUR, workflow_expiration_time=UNTIL - 2 * SECOND),
            Fate.EXPIRES,
            UNTIL - 3 * SECOND,
        ),
    ],
)
def test_forecast(activity: PendingActivity, fate: Fate, extend_to: datetime | None) -> None:
    found = forecast(activity, WINDOW, NOW)
    assert (found.fate, found.extend_to) == (fate, extend_to)


def test_every_timeout_that_ends_too_early_counts() -> None:
    heartbeat = Timeouts(start_to_close=9 * HOUR, heartbeat=3 * HOUR)
    queued = replace(
        pending(timeouts=Timeouts(schedule_to_start=3 * HOUR, start_to_close=HOUR)),
        state=ActivityState.SCHEDULED,
        last_started_time=None,
    )
    assert forecast(pending(timeouts=heartbeat), WINDOW, NOW).fate is Fate.EXPIRES
    assert forecast(queued, WINDOW, NOW).fate is Fate.EXPIRES


def test_outlook_counts_and_keeps_what_is_not_safe() -> None:
    outlook = Outlook()
    ends = started(3 * HOUR, workflow_expiration_time=NOW + HOUR)
    for activity in (started(HOUR), started(9 * HOUR), ends, ends):
        outlook.add(forecast(activity, WINDOW, NOW))
    assert (outlook.activities, outlook.to_extend, len(outlook.endangered)) == (4, 1, 3)
    assert outlook.obstacles == [
        "2 activities' workflows time out within the window, which nothing can put off"
    ]


def test_window_is_kept_as_it_was_asked_for() -> None:
    window = replace(WINDOW, throttle=0.0, throttled_queues=("q",), scale_to_zero=True)
    kept = window_of(json.loads(json.dumps(window.as_record())))
    assert kept == window
    assert kept.differs_from(replace(window, begin=NOW + HOUR, end=NOW + 3 * HOUR)) == []
    assert kept.differs_from(WINDOW) == ["--throttle", "--throttle-queue", "--scale-to-zero"]


@pytest.mark.parametrize(
    "activity",
    [
        started(HOUR),
        pending(
            attempt=3,
            first_scheduled_time=NOW - 9 * HOUR,
            last_heartbeat_time=NOW - timedelta(microseconds=7),
            workflow_expiration_time=NOW + HOUR,
            timeouts=Timeouts(HOUR, HOUR / 2, HOUR / 3, HOUR / 4),
        ),
        pending(workflow_id="", workflow_type="", standalone=True, paused=True),
    ],
)
def test_snapshot_keeps_all_that_the_end_needs(activity: PendingActivity) -> None:
    kept = activity_of(json.loads(json.dumps(activity_record(activity))))
    assert kept == replace(activity, namespace="", maximum_attempts=0)
    assert kept.deadline == activity.deadline
    assert is_same_attempt(activity, kept)


def test_damaged_snapshot_is_told_with_its_line(tmp_path: Path) -> None:
    line = json.dumps(activity_record(pending()))
    (tmp_path / FILE_NAME).write_text(f"{line}\n{{}}\n")
    with pytest.raises(InputError, match=r"snapshot\.jsonl:2"):
        list(read_snapshot(tmp_path))
    with pytest.raises(InputError, match="cannot read the snapshot"):
        list(read_snapshot(tmp_path / "nowhere"))


def test_an_activity_id_that_is_used_again_is_another_activity() -> None:
    before = pending()
    queued = replace(before, state=ActivityState.SCHEDULED, last_started_time=None)
    later = replace(before, scheduled_time=NOW, last_started_time=NOW)
    assert is_same_attempt(before, before)
    assert is_same_attempt(before, queued), "it was taken by a worker since"
    assert not is_same_attempt(later, before)
    assert not is_same_attempt(later, queued)
    assert not is_same_attempt(replace(before, attempt=2), before)


def test_every_kind_is_described_and_can_be_asked_for() -> None:
    assert set(KINDS) == set(Kind)
    assert {kind.value for kind in WindowKind} == {kind.value for kind in Kind}


@pytest.mark.parametrize("task", [*MAINTENANCE.begin, *MAINTENANCE.end], ids=lambda task: task.key)
def test_every_step_has_a_sentence_and_its_section_of_the_runbook(task: object) -> None:
    step = getattr(task, "step", None)
    assert step is not None
    name, _, section = step.page.partition("#")
    page = next(page for page in pages() if page.name == name)
    assert page.kind is PageKind.PROCEDURE
    assert section.capitalize() in {block.section for block in blocks(page.text)}
    assert getattr(task, "sentence", "")[0].isupper()


def test_what_begin_changes_end_takes_back() -> None:
    writes = {task.step.id for task in MAINTENANCE.begin if task.step.writes}
    undone = {task.step.id for task in MAINTENANCE.end if task.key.startswith("undo-")}
    assert writes == undone
