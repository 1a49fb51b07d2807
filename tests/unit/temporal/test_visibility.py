"""Queries: what users named can neither break out of them nor be lost in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.temporal.visibility import all_of, closed_since, is_any_of, not_after


def test_clauses_are_joined_and_missing_ones_left_out() -> None:
    assert all_of("a = 1", None, "b = 2") == "a = 1 AND b = 2"
    assert all_of(None) == ""


def test_values_are_quoted_and_sorted() -> None:
    assert is_any_of("WorkflowType", ["b", "a"]) == "WorkflowType IN ('a', 'b')"


def test_no_values_make_no_clause() -> None:
    assert is_any_of("WorkflowType", []) is None


@pytest.mark.parametrize(
    "value", ['dou"ble', "back\\slash", "new\nline", "nul\0", "tab\t", "\x1b["]
)
def test_what_the_server_would_not_find_makes_no_clause(value: str) -> None:
    assert is_any_of("WorkflowType", ["fine", value]) is None


@given(st.text(min_size=1))
def test_no_value_ends_its_own_literal(value: str) -> None:
    clause = is_any_of("WorkflowType", [value])
    if clause is not None:
        literal = clause.removeprefix("WorkflowType IN ('").removesuffix("')")
        assert "'" not in literal.replace("''", "")
        assert literal.replace("''", "'") == value


def test_time_is_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert not_after("StartTime", datetime(2026, 1, 2, 12, 0, tzinfo=berlin)) == (
        "StartTime <= '2026-01-02T11:00:00Z'"
    )
    assert not_after("StartTime", datetime(2026, 1, 2, 12, 0, 0, 1, tzinfo=UTC)) == (
        "StartTime <= '2026-01-02T12:00:00.000001Z'"
    )


def test_what_is_open_has_not_closed() -> None:
    assert closed_since(datetime(2026, 1, 2, tzinfo=UTC)) == (
        "(CloseTime >= '2026-01-02T00:00:00Z' AND CloseTime IS NOT NULL)"
    )
