"""How batches look: lists of them, one in full, and the lines of a worker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stigmer_ops.handshake.plan_outcome import RowState
from stigmer_ops.render.apply import totals
from stigmer_ops.render.output import Record
from stigmer_ops.render.plan import states_text
from stigmer_ops.render.tables import Column, id_column, table_with_notes
from stigmer_ops.render.text import rfc3339, visible

if TYPE_CHECKING:
    from rich.console import Console

TROUBLES_SHOWN = 20

_LIST = (
    id_column("BATCH"),
    Column("STATUS", fold=False),
    Column("ROWS", "right", fold=False),
    Column("NAMESPACE", fold=False, spared=1),
    Column("STARTED", fold=False),
    Column("BY"),
    Column("REASON"),
)

_TROUBLES = (
    Column("ROW", "right", fold=False),
    Column("ACTION", fold=False),
    id_column("WORKFLOW"),
    id_column("ACTIVITY"),
    Column("OUTCOME", fold=False),
    Column("WHY"),
)


def following_text(states: Counter[RowState], phase: str) -> str:
    """What stands beside the bar."""
    told = states_text(states) if states.total() else ""
    return "  ".join(filter(None, (phase, told)))


def batch_record(
    workflow_id: str,
    *,
    status: str,
    started: datetime | None,
    closed: datetime | None,
    memo: Mapping[str, Any],
    pages_left_open: int,
) -> dict[str, Any]:
    """A batch of the list; what its memo holds is null where it cannot be decoded.

    `pages_left_open`: pages that wait for it although it has closed, as after its termination.
    """
    return {
        "workflow_id": workflow_id,
        "status": status,
        "started_time": rfc3339(started),
        "closed_time": rfc3339(closed),
        **{
            name: memo.get(name)
            for name in ("sha256", "namespace", "rows", "operator", "host", "reason")
        },
        "pages_left_open": pages_left_open,
    }


def list_page(console: Console, records: Sequence[Record]) -> None:
    """The batches for a person, by the digest of their plan: enough to name them."""
    if not records:
        console.print("no batches")
        return
    cells = (
        (
            record["workflow_id"].rsplit("/", 1)[-1],
            _status(record),
            "?" if record["rows"] is None else f"{record['rows']:,}",
            record["namespace"] or "",
            record["started_time"] or "",
            record["operator"] or "",
            record["reason"] or "",
        )
        for record in records
    )
    console.print(table_with_notes(console, _LIST, cells))
    if any(record["pages_left_open"] for record in records):
        console.print("pages that are left open end by: stigmer-ops batch cancel BATCH --reason …")


def _status(record: Record) -> str:
    left = record["pages_left_open"]
    return f"{record['status']}, {_pages(left)} left open" if left else record["status"]


def _pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count:,} pages"


def progress_record(
    *,
    phase: str,
    states: Mapping[str, int],
    pages: int,
    pages_begun: int,
    running: Sequence[int],
    paused: str,
    stopped: str,
) -> dict[str, Any]:
    """How far a batch has come."""
    counted = {RowState(name): count for name, count in states.items()}
    return {
        "phase": phase,
        "totals": totals(counted),
        "tried": sum(states.values()),
        "pages": pages,
        "pages_begun": pages_begun,
        "pages_running": list(running),
        "paused": paused or None,
        "stopped": stopped or None,
    }


def trouble_record(found: Mapping[str, Any]) -> dict[str, Any]:
    """A row that was refused or failed; one in doubt counts as failed."""
    return {
        "row": found["row"],
        "action": found["action"],
        "workflow_id": found["workflow_id"] or None,
        "activity_id": found["activity_id"],
        "outcome": found.get("outcome", RowState.FAILED.value),
        "detail": found.get("detail"),
    }


def batch_page(
    console: Console,
    record: Record,
    progress: Record | None,
    troubles: Sequence[Record],
    *,
    more: int,
) -> None:
    """One batch for a person."""
    console.print(visible(f"batch {record['workflow_id']}: {record['status']}"), style="bold")
    if record["sha256"]:
        console.print(visible(f"plan {record['sha256']}"))
        console.print(visible(f"for namespace {record['namespace']}, {record['rows']:,} rows"))
        console.print(visible(f"by {record['operator']}@{record['host']}: {record['reason']}"))
    closed = f", closed {record['closed_time']}" if record["closed_time"] else ""
    console.print(f"started {record['started_time']}{closed}")
    if progress is not None:
        _progress_lines(console, progress)
    if left := record["pages_left_open"]:
        console.print(f"left open, and nobody will begin them: {_pages(left)}", style="yellow")
        console.print(
            visible(f"stigmer-ops batch cancel {record['workflow_id']} --reason …  ends them")
        )
    if troubles:
        console.print()
        console.print(table_with_notes(console, _TROUBLES, (_cells(each) for each in troubles)))
    if more:
        console.print(f"… and {more:,} more: -o json has all")


def _progress_lines(console: Console, progress: Record) -> None:
    states = {RowState(name.replace("_", " ")): n for name, n in progress["totals"].items()}
    running = f", {len(progress['pages_running'])} under way" if progress["pages_running"] else ""
    console.print(f"{progress['phase']}: {states_text(states)}", style="bold")
    console.print(f"pages: {progress['pages_begun']:,} of {progress['pages']:,} begun{running}")
    for name in ("paused", "stopped"):
        told = progress[name]
        if told:
            console.print(visible(told if name == "paused" else f"stopped: {told}"), style="yellow")


def _cells(record: Record) -> tuple[Any, ...]:
    return (
        str(record["row"]),
        record["action"],
        record["workflow_id"] or "(standalone)",
        record["activity_id"],
        record["outcome"],
        record["detail"] or "",
    )


def change_page(console: Console, record: Record) -> None:
    """What became of pause, resume or cancel, for a person."""
    told = f"{record['change']} was delivered to {record['workflow_id']}"
    now = record["phase"]
    console.print(visible(f"{told}; it is {now} now" if now else told))
    if not now:
        console.print(
            "no batch worker has taken it up yet: start one with stigmer-ops batch-worker"
        )


def event_line(time: datetime, event: str, values: Mapping[str, Any], *, as_json: bool) -> str:
    """A line of a worker's log: JSON, or `name=value` words that a person can read too."""
    fields = {"time": rfc3339(time), "event": event, **values}
    if as_json:
        return json.dumps(fields, ensure_ascii=False, default=str)
    return " ".join(f"{name}={_word(value)}" for name, value in fields.items())


def _word(value: object) -> str:
    text = str(value)
    plain = text and not any(character in text for character in ' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)
