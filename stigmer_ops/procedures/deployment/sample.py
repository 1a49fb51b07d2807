"""What is measured of a deployment at one time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Measure:
    """A number, or why there is none.

    Attributes:
        value: None where it is not known.
        note: Of what it was computed, or why it is not known: a clause.
    """

    value: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Handshakes:
    """How the handshakes of the last minutes ended.

    Attributes:
        ended: How many came to their end.
        error_ratio: Share of them that went wrong.
        failure_ratio: Share of the callbacks that failed.
        completion_p99: 99th percentile of the callbacks' duration, in seconds.
        raised: Names of the alerts whose condition holds; None where it is to be judged by the
            numbers.
    """

    ended: Measure
    error_ratio: Measure
    failure_ratio: Measure
    completion_p99: Measure
    raised: frozenset[str] | None = None

    @classmethod
    def unknown(cls, why: str) -> Handshakes:
        """Nothing could be measured."""
        nothing = Measure(None, why)
        return cls(nothing, nothing, nothing, nothing)


@dataclass(frozen=True, slots=True)
class Workers:
    """What the workers say of themselves.

    Attributes:
        problems: Where they lack something or disagree, a clause each; None if nobody could say.
        lacking: Those of the problems that concern the callback.
        note: Why nobody could say, or how many answered.
    """

    problems: tuple[str, ...] | None
    lacking: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything at one time.

    Attributes:
        time: When.
        handshakes: How they ended.
        pending: External activities that wait.
        workers: What they have registered.
        alerts: Names of the critical alerts that fire; None where nobody is asked.
        alerts_note: Why that is not known though somebody was asked.
    """

    time: datetime
    handshakes: Handshakes
    pending: Measure
    workers: Workers
    alerts: tuple[str, ...] | None = None
    alerts_note: str = ""
