"""The points of a range on a grid of times, so that several series can be compared."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta


def aligned(
    points: Iterable[tuple[float, float]], start: datetime, step: timedelta, count: int
) -> tuple[float | None, ...]:
    """The values of a range as one for each step from `start`; None where there is no number."""
    values: list[float | None] = [None] * count
    # Prometheus is asked for whole seconds.
    first, apart = round(start.timestamp()), step.total_seconds()
    for time, value in points:
        index = round((time - first) / apart)
        if 0 <= index < count and not math.isnan(value):
            values[index] = value
    return tuple(values)
