"""How maintenance windows look: the forecast, the plan, and how far a window has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stigmer_ops.render.procedure import (
    commands_to_type,
    plan_table,
    planned_record,
    tasks_table,
)
from stigmer_ops.render.tables import Column, id_column, table_of
from stigmer_ops.render.text import rfc3339, seconds, short_duration, visible

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.procedures.maintenance.forecast import Forecast, Outlook
    from stigmer_ops.procedures.maintenance.window import Window
    from stigmer_ops.procedures.runner.run import PlannedTask, Standing

ENDANGERED_SHOWN = 20
_FATES = {
    "safe": ("", "have their deadline after the window, or none"),
    "expires": ("yellow", "would time out within the window or its margin"),
    "paused-expires": ("yellow", "are paused, and would time out if they are unpaused after it"),
    "paused-overdue": ("bold red", "are paused, and time out the moment they are unpaused"),
    "workflow-ends": ("bold red", "are lost: their workflows time out within the window"),
}


def window_record(window: Window) -> dict[str, Any]:
    """What a window is to be, for JSON."""
    return {
        "maintains": window.kind.value,
        "begin": rfc3339(window.begin),
        "end": rfc3339(window.end),
        "margin_seconds": seconds(window.margin),
        "throttle": window.throttle,
        "throttled_queues": list(window.throttled_queues),
        "scale_to_zero": window.scale_to_zero,
        "reason": window.reason or None,
    }


def forecast_record(found: Forecast) -> dict[str, Any]:
    """An activity that is not safe, for JSON."""
    activity = found.activity
    return {
        "workflow_id": activity.workflow_id or None,
        "run_id": activity.run_id,
        "activity_id": activity.activity_id,
        "activity_type": activity.activity_type,
        "state": activity.state.value,
        "attempt": activity.attempt,
        "fate": found.fate.value,
        "deadline": rfc3339(found.deadline),
        "extend_to": rfc3339(found.extend_to),
        "workflow_expiration_time": rfc3339(activity.workflow_expiration_time),
    }


def outlook_record(
    window: Window, outlook: Outlook, plan: Sequence[PlannedTask[Any]], reasons: Sequence[str]
) -> dict[str, Any]:
    """What `preflight` says, for JSON."""
    return {
        "go": not reasons,
        "reasons": list(reasons),
        "window": window_record(window),
        "activities": outlook.activities,
        "forecast": {fate.value: count for fate, count in sorted(outlook.fates.items())},
        "to_extend": outlook.to_extend,
        "endangered": [forecast_record(found) for found in outlook.endangered],
        "steps": [planned_record(one) for one in plan],
    }


def forecast_page(console: Console, window: Window, outlook: Outlook, effect: str) -> None:
    """What the window would do to what waits."""
    length = short_duration(window.end - window.begin)
    console.print(f"maintenance of {window.kind.value}, {length}, until {_time(window.end)}")
    console.print(f"  {effect}")
    console.print(f"  {outlook.activities:,} external activities wait")
    for fate, (style, text) in _FATES.items():
        count = outlook.fates[fate]  # type: ignore[index] # a StrEnum
        if count:
            console.print(f"  {count:>8,} {text}", style=style)
    if outlook.endangered:
        console.print()
        _endangered(console, outlook.endangered, window)


def _endangered(console: Console, endangered: Sequence[Forecast], window: Window) -> None:
    columns = [
        id_column("WORKFLOW"),
        id_column("ACTIVITY"),
        Column("FATE", fold=False),
        Column("LEFT", "right", fold=False),
        Column("EXTENDED TO", fold=False),
    ]
    nearest = sorted(endangered, key=lambda found: found.deadline or window.end)
    rows = [
        (
            found.activity.workflow_id or ("(standalone)", "dim"),
            found.activity.activity_id,
            (found.fate.value, _FATES[found.fate.value][0]),
            short_duration(found.deadline - window.begin) if found.deadline else "-",
            _time(found.extend_to) if found.extend_to else "-",
        )
        for found in nearest[:ENDANGERED_SHOWN]
    ]
    console.print(table_of(columns, rows))
    if len(nearest) > ENDANGERED_SHOWN:
        console.print(f"and {len(nearest) - ENDANGERED_SHOWN:,} more; -o json has all")


def preflight_page(
    console: Console,
    window: Window,
    outlook: Outlook,
    effect: str,
    plan: Sequence[PlannedTask[Any]],
) -> None:
    """The forecast, and what `begin` would do."""
    forecast_page(console, window, outlook, effect)
    console.print()
    plan_table(console, plan)


def verdict_lines(console: Console, reasons: Sequence[str]) -> None:
    """Go, or no-go with the reasons."""
    console.print()
    if not reasons:
        console.print("GO", style="bold green")
        return
    console.print("NO-GO", style="bold red")
    for reason in reasons:
        console.print(f"  {visible(reason)}")


def status_page(
    console: Console,
    head: dict[str, Any],
    begin: Standing[Any],
    end: Standing[Any] | None,
    next_step: str,
) -> None:
    """How far a window has come: what was done for it, and what was taken back."""
    console.print(f"window {head['window']} of namespace {visible(head['namespace'])}: ", end="")
    console.print(head["state"] + (", overdue" if head["overdue"] else ""), style="bold")
    reason = head["reason"] or ""
    console.print(f"  maintenance of {head['maintains']}: {visible(reason)}")
    console.print(f"  from {head['begin']} until {head['end']}, by {visible(head['operator'])}")
    console.print(f"  journal {visible(head['journal'])}")
    console.print()
    tasks_table(console, begin)
    if end is not None:
        console.print()
        tasks_table(console, end)
    for standing in (begin, end):
        if standing is not None:
            commands_to_type(console, standing)
    if next_step:
        console.print()
        console.print(f"next: {visible(next_step)}", soft_wrap=True)


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
