"""A row of bars, as high as the values: how a number went, in one line of text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
GAP = " "
_LEVEL = BARS[2]
_NOISE = 0.02
"""Share of the largest value within which values count as equal."""


def sparkline(values: Sequence[float | None], width: int) -> str:
    """`values` as at most `width` bars, each the largest of the values that it stands for.

    The lowest bar is the smallest value, the highest the largest; values that hardly differ are a
    level line, for noise is no trend, and at the bottom if they are 0.

    Args:
        values: In order; None, and what is not finite, is a gap.
        width: Of the result at most, in characters.
    """
    heights = [_largest(group) for group in _groups(values, width)]
    known = [height for height in heights if height is not None]
    if not known:
        return ""
    bottom, top = min(known), max(known)
    if top - bottom <= _NOISE * max(abs(top), abs(bottom)):
        level = _LEVEL if top else BARS[0]
        return "".join(GAP if height is None else level for height in heights)
    return "".join(GAP if height is None else _bar(height, bottom, top) for height in heights)


def _groups(values: Sequence[float | None], width: int) -> list[Sequence[float | None]]:
    count = min(width, len(values))
    edges = [round(index * len(values) / count) for index in range(count + 1)] if count else []
    return [values[start:end] for start, end in itertools.pairwise(edges)]


def _largest(values: Sequence[float | None]) -> float | None:
    return max((v for v in values if v is not None and math.isfinite(v)), default=None)


def _bar(value: float, bottom: float, top: float) -> str:
    share = (value - bottom) / (top - bottom)
    return BARS[min(len(BARS) - 1, max(0, int(share * len(BARS))))]
