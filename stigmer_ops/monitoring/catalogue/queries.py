"""The questions that operators ask by name: eight of the written runbook, and some more."""

from __future__ import annotations

from stigmer_ops.monitoring.catalogue import expressions as e
from stigmer_ops.monitoring.catalogue.model import Bound, Operator, Query, Unit
from stigmer_ops.monitoring.catalogue.promql import Scope


def queries(scope: Scope) -> tuple[Query, ...]:
    """Every query."""
    return (*_runbook(scope), *_more(scope))


def _below(limit: float) -> Bound:
    return Bound(Operator.BELOW, limit)


def _runbook(scope: Scope) -> tuple[Query, ...]:
    usual = scope.settings.monitoring.healthy
    slow = "StigmerExternalActivityCompletionSlow"
    quantiles = (
        (50, usual.completion_p50, None),
        (95, usual.completion_p95, None),
        (99, usual.completion_p99, slow),
    )
    return (
        Query(
            "success-rate",
            "Share of completions that succeed",
            e.success_ratio(scope),
            Unit.RATIO,
            Bound(Operator.ABOVE, usual.success_ratio),
            "StigmerExternalActivitySuccessRateLow",
        ),
        *(
            Query(
                f"duration-p{percent}",
                f"Completion duration, {percent}th percentile",
                e.completion_quantile(scope, percent / 100),
                Unit.SECONDS,
                _below(limit.total_seconds()),
                alert,
            )
            for percent, limit, alert in quantiles
        ),
        Query(
            "pending-by-age",
            "External activities that wait, by age",
            e.pending_by_age(scope),
            Unit.COUNT,
        ),
        Query(
            "pending-over-24h",
            "External activities that have waited for more than 24 hours",
            e.pending_by_age(scope, "24h+"),
            Unit.COUNT,
            _below(1),
        ),
        Query(
            "errors-by-type",
            "Errors a second, by type",
            e.errors_by_type(scope),
            Unit.PER_SECOND,
        ),
        Query(
            "error-rate",
            "Errors for each handshake that ended",
            e.error_ratio(scope),
            Unit.RATIO,
            _below(usual.error_ratio),
            "StigmerExternalActivityErrorRateHigh",
        ),
    )


def _more(scope: Scope) -> tuple[Query, ...]:
    shared = scope.settings.thresholds
    return (
        Query(
            "oldest-age",
            "How long the oldest external activity has waited",
            e.oldest_age(scope),
            Unit.SECONDS,
            _below(shared.stuck_after.total_seconds()),
            "StigmerExternalActivityStuck",
        ),
        Query(
            "timeout-used",
            "Largest share of its own timeout that an external activity has used",
            e.timeout_used(scope),
            Unit.RATIO,
            _below(shared.near_deadline_share),
            "StigmerExternalActivityDeadlineImminent",
        ),
        Query(
            "pollers",
            "Workers of the expected task queues",
            e.pollers(scope),
            Unit.COUNT,
            Bound(Operator.ABOVE, 0),
            "StigmerPollersMissing",
        ),
        Query(
            "registered",
            "Whether workers have the activities that are asked of them",
            e.registered(scope),
            Unit.BOOLEAN,
            Bound(Operator.ABOVE, 0),
            "StigmerActivityTypeNotRegistered",
        ),
        Query(
            "scan-age",
            "How old the exporter's values are",
            e.scan_age(scope),
            Unit.SECONDS,
            _below(scope.settings.monitoring.thresholds.exporter_stale_after.total_seconds()),
            "StigmerExporterStale",
        ),
    )
