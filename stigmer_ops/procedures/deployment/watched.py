"""What has to hold after a deployment, and what rolls it back: every limit is an entry. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from stigmer_ops.monitoring.catalogue.model import Catalogue
from stigmer_ops.monitoring.catalogue.promql import duration
from stigmer_ops.procedures.deployment.sample import Measure, Sample
from stigmer_ops.procedures.deployment.snapshot import Snapshot
from stigmer_ops.settings import Settings

ERROR_ALERT = "StigmerExternalActivityErrorRateCritical"
FAILURE_ALERT = "StigmerExternalActivityCompletionFailureHigh"
CALLBACK_ALERT = "StigmerCallbackNotRegistered"


class State(StrEnum):
    """Whether a limit holds."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a limit holds, and the number or the reason that a person sees.

    It is not `measured` where too little happened: then it holds for want of anything that breaks
    it, which says nothing of what was deployed.
    """

    state: State
    seen: str
    measured: bool = True

    @property
    def informed(self) -> bool:
        """Whether the answer is known, and from something that was measured."""
        return self.measured and self.state is not State.UNKNOWN


@dataclass(frozen=True, slots=True)
class Terms:
    """What samples are judged by.

    Attributes:
        settings: Limits.
        catalogue: How long alerts wait.
        before: What was the case before the deployment.
    """

    settings: Settings
    catalogue: Catalogue
    before: Snapshot

    @property
    def most_pending(self) -> float:
        """Up to how many may wait before it is a spike."""
        limits, before = self.settings.deployment, self.before.pending
        return max(before * limits.pending_growth, before + limits.pending_floor)


@dataclass(frozen=True, slots=True)
class Watched:
    """One entry.

    Attributes:
        id: Kebab-case, stable.
        sentence: What has to hold.
        judge: Whether it does.
        patience: How long it may be broken. Where that has passed, a trigger rolls back.
        trigger: Whether it does that; else it fails the verification at its end.
    """

    id: str
    sentence: Callable[[Terms], str]
    judge: Callable[[Sample, Terms], Judged]
    patience: Callable[[Terms], timedelta]
    trigger: bool = False


def _percent(ratio: float) -> str:
    return f"{ratio * 100:.3g} %"


def _enough(sample: Sample, terms: Terms) -> bool:
    ended = sample.handshakes.ended.value
    return ended is None or ended >= terms.settings.monitoring.minimum_completions


def _ratio(measure: Measure, limit: float, sample: Sample, terms: Terms) -> Judged:
    if measure.value is None:
        return Judged(State.UNKNOWN, measure.note)
    if sample.handshakes.ended.value == 0:
        return Judged(State.HOLDS, "nothing ended", measured=False)
    seen = _percent(measure.value) + (f" ({measure.note})" if measure.note else "")
    if not _enough(sample, terms):
        return Judged(State.HOLDS, f"{seen}: too few to judge", measured=False)
    return Judged(State.BROKEN if measure.value > limit else State.HOLDS, seen)


def _errors(sample: Sample, terms: Terms) -> Judged:
    limit = terms.settings.monitoring.healthy.error_ratio
    return _ratio(sample.handshakes.error_ratio, limit, sample, terms)


def _slow(sample: Sample, terms: Terms) -> Judged:
    measure = sample.handshakes.completion_p99
    if measure.value is None:
        return Judged(State.UNKNOWN, measure.note)
    if not sample.handshakes.ended.value:
        return Judged(State.HOLDS, "nothing ended", measured=False)
    seen = f"{measure.value * 1000:.0f} ms"
    if not _enough(sample, terms):
        return Judged(State.HOLDS, f"{seen}: too few to judge", measured=False)
    limit = terms.settings.deployment.completion_p99.total_seconds()
    return Judged(State.BROKEN if measure.value > limit else State.HOLDS, seen)


def _pending(sample: Sample, terms: Terms) -> Judged:
    measure = sample.pending
    if measure.value is None:
        return Judged(State.UNKNOWN, measure.note)
    spike = measure.value > terms.most_pending
    seen = f"{measure.value:.0f} ({terms.before.pending} before)"
    return Judged(State.BROKEN if spike else State.HOLDS, seen)


def _workers(sample: Sample, _terms: Terms) -> Judged:
    workers = sample.workers
    if workers.problems is None:
        return Judged(State.UNKNOWN, workers.note)
    return Judged(
        State.BROKEN if workers.problems else State.HOLDS,
        "; ".join(workers.problems) or workers.note,
    )


def _callback(sample: Sample, _terms: Terms) -> Judged:
    workers = sample.workers
    if workers.problems is None:
        return Judged(State.UNKNOWN, workers.note)
    return Judged(
        State.BROKEN if workers.lacking else State.HOLDS,
        "; ".join(workers.lacking) or workers.note,
    )


def _alerts(sample: Sample, _terms: Terms) -> Judged:
    if sample.alerts_note:
        return Judged(State.UNKNOWN, sample.alerts_note)
    if sample.alerts is None:
        return Judged(State.HOLDS, "no Prometheus is asked")
    return Judged(
        State.BROKEN if sample.alerts else State.HOLDS, ", ".join(sample.alerts) or "none"
    )


def _like_alert(
    alert: str, measured: Callable[[Sample], Measure], limit: Callable[[Settings], float]
) -> Callable[[Sample, Terms], Judged]:
    """As the alert has it, guards included, where Prometheus was asked for its condition."""

    def judge(sample: Sample, terms: Terms) -> Judged:
        judged = _ratio(measured(sample), limit(terms.settings), sample, terms)
        raised = sample.handshakes.raised
        if raised is None:
            return judged
        return Judged(State.BROKEN if alert in raised else State.HOLDS, judged.seen)

    return judge


def _as_long_as(alert: str) -> Callable[[Terms], timedelta]:
    return lambda terms: terms.catalogue.alert(alert).for_


def _broken_for(terms: Terms) -> timedelta:
    return terms.settings.deployment.broken_for


def _at_once(_terms: Terms) -> timedelta:
    return timedelta(0)


def _rollback_error_ratio(settings: Settings) -> float:
    return settings.monitoring.thresholds.rollback_error_ratio


def _completion_failure_ratio(settings: Settings) -> float:
    return settings.monitoring.thresholds.completion_failure_ratio


LIMITS: tuple[Watched, ...] = (
    Watched(
        "errors",
        lambda terms: f"errors below {_percent(terms.settings.monitoring.healthy.error_ratio)}",
        _errors,
        _broken_for,
    ),
    Watched(
        "completion-p99",
        lambda terms: (
            f"p99 of completions below {duration(terms.settings.deployment.completion_p99)}"
        ),
        _slow,
        _broken_for,
    ),
    Watched(
        "pending",
        lambda terms: f"no more than {terms.most_pending:.0f} pending",
        _pending,
        _broken_for,
    ),
    Watched(
        "workers", lambda _terms: "workers have what they shall, and agree", _workers, _broken_for
    ),
)
"""What the verification fails by."""

TRIGGERS: tuple[Watched, ...] = (
    Watched(
        "rollback-error-rate",
        lambda terms: f"errors below {_percent(_rollback_error_ratio(terms.settings))}",
        _like_alert(
            ERROR_ALERT, lambda sample: sample.handshakes.error_ratio, _rollback_error_ratio
        ),
        _as_long_as(ERROR_ALERT),
        trigger=True,
    ),
    Watched(
        "rollback-completion-failures",
        lambda terms: f"failures below {_percent(_completion_failure_ratio(terms.settings))}",
        _like_alert(
            FAILURE_ALERT, lambda sample: sample.handshakes.failure_ratio, _completion_failure_ratio
        ),
        _as_long_as(FAILURE_ALERT),
        trigger=True,
    ),
    Watched(
        "rollback-callback-missing",
        lambda _terms: "workers have the callback",
        _callback,
        _as_long_as(CALLBACK_ALERT),
        trigger=True,
    ),
    Watched(
        "rollback-critical-alert",
        lambda _terms: "no critical alert fires",
        _alerts,
        _at_once,
        trigger=True,
    ),
)
"""What rolls back. The third is a critical alert too, and known here without Prometheus."""

WATCHED = (*LIMITS, *TRIGGERS)


@dataclass(slots=True)
class Standing:
    """How one entry stands.

    Attributes:
        watched: The entry.
        judged: By the last sample.
        since: Since when it is broken without a break; None while it holds.
        exhausted: Whether it ever was broken for longer than its patience, in a row.
        measured: Whether anything was ever seen by which it can be judged.
    """

    watched: Watched
    judged: Judged = field(default_factory=lambda: Judged(State.UNKNOWN, "not measured yet"))
    since: datetime | None = None
    exhausted: bool = False
    measured: bool = False

    def take(self, sample: Sample, terms: Terms) -> None:
        """Judge a sample. What is not known neither begins nor ends a break."""
        self.judged = self.watched.judge(sample, terms)
        self.measured = self.measured or self.judged.informed
        if self.judged.state is State.HOLDS:
            self.since = None
        elif self.judged.state is State.BROKEN:
            self.since = self.since or sample.time
            broken_for = sample.time - self.since
            self.exhausted = self.exhausted or broken_for >= self.watched.patience(terms)

    def broken_for(self, now: datetime) -> timedelta:
        """For how long it has been broken; zero while it holds."""
        return timedelta(0) if self.since is None else now - self.since


class Verification:
    """Every entry, as the samples come in.

    Args:
        terms: What samples are judged by.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.standings = tuple(Standing(watched) for watched in WATCHED)
        self.samples = 0

    def take(self, sample: Sample) -> None:
        """Judge a sample by every entry."""
        self.samples += 1
        for standing in self.standings:
            standing.take(sample, self.terms)

    @property
    def triggered(self) -> tuple[Standing, ...]:
        """What rolls the deployment back."""
        return tuple(one for one in self.standings if one.watched.trigger and one.exhausted)

    @property
    def broken(self) -> tuple[Standing, ...]:
        """The limits that do not hold now, or did not for too long."""
        return tuple(
            one
            for one in self.standings
            if not one.watched.trigger and (one.exhausted or one.judged.state is State.BROKEN)
        )

    @property
    def unknown(self) -> tuple[Standing, ...]:
        """The limits of which nobody can say whether they hold."""
        return tuple(
            one
            for one in self.standings
            if not one.watched.trigger and one.judged.state is State.UNKNOWN
        )

    @property
    def unjudged(self) -> tuple[Standing, ...]:
        """The limits that hold as far as is known, and of which nothing was ever measured."""
        return tuple(
            one
            for one in self.standings
            if not (one.watched.trigger or one.measured or one.exhausted)
            and one.judged.state is State.HOLDS
        )
