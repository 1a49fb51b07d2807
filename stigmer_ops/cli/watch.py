"""`watch`: the handshake as it is now, again and again."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection, parse_duration
from stigmer_ops.cli.systems import both_sides
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.handshake.selection import SortKey
from stigmer_ops.render.output import OutputFormat, write_line, write_text

if TYPE_CHECKING:
    from stigmer_ops.exporter.live.reader import LiveReader
    from stigmer_ops.handshake.live import Live
    from stigmer_ops.render.watch.source import Manner

app = typer.Typer()

INTERVAL = timedelta(seconds=10)
ROUND_EVERY = timedelta(minutes=5)


@command(
    app,
    "watch",
    examples=(
        "watch",
        "watch --sort age --filter order-47",
        "watch --interval 30s --diagnose-every 0",
        "watch -o jsonl --count 1",
    ),
)
async def watch(
    invocation: Invocation,
    connection: Connection,
    sort: Annotated[
        SortKey | None,
        typer.Option(
            "--sort",
            help="Nearest deadline, oldest, highest attempt or first workflow id first",
            show_default="time-left",
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round")] = False,
    words: Annotated[
        str,
        typer.Option(
            "--filter",
            metavar="WORDS",
            help="List what has these words in an id, type, queue or verdict",
            show_default=False,
        ),
    ] = "",
    interval: Annotated[
        timedelta | None,
        typer.Option(
            "--interval",
            parser=parse_duration,
            metavar="DURATION",
            help="How often to read what has changed, 1s at least",
            show_default="10s",
        ),
    ] = None,
    diagnose_every: Annotated[
        timedelta | None,
        typer.Option(
            "--diagnose-every",
            parser=parse_duration,
            metavar="DURATION",
            help="How often to look why what is old or near its deadline waits, at most; "
            "0 for only on a key",
            show_default="5m",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count", min=1, metavar="N", help="End after N refreshes", show_default=False
        ),
    ] = None,
) -> ExitCode:
    """Show live what waits, why, who polls and how callbacks go, until q. Changes nothing.

    The screen sorts, filters, and opens the diagnosis of one activity; ? shows its keys. A refresh
    reads what has changed, as the exporter does, and not everything, as `pending watch` does, which
    tells each single change. Away from a terminal each refresh is a line; with -o jsonl it is a
    document. A server that is lost is waited for, with the age of what is shown.
    """
    every = interval or INTERVAL
    if every < timedelta(seconds=1):
        raise UsageError("--interval is less than a second", next_step="--interval 1s, or more")
    _refuse_documents(invocation.output)
    from stigmer_ops.exporter.live.reader import LiveReader
    from stigmer_ops.handshake.live import Choice
    from stigmer_ops.render.watch.source import Manner

    manner = Manner(every, count, Choice(sort or SortKey.TIME_LEFT, reverse, words))
    async with both_sides(invocation, connection) as systems:
        reader = LiveReader(
            systems,
            invocation.settings,
            interval=every,
            round_every=ROUND_EVERY if diagnose_every is None else diagnose_every,
            clock=invocation.now,
        )
        if invocation.output.for_people and invocation.full_screen:
            return await _on_screen(reader, manner)
        return await _in_lines(invocation, reader, manner)


def _refuse_documents(output: OutputFormat) -> None:
    if output in (OutputFormat.JSON, OutputFormat.YAML):
        raise UsageError(
            f"a watch never ends, and {output} is one document",
            next_step="-o jsonl has one JSON document a line",
        )


async def _on_screen(reader: LiveReader, manner: Manner) -> ExitCode:
    from stigmer_ops.render.watch.app import watch_on_screen

    left = await watch_on_screen(reader, manner)
    if left.printed is not None:
        from stigmer_ops.render.diagnosis import diagnosis_page
        from stigmer_ops.render.output import console

        diagnosis_page(console(), [left.printed], reader.now(), everything=True)
    return ExitCode.INTERRUPTED if left.interrupted else _code(left.live, manner)


async def _in_lines(invocation: Invocation, reader: LiveReader, manner: Manner) -> ExitCode:
    from stigmer_ops.render.progress import progress
    from stigmer_ops.render.watch.lines import live_record, plain_line

    wanted = invocation.progress_wanted
    while True:
        due = time.monotonic() + manner.interval.total_seconds()
        with progress(wanted, "reading what waits", done=lambda: reader.described):
            await reader.refresh()
        wanted = False  # only the first time everything is read
        live = reader.live()
        if reader.round_is_due and (marked := live.marked()):
            await reader.judge(marked)
            live = reader.live()
        if invocation.output is OutputFormat.JSONL:
            write_line("Watch", live_record(live))
        else:
            write_text(plain_line(live) + "\n")
        if live.refreshes == manner.refreshes:
            return _code(live, manner)
        await asyncio.sleep(max(0.0, due - time.monotonic()))


def _code(live: Live, manner: Manner) -> ExitCode:
    """0 where a person ended it; where the number of refreshes did, whether the last one worked."""
    if live.refreshes == manner.refreshes and not live.complete:
        return ExitCode.UNAVAILABLE
    return ExitCode.OK
