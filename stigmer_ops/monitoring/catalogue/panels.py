"""The dashboard: its variables, rows and panels."""

from __future__ import annotations

from dataclasses import replace

from stigmer_ops.monitoring.catalogue import expressions as e
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.alerts.completions import FAST_PAIRS, SLOW_PAIRS
from stigmer_ops.monitoring.catalogue.model import (
    Dashboard,
    Panel,
    PanelKind,
    Row,
    Target,
    Unit,
    Variable,
)
from stigmer_ops.monitoring.catalogue.promql import Scope, duration

UID = "stigmer-external-activities"
RATE_INTERVAL = "$__rate_interval"
"""Grafana's own variable: at least four scrapes, and wider where the graph is coarser."""

VARIABLES = (
    Variable("namespace", m.NAMESPACE, m.PENDING.series),
    Variable("service", m.SERVICE, m.PENDING.series),
    Variable("task_queue", m.TASK_QUEUE, m.POLLERS.series),
)

_STAT_WIDTH = 6


def dashboard(scope: Scope) -> Dashboard:
    """The dashboard, whose panels see what its variables choose."""
    chosen = replace(scope, variables={v.label.name: f"${v.name}" for v in VARIABLES})
    return Dashboard(
        UID,
        "Stigmer / External activities",
        VARIABLES,
        (
            Row("Overview", _overview(chosen)),
            Row("Completions", _completions(chosen)),
            Row("Pending", _pending(chosen)),
            Row("Errors and timeouts", _errors(chosen)),
            Row("Workers", _workers(chosen)),
            Row("Exporter", _exporter(chosen)),
        ),
    )


def _overview(scope: Scope) -> tuple[Panel, ...]:
    stat = PanelKind.STAT
    return (
        Panel(
            "success-ratio",
            1,
            "Success rate",
            "Share of completions that succeed. Bad: below the line; then look at errors by type.",
            stat,
            Unit.RATIO,
            (Target(e.success_ratio(scope), "{{service}} {{namespace}}"),),
            width=_STAT_WIDTH,
            maximum=1,
        ),
        Panel(
            "pending-total",
            2,
            "Pending",
            "External activities that wait. Bad: above the line for a quarter of an hour.",
            stat,
            Unit.COUNT,
            (Target(e.pending_total(scope), "{{namespace}}"),),
            width=_STAT_WIDTH,
        ),
        Panel(
            "critical-alerts",
            3,
            "Critical alerts",
            "Critical alerts that fire, of all namespaces. Bad: any, above all after a deployment.",
            stat,
            Unit.COUNT,
            (Target(f"{e.critical_alerts(scope)} or vector(0)", "firing"),),
            width=_STAT_WIDTH,
        ),
        Panel(
            "scan-age",
            4,
            "Age of the values",
            "Time since a namespace was last read in full. Bad: above the line; what else is shown "
            "here is then old.",
            stat,
            Unit.SECONDS,
            (Target(e.scan_age(scope), "{{namespace}}"),),
            width=_STAT_WIDTH,
        ),
    )


def _completions(scope: Scope) -> tuple[Panel, ...]:
    series = PanelKind.TIMESERIES
    return (
        Panel(
            "completion-rate",
            5,
            "Completion rate",
            "Callbacks a second, by status. Bad: failures, or nothing at all while agents work.",
            series,
            Unit.PER_SECOND,
            (Target(e.completion_rate(scope), "{{status}} {{namespace}}"),),
            stacked=True,
        ),
        Panel(
            "completion-duration",
            6,
            "Completion duration",
            "From the scheduling of a callback to its end. Bad: P99 above the line.",
            series,
            Unit.SECONDS,
            tuple(
                Target(
                    e.completion_quantile(scope, percent / 100),
                    f"P{percent} {{{{service}}}} {{{{namespace}}}}",
                )
                for percent in (50, 95, 99)
            ),
        ),
        Panel(
            "failure-ratio",
            7,
            "Failures",
            "Share of completions that fail. Bad: above the line.",
            series,
            Unit.RATIO,
            (Target(e.failure_ratio(scope), "{{service}} {{namespace}}"),),
            maximum=1,
        ),
        Panel(
            "error-budget-burn",
            8,
            "Failures over the burn-rate windows",
            "Share of completions that fail, over hours and days. Bad: above the line of its own "
            "window, so that the error budget of a month is used up early.",
            series,
            Unit.RATIO,
            tuple(
                Target(
                    e.failure_ratio(scope, pair.long),
                    f"{duration(pair.long)} {{{{service}}}} {{{{namespace}}}}",
                )
                for pair in (*FAST_PAIRS, *SLOW_PAIRS)
            ),
            maximum=1,
        ),
    )


def _pending(scope: Scope) -> tuple[Panel, ...]:
    series = PanelKind.TIMESERIES
    group = "{{activity_type}} {{task_queue}} {{namespace}}"
    return (
        Panel(
            "pending-by-age",
            9,
            "Pending by age",
            "External activities that wait, by age. Bad: the older ages grow.",
            series,
            Unit.COUNT,
            (Target(e.pending_by_age(scope), "{{age_bucket}} {{namespace}}"),),
            stacked=True,
        ),
        Panel(
            "pending-by-task-queue",
            10,
            "Pending by task queue",
            "External activities that wait, by task queue and activity type. Bad: one grows alone.",
            series,
            Unit.COUNT,
            (Target(e.pending_by_group(scope), group),),
            stacked=True,
        ),
        Panel(
            "oldest-age",
            11,
            "Oldest",
            "How long the oldest external activity has waited. Bad: above the line; a line that "
            "climbs at 45 degrees is one activity that does not move.",
            series,
            Unit.SECONDS,
            (Target(e.oldest_age(scope), group),),
        ),
        Panel(
            "timeout-used",
            12,
            "Share of its own timeout used",
            "Of the external activity that is nearest to its timeout. Bad: above the line; at 100% "
            "it times out.",
            series,
            Unit.RATIO,
            (Target(e.timeout_used(scope), group),),
            maximum=1,
        ),
        Panel(
            "time-to-deadline",
            13,
            "Time to the next timeout",
            "How long until the next external activity times out. Bad: it reaches 0.",
            series,
            Unit.SECONDS,
            (Target(e.time_to_deadline(scope), group),),
        ),
        Panel(
            "unsafe-settings",
            14,
            "Unsafe settings",
            "External activities with an option that is unsafe for completion from outside. Bad: "
            "any.",
            series,
            Unit.COUNT,
            (Target(e.unsafe_settings(scope), "{{setting}} " + group),),
            stacked=True,
        ),
    )


def _errors(scope: Scope) -> tuple[Panel, ...]:
    series = PanelKind.TIMESERIES
    timeout = "{{timeout_type}} {{activity_type}} {{task_queue}} {{namespace}}"
    return (
        Panel(
            "errors-by-type",
            15,
            "Errors by type",
            "Handshakes that went wrong a second, by type. Bad: client_error after a deployment, "
            "timeout at any time.",
            series,
            Unit.PER_SECOND,
            (Target(e.errors_by_type(scope), "{{error_type}} {{namespace}}"),),
            stacked=True,
        ),
        Panel(
            "error-ratio",
            16,
            "Error rate",
            "Errors for each handshake that ended. Bad: above the line.",
            series,
            Unit.RATIO,
            (Target(e.error_ratio(scope), "{{namespace}}"),),
            maximum=1,
        ),
        Panel(
            "timed-out",
            17,
            "External activities that timed out",
            "Without a callback, in the last 15 minutes. Bad: any.",
            series,
            Unit.COUNT,
            (Target(e.timed_out(scope), "{{namespace}}"),),
        ),
        Panel(
            "timeouts",
            18,
            "Timeouts, by Temporal's own count",
            "External and runner activities that timed out for good in the last 15 minutes. Bad: "
            "any; Heartbeat on a runner queue is a runner that died.",
            series,
            Unit.COUNT,
            (Target(e.timeouts(scope), timeout),),
        ),
        Panel(
            "attempt-timeouts",
            19,
            "Retried after a timeout",
            "Attempts of external activities that timed out and were followed by another one in "
            "the last 15 minutes. Bad: any; the token that Stigmer holds is then stale.",
            series,
            Unit.COUNT,
            (Target(e.retried_after_timeout(scope), timeout),),
        ),
    )


def _workers(scope: Scope) -> tuple[Panel, ...]:
    series = PanelKind.TIMESERIES
    queue = "{{task_type}} {{task_queue}} {{namespace}}"
    return (
        Panel(
            "pollers",
            20,
            "Pollers",
            "Workers that poll an expected task queue. Bad: none.",
            series,
            Unit.COUNT,
            (Target(e.pollers(scope), queue),),
        ),
        Panel(
            "registered",
            21,
            "Registered activities",
            "Whether all workers of a task queue have the activity. Bad: no.",
            PanelKind.STATE_TIMELINE,
            Unit.BOOLEAN,
            (Target(e.registered(scope), "{{activity_type}} {{task_queue}} {{namespace}}"),),
        ),
        Panel(
            "queue-backlog",
            22,
            "Backlog",
            "Tasks that wait for a worker. Bad: it grows.",
            series,
            Unit.COUNT,
            (Target(e.queue_backlog(scope), queue),),
        ),
        Panel(
            "queue-backlog-age",
            23,
            "Age of the backlog",
            "How long the oldest task has waited for a worker. Bad: above the line.",
            series,
            Unit.SECONDS,
            (Target(e.queue_backlog_age(scope), queue),),
        ),
    )


def _exporter(scope: Scope) -> tuple[Panel, ...]:
    series = PanelKind.TIMESERIES
    return (
        Panel(
            "exporters-up",
            24,
            "Exporters",
            "Whether each exporter answers. Bad: no; if none does, nothing here moves.",
            PanelKind.STATE_TIMELINE,
            Unit.BOOLEAN,
            (Target(e.exporters_up(scope), "{{instance}}"),),
        ),
        Panel(
            "scan-duration",
            25,
            "Scan duration",
            "How long reading a namespace takes, 95th percentile. Bad: near the interval.",
            series,
            Unit.SECONDS,
            (Target(e.scan_duration(scope, 0.95, RATE_INTERVAL), "{{sweep}} {{namespace}}"),),
        ),
        Panel(
            "rpc-rate",
            26,
            "Calls to Temporal",
            "Calls a second of all exporters, by status. Bad: RESOURCE_EXHAUSTED, UNAVAILABLE.",
            series,
            Unit.PER_SECOND,
            (Target(e.rpc_rate(scope, RATE_INTERVAL), "{{code}} {{namespace}}"),),
            stacked=True,
        ),
        Panel(
            "rpc-error-ratio",
            27,
            "Calls to Temporal that fail",
            "Share of all exporters' calls that fail. Bad: above the line.",
            series,
            Unit.RATIO,
            (Target(e.rpc_error_ratio(scope), "{{namespace}}"),),
            maximum=1,
        ),
        Panel(
            "unreadable",
            28,
            "Unreadable",
            "What the last scan could not read and left out. Bad: any.",
            series,
            Unit.COUNT,
            (Target(e.unreadable(scope), "{{item}} {{namespace}}"),),
        ),
    )
