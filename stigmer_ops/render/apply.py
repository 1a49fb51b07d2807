"""How the run of a plan looks: before, meanwhile, and the report of every row after it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.render.output import (
    Document,
    OutputFormat,
    Record,
    stamped,
    write,
    write_pieces,
)
from stigmer_ops.render.plan import states_text
from stigmer_ops.render.tables import Column, id_column, table_with_notes
from stigmer_ops.render.text import rfc3339, visible

if TYPE_CHECKING:
    from rich.console import Console

TROUBLES_SHOWN = 20
"""Rows of a table that were not done; --report and the machine formats have all."""

_TROUBLES = (
    Column("ROW", "right", fold=False),
    Column("ACTION", fold=False),
    id_column("WORKFLOW"),
    id_column("ACTIVITY"),
    Column("OUTCOME", fold=False),
    Column("WHY"),
)

_STYLES = {
    RowState.REFUSED: "yellow",
    RowState.NOT_EXTENDABLE: "yellow",
    RowState.FAILED: "red",
    RowState.ALREADY_DONE: "cyan",
}


def outcome_record(
    number: int, line: int, row: PlanRow, outcome: RowOutcome, operation_id: str
) -> dict[str, Any]:
    """A row of the report; the same keys in the same order for every row."""
    return {
        "row": number,
        "line": line,
        "action": row.action.value,
        "workflow_id": row.workflow_id or None,
        "run_id": row.run_id,
        "activity_id": row.activity_id,
        "scheduled_event_id": row.scheduled_event_id or None,
        "attempt": row.attempt,
        "outcome": outcome.state.value,
        "detail": outcome.detail or None,
        "by": outcome.by or None,
        "ended_time": rfc3339(outcome.time),
        "event_id": outcome.event_id or None,
        "operation_id": operation_id or None,
    }


def verified_record(
    number: int,
    line: int,
    row: PlanRow,
    outcome: RowOutcome,
    *,
    check: str,
    workflow: str | None,
    finding: str,
) -> dict[str, Any]:
    """A row as `plan verify` found it."""
    record = outcome_record(number, line, row, outcome, "")
    del record["operation_id"]
    return record | {"check": check, "workflow": workflow, "finding": finding or None}


_FINDINGS = (
    Column("ROW", "right", fold=False),
    Column("ACTION", fold=False),
    id_column("WORKFLOW"),
    id_column("ACTIVITY"),
    Column("FINDING"),
)


def verification_page(
    console: Console, counts: Mapping[Any, int], shown: Sequence[Record], wrong: int
) -> None:
    """What `plan verify` found, for a person."""
    if shown:
        cells = (
            (
                str(record["row"]),
                record["action"],
                record["workflow_id"] or "(standalone)",
                record["activity_id"],
                record["finding"],
            )
            for record in shown
        )
        console.print(table_with_notes(console, _FINDINGS, cells))
        if wrong > len(shown):
            console.print(f"… and {wrong - len(shown):,} more: -o jsonl has all")
        console.print()
    told = [f"{count:,} {check}" for check, count in counts.items() if count]
    console.print(", ".join(told) or "the plan asks for nothing", style="bold")


def totals(states: Mapping[RowState, int]) -> dict[str, int]:
    """How many rows have each outcome, zeros included."""
    return {state.value.replace(" ", "_"): states.get(state, 0) for state in RowState}


def write_report(
    head: Record,
    rows: Iterable[Record],
    output: OutputFormat,
    page: Callable[[Console, bool], None],
    *,
    kind: str = "PlanReport",
    row_kind: str = "PlanRowOutcome",
) -> None:
    """Write a report that has a record for each row of a plan, row by row.

    Args:
        head: What is said of the plan as a whole.
        rows: The records, made as they are asked for: there may be very many.
        output: JSON has the rows as the last member, JSON Lines the head as the last line. YAML is
            put together in memory.
        page: Draws it for a person.
        kind: Of the whole.
        row_kind: Of a row in JSON Lines.
    """
    match output:
        case OutputFormat.JSON:
            write_pieces(_json(kind, head, rows))
        case OutputFormat.JSONL:
            lines = ((row_kind, row) for row in rows)
            write_pieces(map(_line, chain(lines, [(kind, head)])))
        case OutputFormat.YAML:
            write(Document(kind, {**head, "rows": [*rows]}), output, table=page)
        case _:
            write(Document(kind, head), output, table=page)


def _json(kind: str, head: Record, rows: Iterable[Record]) -> Iterator[str]:
    opening = json.dumps(stamped(kind, head), ensure_ascii=False, indent=2)
    yield opening.removesuffix("\n}") + ',\n  "rows": ['
    separator = "\n    "
    for row in rows:
        yield separator + json.dumps(row, ensure_ascii=False)
        separator = ",\n    "
    yield "\n  ]\n}\n"


def _line(stated: tuple[str, Record]) -> str:
    return json.dumps(stamped(*stated), ensure_ascii=False) + "\n"


def progress_text(states: Counter[RowState], rate: float) -> str:
    """What stands beside the bar."""
    return f"{rate:,.0f}/s  {states_text(states)}"


Trouble = tuple[int, PlanRow, RowOutcome]


def troubles(rows: Iterable[Trouble]) -> Iterator[Trouble]:
    """The rows that somebody should look at, in the order of the plan."""
    return (each for each in rows if each[2].state.troubling)


def report_page(
    console: Console,
    states: Mapping[RowState, int],
    shown: Sequence[Trouble],
    *,
    stopped: str,
    dry_run: bool,
    summary: str,
) -> None:
    """The report for a person: totals, what was not done and why, and what stopped the run."""
    if shown:
        console.print(table_with_notes(console, _TROUBLES, (_cells(each) for each in shown)))
        rest = sum(count for state, count in states.items() if state.troubling) - len(shown)
        if rest > 0:
            console.print(f"… and {rest:,} more: --report FILE has all")
        console.print()
    if stopped:
        console.print(f"stopped: {visible(stopped)}", style="yellow")
    lead = "dry run, nothing was sent: " if dry_run else ""
    console.print(f"{lead}{states_text(states)}", style="bold")
    console.print(summary)


def _cells(trouble: Trouble) -> tuple[Any, ...]:
    number, row, outcome = trouble
    return (
        str(number),
        row.action.value,
        row.workflow_id or "(standalone)",
        row.activity_id,
        (outcome.state.value, _STYLES.get(outcome.state, "")),
        why(outcome),
    )


def why(outcome: RowOutcome) -> str:
    """An outcome in a sentence: what it is now, by whom, when, and where that is written."""
    told = [outcome.detail]
    if outcome.by:
        told.append(f"by {outcome.by}")
    if outcome.time is not None:
        told.append(f"at {rfc3339(outcome.time)}")
    if outcome.event_id:
        told.append(f"(event {outcome.event_id})")
    return " ".join(filter(None, told))
