"""Alerts on the callbacks: whether they succeed, how long they take, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from stigmer_ops.monitoring.catalogue import expressions as e
from stigmer_ops.monitoring.catalogue.alerts.groups import COMPLETIONS
from stigmer_ops.monitoring.catalogue.alerts.texts import limit, of, value
from stigmer_ops.monitoring.catalogue.model import Alert, Condition, Operator, Severity, Unit
from stigmer_ops.monitoring.catalogue.promql import Scope, duration
from stigmer_ops.monitoring.catalogue.recordings import completions_in, handshakes_ended

_WHERE = f"the {of('service')} edition in {of('namespace')}"
_DIAGNOSE = f"stigmer-ops diagnose --namespace {of('namespace')}"

MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class BurnRate:
    """How many times too fast the budget of a month is used, over a long and a short window.

    The long window makes it matter, the short one makes the alert end soon after the failures do
    (SRE Workbook, chapter 5).
    """

    factor: float
    long: timedelta
    short: timedelta


FAST_PAIRS = (
    BurnRate(14.4, timedelta(hours=1), timedelta(minutes=5)),
    BurnRate(6, timedelta(hours=6), timedelta(minutes=30)),
)
SLOW_PAIRS = (
    BurnRate(3, timedelta(days=1), timedelta(hours=2)),
    BurnRate(1, timedelta(days=3), timedelta(hours=6)),
)


def budget(scope: Scope) -> float:
    """The share of completions that may fail."""
    return round(1 - scope.settings.monitoring.completion_objective, 9)


def alerts(scope: Scope) -> Iterator[Alert]:
    """From the most to the least urgent."""
    yield from _ratios(scope)
    yield _slow(scope)
    yield from _burn_rates(scope)
    yield from _errors(scope)


def _enough(scope: Scope, window: timedelta) -> str:
    minimum = scope.settings.monitoring.minimum_completions
    return f"{completions_in(scope, window)} >= {minimum}"


def _ratios(scope: Scope) -> Iterator[Alert]:
    own = scope.settings.monitoring.thresholds
    enough = (_enough(scope, scope.window),)
    yield Alert(
        name="StigmerExternalActivityCompletionFailureHigh",
        group=COMPLETIONS,
        severity=Severity.CRITICAL,
        for_=timedelta(minutes=5),
        conditions=(
            Condition(e.failure_ratio(scope), Operator.ABOVE, own.completion_failure_ratio, enough),
        ),
        unit=Unit.RATIO,
        panel="failure-ratio",
        summary="Most completions of external activities fail.",
        description=f"{value(Unit.RATIO)} of the completions of {_WHERE} fail.",
        next_command=_DIAGNOSE,
    )
    yield Alert(
        name="StigmerExternalActivitySuccessRateLow",
        group=COMPLETIONS,
        severity=Severity.WARNING,
        for_=timedelta(minutes=5),
        conditions=(Condition(e.success_ratio(scope), Operator.BELOW, own.success_ratio, enough),),
        unit=Unit.RATIO,
        panel="success-ratio",
        summary="Too few completions of external activities succeed.",
        description=(
            f"{value(Unit.RATIO)} of the completions of {_WHERE} succeed; it should be at least "
            f"{limit(own.success_ratio, Unit.RATIO)}."
        ),
        next_command=_DIAGNOSE,
    )


def _slow(scope: Scope) -> Alert:
    threshold = scope.settings.monitoring.thresholds.completion_p99.total_seconds()
    return Alert(
        name="StigmerExternalActivityCompletionSlow",
        group=COMPLETIONS,
        severity=Severity.WARNING,
        for_=timedelta(minutes=10),
        conditions=(
            Condition(
                e.completion_quantile(scope, 0.99),
                Operator.ABOVE,
                threshold,
                (_enough(scope, scope.window),),
            ),
        ),
        unit=Unit.SECONDS,
        panel="completion-duration",
        summary="Completions of external activities take too long.",
        description=(
            f"The slowest percent of the completions of {_WHERE} takes {value(Unit.SECONDS)} or "
            f"more; it should be below {limit(threshold, Unit.SECONDS)}."
        ),
        next_command="stigmer-ops check",
    )


def _burn_rates(scope: Scope) -> Iterator[Alert]:
    objective = scope.settings.monitoring.completion_objective
    goal = f"{limit(objective, Unit.RATIO)} of them shall succeed within {duration(MONTH)}"
    yield Alert(
        name="StigmerCompletionBudgetBurnFast",
        group=COMPLETIONS,
        severity=Severity.CRITICAL,
        for_=timedelta(minutes=2),
        conditions=tuple(_burning(scope, pair) for pair in FAST_PAIRS),
        unit=Unit.RATIO,
        panel="error-budget-burn",
        summary="Completions fail so often that the error budget will be gone within days.",
        description=f"{value(Unit.RATIO)} of the completions of {_WHERE} fail; {goal}.",
        next_command=_DIAGNOSE,
    )
    yield Alert(
        name="StigmerCompletionBudgetBurnSlow",
        group=COMPLETIONS,
        severity=Severity.WARNING,
        for_=timedelta(hours=1),
        conditions=tuple(_burning(scope, pair) for pair in SLOW_PAIRS),
        unit=Unit.RATIO,
        panel="error-budget-burn",
        summary="Completions fail so often that the error budget will not last the month.",
        description=f"{value(Unit.RATIO)} of the completions of {_WHERE} fail; {goal}.",
        next_command=_DIAGNOSE,
    )


def _burning(scope: Scope, pair: BurnRate) -> Condition:
    threshold = round(pair.factor * budget(scope), 9)
    return Condition(
        e.failure_ratio(scope, pair.long),
        Operator.ABOVE,
        threshold,
        (
            f"{e.failure_ratio(scope, pair.short)} > {threshold:g}",
            _enough(scope, pair.long),
        ),
    )


def _errors(scope: Scope) -> Iterator[Alert]:
    own = scope.settings.monitoring.thresholds
    ratio = e.error_ratio(scope)
    minimum = scope.settings.monitoring.minimum_completions
    seconds = scope.lasts(scope.window).total_seconds()
    enough = (f"({handshakes_ended(scope)}) * {seconds:g} >= {minimum}",)
    description = f"{value(Unit.RATIO)} of the handshakes in {of('namespace')} go wrong"
    yield Alert(
        name="StigmerExternalActivityErrorRateCritical",
        group=COMPLETIONS,
        severity=Severity.CRITICAL,
        for_=timedelta(minutes=5),
        conditions=(Condition(ratio, Operator.ABOVE, own.rollback_error_ratio, enough),),
        unit=Unit.RATIO,
        panel="error-ratio",
        summary="So many handshakes go wrong that a deployment would be rolled back.",
        description=(
            f"{description}; above {limit(own.rollback_error_ratio, Unit.RATIO)} a deployment is "
            "rolled back."
        ),
        next_command=_DIAGNOSE,
    )
    yield Alert(
        name="StigmerExternalActivityErrorRateHigh",
        group=COMPLETIONS,
        severity=Severity.WARNING,
        for_=timedelta(minutes=5),
        conditions=(Condition(ratio, Operator.ABOVE, own.error_ratio, enough),),
        unit=Unit.RATIO,
        panel="error-ratio",
        summary="Too many handshakes go wrong.",
        description=f"{description}; it should be below {limit(own.error_ratio, Unit.RATIO)}.",
        next_command=_DIAGNOSE,
    )
