"""An example of an alert: what its metrics look like before, while and after it is the case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from stigmer_ops.monitoring.catalogue.model import Series

STEP = timedelta(minutes=1)
"""How far samples, and evaluations, are apart unless an example says otherwise."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of samples of one series.

    Attributes:
        first: Index of the first one.
        count: How many, at least one.
        previous: The value before.
        step: Seconds between samples.
    """

    first: int
    count: int
    previous: float
    step: float


class Signal(Protocol):
    """How a series behaves during a phase."""

    def during(self, phase: Phase) -> tuple[str, float]:
        """The samples in promtool's notation, and the last value."""


@dataclass(frozen=True, slots=True)
class Level:
    """It stays at a value."""

    value: float

    def during(self, phase: Phase) -> tuple[str, float]:
        """See `Signal`."""
        return _run(self.value, 0, phase.count), self.value


@dataclass(frozen=True, slots=True)
class Growth:
    """A counter that grows by so much at each sample, and at the first one by `first` more."""

    each: float
    first: float = 0

    def during(self, phase: Phase) -> tuple[str, float]:
        """See `Signal`."""
        start = phase.previous + self.first + self.each
        return _run(start, self.each, phase.count), start + self.each * (phase.count - 1)


@dataclass(frozen=True, slots=True)
class Behind:
    """A timestamp that stays so far behind the clock; ahead of it if negative."""

    lag: timedelta

    def during(self, phase: Phase) -> tuple[str, float]:
        """See `Signal`."""
        start = phase.first * phase.step - self.lag.total_seconds()
        return _run(start, phase.step, phase.count), start + phase.step * (phase.count - 1)


@dataclass(frozen=True, slots=True)
class Gone:
    """There are no samples."""

    def during(self, phase: Phase) -> tuple[str, float]:
        """See `Signal`."""
        if phase.first == 0:
            return f"_x{phase.count}", phase.previous
        return f"stale _x{phase.count - 1}" if phase.count > 1 else "stale", phase.previous


def _run(start: float, each: float, count: int) -> str:
    sign = "-" if each < 0 else "+"
    return f"{start:.15g}{sign}{abs(each):.15g}x{count - 1}"


@dataclass(frozen=True, slots=True)
class Feed:
    """One series of an example.

    Attributes:
        series: Of the catalogue.
        labels: Its labels, without those of the scrape target.
        quiet: Before and after.
        bad: While it is the case.
        second: What a second exporter shows all the time, which must change nothing; None if
            there is no second exporter.
        stranger: What a target shows all the time that is not ours, which must change nothing;
            None for the same as `bad`.
    """

    series: Series
    labels: Mapping[str, str]
    quiet: Signal
    bad: Signal
    second: Signal | None = None
    stranger: Signal | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A case in which an alert fires.

    Attributes:
        alert: Its name.
        labels: Of the alert that fires, without alertname and severity.
        value: Of the alert's condition when it begins to fire, to four digits.
        feeds: The series.
        onset: From the first bad sample until the condition holds.
        ends: From the first quiet sample after it until the condition no longer holds.
        lead: How long it is quiet before.
        lasts: How long it is bad beyond what makes the alert fire.
        step: Between samples and between evaluations.
        when_absent: Labels of the alert that fires where there is no series at all.
        name: Tells several examples of an alert apart.
    """

    alert: str
    labels: Mapping[str, str]
    value: float
    feeds: tuple[Feed, ...]
    onset: timedelta = timedelta(0)
    ends: timedelta = timedelta(0)
    lead: timedelta = timedelta(minutes=5)
    lasts: timedelta = timedelta(minutes=5)
    step: timedelta = STEP
    when_absent: tuple[Mapping[str, str], ...] = ()
    name: str = ""
