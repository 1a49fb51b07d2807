"""Which activities are wanted, and in which order they come."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.handshake.activity import ActivityState, PendingActivity, Timeouts
from stigmer_ops.handshake.selection import (
    Attempts,
    Order,
    Ranking,
    Selection,
    SortKey,
    parse_attempts,
)
from support.activities import HOUR, NOW, pending

WAITING = pending(workflow_type="Order")  # for two of its 24 hours


@pytest.mark.parametrize(
    ("text", "attempts"),
    [("1", Attempts(1)), ("2+", Attempts(2, and_later=True)), ("10", Attempts(10))],
)
def test_attempts_are_a_number_or_a_number_and_later(text: str, attempts: Attempts) -> None:
    assert parse_attempts(text) == attempts


@pytest.mark.parametrize(
    "text", ["", "0", "+", "-1", "2++", "2 +", "one", "1.5", "\u0661", "9" * 30]
)
def test_other_attempts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an attempt such as 1 or"):
        parse_attempts(text)


def test_attempts_contain() -> None:
    assert 2 in Attempts(2)
    assert 3 not in Attempts(2)
    assert 3 in Attempts(2, and_later=True)
    assert 1 not in Attempts(2, and_later=True)


@pytest.mark.parametrize(
    ("criteria", "wanted"),
    [
        ({}, True),
        ({"activity_types": frozenset({"CallAgentActivity"})}, True),
        ({"activity_types": frozenset({"callagentactivity"})}, False),
        pytest.param(
            # Named, since the order of a set is another in each process that collects tests.
            *({"workflow_types": frozenset({"Order", "Other"})}, True),
            id="one of two workflow types",
        ),
        ({"workflow_types": frozenset({"Other"})}, False),
        ({"task_queues": frozenset({"zigflow_execution"})}, True),
        ({"task_queues": frozenset({"other"})}, False),
        ({"states": frozenset({ActivityState.STARTED})}, True),
        ({"states": frozenset({ActivityState.PAUSED})}, False),
        ({"attempts": Attempts(1)}, True),
        ({"attempts": Attempts(2, and_later=True)}, False),
        ({"older_than": 2 * HOUR}, True),
        ({"older_than": 2 * HOUR + timedelta(seconds=1)}, False),
        ({"expires_within": 22 * HOUR}, True),
        ({"expires_within": 21 * HOUR}, False),
        ({"older_than": HOUR, "attempts": Attempts(2)}, False),
    ],
    ids=str,
)
def test_selection_wants(criteria: dict[str, Any], wanted: bool) -> None:
    assert Selection(**criteria).matches(WAITING, NOW) is wanted


def test_what_is_overdue_expires_within_anything() -> None:
    overdue = replace(WAITING, timeouts=Timeouts(start_to_close=HOUR))
    assert Selection(expires_within=timedelta(0)).matches(overdue, NOW)


def test_what_has_no_deadline_never_expires() -> None:
    endless = replace(WAITING, timeouts=Timeouts())
    assert not Selection(expires_within=1000 * HOUR).matches(endless, NOW)


def numbered(number: int, **changes: Any) -> PendingActivity:
    return pending(workflow_id=f"order-{number}", **changes)


OLD = numbered(3, scheduled_time=NOW - 9 * HOUR, last_started_time=NOW - 2 * HOUR)
YOUNG = numbered(1, scheduled_time=NOW - HOUR, last_started_time=NOW - HOUR, attempt=3)
ENDLESS = numbered(2, scheduled_time=None, last_started_time=None, timeouts=Timeouts())


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (SortKey.AGE, [OLD, YOUNG, ENDLESS]),
        (SortKey.TIME_LEFT, [OLD, YOUNG, ENDLESS]),
        (SortKey.ATTEMPT, [YOUNG, ENDLESS, OLD]),
        (SortKey.WORKFLOW, [YOUNG, ENDLESS, OLD]),
    ],
)
def test_order_puts_first_what_matters_first(key: SortKey, expected: list[PendingActivity]) -> None:
    for shuffled in ([OLD, YOUNG, ENDLESS], [ENDLESS, OLD, YOUNG], [YOUNG, ENDLESS, OLD]):
        assert sorted(shuffled, key=Order(key).rank) == expected


def test_equals_come_in_the_order_of_their_ids() -> None:
    same = [numbered(2, activity_id="a"), numbered(1, activity_id="b"), numbered(1)]
    ranked = sorted(same, key=Order(SortKey.AGE).rank)
    assert [(item.workflow_id, item.activity_id) for item in ranked] == [
        ("order-1", "5"), ("order-1", "b"), ("order-2", "a"),
    ]  # fmt: skip


@given(
    ages=st.lists(st.integers(0, 10_000), max_size=200),
    limit=st.integers(0, 20),
    reverse=st.booleans(),
)
def test_ranking_is_sorting_and_cutting(ages: list[int], limit: int, reverse: bool) -> None:
    activities = [
        numbered(number, scheduled_time=NOW - timedelta(seconds=age))
        for number, age in enumerate(ages)
    ]
    order = Order(SortKey.AGE, reverse)
    ranking = Ranking(order, limit)
    for activity in activities:
        ranking.add(activity)

    whole = sorted(activities, key=order.rank, reverse=reverse)
    assert ranking.first() == (whole[:limit] if limit else whole)
    assert ranking.seen == len(ages)
    assert ranking.left_out == (max(len(ages) - limit, 0) if limit else 0)


def test_ranking_holds_no_more_than_twice_its_limit() -> None:
    ranking = Ranking(Order(), 10)
    numbers = list(range(1000))
    random.Random(7).shuffle(numbers)
    for number in numbers:
        ranking.add(numbered(number, scheduled_time=NOW - timedelta(seconds=number)))
        assert len(ranking._kept) <= 20
    assert [item.workflow_id for item in ranking.first()][:2] == ["order-999", "order-998"]
