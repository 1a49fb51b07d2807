"""Numbers, ticks, ranges and variables: what Grafana would write and ask."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stigmer_ops.errors import UsageError
from stigmer_ops.monitoring.preview.axes import decimals_of, time_ticks, value_ticks
from stigmer_ops.monitoring.preview.units import formatted
from stigmer_ops.monitoring.preview.variables import filled_in
from stigmer_ops.monitoring.preview.window import time_range

NOW = datetime(2026, 3, 4, 12, 30, 45, 678, UTC)
SCRAPE = timedelta(seconds=15)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.9567, "percentunit", "95.7%"),
        (1, "percentunit", "100%"),
        (0.07, "percentunit", "7%"),
        (0, "percentunit", "0%"),
        (42, "percent", "42%"),
        (0, "s", "0 s"),
        (0.0456, "s", "45.6 ms"),
        (0.0000021, "s", "2.10 µs"),
        (1.5, "s", "1.50 s"),
        (59, "s", "59 s"),
        (90, "s", "1.50 mins"),
        (60, "s", "1 min"),
        (5000, "s", "1.39 hours"),
        (86_400, "s", "1 day"),
        (2_000_000, "s", "3.31 weeks"),
        (-90, "s", "-1.50 mins"),
        (1500, "ms", "1.50 s"),
        (999, "short", "999"),
        (1000, "short", "1 K"),
        (1234, "short", "1.23 K"),
        (2_500_000, "short", "2.50 Mil"),
        (0.25, "short", "0.250"),
        (0.206, "cps", "0.206 c/s"),
        (12_345, "cps", "12.3K c/s"),
        (2048, "bytes", "2 KiB"),
        (2000, "decbytes", "2 kB"),
        (1, "bool_yes_no", "Yes"),
        (0, "bool_yes_no", "No"),
        (1_764_000_000_000, "dateTimeAsIso", "2025-11-24 16:00:00"),
        (1e30, "dateTimeAsIso", "Invalid date"),
        (7, "", "7"),
        (7, "widgets", "7 widgets"),
        (math.nan, "s", "NaN"),
        (math.inf, "short", "∞"),
        (-math.inf, "short", "-∞"),
        (1e307, "percentunit", "∞%"),
        (-0.0, "short", "0"),
    ],
)
def test_a_value_is_written_as_grafana_writes_it(value: float, unit: str, expected: str) -> None:
    assert formatted(value, unit) == expected


def test_decimals_that_are_set_win() -> None:
    assert formatted(1.23456, "s", 1) == "1.2 s"


@given(st.floats(), st.sampled_from(["s", "short", "percentunit", "cps", "bytes", "", "x"]))
def test_any_number_can_be_written(value: float, unit: str) -> None:
    assert formatted(value, unit)


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.55, 5, [0, 0.2, 0.4]),
        (0, 450, 5, [0, 100, 200, 300, 400]),
        (0, 24_000, 5, [0, 5000, 10_000, 15_000, 20_000]),
        (-3, 3, 4, [-2, 0, 2]),
        (0, 7, 1, [0]),
    ],
)
def test_values_are_marked_at_round_numbers(
    low: float, high: float, most: int, expected: list[float]
) -> None:
    assert value_ticks(low, high, most) == expected


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12), st.integers(1, 12))
@example(450359962737.84375, 6.103515625e-05, 3)
def test_marks_are_few_and_within(low: float, span: float, most: int) -> None:
    ticks = value_ticks(low, low + span, most) if low + span > low else []
    assert len(ticks) <= most + 1
    slack = span * 1e-6 + abs(low) * 1e-9
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)


def test_decimals_tell_marks_apart() -> None:
    assert decimals_of([0, 0.25, 0.5]) == 2
    assert decimals_of([0, 20, 40]) == 0
    assert decimals_of([]) == 0


def ticks(start: str, hours: float, most: int) -> list[str]:
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    return [label for _, label in time_ticks(begin, begin + timedelta(hours=hours), most)]


def test_times_are_marked_at_round_times() -> None:
    assert ticks("2026-03-04T09:59", 6, 6) == [f"{hour:02}:00" for hour in range(10, 16)]
    assert ticks("2026-03-04T22:30", 3, 4) == ["23:00", "03/05 00:00", "01:00"]
    assert ticks("2026-03-04T22:30", 72, 3) == ["03/05", "03/06", "03/07"]
    assert ticks("2026-03-04T22:30", 1 / 60, 4) == [
        f"22:{at}" for at in ("30:00", "30:15", "30:30", "30:45", "31:00")
    ]
    assert len(ticks("2026-03-04T22:30", 24 * 4000, 4)) <= 12


@pytest.mark.parametrize(
    ("start", "end", "length", "step", "rate"),
    [
        ("now-6h", "now", "6:00:00", 60, 75),
        ("now-1h", "now", "1:00:00", 15, 60),
        ("now-30d", "now", "30 days, 0:00:00", 7200, 7215),
        ("now-1d", "now-12h", "12:00:00", 120, 135),
        ("2026-03-04T10:00:00Z", "2026-03-04T11:00:00+00:00", "1:00:00", 15, 60),
        ("2026-03-04T10:00:00", "2026-03-04T11:00:00", "1:00:00", 15, 60),
    ],
)
def test_intervals_follow_from_the_range(
    start: str, end: str, length: str, step: int, rate: int
) -> None:
    found = time_range(start, end, NOW, SCRAPE)
    assert str(found.length) == length
    assert found.step == timedelta(seconds=step)
    assert found.rate_interval == timedelta(seconds=rate)
    assert found.count <= 601


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("now", "now-1h"),
        ("now", "now"),
        ("yesterday", "now"),
        ("now-6q", "now"),
        ("", "now"),
        ("now-999999999999999d", "now"),
    ],
)
def test_a_range_that_is_none_is_refused(start: str, end: str) -> None:
    with pytest.raises(UsageError):
        time_range(start, end, NOW, SCRAPE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('x{a=~"$a"}', 'x{a=~".+"}'),
        ('x{a=~"${a:regex}"}', 'x{a=~".+"}'),
        ('x{a=~"[[a]]"}', 'x{a=~".+"}'),
        ("rate(x[$__rate_interval])", "rate(x[60s])"),
        ('label_replace(x, "a", "$1", "b", "(.*)")', 'label_replace(x, "a", "$1", "b", "(.*)")'),
        ("$unknown ${unknown} $ab", "$unknown ${unknown} $ab"),
    ],
)
def test_variables_are_filled_in(text: str, expected: str) -> None:
    assert filled_in(text, {"a": ".+", "__rate_interval": "60s"}) == expected
