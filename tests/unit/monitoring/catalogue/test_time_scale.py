"""Rules for a sandbox, whose days are short."""

from __future__ import annotations

import re
from datetime import timedelta

import promql_parser

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.promql import SHORTEST_RANGE, Scope
from stigmer_ops.settings import Settings
from stigmer_ops.settings_sources import load

FACTOR = 60
USUAL = Settings()
SHORT = load(None, {"STIGMER_OPS_MONITORING_TIME_SCALE": str(1 / FACTOR)}).settings
RANGES = re.compile(r"\[(\w+)\]|offset (\w+)")
TIMES = re.compile(r"\[\w+\]|offset \w+|\* [\d.]+ >=")


def ranges(expr: str) -> list[timedelta]:
    return [promql_parser.parse_duration(a or b) for a, b in RANGES.findall(expr)]


def test_ranges_are_scaled_and_names_are_not() -> None:
    usual, short = catalogue(USUAL), catalogue(SHORT)
    assert [one.series.name for one in short.recordings] == [
        one.series.name for one in usual.recordings
    ]
    for one, other in zip(usual.recordings, short.recordings, strict=True):
        assert ranges(other.expr) == [length / FACTOR for length in ranges(one.expr)]
        assert TIMES.sub("", one.expr) == TIMES.sub("", other.expr)


def test_alerts_wait_and_count_by_the_scale() -> None:
    for one, other in zip(catalogue(USUAL).alerts, catalogue(SHORT).alerts, strict=True):
        assert other.for_ == one.for_ / FACTOR
        assert TIMES.sub("", one.expr) == TIMES.sub("", other.expr)
    assert "* 300 >= 5" in catalogue(USUAL).alert("StigmerExternalActivitySuccessRateLow").expr
    assert "* 5 >= 5" in catalogue(SHORT).alert("StigmerExternalActivitySuccessRateLow").expr


def test_no_range_is_too_short_for_a_rate() -> None:
    tiny = load(None, {"STIGMER_OPS_MONITORING_TIME_SCALE": "0.001"}).settings
    assert Scope(tiny).lasts(timedelta(minutes=5)) == SHORTEST_RANGE
    assert Scope(tiny).lasts(timedelta(days=3)) == timedelta(seconds=259.2)
    assert Scope(tiny).lasts(timedelta(seconds=2)) == timedelta(seconds=2)
