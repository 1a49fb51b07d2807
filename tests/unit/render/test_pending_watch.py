"""The lines of a watch, for programs and for people."""

from __future__ import annotations

import json

import pytest

from stigmer_ops.handshake.changes import next_cycle
from stigmer_ops.handshake.scan_report import Unreadable
from stigmer_ops.render.pending_watch import json_lines, plain_lines
from support.activities import NOW, RUN_ID, pending

A, B = pending(workflow_id="a"), pending(workflow_id="b\n\x1b[2J")
FIRST = next_cycle(None, {A.key: A, B.key: B}, now=NOW)
RETRIED = pending(workflow_id="a", attempt=2)
SECOND = next_cycle(
    FIRST,
    {A.key: RETRIED},
    now=NOW,
    unreadable=[Unreadable("c", RUN_ID, "UNAVAILABLE: no")],
)


def test_json_lines_tell_changes_and_then_the_sums(capsys: pytest.CaptureFixture[str]) -> None:
    with json_lines() as show:
        show(SECOND)
    changed, gone, sums = map(json.loads, capsys.readouterr().out.splitlines())

    assert (changed["kind"], changed["workflow_id"], changed["changed"]) == (
        "ActivityChanged", "a", ["attempt"],
    )  # fmt: skip
    assert (gone["kind"], gone["workflow_id"]) == ("ActivityGone", "b\n\x1b[2J")
    assert sums["kind"] == "WatchCycle"
    assert (sums["appeared"], sums["changed"], sums["gone"]) == (0, 1, 1)
    assert (sums["cycle"], sums["pending"], sums["complete"]) == (2, 1, False)
    assert sums["by_age"] == {"0-1h": 0, "1-4h": 1, "4-12h": 0, "12-24h": 0, "24h+": 0}
    assert sums["oldest_age_seconds"] == 7200
    assert sums["nearest_time_left_seconds"] == 22 * 3600
    assert sums["unreadable"][0]["workflow_id"] == "c"


def test_plain_lines_are_one_line_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    with plain_lines() as show:
        show(FIRST)
        show(SECOND)
    lines = capsys.readouterr().out.splitlines()

    time = "2026-01-02T12:00:00.000Z"
    assert lines == [
        f"{time} + a 5 CallAgentActivity STARTED attempt 1 age 2h left 22h",
        f"{time} + b\\n\\x1b[2J 5 CallAgentActivity STARTED attempt 1 age 2h left 22h",
        f"{time} 2 pending, oldest 2h, nearest deadline 22h, +2 ~0 -0",
        f"{time} ~ a 5 CallAgentActivity STARTED attempt 2 age 2h left 22h (changed: attempt)",
        f"{time} - b\\n\\x1b[2J 5 CallAgentActivity STARTED attempt 1 age 2h left 22h",
        f"{time} 1 pending, oldest 2h, nearest deadline 22h, +0 ~1 -1, 1 could not be read",
    ]


def test_error_is_told_with_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    with plain_lines() as show:
        show(next_cycle(FIRST, {}, now=NOW, error="the server\x07 is gone"))
    assert capsys.readouterr().out.endswith("not all was read: the server\\x07 is gone\n")
