from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from stigmer_ops.procedures import smoke
from stigmer_ops.procedures.smoke_report import (
    Round,
    SmokePlan,
    SmokeReport,
    Spread,
    StigmerRequest,
)

MS = timedelta(milliseconds=1)
ZERO = timedelta(0)
PLAN = SmokePlan(rounds=1, timeout=timedelta(seconds=10), budget=100 * MS)

SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
STARTED = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
COMPLETED = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
FAILED = EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
TASK = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED


def history(*events: tuple[EventType.ValueType, int]) -> list[HistoryEvent]:
    """Events with the milliseconds at which they happened."""
    found = []
    for number, (kind, milliseconds) in enumerate(events, 1):
        event = HistoryEvent(event_id=number, event_type=kind)
        event.event_time.FromDatetime(datetime(2026, 1, 2, tzinfo=UTC) + milliseconds * MS)
        found.append(event)
    return found


def report(*rounds: Round, plan: SmokePlan = PLAN) -> SmokeReport:
    return SmokeReport(plan, "stigmer-ops-smoke-1", len(rounds), list(rounds))


def taking(milliseconds: int) -> Round:
    return Round(ZERO, milliseconds * MS, ZERO, ZERO)


@pytest.mark.parametrize(
    ("times", "p50", "p95"),
    [([7], 7, 7), ([3, 1, 2], 2, 3), (list(range(1, 21)), 10, 19), (list(range(1, 101)), 50, 95)],
)
def test_percentiles_are_by_nearest_rank(times: list[int], p50: int, p95: int) -> None:
    spread = Spread.of([time * MS for time in times])
    assert spread == Spread(p50 * MS, p95 * MS, max(times) * MS)


def test_overhead_leaves_the_agent_out() -> None:
    one = Round(dispatch=1 * MS, call=2 * MS, agent=timedelta(hours=1), resume=4 * MS)
    assert one.overhead == 7 * MS


def test_budget_is_held_against_the_95th_percentile() -> None:
    fast = [taking(10)] * 19
    assert report(*fast, taking(5000)).passed
    slow = report(*fast[:18], taking(101), taking(101))
    assert slow.over_budget
    assert not slow.passed
    assert report(taking(100)).passed


def test_stigmers_own_calls_have_no_budget() -> None:
    plan = SmokePlan(1, PLAN.timeout, PLAN.budget, StigmerRequest())
    assert report(taking(5000), plan=plan).passed


def test_canary_that_stopped_has_not_passed() -> None:
    stopped = report()
    assert not stopped.passed
    stopped.stopped = "Stigmer did not call back"
    assert not stopped.passed


def test_times_of_each_round_are_read_in_order() -> None:
    events = history(
        (TASK, 0), (SCHEDULED, 1), (STARTED, 4), (COMPLETED, 20), (TASK, 25),
        (SCHEDULED, 30), (STARTED, 31), (COMPLETED, 1000), (TASK, 1002),
        (SCHEDULED, 1003),
    )  # fmt: skip
    plain = smoke.measured(events, [7 * MS, 9 * MS], agent_works=False)
    assert plain == [
        Round(dispatch=3 * MS, call=7 * MS, agent=ZERO, resume=5 * MS),
        Round(dispatch=1 * MS, call=9 * MS, agent=ZERO, resume=2 * MS),
    ]
    through = smoke.measured(events, [7 * MS, 9 * MS], agent_works=True)
    assert [one.agent for one in through] == [9 * MS, 960 * MS]


@pytest.mark.parametrize(
    ("last", "words"), [(FAILED, "the activity failed"), (STARTED, "interfered")]
)
def test_round_that_did_not_complete_says_so(last: EventType.ValueType, words: str) -> None:
    events = history((SCHEDULED, 1), (STARTED, 2), (last, 3), (TASK, 4))
    with pytest.raises(Exception, match=words):
        smoke.measured(events, [MS], agent_works=True)
