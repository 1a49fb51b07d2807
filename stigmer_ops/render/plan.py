"""How plans look: their summary, and the difference of two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stigmer_ops.handshake.plan import PlanHeader, PlanRow, PlanTally
from stigmer_ops.handshake.plan_diff import PlanDiff
from stigmer_ops.handshake.plan_outcome import RowState
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.render.output import Record
from stigmer_ops.render.tables import Column, id_column, table_of, table_with_notes
from stigmer_ops.render.text import rfc3339, short_duration, visible

if TYPE_CHECKING:
    from rich.console import Console

_SAMPLE = (
    Column("ROW", "right", fold=False),
    Column("ACTION", fold=False),
    id_column("WORKFLOW"),
    id_column("ACTIVITY"),
    Column("ATTEMPT", "right", fold=False),
    Column("EVENT", "right", fold=False, spared=1),
    Column("WHAT"),
)


def plan_record(header: PlanHeader, tally: PlanTally, *, edited: bool) -> dict[str, Any]:
    """What a plan is, without its rows."""
    return {
        "namespace": header.namespace,
        "namespace_id": header.namespace_id or None,
        "address": header.address or None,
        "created_time": rfc3339(header.created_time),
        "sha256": tally.sha256,
        "edited": edited,
        "rows": tally.rows,
        "counts": tally.counts,
        "verdicts": dict(tally.by_verdict.most_common()),
    }


def row_record(number: int, line: int, row: PlanRow) -> dict[str, Any]:
    """A row of a plan, without its content."""
    return {
        "row": number,
        "line": line,
        "action": row.action.value,
        "workflow_id": row.workflow_id or None,
        "run_id": row.run_id,
        "activity_id": row.activity_id,
        "scheduled_event_id": row.scheduled_event_id or None,
        "attempt": row.attempt,
        "verdict": row.verdict or None,
    }


def plan_page(
    console: Console,
    header: PlanHeader,
    tally: PlanTally,
    *,
    edited: bool,
    sample: Sequence[tuple[int, PlanRow]],
    states: Mapping[RowState, int] | None = None,
) -> None:
    """The summary for a person: where, how many of what, some rows, and how far it has come."""
    console.print(f"plan for namespace {visible(header.namespace)}", style="bold")
    if header.address:
        made = f" at {rfc3339(header.created_time)}" if header.created_time else ""
        console.print(f"made from {visible(header.address)}{made}")
    console.print(f"sha256 {tally.sha256}{' (written or edited by hand)' if edited else ''}")
    rows = "1 row" if tally.rows == 1 else f"{tally.rows:,} rows"
    console.print(f"{rows}: {_counts(tally)}")
    for (action, verdict), count in sorted(tally.by_cause.items(), key=_by_action):
        if verdict:
            console.print(f"  {count:>7,}  {action.value:<9}  {visible(verdict)}")
    if states:
        console.print(f"journal: {states_text(states)}")
    if sample:
        console.print()
        cells = (_sample_cells(number, row) for number, row in sample)
        console.print(table_with_notes(console, _SAMPLE, cells))
        if len(sample) < tally.rows:
            console.print(f"… and {tally.rows - len(sample):,} more, a row each in the file")


def _by_action(counted: tuple[tuple[Action, str], int]) -> tuple[int, int]:
    (action, _), count = counted
    return list(Action).index(action), -count


def states_text(states: Mapping[RowState, int]) -> str:
    """How many rows of each state, as in "12 done, 1 refused"."""
    told = [f"{states[state]:,} {state}" for state in RowState if states.get(state)]
    return ", ".join(told) or "no rows"


def _counts(tally: PlanTally) -> str:
    told = [f"{tally.by_action[action]:,} {action}" for action in Action if tally.by_action[action]]
    return ", ".join(told) or "none"


def _sample_cells(number: int, row: PlanRow) -> tuple[str, ...]:
    return (
        str(number),
        row.action.value,
        row.workflow_id or "(standalone)",
        row.activity_id,
        str(row.attempt),
        str(row.scheduled_event_id or "-"),
        _what(row),
    )


def _what(row: PlanRow) -> str:
    """Why the row is there, or what it does; content left out: it may hold anything."""
    from datetime import timedelta  # noqa: PLC0415 - one use

    if row.verdict:
        return row.verdict
    match row.action:
        case Action.COMPLETE:
            return f"result of {len(row.result.encode())} bytes" if row.result else "stock result"
        case Action.FAIL:
            return row.failure_type or "ManualFailure"
        case Action.REDELIVER:
            return f"from {row.execution_id}"
        case Action.EXTEND:
            return f"by {short_duration(timedelta(seconds=row.extend_by_seconds))}"
        case Action.SKIP:
            return "-"


_DIFF = (
    Column("", fold=False),
    Column("ACTION", fold=False),
    id_column("WORKFLOW"),
    id_column("ACTIVITY"),
    Column("FIELDS"),
)


def diff_record(diff: PlanDiff) -> Record:
    """The difference of two plans."""
    return {
        "same": diff.same,
        "header": list(diff.header),
        "added": [_named(row) for row in diff.added],
        "removed": [_named(row) for row in diff.removed],
        "changed": [{**_named(after), "fields": list(fields)} for _, after, fields in diff.changed],
    }


def diff_page(console: Console, diff: PlanDiff) -> None:
    """The difference of two plans for a person."""
    if diff.same:
        console.print("the plans are the same")
        return
    for name in diff.header:
        console.print(f"header: {name} differs")
    console.print(table_of(_DIFF, _diff_rows(diff)))


def _diff_rows(diff: PlanDiff) -> Iterable[tuple[str, ...]]:
    for sign, rows in (("+", diff.added), ("-", diff.removed)):
        for row in rows:
            yield sign, row.action.value, row.workflow_id or "(standalone)", row.activity_id, ""
    for before, after, fields in diff.changed:
        action = after.action.value
        if before.action is not after.action:
            action = f"{before.action} -> {after.action}"
        where = after.workflow_id or "(standalone)"
        yield "~", action, where, after.activity_id, ", ".join(fields)


def _named(row: PlanRow) -> dict[str, Any]:
    return {
        "action": row.action.value,
        "workflow_id": row.workflow_id or None,
        "run_id": row.run_id,
        "activity_id": row.activity_id,
        "attempt": row.attempt,
    }
