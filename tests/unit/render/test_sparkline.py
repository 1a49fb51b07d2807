from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.render.sparkline import BARS, GAP, sparkline


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([], 10, ""),
        ([None, None], 10, ""),
        ([1, 2, 3, 4, 5, 6, 7, 8], 8, "▁▂▃▄▅▆▇█"),
        ([1, None, 8], 3, "▁ █"),
        ([0, 0, 0], 3, "▁▁▁"),
        ([0.95, 0.951, 0.95], 3, "▃▃▃"),
        ([-8, 8], 2, "▁█"),
        ([1, 9, 1, 1], 2, "█▁"),
        ([1, math.nan, math.inf], 3, "▃  "),
    ],
)
def test_bars_are_as_high_as_the_values(
    values: list[float | None], width: int, expected: str
) -> None:
    assert sparkline(values, width) == expected


@given(st.lists(st.none() | st.floats()), st.integers(1, 40))
def test_any_values_fit_the_width(values: list[float | None], width: int) -> None:
    line = sparkline(values, width)
    assert len(line) <= min(width, len(values))
    assert set(line) <= {*BARS, GAP}
