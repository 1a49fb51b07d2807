"""What is remembered of activities, and what the gauges make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stigmer_ops.exporter.pending.records import (
    NEVER,
    GroupKey,
    Link,
    Records,
    TrackedActivity,
    time_of,
)
from stigmer_ops.exporter.pending.summary import OTHER, PendingSummary, summarise
from stigmer_ops.handshake.activity import AGE_BUCKETS, ActivityState, PendingActivity, Timeouts
from stigmer_ops.handshake.execution import Edition
from stigmer_ops.settings import Settings
from support.activities import HOUR, NOW, pending

MINUTE = timedelta(minutes=1)
SETTINGS = Settings()
RECORDS = Records(SETTINGS)
UNSAFE = {"maximum_attempts": 0, "heartbeat_timeout": 0, "start_to_close_timeout": 0}


def record(activity: PendingActivity) -> TrackedActivity:
    return RECORDS.record(activity, NOW)


def waiting(age: timedelta, **changes: Any) -> PendingActivity:
    return pending(scheduled_time=NOW - age, last_started_time=NOW - age, **changes)


def summary_of(*activities: PendingActivity, limit: int = 10) -> PendingSummary:
    return summarise(map(record, activities), NOW, limit)


def test_every_service_and_age_bucket_is_there_at_zero() -> None:
    found = summary_of()

    assert found.by_age == {
        (service, bucket): 0 for service in ("go", "java", "unknown") for bucket, _ in AGE_BUCKETS
    }
    assert found.groups == {}


@pytest.mark.parametrize(
    ("age", "bucket"),
    [
        (timedelta(0), "0-1h"),
        (-HOUR, "0-1h"),
        (HOUR - timedelta(seconds=1), "0-1h"),
        (HOUR, "1-4h"),
        (4 * HOUR, "4-12h"),
        (12 * HOUR, "12-24h"),
        (24 * HOUR, "24h+"),
        (9000 * HOUR, "24h+"),
    ],
)
def test_a_bound_belongs_to_the_bucket_above_it(age: timedelta, bucket: str) -> None:
    counts = summary_of(waiting(age)).by_age

    assert {key: count for key, count in counts.items() if count} == {("unknown", bucket): 1}


def test_ages_follow_by_arithmetic() -> None:
    tracked = [record(waiting(timedelta(minutes=50)))]

    later = summarise(tracked, NOW + 20 * MINUTE, 10)

    assert later.by_age["unknown", "1-4h"] == 1
    assert later.by_age["unknown", "0-1h"] == 0


def test_age_buckets_are_as_short_as_the_days_of_a_sandbox() -> None:
    tracked = [record(waiting(timedelta(seconds=age))) for age in (59, 60, 240, 1440)]

    counts = summarise(tracked, NOW, 10, time_scale=1 / 60).by_age

    assert {key: count for key, count in counts.items() if count} == {
        ("unknown", "0-1h"): 1,
        ("unknown", "1-4h"): 1,
        ("unknown", "4-12h"): 1,
        ("unknown", "24h+"): 1,
    }


def test_a_group_tells_its_oldest_and_its_nearest_deadline() -> None:
    found = summary_of(waiting(2 * HOUR), waiting(18 * HOUR), waiting(HOUR, task_queue="own"))

    group = found.groups[GroupKey("zigflow_execution", "CallAgentActivity")]
    assert group.count == 2
    assert group.oldest == NOW - 18 * HOUR
    assert group.nearest_deadline == NOW + 6 * HOUR
    assert group.timeout_used == pytest.approx(0.75)
    assert found.groups[GroupKey("own", "CallAgentActivity")].count == 1


def test_without_a_timeout_there_is_no_deadline() -> None:
    (group,) = summary_of(waiting(HOUR, timeouts=Timeouts())).groups.values()

    assert group.nearest_deadline is None
    assert group.timeout_used == 0
    assert group.unsafe == {**UNSAFE, "start_to_close_timeout": 1}


def test_a_paused_activity_may_be_past_its_deadline() -> None:
    state = ActivityState.PAUSE_REQUESTED
    activity = waiting(36 * HOUR, state=state, paused=True)

    (group,) = summary_of(activity).groups.values()

    assert group.timeout_used == pytest.approx(1.5)
    assert group.nearest_deadline == NOW - 12 * HOUR


def test_unsafe_settings_are_counted_each() -> None:
    (group,) = summary_of(
        waiting(HOUR, maximum_attempts=0),
        waiting(HOUR, maximum_attempts=3, timeouts=Timeouts(start_to_close=48 * HOUR)),
        waiting(HOUR, timeouts=Timeouts(start_to_close=HOUR, heartbeat=MINUTE)),
    ).groups.values()

    assert group.unsafe == {
        "maximum_attempts": 2,
        "heartbeat_timeout": 1,
        "start_to_close_timeout": 1,
    }


def test_beyond_the_limit_the_smallest_groups_are_one() -> None:
    queues = {"large": 3, "middle": 2, "small": 1, "tiny": 1}
    activities = [
        waiting(age * HOUR, task_queue=queue, maximum_attempts=2)
        for age, (queue, count) in enumerate(queues.items(), start=1)
        for _ in range(count)
    ]

    found = summary_of(*activities, limit=2)

    assert [key.task_queue for key in found.groups] == ["large", "middle", "other"]
    other = found.groups[OTHER]
    assert other.count == 2
    assert other.oldest == NOW - 4 * HOUR
    assert other.nearest_deadline == NOW + 20 * HOUR
    assert other.timeout_used == pytest.approx(4 / 24)
    assert other.unsafe["maximum_attempts"] == 2


def test_an_edition_is_worth_more_than_a_later_attempt_without() -> None:
    activity = record(waiting(HOUR))
    assert activity.service == "unknown"

    for link, service in (
        (Link(2, None), "unknown"),
        (Link(1, Edition.JAVA), "java"),
        (Link(3, None), "java"),
        (Link(2, Edition.GO), "go"),
        (Link(1, Edition.JAVA), "go"),
    ):
        activity.learn(link)
        assert activity.service == service


def rechecked_in(*activities: PendingActivity, now_later: timedelta = timedelta(0)) -> timedelta:
    at = NOW + now_later
    return time_of(RECORDS.recheck(map(record, activities), at.timestamp())) - at


SOON = SETTINGS.exporter.interval / 2


def test_a_started_activity_is_described_again_at_its_deadline() -> None:
    assert rechecked_in(waiting(HOUR), waiting(2 * HOUR)) == 22 * HOUR


def test_what_stays_past_its_deadline_is_described_ever_more_rarely() -> None:
    activity = waiting(23 * HOUR)

    assert rechecked_in(activity, now_later=HOUR) == SOON
    assert rechecked_in(activity, now_later=HOUR + MINUTE) == MINUTE
    assert rechecked_in(activity, now_later=9 * HOUR) == 8 * HOUR


def test_what_waits_for_a_worker_is_described_ever_more_rarely() -> None:
    state = ActivityState.SCHEDULED

    def scheduled(age: timedelta) -> PendingActivity:
        return waiting(age, state=state)

    assert rechecked_in(scheduled(timedelta(0))) == SOON
    assert rechecked_in(scheduled(10 * MINUTE)) == 10 * MINUTE
    assert rechecked_in(scheduled(-5 * MINUTE)) == 5 * MINUTE  # backs off until then


def test_without_a_timeout_nothing_is_expected() -> None:
    tracked = [record(waiting(HOUR, timeouts=Timeouts()))]

    assert RECORDS.recheck(tracked, NOW.timestamp()) == NEVER


@pytest.mark.parametrize(
    ("activity", "earliest"),
    [
        (waiting(HOUR), 23 * HOUR),
        (
            waiting(HOUR, timeouts=Timeouts(start_to_close=24 * HOUR, heartbeat=MINUTE)),
            -59 * MINUTE,
        ),
        (waiting(HOUR, state=ActivityState.SCHEDULED), 23 * HOUR),
        (
            waiting(
                HOUR,
                state=ActivityState.SCHEDULED,
                timeouts=Timeouts(start_to_close=24 * HOUR, schedule_to_start=2 * HOUR),
            ),
            HOUR,
        ),
    ],
)
def test_the_earliest_timeout_counts_a_worker_that_took_the_attempt_at_once(
    activity: PendingActivity, earliest: timedelta
) -> None:
    assert time_of(record(activity).may_time_out) == NOW + earliest


def test_a_later_use_of_an_id_is_another_activity() -> None:
    first = record(waiting(2 * HOUR, maximum_attempts=3))

    def again(**changes: Any) -> TrackedActivity:
        activity = waiting(HOUR, maximum_attempts=3, **changes)
        return record(activity)

    retried = again(attempt=2, first_scheduled_time=NOW - 2 * HOUR)
    assert first.is_same(first)
    assert first.is_same(retried)
    assert not retried.is_same(first)
    assert not first.is_same(again())
    assert not first.is_same(again(attempt=2, first_scheduled_time=NOW - HOUR))
    assert first.is_same(again(attempt=2))  # its first schedule is not known


def test_records_share_what_is_equal() -> None:
    one, other = record(waiting(HOUR)), record(replace(waiting(HOUR), activity_id="6"))

    shared: Sequence[tuple[object, object]] = (
        (one.group, other.group),
        (one.unsafe, other.unsafe),
    )
    assert all(mine is theirs for mine, theirs in shared)
