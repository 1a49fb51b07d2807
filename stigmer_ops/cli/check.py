"""`check`: is the system healthy? Every check, with a hint and its page where it is not."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection, parse_duration
from stigmer_ops.errors import ExitCode, SettingsError, UsageError
from stigmer_ops.render.errors import write_traceback
from stigmer_ops.render.output import Document, OutputFormat, write, write_line

if TYPE_CHECKING:
    from stigmer_ops.procedures.checks.context import Access, CheckContext
    from stigmer_ops.procedures.checks.runner import CheckRun
    from stigmer_ops.render.check import Page, Silent

app = typer.Typer()


@command(
    app,
    "check",
    examples=(
        "check",
        "check --category temporal --category task-queues --wait 60s",
        "check --offline",
        "check --smoke -o json",
    ),
)
async def check(
    invocation: Invocation,
    connection: Connection,
    category: Annotated[
        list[str] | None,
        typer.Option(
            "--category",
            help="Only this category, and what it depends on; may be repeated",
            show_default="all but smoke and deployment",
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Skip the checks that need a system")
    ] = False,
    wait: Annotated[
        timedelta | None,
        typer.Option(
            "--wait",
            parser=parse_duration,
            metavar="DURATION",
            help="Try again what may still come up, for this long in all",
            show_default="0s",
        ),
    ] = None,
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="Send a canary handshake as well, which writes; see smoke"),
    ] = False,
) -> ExitCode:
    """Check the whole system, and say for whatever is wrong what to do about it.

    Exits 1 if a check failed; warnings and skipped checks leave it at 0. A system that cannot be
    reached is a failed check. Workers are asked for their activity types by probes that run none
    of their code, unless read-only mode is on.
    """
    from stigmer_ops.procedures.checks.context import CheckContext
    from stigmer_ops.procedures.checks.registry import CHECKS
    from stigmer_ops.procedures.checks.runner import run_checks, select

    selected = select(
        CHECKS,
        categories=_known(category or []),
        opted_in=frozenset({"smoke"} if smoke else ()),
        offline=offline,
    )
    output = _output(invocation)
    observer = _observer(invocation, output)
    with closing(observer):
        async with CheckContext.opened(access_of(invocation, connection)) as context:
            run = await run_checks(selected, context, wait=wait or timedelta(0), observer=observer)
    _finish(run, output, observer)
    if invocation.common.debug:
        _trace_crashes(run)
    return ExitCode.OK if run.success else ExitCode.FINDINGS


def _known(names: list[str]) -> frozenset[str]:
    from stigmer_ops.procedures.checks.registry import CATEGORIES

    known = [category.id for category in CATEGORIES]
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no category {name!r}", next_step=f"one of {', '.join(known)}"
            )
    return frozenset(names)


def _output(invocation: Invocation) -> OutputFormat:
    """The output format; that the settings are not valid is for a check to tell."""
    try:
        return invocation.output
    except SettingsError:
        return invocation.output_or_default


def _observer(invocation: Invocation, output: OutputFormat) -> Page | Silent:
    from stigmer_ops.render.check import Lines, Page, Silent

    if output.for_people:
        return Page(progress=invocation.progress_wanted)
    return Lines() if output is OutputFormat.JSONL else Silent()


def access_of(invocation: Invocation, connection: Connection) -> Access:
    """The ways into the world that this command's options and environment open to checks."""
    from stigmer_ops.cli.audit_trail import audit_path
    from stigmer_ops.cli.smoke import plan_of, run
    from stigmer_ops.handshake.identity import identity_of
    from stigmer_ops.procedures.checks.context import Access

    identity = identity_of(invocation.operator(), invocation.host(), "")
    return Access(
        load_settings=lambda: invocation.loaded_settings,
        target=lambda: invocation.target(connection),
        audit_path=lambda: audit_path(invocation),
        connect=lambda namespace: invocation.temporal(
            connection, namespace=namespace, identity=identity
        ),
        smoke=lambda: run(invocation, connection, plan_of(invocation)),
        now=invocation.now,
        machine_time=invocation.machine_time,
    )


async def check_everything(invocation: Invocation, context: CheckContext) -> CheckRun:
    """Run every check that need not be asked for, as part of a report; tells only its progress."""
    from stigmer_ops.procedures.checks.registry import CHECKS
    from stigmer_ops.procedures.checks.runner import run_checks, select
    from stigmer_ops.render.check import Counting
    from stigmer_ops.render.progress import progress

    selected, observer = select(CHECKS), Counting()
    with progress(
        invocation.progress_wanted, "checking", done=lambda: observer.count, total=len(selected)
    ):
        return await run_checks(selected, context, observer=observer)


def _finish(run: CheckRun, output: OutputFormat, observer: Page | Silent) -> None:
    from stigmer_ops.render.check import Page, run_record

    if isinstance(observer, Page):
        observer.summary(run)
        return
    record = run_record(run)
    if output is OutputFormat.JSONL:
        del record["categories"]
        write_line("CheckRun", record)
        return
    write(Document("CheckRun", record), output, table=lambda _console, _wide: None)


def _trace_crashes(run: CheckRun) -> None:
    for result in run.results:
        if result.crash is not None:
            sys.stderr.write(f"{result.check.id}:\n")
            write_traceback(result.crash)
