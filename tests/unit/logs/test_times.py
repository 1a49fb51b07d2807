from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.logs.times import LineClock

WRITTEN = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)


def clock(written: datetime = WRITTEN, zone: str = "UTC") -> LineClock:
    return LineClock(ZoneInfo(zone), written)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("2026-01-22T10:11:12Z INF ", "2026-01-22T10:11:12+00:00"),
        ("2026-01-22T10:11:12.345678901Z INF", "2026-01-22T10:11:12.345678+00:00"),
        ("2026-01-22T10:11:12.5+05:30 INF", "2026-01-22T04:41:12.500000+00:00"),
        ("2026-01-22T10:11:12+0200 INF", "2026-01-22T08:11:12+00:00"),
        ("2026-01-22 10:11:12,345 - root - INFO", "2026-01-22T10:11:12.345000+00:00"),
        ("2026/01/22 10:11:12 INFO  ", "2026-01-22T10:11:12+00:00"),
        ("2026/01/22 10:11:12.123456 INFO  ", "2026-01-22T10:11:12.123456+00:00"),
        ("Jan 22 10:11:12 host stigmer-server[1]: ", "2026-01-22T10:11:12+00:00"),
        ("Jan  2 10:11:12 host stigmer-server[1]: ", "2026-01-02T10:11:12+00:00"),
        ("Dec 31 23:59:59 host stigmer-server[1]: ", "2025-12-31T23:59:59+00:00"),
        ("9:11AM INF", "2026-03-05T09:11:00+00:00"),
        ("12:05AM INF", "2026-03-05T00:05:00+00:00"),
        ("09:11:12.5 INF", "2026-03-05T09:11:12.500000+00:00"),
        ("stigmer-server-1  | 2026-01-22T10:11:12Z INF ", "2026-01-22T10:11:12+00:00"),
    ],
)
def test_notations(head: str, expected: str) -> None:
    read = clock().read(head)

    assert read is not None
    assert read.at.isoformat() == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (1769076672, "2026-01-22T10:11:12+00:00"),
        (1769076672.5, "2026-01-22T10:11:12.500000+00:00"),
        (1769076672345, "2026-01-22T10:11:12.345000+00:00"),
        (1769076672345678, "2026-01-22T10:11:12.345678+00:00"),
        (1769076672345678901, "2026-01-22T10:11:12.345679+00:00"),
        ("2026-01-22T10:11:12.345Z", "2026-01-22T10:11:12.345000+00:00"),
    ],
)
def test_time_fields_of_json(field: str | float, expected: str) -> None:
    read = clock().read("", field)

    assert read is not None
    assert read.at.isoformat() == expected


@pytest.mark.parametrize(
    "head",
    ["", "no time here", "25:61:99 INF", "2026-02-31T10:11:12Z", "2026-13-01 10:11:12", "x" * 5000],
)
def test_no_time_is_none(head: str) -> None:
    assert clock().read(head) is None


@pytest.mark.parametrize("field", [float("nan"), float("inf"), 10**400, -(10**30), "tomorrow"])
def test_absurd_time_fields_are_none(field: str | float) -> None:
    assert clock().read("", field) is None


def test_a_time_without_zone_is_of_the_zone_that_was_given() -> None:
    berlin = clock(zone="Europe/Berlin").read("2026-07-22 10:11:12,345 - root")

    assert berlin is not None
    assert berlin.at == datetime(2026, 7, 22, 8, 11, 12, 345000, UTC)


def test_times_of_day_below_a_dated_line_are_of_its_day_and_pass_midnight() -> None:
    reader = clock()
    reader.read("2026-01-22T23:58:00Z")

    late, early = reader.read("11:59PM INF"), reader.read("12:01AM INF")

    assert late is not None
    assert early is not None
    assert late.at == datetime(2026, 1, 22, 23, 59, tzinfo=UTC)
    assert early.at == datetime(2026, 1, 23, 0, 1, tzinfo=UTC)
    assert not early.day_counted
    assert early.to_the_minute
    assert reader.correction == timedelta(0)


def test_days_are_counted_back_from_the_age_of_the_file() -> None:
    reader = clock(written=datetime(2026, 3, 5, 9, 30, tzinfo=UTC))

    heads = ["8:00PM", "11:59PM", "12:01AM", "6:00PM", "1:00AM", "9:29AM"]
    times = [read for head in heads if (read := reader.read(head))]
    corrected = [read.at + reader.correction for read in times]

    assert all(read.day_counted for read in times)
    assert [at.day for at in corrected] == [3, 3, 4, 4, 5, 5]


def test_a_last_line_later_in_the_day_than_the_files_age_is_of_the_day_before() -> None:
    reader = clock(written=datetime(2026, 3, 5, 9, 30, tzinfo=UTC))

    read = reader.read("11:00PM")

    assert read is not None
    assert read.at + reader.correction == datetime(2026, 3, 4, 23, 0, tzinfo=UTC)


def test_a_line_slightly_out_of_order_is_no_new_day() -> None:
    reader = clock()

    times = [reader.read(head) for head in ("8:10AM", "8:09AM", "8:11AM")]

    assert [read.at.day for read in times if read] == [5, 5, 5]
    assert reader.correction == timedelta(0)


@given(st.text(max_size=60), st.one_of(st.none(), st.text(max_size=30), st.floats(), st.integers()))
def test_any_head_and_field_are_survived(head: str, field: str | float | None) -> None:
    read = clock().read(head, field)

    assert read is None or read.at.tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)))
def test_iso_times_come_back_exactly(at: datetime) -> None:
    read = clock().read(at.isoformat(timespec="microseconds") + " level=INFO")

    assert read is not None
    assert read.at == at
