"""How draining looks: a line that changes on a terminal, lines in a log, JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stigmer_ops.render.text import rfc3339, seconds, short_duration

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.procedures.drain import Level


def level_record(level: Level) -> dict[str, Any]:
    """A level, for JSON."""
    rate = level.fallen_per_second
    return {
        "time": rfc3339(level.time),
        "pending": level.pending,
        "target": level.target,
        "reached": level.reached,
        "fallen_per_second": None if rate is None else round(rate, 4),
        "estimated_seconds": seconds(level.left),
        "trouble": level.trouble or None,
    }


def level_text(level: Level) -> str:
    """A level in one line: how many wait, how fast they fall, and how long it will take."""
    if level.pending is None:
        return f"not counted: {level.trouble}"
    told = f"{level.pending:,} pending"
    if level.reached:
        return told
    rate = level.fallen_per_second
    if rate is None:
        return told
    if rate <= 0:
        return f"{told}, growing by {-60 * rate:.3g} a minute" if rate else f"{told}, not falling"
    return f"{told}, falling by {60 * rate:.3g} a minute, about {short_duration(level.left)} left"


def drain_record(first: Level, last: Level, *, timeout_seconds: float) -> dict[str, Any]:
    """How it ended, for JSON."""
    return {
        **level_record(last),
        "pending_at_first": first.pending,
        "seconds": seconds(last.time - first.time),
        "timeout_seconds": timeout_seconds,
    }


def drain_page(console: Console, first: Level, last: Level) -> None:
    """How it ended, for a person."""
    took = short_duration(last.time - first.time)
    if last.reached:
        told = f"drained: {last.pending:,} pending, target {last.target:,}, after {took}"
        console.print(told, style="green")
    else:
        console.print(f"not drained after {took}: target {last.target:,}", style="bold red")
        console.print(f"  {level_text(last)}")
        console.print("  stigmer-ops diagnose says why they wait")
