"""Plans as values: their digest, their rules, their difference, and what their rows end in."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.errors import ExitCode
from stigmer_ops.handshake.plan import PlanHeader, PlanRow, PlanTally, mark_of, plan_lines
from stigmer_ops.handshake.plan_diff import plan_diff
from stigmer_ops.handshake.plan_outcome import RowState, exit_code
from stigmer_ops.handshake.plan_rules import (
    FIELDS,
    HEADER_FIELDS,
    header_of,
    row_of,
    wrong_in_content,
    wrong_in_header,
    wrong_in_row,
)
from stigmer_ops.handshake.verdicts import Action

RUN_ID = "01936c5e-1a53-7000-8000-000000000001"
HEADER = PlanHeader("orders", RUN_ID)
ROW = PlanRow(Action.COMPLETE, "order-1", RUN_ID, "5", 1, 5, result='{"a":1}')
VALUES: dict[str, Any] = {
    "action": "complete",
    "workflow_id": "order-1",
    "run_id": RUN_ID,
    "activity_id": "5",
    "attempt": 1,
}


def digest(header: PlanHeader, *rows: PlanRow) -> str:
    tally = PlanTally(header)
    for row in rows:
        tally.add(row)
    return tally.sha256


def problems(**changes: object) -> list[str]:
    values = {**VALUES, **changes}
    return [wrong.text for wrong in wrong_in_row({k: v for k, v in values.items() if v != ...})]


def test_row_survives_the_file() -> None:
    assert row_of(ROW.as_record()) == ROW
    assert wrong_in_row(ROW.as_record()) == []


def test_content_is_in_no_repr() -> None:
    assert "a" not in repr(replace(ROW, workflow_id="", result='{"a":1}')).partition("result")[2]
    assert "secret" not in repr(replace(ROW, message="secret"))


def test_digest_is_of_content_and_order() -> None:
    other = replace(ROW, workflow_id="order-2")
    assert digest(HEADER, ROW, other) == digest(replace(HEADER, address="elsewhere:1"), ROW, other)
    assert digest(HEADER, ROW, other) != digest(HEADER, other, ROW)
    assert digest(HEADER, ROW) != digest(replace(HEADER, namespace="payments"), ROW)
    assert digest(HEADER, ROW) != digest(HEADER, replace(ROW, attempt=2))


def test_header_line_has_digest_and_counts() -> None:
    first, *rest = [json.loads(line) for line in plan_lines(HEADER, [ROW])]
    assert first["sha256"] == digest(HEADER, ROW)
    assert first["counts"]["complete"] == 1
    assert wrong_in_header(first) == []
    assert header_of(first).sha256 == digest(HEADER, ROW)
    assert row_of(rest[0]) == ROW


def test_mark_is_short_and_of_the_digest() -> None:
    assert mark_of("0123456789abcdef" * 4) == " plan:0123456789ab"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"action": "mend"}, "action must be one of complete, fail, redeliver, extend, skip"),
        ({"action": ...}, "action is missing"),
        ({"action": ["complete"]}, "action must be one of"),
        ({"run_id": "r"}, "run_id must be a UUID"),
        ({"attempt": 0}, "attempt must be a whole number from 1"),
        ({"attempt": True}, "attempt must be a whole number from 1"),
        ({"attempt": 1 << 31}, "attempt must be a whole number from 1"),
        ({"attempt": ...}, "attempt is missing"),
        ({"activity_id": 5}, 'activity_id must be text: "5"'),
        ({"workflow_id": ""}, "workflow_id is empty: leave it out"),
        ({"workflow_id": "x" * 1001}, "workflow_id has 1001 bytes"),
        ({"workflow_id": "\ud800"}, "workflow_id is not valid text"),
        ({"workflow_id": ..., "scheduled_event_id": 5}, "contradicts a row without workflow_id"),
        ({"message": "m"}, "message does not belong to a complete row"),
        ({"action": "fail"}, "message is missing"),
        ({"action": "fail", "message": ""}, "message is empty"),
        ({"action": "redeliver"}, "execution_id is missing"),
        ({"action": "extend", "extend_by_seconds": 0}, "above 0"),
        ({"action": "extend", "extend_by_seconds": float("nan")}, "above 0"),
        ({"result": float("inf")}, "JSON does not have"),
        ({"result": {"spec": {"callbackToken": "CiQw"}}}, "holds a task token (callbackToken)"),
        ({"result": {1: object()}}, "is not JSON"),
        ({"atempt": 1}, "unknown key 'atempt'; did you mean attempt?"),
    ],
)
def test_wrong_row_is_told(changes: dict[str, object], said: str) -> None:
    assert [text for text in problems(**changes) if said in text]


def test_row_to_be_skipped_may_keep_what_it_had() -> None:
    assert problems(action="skip", message="m", result=1) == []


def test_oversized_result_is_told() -> None:
    (wrong,) = wrong_in_row({**VALUES, "result": "x" * 100}, result_limit=50)
    assert wrong.text == "result has 102 bytes; the namespace allows 50"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 2}, "later version"),
        ({"kind": "Plans"}, "kind must be Plan"),
        ({"namespace": ...}, "namespace is missing"),
        ({"created_time": "yesterday"}, "must be a time"),
        ({"row": 1}, "unknown key 'row'"),
    ],
)
def test_wrong_header_is_told(changes: dict[str, object], said: str) -> None:
    values = {"schema_version": 1, "kind": "Plan", "namespace": "orders", **changes}
    wrong = wrong_in_header({k: v for k, v in values.items() if v != ...})
    assert [one.text for one in wrong if said in one.text]


def test_content_that_does_not_fit_its_action_is_told() -> None:
    wrong = wrong_in_content(Action.FAIL, {"result": 1})
    assert [one.key for one in wrong] == ["result", "message"]
    assert wrong_in_content(Action.SKIP, {}) == []


@pytest.mark.parametrize("planted", ["\x9b2J", "\u202etxet", "one\u2028two", "\x7f\u061c\u2066"])
def test_a_line_holds_nothing_that_a_terminal_obeys(planted: str) -> None:
    _, line = plan_lines(HEADER, [replace(ROW, workflow_id=planted)])
    assert len(line.splitlines()) == 1
    assert line[:-1].isprintable()
    assert json.loads(line)["workflow_id"] == planted


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_rules_never_raise(values: dict[str, Any]) -> None:
    assert wrong_in_row(values)
    assert wrong_in_header(values)


def test_schema_names_every_field() -> None:
    path = Path(__file__).parent.parent.parent.parent / "docs" / "plan.schema.json"
    header, row = json.loads(path.read_text())["oneOf"]
    assert set(header["properties"]) == HEADER_FIELDS
    assert set(row["properties"]) == {known.name for known in FIELDS}
    always = {known.name for known in FIELDS if known.required and not known.actions}
    assert set(row["required"]) == always


def test_diff_goes_by_activity_whatever_the_order() -> None:
    second, third = replace(ROW, workflow_id="order-2"), replace(ROW, workflow_id="order-3")
    changed = replace(ROW, attempt=2, result="")
    found = plan_diff(
        (HEADER, [ROW, second]), (replace(HEADER, namespace="payments"), [third, changed])
    )
    assert (found.added, found.removed) == ((third,), (second,))
    assert found.changed == ((ROW, changed, ("attempt", "result")),)
    assert found.header == ("namespace",)
    assert plan_diff((HEADER, [ROW, second]), (HEADER, [second, ROW])).same


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ({RowState.DONE: 3, RowState.ALREADY_DONE: 1, RowState.SKIPPED: 1}, ExitCode.OK),
        ({RowState.DONE: 3, RowState.REFUSED: 1}, ExitCode.REFUSED),
        ({RowState.REFUSED: 1, RowState.FAILED: 1}, ExitCode.PARTIAL),
        ({RowState.DONE: 3, RowState.NOT_TRIED: 1}, ExitCode.PARTIAL),
        ({}, ExitCode.OK),
    ],
)
def test_exit_code_is_of_the_worst_row(states: dict[RowState, int], code: ExitCode) -> None:
    assert exit_code(Counter(states)) is code
