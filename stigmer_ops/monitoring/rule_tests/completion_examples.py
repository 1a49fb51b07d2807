"""Examples of the alerts on callbacks: ratios, quantiles and burn rates of counters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.alerts.completions import (
    FAST_PAIRS,
    SLOW_PAIRS,
    BurnRate,
    budget,
)
from stigmer_ops.monitoring.catalogue.model import LE, Alert, Catalogue
from stigmer_ops.monitoring.catalogue.promql import Scope, duration
from stigmer_ops.monitoring.rule_tests.example import STEP, Example, Feed, Growth, Signal

_DEFAULTS = (0.05, 0.1, 0.5)
"""Shares that alerts have as thresholds unless the settings say otherwise."""
_WHERE = {"namespace": "orders", "service": "go"}
_FIVE_MINUTES = timedelta(minutes=5)
_HALF_AN_HOUR = timedelta(minutes=30)
EACH = 18_000
"""Events a sample: whole numbers a second at every step, so that ratios come out exactly."""


def examples(scope: Scope, catalogue: Catalogue) -> Iterator[Example]:
    """In the order of the alerts."""
    yield from _ratios(scope, catalogue)
    yield _slow(scope, catalogue)
    yield from _burn_rates(scope, catalogue)
    yield from _errors(scope, catalogue)


def reached(scope: Scope, alert: Alert) -> float:
    """How much of the window is bad when an alert fires that held from the first bad sample on."""
    return min(1.0, (alert.for_ + STEP) / scope.window)


def at_most(share: float) -> float:
    """A share of EACH that is no more than `share` in floating point either.

    The default thresholds come out exactly; others are approached from below, by four events,
    since shares are halved and halved again.
    """
    exact = any(math.isclose(share, known) for known in _DEFAULTS)
    return share if exact else (math.floor(share * EACH / 4) - 1) * 4 / EACH


def beyond(share: float) -> float:
    """A share of whole events, halved and halved again, that is more than `share`."""
    return (math.floor(share * EACH / 4) + 1) * 4 / EACH


def _events(share: float) -> Growth:
    """Whole events, since fractions would add up to a counter that seems to go back."""
    return Growth(round(EACH * share))


def _completions(quiet: float, bad: float) -> tuple[Feed, ...]:
    """Completions, of which so large a share fails; the second exporter sees few, and none fail."""

    def feed(status: str, before: float, during: float, second: float) -> Feed:
        labels = {**_WHERE, "status": status}
        series = m.COMPLETIONS.series
        return Feed(series, labels, _events(before), _events(during), second=_events(second))

    return feed("failure", quiet, bad, 0), feed("success", 1 - quiet, 1 - bad, 0.01)


def _ratios(scope: Scope, catalogue: Catalogue) -> Iterator[Example]:
    own = scope.settings.monitoring.thresholds
    for alert, at in (
        ("StigmerExternalActivityCompletionFailureHigh", own.completion_failure_ratio),
        ("StigmerExternalActivitySuccessRateLow", 1 - own.success_ratio),
    ):
        quiet, bad = at_most(at), beyond(at + 0.1 * (1 - at))
        failing = quiet + (bad - quiet) * reached(scope, catalogue.alert(alert))
        yield Example(
            alert,
            _WHERE,
            failing if alert.endswith("High") else 1 - failing,
            _completions(quiet, bad),
            ends=scope.window - STEP,
            lead=scope.window + STEP,
            lasts=scope.window,
        )


def _slow(scope: Scope, catalogue: Catalogue) -> Example:
    name = "StigmerExternalActivityCompletionSlow"
    threshold = scope.settings.monitoring.thresholds.completion_p99.total_seconds()
    bounds = (*m.COMPLETION_DURATION.buckets, math.inf)
    at = next(index for index, bound in enumerate(bounds) if bound >= threshold)
    low, high = bounds[at], bounds[at + 1]
    slow = reached(scope, catalogue.alert(name))
    return Example(
        name,
        _WHERE,
        low + (high - low) * (slow - 0.01) / slow,
        (
            *_completions(0, 0),
            *(
                Feed(
                    m.COMPLETION_DURATION.bucket,
                    {**_WHERE, "status": status, LE.name: _bound(bound)},
                    # The 99th percentile is exactly the bound, and then beyond it.
                    _events((bound >= low) * 0.99 + (bound >= high) * 0.01),
                    _events(bound >= high),
                    second=_events((bound >= high) / 10),
                )
                for status in ("success", "failure")
                for bound in bounds
            ),
        ),
        ends=scope.window - STEP,
        lead=scope.window + STEP,
        lasts=scope.window,
    )


def _bound(bound: float) -> str:
    return "+Inf" if math.isinf(bound) else f"{bound:g}"


def _burn_rates(scope: Scope, catalogue: Catalogue) -> Iterator[Example]:
    (one_hour, six_hours), (one_day, three_days) = FAST_PAIRS, SLOW_PAIRS
    fast = catalogue.alert("StigmerCompletionBudgetBurnFast")
    slow = catalogue.alert("StigmerCompletionBudgetBurnSlow")
    # Shares with which each window is exactly at its threshold for one sample.
    yield _burn(scope, fast, one_hour, over=5 / 4, step=STEP, last=one_hour)
    yield _burn(scope, fast, six_hours, over=6 / 5, step=_FIVE_MINUTES, last=six_hours)
    # A day of it uses as much of the budget as the longer pair allows, which then holds on.
    yield _burn(scope, slow, one_day, over=4 / 3, step=_HALF_AN_HOUR, last=three_days)
    yield _burn(scope, slow, three_days, over=6 / 5, step=_HALF_AN_HOUR, last=three_days)


def _burn(
    scope: Scope, alert: Alert, pair: BurnRate, *, over: float, step: timedelta, last: BurnRate
) -> Example:
    """Failures begin all of a sudden, in a service that had none.

    Args:
        scope: Of the thresholds.
        alert: The alert.
        pair: The windows by which it begins.
        over: Share of completions that fail, as a multiple of the threshold; all fail at most.
        step: Between samples.
        last: The windows by which it ends.
    """
    at, until_at = (round(budget(scope) * burn.factor, 9) for burn in (pair, last))
    pairs = FAST_PAIRS if pair in FAST_PAIRS else SLOW_PAIRS
    failing = round(EACH * min(1, at * over))
    if not all(_is_exact(failing, budget(scope), other, step) for other in pairs):
        failing = math.ceil(failing * 1.01)
    share = failing / EACH
    until = math.floor(round(at * (pair.long / step) / share, 6))
    held = math.ceil(alert.for_ / step)
    left = until_at / share
    return Example(
        alert.name,
        _WHERE,
        share * (until + 1 + held) / (pair.long / step),
        _completions(0, share),
        onset=until * step,
        ends=(math.ceil(round(last.short / step * (1 - left), 6)) - 1) * step,
        lead=max(other.long for other in pairs) + step,
        lasts=step,
        step=step,
        name=duration(pair.long),
    )


def _is_exact(failing: int, budget: float, burn: BurnRate, step: timedelta) -> bool:
    """Whether ratios that should be at the threshold are so in floating point too.

    Args:
        failing: Of EACH events a sample, in some samples, and none in the others.
        budget: The share that may fail.
        burn: Threshold and windows.
        step: Between samples.
    """
    threshold = round(budget * burn.factor, 9)
    for window in (burn.long, burn.short):
        samples, a_second = window // step, 1 / window.total_seconds()
        bad = round(threshold * samples * EACH / failing)
        if not 0 < bad <= samples:
            continue
        # As Prometheus computes a rate: by the inverse of the window.
        failures = bad * failing * a_second
        ratio = failures / (failures + (samples * EACH - bad * failing) * a_second)
        if ratio != threshold and math.isclose(ratio, threshold, rel_tol=1e-6):
            return False
    return True


def _errors(scope: Scope, catalogue: Catalogue) -> Iterator[Example]:
    own = scope.settings.monitoring.thresholds
    for alert, at in (
        ("StigmerExternalActivityErrorRateCritical", own.rollback_error_ratio),
        ("StigmerExternalActivityErrorRateHigh", own.error_ratio),
    ):
        quiet, bad = at_most(at), beyond(at + 0.1 * (1 - at))
        yield Example(
            alert,
            {"namespace": "orders"},
            quiet + (bad - quiet) * reached(scope, catalogue.alert(alert)),
            _handshakes(quiet, bad),
            ends=scope.window - STEP,
            lead=scope.window + STEP,
            lasts=scope.window,
        )


def _handshakes(quiet: float, bad: float) -> tuple[Feed, ...]:
    """Handshakes: half of the errors are timeouts, which end without a callback."""

    def error(kind: str) -> Feed:
        return Feed(
            m.ERRORS.series,
            {**_WHERE, "error_type": kind},
            _events(quiet / 2),
            _events(bad / 2),
            second=Growth(0),
        )

    def completion(status: str, before: Signal, during: Signal) -> Feed:
        labels = {**_WHERE, "status": status}
        return Feed(m.COMPLETIONS.series, labels, before, during, second=Growth(0))

    return (
        error("timeout"),
        error("client_error"),
        completion("failure", _events(quiet / 2), _events(bad / 2)),
        completion("success", _events(1 - quiet), _events(1 - bad)),
    )
