"""Counts by group, with the oldest and the nearest deadline of each."""

from __future__ import annotations

from datetime import timedelta

from stigmer_ops.handshake.activity import ActivityState, Timeouts
from stigmer_ops.handshake.summary import BY_AGE, DIMENSIONS, Summary
from support.activities import HOUR, NOW, pending


def waiting_for(hours: float, workflow_id: str = "order", **changes: object) -> object:
    since = NOW - timedelta(hours=hours)
    return pending(
        workflow_id=workflow_id, scheduled_time=since, last_started_time=since, **changes
    )


def summary_of(*activities: object) -> Summary:
    summary = Summary(NOW)
    for activity in activities:
        summary.add(activity)  # type: ignore[arg-type] # made by waiting_for
    return summary


def test_every_age_bucket_is_there_in_order_even_if_empty() -> None:
    summary = summary_of(waiting_for(25), waiting_for(1), waiting_for(0.5))
    assert [(name, tally.count) for name, tally in BY_AGE.tallies(summary)] == [
        ("0-1h", 1), ("1-4h", 1), ("4-12h", 0), ("12-24h", 0), ("24h+", 1),
    ]  # fmt: skip


def test_other_groups_come_largest_first_then_by_name() -> None:
    summary = summary_of(
        waiting_for(1, task_queue="b"),
        waiting_for(1, task_queue="a"),
        waiting_for(1, task_queue="z"),
        waiting_for(1, task_queue="z"),
    )
    by_queue = next(item for item in DIMENSIONS if item.name == "by_task_queue")
    assert [name for name, _ in by_queue.tallies(summary)] == ["z", "a", "b"]


def test_each_dimension_counts_each_activity_once() -> None:
    summary = summary_of(
        waiting_for(1), waiting_for(2, state=ActivityState.PAUSED), waiting_for(30)
    )
    assert summary.all.count == 3
    for dimension in DIMENSIONS:
        assert sum(tally.count for _, tally in dimension.tallies(summary)) == 3


def test_oldest_and_nearest_may_be_two_activities() -> None:
    summary = summary_of(
        waiting_for(5, "oldest"),
        waiting_for(1, "nearest", timeouts=Timeouts(start_to_close=2 * HOUR)),
        waiting_for(9, "endless", timeouts=Timeouts()),
    )
    assert summary.all.oldest is not None
    assert summary.all.oldest.workflow_id == "endless"
    assert summary.all.nearest is not None
    assert summary.all.nearest.workflow_id == "nearest"


def test_group_without_deadlines_has_no_nearest() -> None:
    assert summary_of(waiting_for(1, timeouts=Timeouts())).all.nearest is None
