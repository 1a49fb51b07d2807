"""Whatever is shown fits its width in terminal cells, and holds nothing that a terminal obeys."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from stigmer_ops.handshake import verdicts
from stigmer_ops.handshake.live import Choice, Live, Part, Round
from stigmer_ops.handshake.workers import TaskKind
from stigmer_ops.render.watch import panels
from stigmer_ops.render.watch.lines import live_record, plain_line
from stigmer_ops.render.watch.rows import cells, columns
from stigmer_ops.render.watch.wrapping import hanging
from support.live_values import HOUR, NOW, diagnosis, live, minutes, queue, waiting

EVERY = timedelta(seconds=10)
HOSTILE = "日本語 \x1b[2J[red]x[/red] \u202egnol 👩‍👩‍👧‍👦 " * 4


def busy() -> Live:
    every = [waiting(HOSTILE), waiting("order-4711", age=23 * HOUR), waiting("", timeout=None)]
    return live(
        *every,
        callbacks=minutes(*[(number, number % 2) for number in range(16)]),
        queues=(
            queue("workflow_validation_stigmer", 2, TaskKind.WORKFLOW),
            queue("zigflow_execution", 0, TaskKind.WORKFLOW, TaskKind.ACTIVITY),
        ),
        verdicts={every[1].key: diagnosis(every[1], verdicts.TOKEN_NOT_PASSED)},
        round=Round(Part(NOW), asked=1, skipped=4, calls=1234),
    )


def drawn(view: Live, width: int) -> list[Text]:
    """Everything above the list, each with the width that it has."""
    return [
        panels.head(view, EVERY, width),
        panels.pending(view, width),
        panels.queues(view, width),
        panels.deadlines(view, width),
        panels.verdicts(view, width),
        panels.listed(view, Choice(words=HOSTILE), count=1, busy=0, width=width),
    ]


@given(st.text(max_size=60), st.integers(0, 40))
def test_clipped_text_is_no_wider_than_asked_and_printable(text: str, width: int) -> None:
    shown = panels.clipped(text, width)
    assert cell_len(shown) <= width
    assert "\x1b" not in shown
    assert "\n" not in shown


def test_clipped_text_keeps_both_ends() -> None:
    assert panels.clipped("summarise-ticket-36e31e3d20c9", 15) == "summari…1e3d20c9"[:8] + "e3d20c9"


@pytest.mark.parametrize("width", [30, 38, 45, 78, 118, 198])
def test_no_line_of_a_panel_is_wider_than_the_panel(width: int) -> None:
    for text in drawn(busy(), width):
        for line in text.plain.split("\n"):
            assert cell_len(line) <= width, line
            assert line.isprintable() or "👩" in line


@pytest.mark.parametrize("width", [80, 110, 120, 130, 200])
def test_rows_fit_the_terminal(width: int) -> None:
    chosen = columns(width)
    assert sum(column.width + 2 for column in chosen) <= width
    for one in busy().waiting:
        for cell, column in zip(cells(one, busy(), chosen), chosen, strict=True):
            assert cell.cell_len <= column.width


def test_panels_side_by_side_fill_the_width() -> None:
    assert sum(panels.shares(78, three=False)) + 2 == 78
    assert sum(panels.shares(198, three=True)) + 4 == 198


def test_queue_that_nobody_polls_comes_first_and_is_red() -> None:
    text = panels.queues(busy(), 45)
    second = text.split("\n")[1]
    assert second.plain.startswith("zigflow_execution")
    assert [str(span.style) for span in second.spans].count("bold red") == 2


def test_age_of_what_is_shown_is_red_while_the_server_is_lost() -> None:
    lost = live(pending=Part(NOW - HOUR).failed("connection refused"))
    head = panels.head(lost, EVERY, 100)
    assert "read 1h ago" in head.plain
    assert any("red" in str(span.style) for span in head.spans)
    assert panels.troubles(lost).plain == "! connection refused"
    assert not panels.troubles(live())


def test_first_reading_tells_how_far_it_is() -> None:
    assert "12,345 workflows" in panels.head(live(pending=Part(), described=12345), EVERY, 80).plain


def test_plain_line_tells_all_that_is_wrong_in_one_line() -> None:
    line = plain_line(busy())
    assert "3 pending (1-4h: 2, 12-24h: 1), oldest 23h" in line
    assert "1 token-not-passed" in line
    assert "nobody polls zigflow_execution (activity, workflow)" in line
    assert "\n" not in line


def test_record_of_a_refresh_is_plain_json() -> None:
    record = json.loads(json.dumps(live_record(busy())))
    assert record["pending"] == 3
    assert record["stuck"] == 1
    assert record["verdicts"] == {"token-not-passed": 1}
    assert record["nearest_deadlines"][0]["verdict"] == "token-not-passed"
    assert record["nearest_deadlines"][0]["time_left_seconds"] == 3600
    assert record["queues"][1]["not_polled"] == ["activity", "workflow"]
    assert record["not_diagnosed"] == 4


def test_long_line_goes_on_below_its_text() -> None:
    told = hanging(Text("short\n  - " + "word " * 20 + "\n  key   " + "value " * 20), 40)
    lines = told.plain.split("\n")
    assert lines[0] == "short"
    assert all(cell_len(line) <= 40 for line in lines)
    assert lines[2].startswith("    word")
    assert lines[-1].startswith("        value")


def test_while_it_is_read_nobody_is_told_that_nothing_waits() -> None:
    reading = live(pending=Part())
    assert panels.pending(reading, 60).plain.splitlines()[0] == "PENDING reading …"
    assert panels.pending(live(), 60).plain.startswith("PENDING 0")


def test_filter_that_finds_nothing_says_how_many_have_no_verdict() -> None:
    every = [waiting(f"order-{number}") for number in range(3)]
    known = {every[0].key: diagnosis(every[0], verdicts.TOKEN_NOT_PASSED)}
    choice = Choice(words="callback")
    none = panels.listed(live(*every), choice, count=0, busy=0, width=80).plain
    some = panels.listed(live(*every, verdicts=known), choice, count=1, busy=0, width=80).plain
    assert none.startswith("0 of 3 with 'callback'; 3 have no verdict yet: press d")
    assert "1 of 3 with 'callback', 2 without verdict: d" in some
    judged = {one.key: diagnosis(one, verdicts.TOKEN_NOT_PASSED) for one in every}
    all_known = live(*every, verdicts=judged)
    assert "verdict" not in panels.listed(all_known, choice, count=0, busy=0, width=80).plain
