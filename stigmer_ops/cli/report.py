"""`report`: what is known of an incident, on one page that people can pass on."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.audit_trail import audit_path, operation_row
from stigmer_ops.cli.check import access_of, check_everything
from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.diagnose import verdicts_named
from stigmer_ops.cli.new_file import require_new, write_new_file
from stigmer_ops.cli.option_sets import Connection, parse_duration
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.render.output import Document, write_pieces

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.handshake.verdicts import Verdict
    from stigmer_ops.procedures.checks.context import Access
    from stigmer_ops.procedures.incident.report import IncidentReport
    from stigmer_ops.settings_sources import LoadedSettings

app = typer.Typer()

STANDARD_OUTPUT = Path("-")
_WINDOW = timedelta(hours=24)


class ReportFormat(StrEnum):
    """The values of --format."""

    HTML = "html"
    MD = "md"


@command(
    app,
    "report",
    examples=(
        "report",
        "report --since 6h --out incident.html",
        "report --format md --out - | less",
        "report --ticket INC-7 --verdict callback-failed",
        "report --audit-file alice.jsonl --audit-file bob.jsonl --out post-mortem.md",
        "report -o json",
    ),
)
async def report(
    invocation: Invocation,
    connection: Connection,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to write it; a folder for a file of the usual name in it, - for "
            "standard output",
            show_default="report-NAMESPACE-TIME.html",
        ),
    ] = None,
    format_: Annotated[
        ReportFormat | None,
        typer.Option(
            "--format", help="A page or Markdown", show_default="as --out is called, else html"
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Take the place of a file that is there")
    ] = False,
    since: Annotated[
        timedelta | None,
        typer.Option(
            "--since",
            parser=parse_duration,
            metavar="DURATION",
            help="Tell the actions of the last 90m, 6h, …",
            show_default="24h",
        ),
    ] = None,
    each: Annotated[
        int,
        typer.Option(
            "--each", min=0, max=20, help="Activities of each verdict that are told in full"
        ),
    ] = 5,
    audit_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--audit-file",
            metavar="FILE",
            help="Take the actions from this audit trail; may be repeated, for other hosts'",
            show_default="audit.path",
        ),
    ] = None,
    ticket: Annotated[
        list[str] | None,
        typer.Option(
            "--ticket",
            metavar="TICKET",
            help="Tell only the actions whose reason has this ticket, such as INC-7; may be "
            "repeated",
            show_default=False,
        ),
    ] = None,
    server: Annotated[
        list[str] | None,
        typer.Option(
            "--server",
            metavar="HOST:PORT",
            help="Tell actions of this address too, where the same server has several; may be "
            "repeated",
            show_default="the one that is read",
        ),
    ] = None,
    verdict: Annotated[
        list[str] | None,
        typer.Option(
            "--verdict",
            metavar="NAME",
            help="Tell only activities of this verdict; may be repeated",
            show_default=False,
        ),
    ] = None,
) -> ExitCode:
    """Write what is known of an incident as one page, for a channel and the post-mortem.

    It holds what is stuck and why, with evidence, a timeline of each handshake and what to type;
    the checks, the alerts that fire, and the actions that were taken on this server, with their
    proof; with --ticket only those of this incident, which the title names then. The page needs no
    network and holds no secret; of many activities it tells the longest waiting. Nothing is
    changed: workers are not probed. With -o json the same is written as a record, and a page only
    where --out names one.

    Exits 0 whatever is wrong, 3 if something could not be read: the report then says what.
    """
    from stigmer_ops.render.report.record import report_record

    chosen = _format(out, format_)
    people = invocation.output.for_people
    if out == STANDARD_OUTPUT and not people:
        raise UsageError("--out - and -o json both want standard output")
    path = _path(invocation, connection, out, chosen) if people or out is not None else None
    if path is not None:
        require_new(path, overwrite=overwrite)
    tickets = _tickets(ticket or [])
    asked = _Asked(
        trails=audit_file or [audit_path(invocation)],
        since=since or _WINDOW,
        each=each,
        tickets=tickets,
        servers=server or [],
        verdicts=verdicts_named(verdict or []),
    )
    found = await _gathered(invocation, connection, asked)
    if out == STANDARD_OUTPUT:
        write_pieces([_text(found, chosen)])
    elif path is not None:
        write_new_file(path, _text(found, chosen), overwrite=overwrite)
    if out != STANDARD_OUTPUT:
        written = None if path is None else str(path)
        rows = [operation_row(one) for one in found.actions.operations]

        def table(console: Console, _wide: bool) -> None:
            console.print(written, soft_wrap=True)

        record = report_record(found, rows, written)
        invocation.write(Document("IncidentReport", record), table)
    _say(invocation, found)
    return ExitCode.OK if found.complete else ExitCode.UNAVAILABLE


def _format(out: Path | None, given: ReportFormat | None) -> ReportFormat:
    if given is not None:
        return given
    markdown = out is not None and out.suffix.lower() in (".md", ".markdown")
    return ReportFormat.MD if markdown else ReportFormat.HTML


def _path(
    invocation: Invocation, connection: Connection, out: Path | None, format_: ReportFormat
) -> Path | None:
    """Where to write; None for standard output."""
    if out == STANDARD_OUTPUT:
        return None
    if out is not None and not os.path.isdir(out):  # noqa: PTH112 - pathlib raises where one may not look
        return out
    namespace = re.sub(r"[^\w.-]", "_", invocation.target(connection).namespace)[:100]
    usual = f"report-{namespace}-{invocation.now():%Y%m%dT%H%M%SZ}.{format_.value}"
    return (out or Path()) / usual


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say of the content."""

    trails: list[Path]
    since: timedelta
    each: int
    tickets: list[str]
    servers: list[str]
    verdicts: set[Verdict]


def _tickets(given: list[str]) -> list[str]:
    named = [ticket.strip() for ticket in given]
    if not all(named):
        raise UsageError("--ticket names no ticket", next_step="--ticket INC-7")
    return list(dict.fromkeys(named))


async def _gathered(
    invocation: Invocation, connection: Connection, asked: _Asked
) -> IncidentReport:
    from stigmer_ops.procedures.checks.context import CheckContext
    from stigmer_ops.procedures.incident.actions import Wanted, read_actions
    from stigmer_ops.procedures.incident.report import incident_report
    from stigmer_ops.render.progress import progress

    target = invocation.target(connection)
    namespaces = filter(None, (target.namespace, invocation.settings.stigmer.namespace))
    async with CheckContext.opened(_reading_only(invocation, connection)) as context:
        run = await check_everything(invocation, context)
        wanted = Wanted(
            # Only now it is known by which clock the trail was written.
            since=invocation.now() - asked.since,
            namespaces=frozenset(namespaces),
            servers=frozenset((target.address, *asked.servers)),
            tickets=tuple(asked.tickets),
        )
        actions = read_actions(asked.trails, wanted)
        with progress(invocation.progress_wanted, "reading histories", done=lambda: 0):
            return await incident_report(
                context,
                run,
                actions,
                each=asked.each,
                tickets=asked.tickets,
                verdicts=asked.verdicts,
            )


def _reading_only(invocation: Invocation, connection: Connection) -> Access:
    """What `check` may do, but for the probes of workers, which leave a trace in Temporal."""
    import dataclasses

    access = access_of(invocation, connection)

    def load() -> LoadedSettings:
        loaded = access.load_settings()
        read_only = loaded.settings.model_copy(update={"read_only": True})
        return dataclasses.replace(loaded, settings=read_only)

    return dataclasses.replace(access, load_settings=load)


def _text(found: IncidentReport, format_: ReportFormat) -> str:
    if format_ is ReportFormat.MD:
        from stigmer_ops.render.report.markdown import markdown

        return markdown(found)
    from stigmer_ops.render.report.page import page

    return page(found)


def _say(invocation: Invocation, found: IncidentReport) -> None:
    from stigmer_ops.render.report.words import gaps_of, headline

    if invocation.output.for_people:
        invocation.say(headline(found))
        for gap in gaps_of(found):
            invocation.say(f"note: {gap}")
