"""Alerts on the workers: whether they poll, keep up, have what is asked of them, and answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from stigmer_ops.monitoring.catalogue import expressions as e
from stigmer_ops.monitoring.catalogue.alerts.groups import WORKERS
from stigmer_ops.monitoring.catalogue.alerts.texts import limit, of, value
from stigmer_ops.monitoring.catalogue.model import Alert, Condition, Operator, Severity, Unit
from stigmer_ops.monitoring.catalogue.promql import Scope, other_than
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE

_QUEUE = f"{of('task_queue')} in {of('namespace')}"
_CHECK = f"stigmer-ops worker check --namespace {of('namespace')} --task-queue {of('task_queue')}"


def alerts(scope: Scope) -> Iterator[Alert]:
    """From the most to the least urgent."""
    yield Alert(
        name="StigmerPollersMissing",
        group=WORKERS,
        severity=Severity.CRITICAL,
        for_=timedelta(minutes=5),
        conditions=(Condition(e.pollers(scope), Operator.BELOW, 1),),
        unit=Unit.COUNT,
        panel="pollers",
        summary="A task queue has no worker.",
        description=f"Nobody polls {_QUEUE} for {of('task_type')} tasks.",
        next_command=_CHECK,
    )
    yield Alert(
        name="StigmerCallbackNotRegistered",
        group=WORKERS,
        severity=Severity.CRITICAL,
        for_=timedelta(minutes=5),
        conditions=(Condition(e.registered(scope, CALLBACK_ACTIVITY_TYPE), Operator.BELOW, 1),),
        unit=Unit.BOOLEAN,
        panel="registered",
        summary="Workers of Stigmer do not have the callback activity.",
        description=f"A worker of {_QUEUE} does not have {of('activity_type')}.",
        next_command=_CHECK,
    )
    yield Alert(
        name="StigmerActivityTypeNotRegistered",
        group=WORKERS,
        severity=Severity.WARNING,
        for_=timedelta(minutes=5),
        conditions=(
            Condition(e.registered(scope, other_than(CALLBACK_ACTIVITY_TYPE)), Operator.BELOW, 1),
        ),
        unit=Unit.BOOLEAN,
        panel="registered",
        summary="Workers do not have an activity that is asked of them.",
        description=f"A worker of {_QUEUE} does not have {of('activity_type')}.",
        next_command=_CHECK,
    )
    yield _behind(scope)
    yield Alert(
        name="StigmerRunnerTimingOut",
        group=WORKERS,
        severity=Severity.WARNING,
        for_=timedelta(minutes=1),
        conditions=(Condition(e.runner_timeouts(scope), Operator.ABOVE, 0),),
        unit=Unit.COUNT,
        panel="timeouts",
        summary="An agent's work timed out or lost its worker.",
        description=(
            f"{value(Unit.COUNT)} {of('activity_type')} on {_QUEUE} ended with a "
            f"{of('timeout_type')} timeout in the last 15 minutes."
        ),
        next_command=_CHECK,
    )


def _behind(scope: Scope) -> Alert:
    threshold = scope.settings.monitoring.thresholds.queue_backlog_age.total_seconds()
    return Alert(
        name="StigmerTaskQueueBehind",
        group=WORKERS,
        severity=Severity.WARNING,
        for_=timedelta(minutes=5),
        conditions=(Condition(e.queue_backlog_age(scope), Operator.ABOVE, threshold),),
        unit=Unit.SECONDS,
        panel="queue-backlog-age",
        summary="The workers of a task queue do not keep up.",
        description=(
            f"The oldest {of('task_type')} task of {_QUEUE} has waited {value(Unit.SECONDS)}; it "
            f"should be taken within {limit(threshold, Unit.SECONDS)}."
        ),
        next_command=_CHECK,
    )
