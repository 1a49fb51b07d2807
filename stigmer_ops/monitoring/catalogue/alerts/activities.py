"""Alerts on the external activities that wait, or waited in vain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from stigmer_ops.monitoring.catalogue import expressions as e
from stigmer_ops.monitoring.catalogue.alerts.groups import ACTIVITIES
from stigmer_ops.monitoring.catalogue.alerts.texts import limit, of, value
from stigmer_ops.monitoring.catalogue.model import Alert, Condition, Operator, Severity, Unit
from stigmer_ops.monitoring.catalogue.promql import Scope

_WHERE = f"{of('activity_type')} on {of('task_queue')} in {of('namespace')}"
_DIAGNOSE = f"stigmer-ops diagnose --namespace {of('namespace')}"
_PENDING = f"stigmer-ops pending list --namespace {of('namespace')}"


def alerts(scope: Scope) -> Iterator[Alert]:
    """From the most to the least urgent."""
    shared, own = scope.settings.thresholds, scope.settings.monitoring.thresholds
    age, used = e.oldest_age(scope), e.timeout_used(scope)
    yield Alert(
        name="StigmerExternalActivityStuck",
        group=ACTIVITIES,
        severity=Severity.CRITICAL,
        for_=timedelta(minutes=5),
        conditions=(Condition(age, Operator.ABOVE, own.critical_age.total_seconds()),),
        unit=Unit.SECONDS,
        panel="oldest-age",
        summary="An external activity has waited far longer than any agent takes.",
        description=f"The oldest {_WHERE} has waited {value(Unit.SECONDS)}.",
        next_command=_DIAGNOSE,
    )
    yield Alert(
        name="StigmerExternalActivityOverdue",
        group=ACTIVITIES,
        severity=Severity.WARNING,
        for_=timedelta(minutes=15),
        conditions=(Condition(age, Operator.ABOVE, shared.stuck_after.total_seconds()),),
        unit=Unit.SECONDS,
        panel="oldest-age",
        summary="An external activity has waited longer than agents usually take.",
        description=f"The oldest {_WHERE} has waited {value(Unit.SECONDS)}.",
        next_command=_DIAGNOSE,
    )
    yield Alert(
        name="StigmerExternalActivityDeadlineImminent",
        group=ACTIVITIES,
        severity=Severity.CRITICAL,
        for_=timedelta(minutes=1),
        conditions=(Condition(used, Operator.ABOVE, own.imminent_share),),
        unit=Unit.RATIO,
        panel="timeout-used",
        summary="An external activity is about to time out.",
        description=f"One {_WHERE} has used {value(Unit.RATIO)} of its own timeout.",
        next_command=f"{_PENDING} --expires-within 1h",
    )
    yield Alert(
        name="StigmerExternalActivityNearDeadline",
        group=ACTIVITIES,
        severity=Severity.WARNING,
        for_=timedelta(minutes=1),
        conditions=(Condition(used, Operator.ABOVE, shared.near_deadline_share),),
        unit=Unit.RATIO,
        panel="timeout-used",
        summary="An external activity has used most of its timeout.",
        description=f"One {_WHERE} has used {value(Unit.RATIO)} of its own timeout.",
        next_command=f"{_PENDING} --expires-within 4h",
    )
    yield from _numbers(scope)
    yield from _lost(scope)


def _numbers(scope: Scope) -> Iterator[Alert]:
    backlog = float(scope.settings.thresholds.backlog)
    yield Alert(
        name="StigmerExternalActivityBacklog",
        group=ACTIVITIES,
        severity=Severity.WARNING,
        for_=timedelta(minutes=15),
        conditions=(Condition(e.pending_by_age(scope, "1-4h"), Operator.ABOVE, backlog),),
        unit=Unit.COUNT,
        panel="pending-by-age",
        summary="Many external activities have waited for more than an hour.",
        description=(
            f"{value(Unit.COUNT)} external activities in {of('namespace')} have waited between 1 "
            f"and 4 hours; more than {limit(backlog, Unit.COUNT)} is a backlog."
        ),
        next_command=_DIAGNOSE,
    )
    yield Alert(
        name="StigmerExternalActivitiesPendingHigh",
        group=ACTIVITIES,
        severity=Severity.INFO,
        for_=timedelta(minutes=15),
        conditions=(Condition(e.pending_total(scope), Operator.ABOVE, backlog),),
        unit=Unit.COUNT,
        panel="pending-total",
        summary="So many external activities wait that Stigmer should be scaled up.",
        description=(
            f"{value(Unit.COUNT)} external activities wait in {of('namespace')}; above "
            f"{limit(backlog, Unit.COUNT)} the deployment is scaled up."
        ),
        next_command=f"stigmer-ops pending summary --namespace {of('namespace')}",
    )
    yield Alert(
        name="StigmerExternalActivityUnsafeSettings",
        group=ACTIVITIES,
        severity=Severity.WARNING,
        for_=timedelta(minutes=15),
        conditions=(Condition(e.unsafe_settings(scope), Operator.ABOVE, 0),),
        unit=Unit.COUNT,
        panel="unsafe-settings",
        summary="External activities wait with options that are unsafe for them.",
        description=f"{of('setting')} is unsafe for {value(Unit.COUNT)} {_WHERE}.",
        next_command=_DIAGNOSE,
    )


def _lost(scope: Scope) -> Iterator[Alert]:
    yield Alert(
        name="StigmerExternalActivityTimedOut",
        group=ACTIVITIES,
        severity=Severity.WARNING,
        for_=timedelta(minutes=1),
        conditions=(Condition(e.timed_out(scope), Operator.ABOVE, 0),),
        unit=Unit.COUNT,
        panel="timed-out",
        summary="An external activity timed out, and its workflow got no answer.",
        description=(
            f"External activities in {of('namespace')} that timed out in the last 15 minutes: "
            f"{value(Unit.COUNT)}."
        ),
        next_command=_DIAGNOSE,
    )
    yield Alert(
        name="StigmerExternalActivityRetried",
        group=ACTIVITIES,
        severity=Severity.WARNING,
        for_=timedelta(minutes=1),
        # Not 0: the two increases are extrapolated, and their difference may be a trace above it.
        conditions=(Condition(e.retried_after_timeout(scope), Operator.ABOVE, 0.5),),
        unit=Unit.COUNT,
        panel="attempt-timeouts",
        summary="An external activity timed out and was retried, so its token is stale.",
        description=(
            f"Attempts of {_WHERE} that ended with a {of('timeout_type')} timeout and were tried "
            f"again: {value(Unit.COUNT)}. The agent's work starts over, and the first result is "
            "refused."
        ),
        next_command=_DIAGNOSE,
    )
