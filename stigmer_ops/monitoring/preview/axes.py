"""Where the lines of a graph's grid are, and what is written at them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
_TIME_STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        *(1, 2, 5, 10, 15, 30),
        *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
        *(3600 * hours for hours in (1, 2, 3, 6, 12)),
        *(86_400 * days for days in (1, 2, 7, 14, 30, 90, 365)),
    )
)
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def value_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most so many."""
    step = _nice((high - low) / max(1, most))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    marks = (_clean(index * step) for index in range(first, last + 1))
    # Where the span is below what the digits of its values can tell, they are one mark.
    return list(dict.fromkeys(marks))


def _nice(at_least: float) -> float:
    power = 10.0 ** math.floor(math.log10(at_least))
    return next(factor * power for factor in _NICE if factor * power >= at_least * (1 - 1e-9))


def _clean(value: float) -> float:
    """Without what multiplication adds in the last digits."""
    return float(f"{value:.12g}")


def decimals_of(ticks: list[float]) -> int:
    """How many decimals tell the ticks apart."""
    return max((len(f"{tick:.10g}".partition(".")[2]) for tick in ticks), default=0)


def time_ticks(start: datetime, end: datetime, most: int) -> list[tuple[datetime, str]]:
    """Round times in UTC from `start` to `end`, at most so many, and how they are written."""
    room = (end - start) / max(1, most)
    step = next((step for step in _TIME_STEPS if step >= room), _TIME_STEPS[-1])
    at = start + (_EPOCH - start) % step
    ticks = []
    while at <= end:
        ticks.append((at, _written(at, step)))
        at += step
    return ticks


def _written(at: datetime, step: timedelta) -> str:
    if step >= _DAY:
        return at.strftime("%m/%d")
    if step < timedelta(minutes=1):
        return at.strftime("%H:%M:%S")
    midnight = at.hour == at.minute == 0
    return at.strftime("%m/%d %H:%M" if midnight else "%H:%M")
