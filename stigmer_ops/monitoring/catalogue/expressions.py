"""The values that alerts watch, queries answer and panels draw: each composed once.

A function takes the `Scope` in which it is evaluated. Rules and queries see every series; panels
see what the dashboard's variables choose.
"""

from __future__ import annotations

from datetime import timedelta

from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue import recordings as r
from stigmer_ops.monitoring.catalogue.model import Metric
from stigmer_ops.monitoring.catalogue.promql import Match, Scope, one_of

GROUP = ("namespace", "task_queue", "activity_type")
QUEUE = ("namespace", "task_queue", "task_type")


def success_ratio(scope: Scope) -> str:
    """Share of completions that succeeded, by namespace and service."""
    return f"1 - {failure_ratio(scope)}"


def failure_ratio(scope: Scope, window: timedelta | None = None) -> str:
    """Share of completions that failed, by namespace and service."""
    return scope.select(r.failure_ratio(window or scope.window))


def completion_rate(scope: Scope) -> str:
    """Completions a second, by status."""
    recorded = scope.select(r.completion_rate(scope.window))
    return scope.over("sum", ("namespace", "status"), recorded)


def completion_quantile(scope: Scope, quantile: float) -> str:
    """A quantile of the completion duration in seconds, by namespace and service."""
    return f"histogram_quantile({quantile}, {scope.select(r.duration_bucket_rate(scope.window))})"


def errors_by_type(scope: Scope) -> str:
    """Errors a second, by type."""
    recorded = scope.select(r.error_rate(scope.window))
    return scope.over("sum", ("namespace", "error_type"), recorded)


def error_ratio(scope: Scope) -> str:
    """Errors for each handshake that ended, by namespace."""
    return scope.select(r.error_ratio(scope.window))


def pending_by_age(scope: Scope, age_bucket: str | None = None) -> str:
    """External activities that wait, by age; of one age if given."""
    chosen = {} if age_bucket is None else {"age_bucket": age_bucket}
    return scope.over("sum", ("namespace", "age_bucket"), scope.select(r.PENDING, **chosen))


def pending_total(scope: Scope) -> str:
    """External activities that wait, by namespace."""
    return scope.select(r.PENDING_TOTAL)


def pending_by_group(scope: Scope) -> str:
    """External activities that wait, by task queue and activity type."""
    return _largest(scope, m.PENDING_BY_TASK_QUEUE)


def oldest_age(scope: Scope) -> str:
    """Seconds that the oldest has waited, by task queue and activity type."""
    return f"time() - {scope.over('min', GROUP, scope.select(m.OLDEST.series))}"


def time_to_deadline(scope: Scope) -> str:
    """Seconds until the next one times out, by task queue and activity type."""
    return f"{scope.over('min', GROUP, scope.select(m.NEAREST_DEADLINE.series))} - time()"


def timeout_used(scope: Scope) -> str:
    """Largest share of its own timeout that one has waited."""
    return _largest(scope, m.TIMEOUT_USED)


def unsafe_settings(scope: Scope) -> str:
    """Those that wait with an unsafe option, by option."""
    return _largest(scope, m.UNSAFE_SETTINGS)


def timed_out(scope: Scope) -> str:
    """External activities that timed out without a callback, as the exporter counted them."""
    each = scope.increase(scope.select(m.ERRORS.series, error_type="timeout"), r.TIMEOUT_WINDOW)
    return scope.over("sum", ("namespace",), scope.over("max", ("namespace", "service"), each))


def timeouts(scope: Scope) -> str:
    """Activities that timed out for good, as Temporal counted them, by timeout."""
    return scope.select(r.TIMEOUTS)


def runner_timeouts(scope: Scope) -> str:
    """Activities of the agent and workflow runners that timed out for good, by timeout."""
    queues = scope.settings.task_queues
    runners = one_of((queues.agent_execution_runner.name, queues.workflow_execution_runner.name))
    return scope.select(r.TIMEOUTS, task_queue=runners)


def retried_after_timeout(scope: Scope) -> str:
    """Attempts of external activities that timed out and were followed by another one."""
    types = one_of(scope.settings.external.activity_types)
    attempts, final = scope.select(r.ATTEMPT_TIMEOUTS), scope.select(r.TIMEOUTS)
    external = scope.select(r.ATTEMPT_TIMEOUTS, activity_type=types)
    return f"{external} - ({final} or {attempts} * 0)"


def pollers(scope: Scope) -> str:
    """Workers that poll, by task queue and kind of task."""
    return scope.over("max", QUEUE, scope.select(m.POLLERS.series))


def queue_backlog(scope: Scope) -> str:
    """Tasks that wait for a worker, by task queue and kind of task."""
    return scope.over("max", QUEUE, scope.select(m.QUEUE_BACKLOG.series))


def queue_backlog_age(scope: Scope) -> str:
    """Seconds that the oldest task has waited for a worker, by task queue and kind of task."""
    return scope.over("max", QUEUE, scope.select(m.QUEUE_BACKLOG_AGE.series))


def registered(scope: Scope, activity_type: str | Match | None = None) -> str:
    """1 where all workers have the activity type, by task queue and activity type."""
    chosen = {} if activity_type is None else {"activity_type": activity_type}
    return scope.over("min", GROUP, scope.select(m.REGISTERED.series, **chosen))


def exporters_up(scope: Scope) -> str:
    """Each exporter that is scraped: 1 if it answers."""
    return scope.select(m.UP.series)


def scan_age(scope: Scope) -> str:
    """Seconds since any exporter last read the namespace in full."""
    return f"time() - {scope.over('max', ('namespace',), scope.select(m.LAST_SUCCESS.series))}"


def scan_duration(scope: Scope, quantile: float, window: str) -> str:
    """A quantile of the duration of a scan in seconds, by kind of sweep."""
    each = scope.rate(scope.select(m.SCAN_DURATION.bucket), window)
    by_sweep = scope.over("sum", ("namespace", "sweep", "le"), each)
    return f"histogram_quantile({quantile}, {by_sweep})"


def rpc_rate(scope: Scope, window: str) -> str:
    """Calls to Temporal a second, by status code."""
    return scope.over("sum", ("namespace", "code"), scope.rate(scope.select(m.RPCS.series), window))


def rpc_error_ratio(scope: Scope) -> str:
    """Share of the calls to Temporal that failed, by namespace."""
    # A workflow may close and be deleted between being listed and being described.
    failed = scope.select(m.RPCS.series, code=Match("!~", "OK|NOT_FOUND"))
    bad, all_ = (
        scope.over("sum", ("namespace",), scope.rate(selector, scope.window))
        for selector in (failed, scope.select(m.RPCS.series))
    )
    return f"{bad} / {all_}"


def unreadable(scope: Scope) -> str:
    """What the last scan could not read, by kind."""
    return scope.over("max", ("namespace", "item"), scope.select(m.UNREADABLE.series))


def critical_alerts(scope: Scope) -> str:
    """How many of our critical alerts fire."""
    firing = scope.select(
        m.ALERTS.series,
        alertname=Match("=~", "Stigmer.*"),
        alertstate="firing",
        severity="critical",
    )
    return scope.over("count", (), firing)


def _largest(scope: Scope, metric: Metric) -> str:
    return scope.over("max", metric.series.label_names, scope.select(metric.series))
