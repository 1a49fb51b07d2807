from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.handshake.activity import ActivityState, PendingActivity, Timeouts
from stigmer_ops.handshake.extension import deadline_moved_to, wanted_deadline
from support.activities import HOUR, NOW, pending

STARTED = NOW - 2 * HOUR
SECOND = timedelta(seconds=1)


def scheduled_earlier(**timeouts: timedelta) -> PendingActivity:
    """Started two hours ago, scheduled three hours ago."""
    return pending(first_scheduled_time=NOW - 3 * HOUR, timeouts=Timeouts(**timeouts))


def test_only_what_ends_too_early_is_raised() -> None:
    activity = scheduled_earlier(start_to_close=4 * HOUR, schedule_to_close=24 * HOUR)

    change = deadline_moved_to(activity, NOW + 5 * HOUR)

    assert change.changed == ("start_to_close",)
    assert change.after == Timeouts(start_to_close=7 * HOUR, schedule_to_close=24 * HOUR)
    assert change.deadline_before == NOW + 2 * HOUR
    assert change.deadline == NOW + 5 * HOUR


def test_each_timeout_is_counted_from_its_own_beginning() -> None:
    activity = scheduled_earlier(start_to_close=4 * HOUR, schedule_to_close=6 * HOUR)

    change = deadline_moved_to(activity, NOW + 5 * HOUR)

    assert change.after == Timeouts(start_to_close=7 * HOUR, schedule_to_close=8 * HOUR)


def test_start_to_close_is_never_longer_than_a_raised_schedule_to_close() -> None:
    """The server would clamp it in silence."""
    activity = scheduled_earlier(start_to_close=HOUR, schedule_to_close=HOUR)

    after = deadline_moved_to(activity, NOW + 5 * HOUR).after

    assert after.start_to_close is not None
    assert after.schedule_to_close is not None
    assert after.start_to_close <= after.schedule_to_close


def test_queued_activity_gets_more_time_until_its_start() -> None:
    activity = pending(
        state=ActivityState.SCHEDULED,
        last_started_time=None,
        timeouts=Timeouts(schedule_to_start=3 * HOUR, start_to_close=HOUR),
    )

    change = deadline_moved_to(activity, NOW + 5 * HOUR)

    assert change.changed == ("schedule_to_start",)
    assert change.after.schedule_to_start == 7 * HOUR


def test_later_deadline_than_asked_changes_nothing() -> None:
    change = deadline_moved_to(scheduled_earlier(start_to_close=9 * HOUR), NOW + HOUR)

    assert change.changed == ()
    assert change.deadline == NOW + 7 * HOUR


@given(
    st.timedeltas(timedelta(microseconds=1), timedelta(days=400)),
    st.timedeltas(SECOND, timedelta(days=30)),
    st.timedeltas(SECOND, timedelta(days=30)),
)
def test_deadline_is_as_asked_to_the_second_and_nothing_is_shortened(
    ahead: timedelta, start_to_close: timedelta, schedule_to_close: timedelta
) -> None:
    activity = scheduled_earlier(start_to_close=start_to_close, schedule_to_close=schedule_to_close)
    until = NOW + ahead

    change = deadline_moved_to(activity, until)

    before = activity.deadline
    assert before is not None
    assert change.deadline >= max(until, before.time)
    assert change.deadline < max(until, before.time) + SECOND or not change.changed
    assert change.after.start_to_close is not None
    assert change.after.start_to_close >= start_to_close


def test_wanted_deadline_by_each_way_of_saying_it() -> None:
    activity = scheduled_earlier(start_to_close=4 * HOUR)

    assert wanted_deadline(activity, by=HOUR) == NOW + 3 * HOUR
    assert wanted_deadline(activity, until=NOW + HOUR) == NOW + HOUR
    assert wanted_deadline(activity, start_to_close=8 * HOUR) == STARTED + 8 * HOUR


@pytest.mark.parametrize("way", [{"by": HOUR}, {"start_to_close": HOUR}])
def test_wanted_deadline_without_anything_that_runs_is_none(way: dict[str, timedelta]) -> None:
    queued = pending(state=ActivityState.SCHEDULED, timeouts=Timeouts(start_to_close=HOUR))

    assert wanted_deadline(queued, **way) is None  # type: ignore[arg-type] # two of its options
