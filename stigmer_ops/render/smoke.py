"""How a canary's plan and its times look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.text import Text

from stigmer_ops.procedures.smoke_report import Round, SmokePlan, SmokeReport, Spread
from stigmer_ops.render.output import Record
from stigmer_ops.render.tables import Column, table_of
from stigmer_ops.render.text import seconds, visible

Time = Callable[[Round], timedelta]


def _stages(plan: SmokePlan) -> dict[str, Time]:
    """The parts of a handshake in their order, and what they sum up to."""
    stages: dict[str, Time] = {"dispatch": lambda one: one.dispatch}
    stages["callback" if plan.stigmer is None else "create"] = lambda one: one.call
    if plan.stigmer is not None:
        stages["agent"] = lambda one: one.agent
    stages["resume"] = lambda one: one.resume
    stages["overhead"] = lambda one: one.overhead
    return stages


def plan_record(plan: SmokePlan, address: str, namespace: str, stigmer: str | None) -> Record:
    """What would be done, ready for JSON."""
    return {
        "address": address,
        "namespace": namespace,
        "through_stigmer": stigmer,
        "rounds": plan.rounds,
        "timeout_seconds": seconds(plan.timeout),
        "budget_seconds": seconds(plan.budget) if plan.stigmer is None else None,
    }


def plan_lines(console: Console, plan: SmokePlan, record: Record) -> None:
    """What would be done, in sentences."""
    lines = [
        f"would run {plan.rounds} canary handshakes at {record['address']}, namespace "
        f"{record['namespace']}, {_short(plan.timeout)} each at most,",
        "with a workflow and a task queue of its own (stigmer-ops-smoke-…), removed afterwards",
    ]
    if plan.stigmer is not None:
        lines.append(f"and would create as many executions at Stigmer, {record['through_stigmer']}")
    for line in lines:
        console.print(Text(visible(line)))


def smoke_record(report: SmokeReport) -> Record:
    """What came of it, ready for JSON."""
    plan = report.plan
    stages: dict[str, Any] = {
        f"{name}_seconds": _spread_record(spread) for name, spread in _spreads(report).items()
    }
    return {
        "passed": report.passed,
        "stopped": report.stopped or None,
        "next": report.hint or None,
        "rounds_planned": plan.rounds,
        "rounds_completed": report.completed,
        "through_stigmer": plan.stigmer is not None,
        "execution_id": report.execution_id or None,
        "budget_seconds": seconds(plan.budget) if plan.stigmer is None else None,
        "over_budget": report.over_budget,
        "times": stages,
        "left_behind": report.left,
    }


def _spreads(report: SmokeReport) -> dict[str, Spread]:
    if not report.rounds:
        return {}
    return {
        name: Spread.of([time(one) for one in report.rounds])
        for name, time in _stages(report.plan).items()
    }


def _spread_record(spread: Spread) -> dict[str, float | None]:
    return {
        "p50": _fine_seconds(spread.p50),
        "p95": _fine_seconds(spread.p95),
        "max": _fine_seconds(spread.max),
    }


def _fine_seconds(time: timedelta) -> float:
    """Seconds to the microsecond, since a stage may take less than a millisecond."""
    return round(time.total_seconds(), 6)


def smoke_page(console: Console, report: SmokeReport, address: str, namespace: str) -> None:
    """The times by stage, and the verdict."""
    plan = report.plan
    through = " and Stigmer" if plan.stigmer is not None else ""
    rounds = f"{report.completed} of {plan.rounds} rounds"
    console.print(
        Text(visible(f"canary through {address}, namespace {namespace}{through}: {rounds}"))
    )
    columns = [Column("STAGE")] + [
        Column(heading, justify="right", fold=False) for heading in ("P50", "P95", "MAX")
    ]
    rows = [
        (name, _short(spread.p50), _short(spread.p95), _short(spread.max))
        for name, spread in _spreads(report).items()
    ]
    if rows:
        console.print(table_of(columns, rows))
    for text, style in _verdict(report):
        console.print(Text(visible(text), style=style))


def _verdict(report: SmokeReport) -> list[tuple[str, str]]:
    if report.stopped:
        return [(f"failed: {report.stopped}", "bold red"), (f"  next: {report.hint}", "")]
    overhead = report.overhead
    if overhead is None or report.plan.stigmer is not None:
        return [("passed: Stigmer called back", "green")]
    budget = _short(report.plan.budget)
    if report.over_budget:
        return [
            (f"failed: the overhead's p95, {_short(overhead.p95)}, is above {budget}", "bold red"),
            ("  next: stigmer-ops check --category temporal --category task-queues", ""),
        ]
    return [(f"passed: the overhead's p95, {_short(overhead.p95)}, is within {budget}", "green")]


def _short(time: timedelta) -> str:
    whole = time.total_seconds()
    return f"{whole:.1f} s" if whole >= 1 else f"{whole * 1000:.1f} ms"
