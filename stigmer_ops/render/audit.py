"""How the audit trail looks to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from stigmer_ops.render.tables import Cell, Column, Row, id_column, table_of

_STYLES = {"done": "green", "refused": "yellow", "failed": "red"}
_NEEDS_A_LOOK = "bold red"
_DIGEST_BESIDE = 90
"""Terminal columns from which on a digest has room beside its name."""

_COLUMNS = (
    Column("TIME", fold=False),
    Column("COMMAND"),
    Column("OPERATOR"),
    id_column("WORKFLOW"),
    id_column("ACTIVITY"),
    Column("ATTEMPT", justify="right", fold=False),
    Column("RESULT", fold=False),
    Column("EVENT", justify="right", fold=False),
    Column("REASON"),
)
_WIDE_COLUMNS = (
    Column("DETAIL"),
    Column("TIMEOUTS"),
    Column("HOST"),
    Column("NAMESPACE"),
    Column("SERVER"),
    id_column("RUN"),
    id_column("OPERATION"),
)


_NARROW_COLUMNS = (
    Column("TIME", fold=False),
    Column("COMMAND", fold=False),
    Column("RESULT", fold=False),
    Column("EVENT", justify="right", fold=False),
    Column("OPERATOR"),
)


def operations_table(
    console: Console, operations: Sequence[Mapping[str, Any]], *, wide: bool
) -> None:
    """One row an operation: when, what, by whom, on what, how it ended, why.

    Where that has no room, the target, the reason, and why it did not end well stand below it.
    """
    columns = _COLUMNS + _WIDE_COLUMNS if wide else _COLUMNS
    table = table_of(columns, [_cells(operation)[: len(columns)] for operation in operations])
    if not wide and table.width > console.width:
        table = table_of(_NARROW_COLUMNS, [_narrow_row(operation) for operation in operations])
    console.print(table)


def report_table(console: Console, report: Mapping[str, Any], *, wide: bool) -> None:
    """What the trail holds, whether its chain does, and the operations that are unfinished."""
    broken = report["broken"]
    verdict: Cell = (
        (f"broken at line {broken['line']}: {broken['reason']}: {broken['detail']}", _NEEDS_A_LOOK)
        if broken
        else ("intact", "green")
    )
    outcomes = ", ".join(f"{name} {count}" for name, count in report["outcomes"].items())
    rows: list[tuple[str, Cell] | Row] = [
        ("trail", report["path"]),
        ("chain", verdict),
        ("records", str(report["records"])),
        ("outcomes", outcomes or "-"),
        ("unfinished", str(len(report["unfinished"]))),
        ("interrupted writes", str(report["sealed"])),
        _head_row(report["head"], console.width),
    ]
    console.print(table_of([Column("AUDIT"), Column("")], rows))
    if report["unfinished"]:
        console.print()
        operations_table(console, report["unfinished"], wide=wide)


def _head_row(digest: str, width: int) -> tuple[str, Cell] | Row:
    """The head of the chain, which is copied for --expect, in one line on any terminal."""
    if width < _DIGEST_BESIDE:
        return Row(["head", ""], [(digest, "")])
    return "head", digest


def _cells(operation: Mapping[str, Any]) -> list[Cell]:
    target = operation["target"] or {}
    outcome = operation["outcome"] or {}
    return [
        _time(operation),
        operation["command"],
        operation["operator"],
        target.get("workflow_id", "-"),
        target.get("activity_id", "-"),
        str(target.get("attempt", "-")),
        _result(outcome),
        _event(outcome),
        operation["reason"],
        outcome.get("detail") or "-",
        _timeouts(operation["parameters"]),
        operation["host"],
        operation["namespace"],
        operation["server_address"],
        target.get("run_id", "-"),
        operation["operation_id"],
    ]


def _narrow_row(operation: Mapping[str, Any]) -> Row:
    outcome = operation["outcome"] or {}
    return Row(
        [
            _time(operation),
            operation["command"],
            _result(outcome),
            _event(outcome),
            operation["operator"],
        ],
        [
            (line, "dim")
            for line in (_target(operation), operation["reason"], _trouble(outcome))
            if line
        ],
    )


def _trouble(outcome: Mapping[str, Any]) -> str:
    """Why it was not done; of what was done, the event says enough."""
    return "" if outcome.get("result") == "done" else outcome.get("detail") or ""


def _target(operation: Mapping[str, Any]) -> str:
    """What it was done to, as in `order-4711  5  attempt 1`."""
    target = operation["target"] or {}
    attempt = f"attempt {target['attempt']}" if target.get("attempt") else None
    return "  ".join(filter(None, (target.get("workflow_id"), target.get("activity_id"), attempt)))


def _time(operation: Mapping[str, Any]) -> str:
    return str(operation["ended"] or operation["started"])


def _result(outcome: Mapping[str, Any]) -> Cell:
    result = outcome.get("result", "unfinished")
    return result, _STYLES.get(result, _NEEDS_A_LOOK)


def _event(outcome: Mapping[str, Any]) -> str:
    return str(outcome.get("proof_event_id", "-"))


def _timeouts(parameters: Mapping[str, Any]) -> str:
    """Every timeout that was to be changed, with what it was: `start_to_close 3600s -> 7200s`."""
    told = []
    for key, after in parameters.items():
        name = key.removesuffix("_timeout_seconds")
        if name != key:
            before = parameters.get(f"{name}_timeout_before_seconds")
            was = "?" if before is None else f"{before:g}s"
            told.append(f"{name} {was} -> {after:g}s")
    return "; ".join(told) or "-"
