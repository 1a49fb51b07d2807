"""One factor between the times of production and those of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

LATENCY_FLOOR = timedelta(seconds=10)
"""The least that a timeout which measures the machine may become: schedule-to-start, heartbeat.

What the sandbox shortens is how long agents work, not how long a busy machine takes to start a
task; with such a timeout scaled below that, healthy executions would fail.
"""


@dataclass(frozen=True, slots=True)
class TimeScale:
    """Turns a nominal time, as in production, into the time that the sandbox uses.

    Attributes:
        factor: Sandbox seconds per nominal second: 1/60 makes ten minutes ten seconds.
    """

    factor: float = 1 / 60

    def __post_init__(self) -> None:
        if not 0 < self.factor <= 1:
            raise ValueError(f"a time scale is above 0 and at most 1, not {self.factor}")

    def __call__(
        self, nominal: timedelta, *, floor: timedelta = timedelta(milliseconds=50)
    ) -> timedelta:
        """Scale.

        Args:
            nominal: The time in production.
            floor: The least to return, but never more than `nominal`.
        """
        return max(nominal * self.factor, min(floor, nominal))
