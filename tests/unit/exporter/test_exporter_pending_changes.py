"""From which time on changes are asked for, whatever the clocks say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from stigmer_ops.exporter.pending.changes import FARTHEST_BEHIND, Changes, ServerClock
from stigmer_ops.exporter.pending.records import Run
from support.activities import HOUR, NOW

SECOND = timedelta(seconds=1)


def test_an_unknown_clock_is_taken_to_be_far_behind() -> None:
    assert ServerClock().at(NOW) == NOW - FARTHEST_BEHIND


@pytest.mark.parametrize("ahead", [-200 * SECOND, -SECOND, timedelta(0), HOUR])
def test_the_server_is_never_taken_to_be_further_than_it_is(ahead: timedelta) -> None:
    clock = ServerClock()

    for delay in (60, 5, 30):  # how long each time was past when it was seen
        clock.saw(NOW + ahead - delay * SECOND, NOW)

    assert clock.at(NOW) == NOW + ahead - 5 * SECOND
    assert clock.at(NOW + HOUR) == NOW + HOUR + ahead - 5 * SECOND


def test_old_times_tell_nothing_of_the_clock() -> None:
    clock = ServerClock()

    clock.saw(NOW - 100 * HOUR, NOW)

    assert clock.at(NOW) == NOW - FARTHEST_BEHIND


def test_what_is_listed_is_open_or_closed() -> None:
    changes = Changes()

    changes.add(Run("order-1", "a"), NOW, None)
    changes.add(Run("order-2", "b"), NOW, NOW + SECOND)

    assert changes.started == {Run("order-1", "a"): NOW}
    assert changes.closed == [Run("order-2", "b")]
