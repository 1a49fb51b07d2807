"""The table on terminals of several widths: nothing cut, nothing obeyed, numbers whole."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from stigmer_ops.handshake.activity import ActivityState, Failure, PendingActivity, Timeouts
from stigmer_ops.render.pending_table import (
    FULL_WIDTH,
    Look,
    age_cell,
    failure_text,
    left_cell,
    pending_table,
    redrawn,
)
from support.activities import HOUR, NOW, pending

LOOK = Look(NOW, stuck_after=4 * HOUR, near_deadline_share=0.8)
LONG = "stigmer/zigflow/order-processing/customer-0815/2026-11-24/8b6ef6b3-9d1c-4d64-8b4f-61b1"


def drawn(
    activities: Sequence[PendingActivity],
    width: int,
    *,
    wide: bool = False,
    on_screen: bool = False,
) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=True, color_system=None, markup=False
    )
    parts = pending_table(console, activities, LOOK, wide=wide)
    for part in redrawn(parts) if on_screen else parts:
        console.print(part, crop=on_screen)
    return stream.getvalue()


VARIED = [
    pending(workflow_id=LONG, attempt=17, task_queue="one"),
    pending(
        activity_id=LONG,
        activity_type="SendEmail",
        state=ActivityState.CANCEL_REQUESTED,
        last_failure=Failure("connection refused " * 20, "ConnectError"),
    ),
]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_narrow_table_fits_and_keeps_every_fact(width: int) -> None:
    text = drawn(VARIED, width)
    lines = text.splitlines()
    assert all(len(line) <= width or line == LONG for line in lines)
    for fact in ("CANCEL_REQUESTED", "STARTED", "17", "2h", "22h", "SendEmail", "one"):
        assert fact in text
    assert "ConnectError:" in text
    assert text.startswith("WORKFLOW ")


def test_long_ids_are_never_broken() -> None:
    lines = drawn([pending(workflow_id=LONG), pending(workflow_id="short")], 80).splitlines()
    assert lines[1].split() == ["WORKFLOW", "ACTIVITY", "STATE", "ATT", "AGE", "LEFT"]
    assert lines[2] == LONG
    assert lines[3].split() == ["5", "STARTED", "1", "2h", "22h"]
    assert lines[4].split() == ["short", "5", "STARTED", "1", "2h", "22h"]
    assert lines[3].index("STARTED") == lines[4].index("STARTED") == lines[1].index("STATE")


def test_a_screen_that_cuts_its_lines_has_long_ids_folded() -> None:
    lines = drawn([pending(workflow_id=LONG)], 80, on_screen=True).splitlines()
    assert lines[2] + lines[3] == LONG


def test_what_all_rows_share_is_said_once_on_a_narrow_terminal() -> None:
    text = drawn([pending(workflow_id="a"), pending(workflow_id="b")], 80)
    assert text.splitlines()[0] == "activity type CallAgentActivity, task queue zigflow_execution"
    assert text.count("CallAgentActivity") == 1
    assert len(text.splitlines()) == 4


def test_what_most_rows_share_is_said_once_and_the_rest_below_its_row() -> None:
    usual = [pending(workflow_id=name) for name in ("a", "b")]
    other = pending(workflow_id="c", task_queue="", last_failure=Failure("gone " * 30, "Kind"))
    lines = drawn([*usual, other], 120).splitlines()
    assert lines[0] == ("activity type CallAgentActivity, task queue zigflow_execution unless told")
    assert [line[0] for line in lines[2:5]] == ["a", "b", "c"]
    assert lines[5] == "    task queue -"
    assert lines[6].startswith("    Kind: gone gone")
    assert lines[6].endswith("…")
    assert 100 < len(lines[6]) <= 120
    assert lines[1].index("ACTIVITY") == len("WORKFLOW") + 2


def test_broad_terminal_has_a_column_for_every_fact() -> None:
    heading, *rows = drawn([pending(workflow_id="a"), pending(workflow_id="b")], FULL_WIDTH)[
        :-1
    ].splitlines()
    assert heading.split() == [
        "WORKFLOW", "ACTIVITY", "TYPE", "STATE", "ATTEMPT", "AGE", "LEFT", "QUEUE", "LAST",
        "FAILURE",
    ]  # fmt: skip
    assert len(rows) == 2


def test_wide_adds_run_times_worker_and_the_whole_failure() -> None:
    activity = replace(VARIED[1], last_worker_identity="1@host")
    text = drawn([activity], 10_000, wide=True)
    for fact in (
        activity.run_id, "START_TO_CLOSE", "2026-01-02T10:00:00.000Z", "2026-01-03T10:00:00.000Z",
        "1@host", ("connection refused " * 20).strip(),
    ):  # fmt: skip
        assert fact in text


@pytest.mark.parametrize("width", [80, 200])
def test_foreign_text_is_neither_obeyed_nor_read_as_markup(width: int) -> None:
    text = drawn(
        [
            pending(
                workflow_id="[red]x[/red]",
                activity_id="\x1b[2J",
                last_failure=Failure("[/bold]\x07 first\nsecond"),
            )
        ],
        width,
    )
    assert "[red]x[/red]" in text
    assert "\\x1b[2J" in text
    assert "[/bold]\\x07 first second" in " ".join(text.split())
    assert "\x1b" not in text
    assert "\x07" not in text


def test_standalone_activity_says_so() -> None:
    text = drawn([pending(workflow_id="", standalone=True)], 200)
    assert text.splitlines()[1].startswith("(standalone)")


@pytest.mark.parametrize(
    ("hours", "style"), [(3.9, ""), (4, "red"), (30, "red")], ids=("young", "bound", "old")
)
def test_age_is_red_from_where_it_counts_as_stuck(hours: float, style: str) -> None:
    since = NOW - timedelta(hours=hours)
    assert age_cell(pending(scheduled_time=since), LOOK)[1] == style


@pytest.mark.parametrize(
    ("timeout", "shown"),
    [
        (24 * HOUR, ("22h", "")),
        (2.5 * HOUR, ("30m", "yellow")),
        (2 * HOUR, ("0s", "bold red")),
        (HOUR, ("-1h", "bold red")),
    ],
    ids=("far", "near", "now", "overdue"),
)
def test_time_left_is_marked_by_how_near_it_is(timeout: timedelta, shown: tuple[str, str]) -> None:
    assert left_cell(pending(timeouts=Timeouts(start_to_close=timeout)), LOOK) == shown


def test_without_a_deadline_there_is_no_time_left() -> None:
    assert left_cell(pending(timeouts=Timeouts()), LOOK) == "-"


def test_failure_is_one_line_of_bounded_length() -> None:
    activity = pending(last_failure=Failure("a\nb " + "c" * 100, "Kind"))
    assert failure_text(activity, 20) == "Kind: a b cccccccccc…"[:19] + "…"
    assert len(failure_text(activity, 20)) == 20
    assert failure_text(pending()) == ""
