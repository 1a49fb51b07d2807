"""Alerts on the exporter: without it every other alert would be silent, and all would look well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from stigmer_ops.monitoring.catalogue import expressions as e
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.alerts.groups import EXPORTER
from stigmer_ops.monitoring.catalogue.alerts.texts import limit, of, value
from stigmer_ops.monitoring.catalogue.model import Alert, Condition, Operator, Severity, Unit
from stigmer_ops.monitoring.catalogue.promql import Scope

_VITAL = (m.COMPLETIONS.series, m.COMPLETION_DURATION.count, m.PENDING.series, m.ERRORS.series)


def alerts(scope: Scope) -> Iterator[Alert]:
    """From the most to the least urgent."""
    yield Alert(
        name="StigmerExporterDown",
        group=EXPORTER,
        severity=Severity.CRITICAL,
        for_=timedelta(minutes=5),
        conditions=(Condition(f"absent({e.exporters_up(scope)} == 1)"),),
        unit=Unit.BOOLEAN,
        panel="exporters-up",
        summary="No exporter answers, so nothing watches the handshake.",
        description="Prometheus reaches no exporter; alerts on what it reads cannot fire.",
        next_command="stigmer-ops check",
    )
    yield from _values(scope)
    yield Alert(
        name="StigmerExporterInstanceDown",
        group=EXPORTER,
        severity=Severity.WARNING,
        for_=timedelta(minutes=15),
        conditions=(Condition(e.exporters_up(scope), Operator.BELOW, 1),),
        unit=Unit.BOOLEAN,
        panel="exporters-up",
        summary="An exporter does not answer.",
        description=f"Prometheus cannot scrape {of('instance')}.",
        next_command="stigmer-ops check",
    )
    yield from _reads(scope)


def _values(scope: Scope) -> Iterator[Alert]:
    threshold = scope.settings.monitoring.thresholds.exporter_stale_after.total_seconds()
    yield Alert(
        name="StigmerExporterStale",
        group=EXPORTER,
        severity=Severity.CRITICAL,
        for_=timedelta(minutes=5),
        conditions=(Condition(e.scan_age(scope), Operator.ABOVE, threshold),),
        unit=Unit.SECONDS,
        panel="scan-age",
        summary="The exporter shows old values, because it cannot read Temporal.",
        description=(
            f"{of('namespace')} was last read {value(Unit.SECONDS)} ago; it should be read every "
            f"{limit(threshold, Unit.SECONDS)} at least."
        ),
        next_command=f"stigmer-ops check --namespace {of('namespace')}",
    )
    yield Alert(
        name="StigmerMetricsMissing",
        group=EXPORTER,
        severity=Severity.CRITICAL,
        for_=timedelta(minutes=10),
        conditions=tuple(
            Condition(
                f'label_replace(absent({scope.select(vital)}), "metric", "{vital.name}", "", "")'
            )
            for vital in _VITAL
        ),
        unit=Unit.BOOLEAN,
        panel="exporters-up",
        summary="A metric that alerts depend on is not there.",
        description=f"Prometheus has no {of('metric')}; alerts that need it cannot fire.",
        next_command="stigmer-ops check",
    )


def _reads(scope: Scope) -> Iterator[Alert]:
    share = scope.settings.monitoring.thresholds.exporter_rpc_error_ratio
    yield Alert(
        name="StigmerExporterUnreadable",
        group=EXPORTER,
        severity=Severity.WARNING,
        for_=timedelta(minutes=15),
        conditions=(Condition(e.unreadable(scope), Operator.ABOVE, 0),),
        unit=Unit.COUNT,
        panel="unreadable",
        summary="The exporter cannot read everything, so its counts are too low.",
        description=(
            f"The last scan of {of('namespace')} left out {value(Unit.COUNT)} of the kind "
            f"{of('item')}."
        ),
        next_command=f"stigmer-ops pending list --namespace {of('namespace')}",
    )
    yield Alert(
        name="StigmerExporterCallsFailing",
        group=EXPORTER,
        severity=Severity.WARNING,
        for_=timedelta(minutes=10),
        conditions=(Condition(e.rpc_error_ratio(scope), Operator.ABOVE, share),),
        unit=Unit.RATIO,
        panel="rpc-error-ratio",
        summary="Temporal refuses or fails calls of the exporter.",
        description=(
            f"{value(Unit.RATIO)} of the exporter's calls for {of('namespace')} fail; it should "
            f"be below {limit(share, Unit.RATIO)}."
        ),
        next_command=f"stigmer-ops check --namespace {of('namespace')}",
    )
