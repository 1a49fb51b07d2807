"""The time range of a dashboard, and the intervals that Grafana derives from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import durationpy

from stigmer_ops.errors import UsageError

POINTS = 600
"""How many points of a series are asked for at most: about one for each pixel of a panel."""
_ROUND = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        *(1, 2, 5, 10, 15, 20, 30),
        *(60, 120, 300, 600, 900, 1200, 1800),
        *(3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000),
    )
)
_RELATIVE = re.compile(r"now(?:-(?P<back>\w+))?")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """What is shown.

    Attributes:
        start: Of the range.
        end: Of the range.
        scrape: How often the data source is scraped, as its settings in Grafana tell.
    """

    start: datetime
    end: datetime
    scrape: timedelta

    @property
    def length(self) -> timedelta:
        """Grafana's $__range."""
        return self.end - self.start

    @property
    def step(self) -> timedelta:
        """How far apart the points are: Grafana's $__interval, never below the scrape interval."""
        least = max(self.length / POINTS, self.scrape)
        return next((step for step in _ROUND if step >= least), _ROUND[-1])

    @property
    def count(self) -> int:
        """How many points a series has at most."""
        return int(self.length / self.step) + 1

    @property
    def rate_interval(self) -> timedelta:
        """Grafana's $__rate_interval: always four scrapes."""
        return max(self.step + self.scrape, self.scrape * 4)


def time_range(start: str, end: str, now: datetime, scrape: timedelta) -> TimeRange:
    """From two times as Grafana writes them: now, now-6h, or RFC 3339.

    Raises:
        UsageError: One is of neither form, or they are not in order.
    """
    first, last = _time(start, now), _time(end, now)
    # Prometheus is asked for whole seconds.
    found = TimeRange(first.replace(microsecond=0), last.replace(microsecond=0), scrape)
    if found.length < timedelta(seconds=1):
        raise UsageError(f"{start} is not before {end}")
    return found


def _time(text: str, now: datetime) -> datetime:
    match = _RELATIVE.fullmatch(text.strip())
    try:
        if match is not None:
            back = match["back"]
            return now - (durationpy.from_str(back) if back else timedelta(0))
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError, durationpy.DurationError):
        raise UsageError(
            f"{text!r} is not a time such as now, now-6h or 2026-01-31T12:00:00Z"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
