"""Whether what watches the handshake is there, sees it, and is quiet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue import expressions as e
from stigmer_ops.monitoring.catalogue.metrics import METRICS
from stigmer_ops.monitoring.catalogue.model import Catalogue, Emitter, MetricKind
from stigmer_ops.monitoring.catalogue.model import Severity as AlertSeverity
from stigmer_ops.monitoring.catalogue.promql import Scope, duration, pattern_of
from stigmer_ops.monitoring.loaded_rules import ActiveAlert, Comparison, LoadedRule, compare
from stigmer_ops.monitoring.prometheus import Prometheus, Sample
from stigmer_ops.monitoring.rules import groups
from stigmer_ops.procedures.checks.check import (
    Category,
    Check,
    Fail,
    Need,
    Ok,
    Outcome,
    Skip,
    Warn,
)
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.settings import SETTINGS
from stigmer_ops.settings import Settings

MONITORING = Category("monitoring", "Monitoring", after=(SETTINGS.id,))

NEEDS = frozenset({Need.PROMETHEUS})
NOT_CONFIGURED = Skip("no Prometheus is configured (monitoring.prometheus)")
NOT_SELECTED = Skip(
    "metrics of the Temporal server are not told apart (monitoring.temporal_selector)"
)

T = TypeVar("T")


def _prometheus(context: CheckContext) -> Prometheus | None:
    monitoring = context.settings.monitoring
    if monitoring.prometheus is None:
        return None
    return Prometheus(monitoring.prometheus, monitoring.prometheus_timeout)


async def _asked(context: CheckContext, ask: Callable[[Prometheus], T]) -> T | None:
    """What Prometheus answers; None where none is configured.

    Raises:
        StigmerOpsError: It cannot be reached, or refuses us.
    """
    prometheus = _prometheus(context)
    return None if prometheus is None else await asyncio.to_thread(ask, prometheus)


async def _rules(context: CheckContext) -> list[LoadedRule] | None:
    return await context.read("rules", lambda: _asked(context, Prometheus.rules))


async def _reachable(context: CheckContext) -> Outcome:
    def healthy(prometheus: Prometheus) -> str:
        prometheus.require_healthy()
        return prometheus.shown_url

    url = await _asked(context, healthy)
    return NOT_CONFIGURED if url is None else Ok(url)


async def _rules_current(context: CheckContext) -> Outcome:
    loaded = await _rules(context)
    if loaded is None:
        return NOT_CONFIGURED
    generated = groups(catalogue(context.settings), context.settings)
    return judged_rules(compare(loaded, generated), sum(map(len, generated.values())))


def judged_rules(comparison: Comparison, number: int) -> Outcome:
    """What a comparison of loaded and generated rules means; `number` were generated."""
    if len(comparison.missing) == number:
        return Fail(f"none of the {number} generated rules is loaded")
    problems = [
        *(f"{name} is not loaded" for name in comparison.missing),
        *(f"{name} differs in {', '.join(parts)}" for name, parts in comparison.different),
        *(f"{name} is loaded, and no longer generated" for name in comparison.surplus),
        *(f"{name} cannot be evaluated: {reason}" for name, reason in comparison.failing),
    ]
    return Fail("\n".join(problems)) if problems else Ok(f"rules: {number}")


async def _alerts_quiet(context: CheckContext) -> Outcome:
    loaded = await _rules(context)
    if loaded is None:
        return NOT_CONFIGURED
    return judged_alerts(catalogue(context.settings), loaded)


def judged_alerts(everything: Catalogue, loaded: Sequence[LoadedRule]) -> Outcome:
    """What the alerts of ours that fire mean; those of severity info only tell."""
    ours = {alert.name for alert in everything.alerts}
    active = [alert for rule in loaded if rule.name in ours for alert in rule.alerts]
    firing = [alert for alert in active if alert.state == "firing"]
    critical, warning = (
        [_line(alert) for alert in firing if alert.severity == severity]
        for severity in (AlertSeverity.CRITICAL, AlertSeverity.WARNING)
    )
    if critical:
        return Fail("\n".join((*critical, *warning)))
    return Warn("\n".join(warning)) if warning else Ok(f"pending: {len(active) - len(firing)}")


def _line(alert: ActiveAlert) -> str:
    return f"{alert.name}: {alert.annotations.get('description', '').partition(chr(10))[0]}"


async def _exporters_up(context: CheckContext) -> Outcome:
    expr = e.exporters_up(Scope(context.settings))
    found = await _asked(context, lambda prometheus: prometheus.query(expr))
    return NOT_CONFIGURED if found is None else judged_exporters(expr, found)


def judged_exporters(expr: str, found: Sequence[Sample]) -> Outcome:
    """What the exporters' `up` series mean."""
    down = [
        f"{sample.labels.get('instance', '?')} does not answer"
        for sample in found
        if sample.value != 1
    ]
    if not found:
        return Fail(f"Prometheus scrapes no exporter: {expr} has no series")
    if len(down) == len(found):
        return Fail("\n".join(down))
    return Warn("\n".join(down)) if down else Ok(f"exporters: {len(found)}")


async def _exporter_fresh(context: CheckContext) -> Outcome:
    expr = e.scan_age(Scope(context.settings))
    found = await _asked(context, lambda prometheus: prometheus.query(expr))
    if found is None:
        return NOT_CONFIGURED
    return judged_ages(found, context.access.target().namespace, context.settings)


def judged_ages(found: Sequence[Sample], namespace: str, settings: Settings) -> Outcome:
    """What the ages of the exporter's values mean, of which `namespace` is to be one."""
    limit = settings.monitoring.thresholds.exporter_stale_after
    old = [
        f"{sample.labels.get('namespace', '?')} was last read {sample.value:.0f}s ago; "
        f"the limit is {duration(limit)}"
        for sample in found
        if not sample.value <= limit.total_seconds()
    ]
    if namespace not in {sample.labels.get("namespace") for sample in found}:
        old.insert(0, f"no exporter reads the namespace {namespace!r}")
    return Fail("\n".join(old)) if old else Ok(f"namespaces: {len(found)}")


def vital_series() -> tuple[str, ...]:
    """The series that an exporter has from its start: without them alerts are silent."""
    return tuple(
        (metric.count if metric.kind is MetricKind.HISTOGRAM else metric.series).name
        for metric in METRICS
        if metric.emitter is Emitter.EXPORTER and metric.from_zero
    )


async def _metrics_present(context: CheckContext) -> Outcome:
    wanted = vital_series()
    own = context.settings.monitoring.exporter_selector
    matchers = ",".join(part for part in (f'__name__=~"{pattern_of(wanted)}"', own) if part)
    expr = f"count by (__name__) ({{{matchers}}})"
    found = await _asked(context, lambda prometheus: prometheus.query(expr))
    if found is None:
        return NOT_CONFIGURED
    missing = set(wanted) - {sample.labels["__name__"] for sample in found}
    lines = [f"Prometheus has no {name}" for name in wanted if name in missing]
    return Fail("\n".join(lines)) if lines else Ok(f"metrics: {len(wanted)}")


async def _temporal_scraped(context: CheckContext) -> Outcome:
    own = context.settings.monitoring.temporal_selector
    if not own:
        return NOT_SELECTED
    expr = f"up{{{own}}}"
    found = await _asked(context, lambda prometheus: prometheus.query(expr))
    if found is None:
        return NOT_CONFIGURED
    up = sum(1 for sample in found if sample.value == 1)
    return Ok(f"targets: {up}") if up else Fail(f"no target of the Temporal server is up: {expr}")


CHECKS = (
    Check(
        id="prometheus-reachable",
        category=MONITORING,
        sentence="Prometheus can be reached",
        needs=NEEDS,
        hint="check monitoring.prometheus: stigmer-ops config show",
        run=_reachable,
        retry=True,
        fatal=True,
    ),
    Check(
        id="rules-current",
        category=MONITORING,
        sentence="Prometheus evaluates the generated rules",
        needs=NEEDS,
        hint="load what this writes: stigmer-ops alerts generate",
        run=_rules_current,
        retry=True,
    ),
    Check(
        id="exporter-up",
        category=MONITORING,
        sentence="every exporter answers Prometheus",
        needs=NEEDS,
        hint="start the exporter, or mend its scrape configuration",
        run=_exporters_up,
        retry=True,
    ),
    Check(
        id="exporter-fresh",
        category=MONITORING,
        sentence="an exporter has read the namespace lately",
        needs=NEEDS,
        hint="see why it cannot read Temporal: the exporter's log",
        run=_exporter_fresh,
        retry=True,
    ),
    Check(
        id="metrics-present",
        category=MONITORING,
        sentence="every metric that alerts depend on is there",
        needs=NEEDS,
        hint="let Prometheus scrape an exporter of this version",
        run=_metrics_present,
        retry=True,
    ),
    Check(
        id="temporal-scraped",
        category=MONITORING,
        sentence="Prometheus scrapes the Temporal server",
        needs=NEEDS,
        hint="scrape the server, or set monitoring.temporal_selector: stigmer-ops config show",
        run=_temporal_scraped,
        retry=True,
        severity=Severity.WARNING,
    ),
    Check(
        id="alerts-quiet",
        category=MONITORING,
        sentence="no alert fires",
        needs=NEEDS,
        hint="stigmer-ops alerts status",
        run=_alerts_quiet,
        retry=True,
    ),
)
