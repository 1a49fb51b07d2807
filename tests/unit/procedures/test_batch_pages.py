"""Rows of a plan laid into pages: each once, none too large, the same every time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stigmer_ops.handshake.plan import PlanHeader, PlanRow
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.journal import Journal, open_journal, outcome_line
from stigmer_ops.procedures.batch.pages import (
    FEWEST_ROWS,
    PART_BYTES,
    Page,
    laid_out,
    page_size,
    pages_of,
    rows_in,
)
from stigmer_ops.procedures.plan_file import PlanFile, new_plan, open_plan

RUN_ID = "01936c5e-1a53-7000-8000-000000000001"
ACTIONS = (Action.COMPLETE, Action.FAIL, Action.SKIP, Action.COMPLETE)


def row(number: int, result: str = "") -> PlanRow:
    action = ACTIONS[number % 4] if not result else Action.COMPLETE
    message = "lost" if action is Action.FAIL else ""
    return PlanRow(action, f"order-{number}", RUN_ID, "5", 1, 5, result=result, message=message)


@contextmanager
def planned(path: Path, rows: list[PlanRow]) -> Iterator[tuple[PlanFile, Journal]]:
    with new_plan(path, PlanHeader("orders")) as plan:
        for each in rows:
            plan.add(each)
    with open_plan(path) as opened, open_journal(opened) as journal:
        yield opened, journal


def pages(
    opened: tuple[PlanFile, Journal], page_rows: int, maximum: int | None = None
) -> list[Page]:
    return [*pages_of(*opened, page_rows=page_rows, maximum=maximum)]


def test_every_row_that_is_to_be_tried_is_in_one_page_of_its_action(tmp_path: Path) -> None:
    rows = [row(number) for number in range(1, 101)]
    with planned(tmp_path / "plan.jsonl", rows) as opened:
        found = pages(opened, 7)
        stored = {number: each for page in found for number, each in rows_in(page.content).items()}

    assert stored == {n: each for n, each in enumerate(rows, 1) if each.action is not Action.SKIP}
    assert [page.number for page in found] == list(range(1, len(found) + 1))
    assert all(len(page.numbers) <= 7 for page in found)
    assert sum(len(page.numbers) for page in found) == len(stored)
    assert all(rows[number - 1].action is page.action for page in found for number in page.numbers)


def test_settled_rows_and_those_beyond_the_maximum_are_left_out(tmp_path: Path) -> None:
    rows = [row(4 * number) for number in range(1, 11)]
    with planned(tmp_path / "plan.jsonl", rows) as (plan, journal):
        for number, state in ((1, RowState.DONE), (2, RowState.FAILED), (4, RowState.REFUSED)):
            journal.append([outcome_line(number, RowOutcome(state), operation_id="", time="")])
        found = pages((plan, journal), 3, maximum=4)

    assert [page.numbers for page in found] == [[2, 3, 5], [6]]


@pytest.mark.parametrize("size", [10, PART_BYTES - 100, PART_BYTES, 2 * 1024 * 1024])
@pytest.mark.parametrize("character", ["x", "é", '"', "\n"])
def test_no_part_is_larger_than_a_payload_may_be(tmp_path: Path, size: int, character: str) -> None:
    text = character * ((size - 2) // (len(json.dumps(character, ensure_ascii=False).encode()) - 2))
    rows = [row(number, json.dumps(text, ensure_ascii=False)) for number in range(1, 4)]
    with planned(tmp_path / "plan.jsonl", rows) as opened:
        found = pages(opened, 100)

    assert all(len(part) <= PART_BYTES for page in found for part in page.parts)
    joined = [number for page in found for number in rows_in(b"".join(page.parts))]
    assert joined == [1, 2, 3]
    assert len(found) == (1 if size == 10 else 3)


def test_layout_tells_the_pages_of_each_action_and_other_layouts_apart(tmp_path: Path) -> None:
    rows = [row(number) for number in range(1, 41)]
    with planned(tmp_path / "plan.jsonl", rows) as opened:
        layouts = [
            laid_out(pages(opened, size, maximum), page_rows=size, maximum=maximum)
            for size, maximum in ((6, None), (6, None), (7, None), (6, 20))
        ]

    selection, ranges = layouts[0]
    assert [(each.action, each.first, each.last, each.rows) for each in ranges] == [
        ("complete", 1, 4, 20),
        ("fail", 5, 6, 10),
    ]
    assert selection.rows == 30
    assert [each.digest == selection.digest for each, _ in layouts] == [True, True, False, False]


@pytest.mark.parametrize("content", [b"{}\n", b"[1]\n", b'{"row":1,"action":"fly"}\n', b"\xff"])
def test_what_is_no_page_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever it is, the caller tells it the same
        rows_in(content)


def test_pages_are_small_enough_to_share_the_work_and_no_smaller() -> None:
    sizes = [page_size(rows, most=100, pages_at_once=8) for rows in (1, 300, 1_000, 50_000)]
    assert sizes == [FEWEST_ROWS, FEWEST_ROWS, 31, 100]
