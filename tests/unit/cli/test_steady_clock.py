"""Once the server's time is known, nobody who sets this machine's clock changes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stigmer_ops.cli.context import _steady_clock


def test_clock_goes_on_from_where_it_was_started() -> None:
    start = datetime(2020, 2, 29, 12, tzinfo=UTC)  # far from this machine's
    clock = _steady_clock(start)
    first, second = clock(), clock()
    assert start <= first <= second < start + timedelta(minutes=1)
