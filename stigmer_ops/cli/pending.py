"""`pending`: the activities that wait, over all workflows of a namespace."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import (
    ActivityFilters,
    ActivityReference,
    Connection,
    TokenSource,
    parse_duration,
)
from stigmer_ops.cli.pending_scan import (
    Pass,
    conclude,
    head_record,
    look_of,
    nothing_pending,
    read_pending,
    selection_of,
    stats_record,
)
from stigmer_ops.errors import ExitCode
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.selection import Order, Ranking, Selection, SortKey
from stigmer_ops.render.output import Document, OutputFormat, write_line

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.handshake.scan_report import Unreadable
    from stigmer_ops.temporal.frontend import Frontend

app = typer.Typer(name="pending", help="The activities that wait.", no_args_is_help=True)

WATCH_PAUSE = timedelta(seconds=5)
TABLE_LIMIT = 100
"""Rows of a table where --limit is not given."""

Sort = Annotated[
    SortKey | None,
    typer.Option(
        "--sort",
        help="Oldest, nearest deadline, highest attempt or first workflow id first",
        show_default="age",
    ),
]
Reverse = Annotated[bool, typer.Option("--reverse", help="The other way round")]
Stats = Annotated[
    bool, typer.Option("--stats", help="Tell the calls made, by method, and the seconds")
]


@command(
    app,
    "list",
    examples=(
        "pending list",
        "pending list --older-than 4h --sort time-left",
        "pending list --all-types --state paused -o json",
        "pending list --attempt 2+ --task-queue zigflow_execution -o wide",
    ),
)
async def list_(
    invocation: Invocation,
    connection: Connection,
    filters: ActivityFilters,
    sort: Sort = None,
    reverse: Reverse = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=0,
            metavar="N",
            help="The first N only; 0 for all",
            show_default=f"{TABLE_LIMIT} in a table, else all",
        ),
    ] = None,
    stats: Stats = False,
) -> ExitCode:
    """List the activities that wait, the oldest first.

    Every running workflow is read, and every running standalone activity. LEFT is the time to the
    timeout that will strike first. With -o jsonl, and no --sort, --reverse or --limit, each
    activity is written as soon as it is found. Exit 3: something could not be read; what was read
    is written.
    """
    selection = selection_of(invocation, filters)
    streams = invocation.output is OutputFormat.JSONL and sort is None and not reverse
    async with invocation.temporal(connection) as frontend:
        if streams and limit is None:
            reading = await _stream(invocation, frontend, selection)
            if stats:
                write_line("ScanStats", stats_record(reading))
        else:
            default = TABLE_LIMIT if invocation.output.for_people else 0
            ranking = Ranking(
                Order(sort or SortKey.AGE, reverse), default if limit is None else limit
            )
            reading = await read_pending(
                invocation, frontend, selection, lambda activity, _now: ranking.add(activity)
            )
            _write_list(invocation, reading, ranking, stats=stats)
    return conclude(invocation, reading, stats=stats)


async def _stream(invocation: Invocation, frontend: Frontend, selection: Selection) -> Pass:
    from stigmer_ops.render.pending import activity_record, unreadable_record

    def take(activity: PendingActivity, now: datetime) -> None:
        write_line("PendingActivity", activity_record(activity, now))

    def take_unreadable(unreadable: Unreadable) -> None:
        write_line("Unreadable", unreadable_record(unreadable))

    return await read_pending(
        invocation,
        frontend,
        selection,
        take,
        take_unreadable=take_unreadable,
        quiet=invocation.screen,
    )


def _write_list(invocation: Invocation, reading: Pass, ranking: Ranking, *, stats: bool) -> None:
    from stigmer_ops.render.pending import activity_record, unreadable_record

    activities = ranking.first()
    records = [activity_record(activity, reading.now) for activity in activities]
    unreadable = [unreadable_record(item) for item in reading.unreadable]
    body = {**head_record(reading, stats=stats), "activities": records}
    lines = [
        *(("PendingActivity", record) for record in records),
        *(("Unreadable", record) for record in unreadable),
    ]
    if stats:
        lines.append(("ScanStats", stats_record(reading)))

    def table(console: Console, wide: bool) -> None:
        from stigmer_ops.render.pending_table import pending_table

        if activities:
            look = look_of(invocation, reading.now)
            for part in pending_table(console, activities, look, wide=wide):
                console.print(part)

    invocation.write(Document("PendingActivities", body, lines), table)
    if invocation.output.for_people:
        _remark(invocation, reading, ranking)


def _remark(invocation: Invocation, reading: Pass, ranking: Ranking) -> None:
    if not ranking.seen:
        invocation.say(nothing_pending(reading))
    elif ranking.left_out:
        invocation.say(f"{ranking.left_out} more are pending; --limit 0 shows all")


@command(
    app,
    "summary",
    examples=(
        "pending summary",
        "pending summary --all-types",
        "pending summary --older-than 1h -o json",
    ),
)
async def summary(
    invocation: Invocation, connection: Connection, filters: ActivityFilters, stats: Stats = False
) -> ExitCode:
    """Count the activities that wait: by age, type, task queue and state.

    Each group tells its oldest activity and its nearest deadline. Exit 3: something could not be
    read, and is not counted.
    """
    from stigmer_ops.handshake.summary import Summary
    from stigmer_ops.render.pending_summary import summary_record

    selection = selection_of(invocation, filters)
    async with invocation.temporal(connection) as frontend:
        counted = Summary(invocation.now())
        reading = await read_pending(
            invocation, frontend, selection, lambda activity, _now: counted.add(activity)
        )
    body = {**head_record(reading, stats=stats), **summary_record(counted)}

    def table(console: Console, _wide: bool) -> None:
        from stigmer_ops.render.pending_table import summary_tables

        for part in summary_tables(counted, look_of(invocation, counted.now)):
            console.print(part)

    invocation.write(Document("PendingSummary", body), table)
    if invocation.output.for_people and not counted.all.count:
        invocation.say(nothing_pending(reading))
    return conclude(invocation, reading, stats=stats)


@command(
    app,
    "watch",
    examples=(
        "pending watch",
        "pending watch --older-than 1h --interval 30s",
        "pending watch -o jsonl --count 1",
    ),
)
async def watch(
    invocation: Invocation,
    connection: Connection,
    filters: ActivityFilters,
    sort: Sort = None,
    reverse: Reverse = False,
    interval: Annotated[
        timedelta | None,
        typer.Option(
            "--interval",
            parser=parse_duration,
            metavar="DURATION",
            help="Pause between two scans",
            show_default="5s",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, metavar="N", help="End after N scans", show_default=False),
    ] = None,
) -> ExitCode:
    """Follow what waits, until Ctrl-C.

    On a terminal the table refreshes in place. In a pipe, each line is one change or the totals of
    one scan. With -o jsonl, a scan writes ActivityAppeared, ActivityChanged and ActivityGone lines,
    and ends with a WatchCycle line that has the counts; in the first scan everything appears.
    Heartbeats are no changes. What could not be read is kept as it was.

    Each scan reads everything, takes filters and any type of activity, and tells every change; the
    screen of `watch` reads only what may have changed, and shows both sides and the verdicts.
    """
    from stigmer_ops.cli.pending_watch import watch as follow

    selection = selection_of(invocation, filters)
    order = Order(sort or SortKey.AGE, reverse)
    async with invocation.temporal(connection) as frontend:
        return await follow(
            invocation,
            frontend,
            selection,
            order,
            interval=WATCH_PAUSE if interval is None else interval,
            cycles=count,
        )


@command(
    app,
    "show",
    examples=(
        "pending show -w order-4711 -a 5",
        "pending show -w order-4711",
        "pending show --standalone -a summarize-4711 -o json",
    ),
)
async def show(
    invocation: Invocation, connection: Connection, reference: ActivityReference
) -> ExitCode:
    """Show one activity in full: its times, timeouts, failures, worker, and what to type next.

    The time of its first schedule comes from the history. Without --activity-id, list what the
    workflow waits for, of every type. Exit 1: it is not pending; what it is now is told.
    """
    from stigmer_ops.cli.activity_reference import named_activity
    from stigmer_ops.cli.pending_show import show_activity, show_workflow

    if reference.workflow_id and reference.activity_id is None and not reference.standalone:
        async with invocation.temporal(connection) as frontend:
            return await show_workflow(
                invocation, frontend, reference.workflow_id, reference.run_id or ""
            )
    named = named_activity(invocation, TokenSource(), None, reference)
    async with invocation.temporal(connection) as frontend:
        return await show_activity(invocation, frontend, named)
