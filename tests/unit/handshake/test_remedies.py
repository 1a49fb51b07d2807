"""By how much printed commands extend, and that whoever did as they were told is not warned."""

from __future__ import annotations

from datetime import timedelta

import pytest

from stigmer_ops.handshake.activity import Timeouts
from stigmer_ops.handshake.remedies import extension_of
from stigmer_ops.handshake.settings_safety import unsafe_settings
from support.activities import pending

MINUTE = timedelta(minutes=1)
HOUR = 60 * MINUTE


@pytest.mark.parametrize(
    ("timeout", "by"),
    [
        (24 * HOUR, 2 * HOUR),
        (8 * HOUR, 2 * HOUR),
        (2 * HOUR, 30 * MINUTE),
        (24 * MINUTE, 6 * MINUTE),
        (2 * MINUTE, MINUTE),
        (None, 2 * HOUR),
    ],
)
def test_extension_is_two_hours_or_a_quarter_of_a_short_timeout(
    timeout: timedelta | None, by: timedelta
) -> None:
    assert extension_of(pending(timeouts=Timeouts(start_to_close=timeout))) == by


@pytest.mark.parametrize("longest", [24 * HOUR, 24 * MINUTE])
def test_extension_of_the_longest_timeout_is_not_unsafe(longest: timedelta) -> None:
    longer = longest + extension_of(pending(timeouts=Timeouts(start_to_close=longest)))
    extended = pending(maximum_attempts=1, timeouts=Timeouts(start_to_close=longer))

    assert list(unsafe_settings(extended, run_timeout=MINUTE, longest=longest)) == []


def test_timeouts_are_told_as_people_read_them() -> None:
    short = pending(maximum_attempts=1, timeouts=Timeouts(start_to_close=5 * MINUTE))
    long = pending(maximum_attempts=1, timeouts=Timeouts(start_to_close=54 * HOUR))

    (too_short,) = unsafe_settings(short, run_timeout=10 * MINUTE, longest=24 * HOUR)
    (too_long,) = unsafe_settings(long, run_timeout=10 * MINUTE, longest=11 * HOUR)

    assert "of 5m is shorter" in too_short.problem
    assert "timeout of 10m:" in too_short.problem
    assert "of 2d6h is longer than 11h:" in too_long.problem
