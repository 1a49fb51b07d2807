"""What an answer to one of the operators' questions consists of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stigmer_ops.monitoring.catalogue.model import Operator, Query

Limit = tuple[Operator, float]


class Judgement(StrEnum):
    """What a value means."""

    HEALTHY = "healthy"
    UNUSUAL = "unusual"
    """Not healthy, and not so far that the alert begins."""
    ALERT = "alert"
    """Where the alert begins; it fires once that has lasted."""
    UNKNOWN = "unknown"
    """Not a number: there was nothing to divide by."""
    UNJUDGED = "unjudged"
    """Nothing says which values are healthy."""


class Absence(StrEnum):
    """Why a question has no answer."""

    NO_EXPORTER = "no exporter is scraped"
    NO_RULES = "the recording rules are not loaded"
    NOTHING = "there is nothing to measure"


@dataclass(frozen=True, slots=True)
class Window:
    """The range of a trend: values `step` apart up to `end`."""

    end: datetime
    length: timedelta
    step: timedelta

    @property
    def start(self) -> datetime:
        """The time of the first value."""
        return self.end - self.length

    @property
    def count(self) -> int:
        """How many values there are, both ends included."""
        return math.floor(self.length / self.step) + 1


@dataclass(frozen=True, slots=True)
class Reading:
    """One series of an answer.

    Attributes:
        labels: Of the series.
        value: Now, in the unit of the query.
        trend: Over the window; None where there was no value.
        judgement: Of the value.
    """

    labels: Mapping[str, str]
    value: float
    trend: tuple[float | None, ...]
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, and what Prometheus says.

    Attributes:
        query: The question.
        limits: Where its alert begins.
        readings: The series; none at all if `absence` is set.
        absence: Why there are none.
    """

    query: Query
    limits: tuple[Limit, ...]
    readings: tuple[Reading, ...]
    absence: Absence | None = None

    @property
    def in_alert(self) -> bool:
        """Whether any series is where the alert begins."""
        return any(reading.judgement is Judgement.ALERT for reading in self.readings)

    @property
    def unanswerable(self) -> bool:
        """Whether there are no series because something is amiss with the monitoring itself."""
        return self.absence in (Absence.NO_EXPORTER, Absence.NO_RULES)
