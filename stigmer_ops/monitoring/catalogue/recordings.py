"""The recording rules: what several alerts, queries and panels need, or other tools read.

Two exporters that watch the same namespace both count every callback. So each recorded series takes
the largest over the exporters first, and everything else builds on that: nothing is counted twice.

Windows are nominal, in names too; in a sandbox, whose days are short, the ranges are as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.model import (
    LE,
    Emitter,
    Label,
    MetricKind,
    Recording,
    Series,
    Unit,
)
from stigmer_ops.monitoring.catalogue.promql import Scope, duration, one_of

OBJECTIVE_WINDOWS = tuple(
    timedelta(minutes=minutes) for minutes in (5, 30, 60, 120, 360, 1440, 4320)
)
"""Long and short windows of the burn-rate alerts (SRE Workbook, chapter 5, for 30 days)."""

TIMEOUT_WINDOW = timedelta(minutes=15)
"""How long a timeout stays in view."""

COMPLETION_GROUP = "stigmer-completion-recordings"
HANDSHAKE_GROUP = "stigmer-handshake-recordings"


def _recorded(name: str, labels: tuple[Label, ...], unit: Unit) -> Series:
    return Series(name, MetricKind.GAUGE, labels, Emitter.RULES, unit)


def completion_rate(window: timedelta) -> Series:
    """Completions a second by status."""
    return _recorded(
        f"namespace_service_status:stigmer_external_activity_completions:rate{duration(window)}",
        (m.NAMESPACE, m.SERVICE, m.STATUS),
        Unit.PER_SECOND,
    )


def failure_ratio(window: timedelta) -> Series:
    """Share of completions that failed; NaN where there were none."""
    return _recorded(
        "namespace_service:stigmer_external_activity_completions"
        f":failure_ratio_rate{duration(window)}",
        (m.NAMESPACE, m.SERVICE),
        Unit.RATIO,
    )


def duration_bucket_rate(window: timedelta) -> Series:
    """Completions a second by how long they took, for quantiles."""
    return _recorded(
        "namespace_service_le:stigmer_external_activity_completion_duration_seconds_bucket"
        f":rate{duration(window)}",
        (m.NAMESPACE, m.SERVICE, LE),
        Unit.PER_SECOND,
    )


def error_rate(window: timedelta) -> Series:
    """Errors a second by type."""
    return _recorded(
        f"namespace_service_error_type:stigmer_external_activity_errors:rate{duration(window)}",
        (m.NAMESPACE, m.SERVICE, m.ERROR_TYPE),
        Unit.PER_SECOND,
    )


def error_ratio(window: timedelta) -> Series:
    """Errors for each handshake that ended; NaN where none ended."""
    return _recorded(
        f"namespace:stigmer_external_activity_errors:ratio_rate{duration(window)}",
        (m.NAMESPACE,),
        Unit.RATIO,
    )


PENDING = _recorded(
    "namespace_service_age_bucket:stigmer_pending_external_activities:max",
    (m.NAMESPACE, m.SERVICE, m.AGE_BUCKET),
    Unit.COUNT,
)
PENDING_TOTAL = _recorded(
    "namespace:stigmer_pending_external_activities:sum", (m.NAMESPACE,), Unit.COUNT
)

_TIMEOUT_LABELS = (m.NAMESPACE, m.TASK_QUEUE, m.ACTIVITY_TYPE, m.TIMEOUT_TYPE)
TIMEOUTS = _recorded(
    "namespace_task_queue_activity_type_timeout_type:activity_timeout"
    f":increase{duration(TIMEOUT_WINDOW)}",
    _TIMEOUT_LABELS,
    Unit.COUNT,
)
ATTEMPT_TIMEOUTS = _recorded(
    "namespace_task_queue_activity_type_timeout_type:activity_task_timeout"
    f":increase{duration(TIMEOUT_WINDOW)}",
    _TIMEOUT_LABELS,
    Unit.COUNT,
)


def completions_in(scope: Scope, window: timedelta) -> str:
    """How many completions there were in `window`, by namespace and service."""
    total = scope.over("sum", ("namespace", "service"), scope.select(completion_rate(window)))
    return f"{total} * {scope.lasts(window).total_seconds():g}"


def handshakes_ended(scope: Scope) -> str:
    """Handshakes that ended a second, by namespace: with a callback, or with a timeout instead."""
    completions, timeouts = (
        scope.over("sum", ("namespace",), selector)
        for selector in (
            scope.select(completion_rate(scope.window)),
            scope.select(error_rate(scope.window), error_type="timeout"),
        )
    )
    return f"{completions} + {timeouts}"


def recordings(scope: Scope) -> Iterator[Recording]:
    """Every recording rule; within a group, what others build on comes first."""
    for window in sorted({scope.window, *OBJECTIVE_WINDOWS}):
        yield from _completions(scope, window)
    yield _duration_buckets(scope)
    yield from _errors(scope)
    yield from _pending(scope)
    yield from _timeouts(scope)


def _completions(scope: Scope, window: timedelta) -> Iterator[Recording]:
    by_status = scope.over(
        "max",
        ("namespace", "service", "status"),
        scope.rate(scope.select(m.COMPLETIONS.series), window),
    )
    yield Recording(
        completion_rate(window), by_status, COMPLETION_GROUP, "Completions a second by status."
    )
    recorded = completion_rate(window)
    failures, all_ = (
        scope.over("sum", ("namespace", "service"), selector)
        for selector in (scope.select(recorded, status="failure"), scope.select(recorded))
    )
    yield Recording(
        failure_ratio(window),
        f"{failures} / {all_}",
        COMPLETION_GROUP,
        "Share of completions that failed; NaN where there were none.",
    )


def _duration_buckets(scope: Scope) -> Recording:
    each = scope.over(
        "max",
        ("namespace", "service", "status", "le"),
        scope.rate(scope.select(m.COMPLETION_DURATION.bucket), scope.window),
    )
    return Recording(
        duration_bucket_rate(scope.window),
        scope.over("sum", ("namespace", "service", "le"), each),
        COMPLETION_GROUP,
        "Completions a second by how long they took, for quantiles.",
    )


def _errors(scope: Scope) -> Iterator[Recording]:
    yield Recording(
        error_rate(scope.window),
        scope.over(
            "max",
            ("namespace", "service", "error_type"),
            scope.rate(scope.select(m.ERRORS.series), scope.window),
        ),
        COMPLETION_GROUP,
        "Errors a second by type.",
    )
    errors = scope.over("sum", ("namespace",), scope.select(error_rate(scope.window)))
    yield Recording(
        error_ratio(scope.window),
        f"{errors} / ({handshakes_ended(scope)})",
        COMPLETION_GROUP,
        "Errors for each handshake that ended; NaN where none ended.",
    )


def _pending(scope: Scope) -> Iterator[Recording]:
    yield Recording(
        PENDING,
        scope.over("max", ("namespace", "service", "age_bucket"), scope.select(m.PENDING.series)),
        HANDSHAKE_GROUP,
        "External activities that wait, by age.",
    )
    yield Recording(
        PENDING_TOTAL,
        scope.over("sum", ("namespace",), scope.select(PENDING)),
        HANDSHAKE_GROUP,
        "External activities that wait; the metric to scale deployments on, 20 a pod.",
    )


def _timeouts(scope: Scope) -> Iterator[Recording]:
    queues = scope.settings.task_queues
    types = one_of(
        (
            *scope.settings.external.activity_types,
            *queues.agent_execution_runner.activity_types,
            *queues.workflow_execution_runner.activity_types,
        )
    )
    for recorded, metric, what in (
        (TIMEOUTS, m.TEMPORAL_TIMEOUTS, "Activities that timed out for good"),
        (ATTEMPT_TIMEOUTS, m.TEMPORAL_ATTEMPT_TIMEOUTS, "Attempts of activities that timed out"),
    ):
        selector = scope.select(metric.series, activityType=types)
        yield Recording(
            recorded,
            _increase_from_nothing(scope, selector),
            HANDSHAKE_GROUP,
            f"{what} within {duration(TIMEOUT_WINDOW)}.",
        )


def _increase_from_nothing(scope: Scope, selector: str) -> str:
    """The increase of a counter that the server creates only when it first counts.

    The step from absence to 1 is no increase to Prometheus, so a group that did not exist before
    counts in full. The server's label names become those of everything else.
    """
    before = f"{selector} offset {duration(scope.lasts(TIMEOUT_WINDOW))}"
    new, old = (
        scope.over("sum", m.TEMPORAL_TIMEOUTS.series.label_names, s) for s in (selector, before)
    )
    grown = scope.over(
        "sum", m.TEMPORAL_TIMEOUTS.series.label_names, scope.increase(selector, TIMEOUT_WINDOW)
    )
    renamed = f"({new} unless {old}) or {grown}"
    for ours, theirs in (
        (m.ACTIVITY_TYPE, m.TEMPORAL_ACTIVITY_TYPE),
        (m.TASK_QUEUE, m.TEMPORAL_TASK_QUEUE),
    ):
        renamed = f'label_replace({renamed}, "{ours.name}", "$1", "{theirs.name}", "(.*)")'
    return scope.over("sum", tuple(label.name for label in _TIMEOUT_LABELS), renamed)
