"""Templates are rendered as Prometheus does; the generated rule tests compare all of them."""

from __future__ import annotations

import math

import pytest

from stigmer_ops.monitoring.templates import humanize_duration, humanize_percentage, rendered


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (0.0005, "500us"),
        (-0.25, "-250ms"),
        (1.5, "1.5s"),
        (59.96, "59.96s"),
        (60, "1m 0s"),
        (3661.9, "1h 1m 1s"),
        (43260, "12h 1m 0s"),
        (-90061, "-1d 1h 1m 1s"),
        (math.nan, "nan"),
    ],
)
def test_durations_are_in_days_to_seconds_or_with_a_prefix(value: float, text: str) -> None:
    assert humanize_duration(value) == text


def test_percentages_have_four_digits() -> None:
    assert humanize_percentage(0.123456) == "12.35%"
    assert humanize_percentage(1) == "100%"


def test_labels_and_value_are_put_in() -> None:
    template = '{{ $labels.a }} {{ $labels.b | urlquery }} {{ $value | printf "%.0f" }}'
    assert rendered(template, {"a": "x y", "b": "x y/z"}, 2.07) == "x y x+y%2Fz 2"


def test_label_that_is_not_there_is_empty() -> None:
    assert rendered("[{{ $labels.gone }}]", {}, 0) == "[]"
