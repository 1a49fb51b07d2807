from __future__ import annotations

import math

import pytest

from stigmer_ops.monitoring.catalogue.model import Operator, Unit
from stigmer_ops.render.metrics import limit_text, measured


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.95, Unit.RATIO, "95%"),
        (0.9567, Unit.RATIO, "95.7%"),
        (0.0389, Unit.SECONDS, "38.9ms"),
        (0, Unit.SECONDS, "0s"),
        (1.25, Unit.SECONDS, "1.25s"),
        (15_120, Unit.SECONDS, "4h12m"),
        (-90, Unit.SECONDS, "-1m30s"),
        (0.0333333, Unit.PER_SECOND, "0.0333/s"),
        (1, Unit.BOOLEAN, "yes"),
        (0, Unit.BOOLEAN, "no"),
        (33, Unit.COUNT, "33"),
        (1_234_567.5, Unit.COUNT, "1234567.5"),
        (math.nan, Unit.RATIO, "-"),
        (math.inf, Unit.SECONDS, "inf"),
    ],
)
def test_a_value_is_written_with_its_unit(value: float, unit: Unit, expected: str) -> None:
    assert measured(value, unit) == expected


@pytest.mark.parametrize(
    ("operator", "limit", "unit", "expected"),
    [
        (Operator.ABOVE, 43_200, Unit.SECONDS, "> 12h"),
        (Operator.BELOW, 0.9, Unit.RATIO, "< 90%"),
        (Operator.BELOW, 1, Unit.BOOLEAN, "no"),
        (Operator.ABOVE, 0, Unit.BOOLEAN, "yes"),
    ],
)
def test_a_limit_says_which_side_it_bounds(
    operator: Operator, limit: float, unit: Unit, expected: str
) -> None:
    assert limit_text((operator, limit), unit) == expected
