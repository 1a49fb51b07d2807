from __future__ import annotations

from datetime import timedelta

import pytest

from stigmer_ops.handshake.activity import (
    AGE_BUCKETS,
    ActivityState,
    Timeouts,
    TimeoutType,
    age_bucket,
)
from support.activities import HOUR, NOW, pending


def test_deadline_is_the_earliest_timeout_that_runs() -> None:
    timeouts = Timeouts(start_to_close=24 * HOUR, schedule_to_close=10 * HOUR, heartbeat=30 * HOUR)
    deadline = pending(timeouts=timeouts).deadline
    assert deadline is not None
    assert deadline.timeout_type is TimeoutType.SCHEDULE_TO_CLOSE
    assert deadline.time == NOW + 8 * HOUR
    assert deadline.share_used(NOW) == pytest.approx(0.2)


def test_heartbeat_deadline_counts_from_the_last_heartbeat() -> None:
    heard = NOW - timedelta(minutes=1)
    activity = pending(
        timeouts=Timeouts(start_to_close=24 * HOUR, heartbeat=HOUR), last_heartbeat_time=heard
    )
    assert activity.time_left(NOW) == timedelta(minutes=59)


def test_attempt_that_has_not_started_runs_against_schedule_to_start() -> None:
    activity = pending(
        state=ActivityState.SCHEDULED,
        last_started_time=None,
        timeouts=Timeouts(start_to_close=HOUR, schedule_to_start=3 * HOUR),
    )
    deadline = activity.deadline
    assert deadline is not None
    assert deadline.timeout_type is TimeoutType.SCHEDULE_TO_START
    assert activity.time_left(NOW) == HOUR


def test_backoff_keeps_no_start_to_close_from_the_attempt_before() -> None:
    activity = pending(state=ActivityState.SCHEDULED, timeouts=Timeouts(start_to_close=HOUR))
    assert activity.deadline is None
    assert activity.time_left(NOW) is None


def test_age_of_a_retried_activity_is_derived_from_its_expiration() -> None:
    activity = pending(
        attempt=3,
        timeouts=Timeouts(start_to_close=HOUR, schedule_to_close=10 * HOUR),
        expiration_time=NOW + HOUR,
    )
    assert activity.age(NOW) == 9 * HOUR


def test_age_is_never_negative() -> None:
    assert pending(scheduled_time=NOW + HOUR).age(NOW) == timedelta(0)


@pytest.mark.parametrize(
    ("age", "bucket"),
    [
        (timedelta(0), "0-1h"),
        (HOUR, "1-4h"),
        (4 * HOUR - timedelta(seconds=1), "1-4h"),
        (4 * HOUR, "4-12h"),
        (12 * HOUR, "12-24h"),
        (24 * HOUR, "24h+"),
        (timedelta(days=400), "24h+"),
    ],
)
def test_a_bound_belongs_to_the_bucket_above_it(age: timedelta, bucket: str) -> None:
    assert age_bucket(age) == bucket


def test_buckets_ascend() -> None:
    bounds = [upper for _, upper in AGE_BUCKETS]
    assert bounds == sorted(bounds)
