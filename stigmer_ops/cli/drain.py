"""`drain`: waiting until what is pending has fallen to a target."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityFilters, Connection, parse_duration
from stigmer_ops.cli.pending_scan import read_pending, selection_of
from stigmer_ops.errors import ExitCode, UnavailableError
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.render.output import Document, OutputFormat, write_line

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.handshake.selection import Selection
    from stigmer_ops.procedures.drain import Level
    from stigmer_ops.temporal.frontend import Frontend

app = typer.Typer()

TIMEOUT = timedelta(hours=1)
INTERVAL = timedelta(seconds=10)


@command(
    app,
    "drain",
    examples=(
        "drain",
        "drain --target 20 --timeout 30m",
        "drain --task-queue zigflow_execution --older-than 10m --interval 30s",
        "drain --target 0 --timeout 2h -o jsonl",
    ),
)
async def drain(
    invocation: Invocation,
    connection: Connection,
    filters: ActivityFilters,
    target: Annotated[
        int, typer.Option("--target", min=0, metavar="N", help="To how many they are to fall")
    ] = 0,
    give_up_after: Annotated[
        timedelta | None,
        typer.Option(
            "--timeout",
            parser=parse_duration,
            metavar="DURATION",
            help="After how long to give up; 0 looks once",
            show_default="1h",
        ),
    ] = None,
    interval: Annotated[
        timedelta | None,
        typer.Option(
            "--interval",
            parser=parse_duration,
            metavar="DURATION",
            help="Pause between two counts",
            show_default="10s",
        ),
    ] = None,
) -> ExitCode:
    """Wait until the pending external activities have fallen to a target. Changes nothing.

    Says how fast they fall, less what is started meanwhile, and how long it will take. Exit 1: the
    target was not reached in time.
    """
    from stigmer_ops.procedures.drain import drained
    from stigmer_ops.render.drain import drain_page, drain_record

    selection = selection_of(invocation, filters)
    limit = TIMEOUT if give_up_after is None else give_up_after
    async with invocation.temporal(connection) as frontend:
        levels = drained(
            lambda: _count(invocation, frontend, selection),
            target,
            interval=INTERVAL if interval is None else interval,
            give_up_after=limit,
            now=invocation.now,
        )
        async with aclosing(levels):
            first, last = await _followed(invocation, levels)

    def table(console: Console, _wide: bool) -> None:
        drain_page(console, first, last)

    body = drain_record(first, last, timeout_seconds=limit.total_seconds())
    invocation.write(Document("Drain", body), table)
    return ExitCode.OK if last.reached else ExitCode.FINDINGS


async def _followed(
    invocation: Invocation, levels: AsyncGenerator[Level, None]
) -> tuple[Level, Level]:
    """Tell of every level; the first and the last."""
    from stigmer_ops.render.drain import level_text
    from stigmer_ops.render.progress import progress

    first = last = await anext(levels)
    _tell(invocation, first)
    start = first.pending or 0
    with progress(
        invocation.progress_wanted,
        "draining",
        done=lambda: max(start - (start if last.pending is None else last.pending), 0),
        total=max(start - first.target, 0),
        told=lambda: level_text(last),
    ):
        async for last in levels:
            _tell(invocation, last)
    return first, last


def _tell(invocation: Invocation, level: Level) -> None:
    """A line for a program, or in a log; on a terminal the progress bar tells it."""
    from stigmer_ops.render.drain import level_record, level_text

    if invocation.output is OutputFormat.JSONL:
        write_line("DrainLevel", level_record(level))
    elif invocation.output.for_people and not invocation.progress_wanted:
        invocation.say(f"{level.time:%H:%M:%SZ}  {level_text(level)}")


async def _count(invocation: Invocation, frontend: Frontend, selection: Selection) -> int:
    """How many are pending.

    Raises:
        UnavailableError: Some could not be read, so that nobody knows.
    """
    found = 0

    def take(_activity: PendingActivity, _now: datetime) -> None:
        nonlocal found
        found += 1

    reading = await read_pending(invocation, frontend, selection, take, quiet=True)
    if reading.broken_off is not None:
        raise reading.broken_off
    if reading.unreadable:
        raise UnavailableError(f"{len(reading.unreadable)} workflows could not be read")
    return found
