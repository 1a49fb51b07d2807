"""`logs`: what the services' logs tell of a handshake."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityReference, Connection, TokenSource
from stigmer_ops.cli.terminal import ctrl_c_interrupts
from stigmer_ops.errors import ExitCode, StigmerOpsError, UsageError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.logs.correlate import Correlator
    from stigmer_ops.logs.links import LinkSource
    from stigmer_ops.logs.result import Correlation, Handshake
    from stigmer_ops.logs.selection import Selector
    from stigmer_ops.logs.sources import LogFile

app = typer.Typer(
    name="logs", help="What the services' logs tell of a handshake.", no_args_is_help=True
)

TABLE_LIMIT = 100
"""Rows of a table where --limit is not given."""


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone, or no name of one
        raise typer.BadParameter(f"{name!r} is no time zone such as Europe/Berlin") from None


@command(
    app,
    "correlate",
    examples=(
        "logs correlate zigflow.log stigmer-server.log.gz runner.log --execution-id aex_01kf",
        "logs correlate --offline --unfinished *.log",
        "logs correlate stigmer-server.log -w order-42 -a 5 -o json",
        "logs correlate - --token-file token.b64 < stigmer-server.log",
    ),
)
async def correlate(
    invocation: Invocation,
    connection: Connection,
    reference: ActivityReference,
    token: TokenSource,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Logs, plain or compressed (gzip, bzip2, xz); - for standard input",
            show_default=False,
        ),
    ],
    execution_id: Annotated[
        str | None, typer.Option("--execution-id", "-e", help="Stigmer execution id")
    ] = None,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Do not ask Temporal for what the logs leave out"),
    ] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Only where no callback was delivered")
    ] = False,
    timezone: Annotated[
        ZoneInfo | None,
        typer.Option(
            "--timezone",
            parser=_zone,
            metavar="ZONE",
            help="Time zone of lines that name none",
            show_default="UTC",
        ),
    ] = None,
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
) -> ExitCode:
    """Join the log lines of all services into one timeline, and say where a handshake stopped.

    With an id or a token: every line of that handshake. Without: one row for each handshake in the
    logs, the unfinished ones first. Exit 1: a handshake is unfinished, or none was found. Exit 3: a
    log, or Temporal, could not be read.
    """
    from stigmer_ops.logs.correlate import Correlator
    from stigmer_ops.logs.sources import log_file

    selector = _selector(invocation, reference, token, execution_id, files)
    logs = [log_file(name, invocation.now()) for name in files]
    complete = True
    with Correlator(zone=timezone or UTC, selector=selector) as correlator:
        _read(invocation, correlator, logs)
        if not offline and (unlinked := correlator.unlinked_executions()):
            complete = await _ask(invocation, connection, correlator, unlinked)
        found = correlator.result()
    shown = sorted(found.handshakes, key=lambda handshake: handshake.verdict.finished)
    if unfinished:
        shown = [handshake for handshake in shown if not handshake.verdict.finished]
    _write(invocation, found, shown, limit=limit, in_full=selector is not None)
    if not complete or any(file.problem for file in found.files):
        return ExitCode.UNAVAILABLE
    settled = shown or unfinished
    return ExitCode.OK if settled and all(h.verdict.finished for h in shown) else ExitCode.FINDINGS


def _selector(
    invocation: Invocation,
    reference: ActivityReference,
    token: TokenSource,
    execution_id: str | None,
    files: Sequence[str],
) -> Selector | None:
    from stigmer_ops.cli.token_input import read_token, token_named
    from stigmer_ops.handshake.token import read_form
    from stigmer_ops.logs.selection import Selector, selector_of_token

    ids = (reference.workflow_id, reference.run_id, reference.activity_id)
    if not token_named(token):
        selector = Selector(execution_id or "", *(value or "" for value in ids))
        return selector if selector != Selector() else None
    if any(ids):
        raise UsageError(
            "a token names its activity already", next_step="leave out the ids, or the token"
        )
    if token.token_file == Path("-") and "-" in files:
        raise UsageError(
            "the token and a log cannot both come from standard input",
            next_step="name the file of one of them",
        )
    found = read_form(read_token(invocation, token).content)
    return selector_of_token(found.token, execution_id or "")


def _read(invocation: Invocation, correlator: Correlator, logs: Sequence[LogFile]) -> None:
    from stigmer_ops.logs.sources import opened
    from stigmer_ops.render.progress import progress

    sizes = [log.bytes for log in logs]
    done = progress(
        invocation.progress_wanted,
        "reading logs, MB",
        done=lambda: correlator.bytes_read // 1_000_000,
        total=None if None in sizes else sum(filter(None, sizes)) // 1_000_000,
    )
    with done, ctrl_c_interrupts():
        for log in logs:
            with opened(log, sys.stdin.buffer) as stream:
                correlator.read(log, stream)


async def _ask(
    invocation: Invocation, connection: Connection, correlator: Correlator, unlinked: Sequence[str]
) -> bool:
    """Ask Temporal which activities those executions belong to; whether it could be asked."""
    from stigmer_ops.diagnosis.links import TemporalLinks

    namespace = invocation.settings.stigmer.namespace
    try:
        async with invocation.temporal(connection, namespace=namespace) as frontend:
            source: LinkSource = TemporalLinks(frontend)
            correlator.link(await source.claims(unlinked))
    except StigmerOpsError as error:
        invocation.say(f"what the logs leave out was not asked of Temporal: {error.happened}")
        invocation.say("  --offline leaves Temporal alone")
        return False
    return True


def _write(
    invocation: Invocation,
    found: Correlation,
    handshakes: Sequence[Handshake],
    *,
    limit: int | None,
    in_full: bool,
) -> None:
    from stigmer_ops.render.logs import handshake_record, reading_record

    if limit is None:
        limit = TABLE_LIMIT if invocation.output.for_people else 0
    shown = handshakes[:limit] if limit else handshakes
    reading = reading_record(found)
    records = [handshake_record(handshake) for handshake in shown]
    lines = [*(("Handshake", record) for record in records), ("LogsRead", reading)]

    def table(console: Console, wide: bool) -> None:
        from stigmer_ops.render.logs_page import summary_page, timeline_page

        if shown:
            (timeline_page if in_full else summary_page)(console, shown, wide=wide)

    invocation.write(Document("LogCorrelation", {"handshakes": records, **reading}, lines), table)
    if invocation.output.for_people:
        _remark(invocation, found, handshakes, len(handshakes) - len(shown))


def _remark(
    invocation: Invocation, found: Correlation, handshakes: Sequence[Handshake], left_out: int
) -> None:
    from stigmer_ops.render.logs_page import reading_remarks, totals

    invocation.say(totals(handshakes))
    if left_out:
        invocation.say(f"{left_out} more are not shown; --limit 0 shows all")
    for remark in reading_remarks(found):
        invocation.say(remark)
