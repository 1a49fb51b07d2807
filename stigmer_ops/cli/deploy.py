"""`deploy`: whether a deployment may begin, and whether it went well."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli import deploy_verify
from stigmer_ops.cli.check import access_of
from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection, parse_duration
from stigmer_ops.cli.procedure_run import Execute
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.output import Document, OutputFormat, write, write_line

if TYPE_CHECKING:
    from stigmer_ops.procedures.checks.context import CheckContext
    from stigmer_ops.procedures.checks.runner import CheckRun
    from stigmer_ops.procedures.deployment.snapshot import Snapshot
    from stigmer_ops.render.check import Page, Silent

app = typer.Typer(
    name="deploy",
    help="Whether a deployment of Stigmer may begin, and whether it went well.",
    no_args_is_help=True,
)
app.add_typer(deploy_verify.app)


@command(
    app,
    "preflight",
    examples=(
        "deploy preflight",
        "deploy preflight --snapshot before.json --execute",
        "deploy preflight --wait 5m -o json",
    ),
)
async def preflight(
    invocation: Invocation,
    connection: Connection,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            "--snapshot",
            metavar="FILE",
            help="Write what is pending, for `deploy verify` to compare with",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[
        timedelta | None,
        typer.Option(
            "--wait",
            parser=parse_duration,
            metavar="DURATION",
            help="Try again what may still come right, for this long in all",
            show_default="0s",
        ),
    ] = None,
    execute: Execute = False,
) -> ExitCode:
    """Say whether a deployment may begin: go, or no-go with the reasons. Changes nothing.

    Runs every check, and those of a deployment: callbacks that are tried again, deadlines within
    the rollout, message types. Exit 1: no-go, because a check failed; warnings are for you to
    judge. With --execute the snapshot holds the revisions too, and a rollback returns to exactly
    those.
    """
    from stigmer_ops.procedures.checks.context import CheckContext
    from stigmer_ops.procedures.checks.registry import CHECKS
    from stigmer_ops.procedures.checks.runner import run_checks, select

    selected = select(CHECKS, opted_in=frozenset({"deployment"}))
    observer = _observer(invocation)
    with closing(observer):
        async with CheckContext.opened(access_of(invocation, connection)) as context:
            run = await run_checks(selected, context, wait=wait or timedelta(0), observer=observer)
            taken = await _snapshot(invocation, context, run, execute=execute)
    if snapshot is not None and taken is not None:
        _keep(invocation, taken, snapshot)
    _finish(invocation, run, taken, observer)
    return ExitCode.OK if run.success else ExitCode.FINDINGS


def _observer(invocation: Invocation) -> Page | Silent:
    from stigmer_ops.render.check import Lines, Page, Silent

    if invocation.output.for_people:
        return Page(progress=invocation.progress_wanted)
    return Lines() if invocation.output is OutputFormat.JSONL else Silent()


async def _snapshot(
    invocation: Invocation, context: CheckContext, run: CheckRun, *, execute: bool
) -> Snapshot | None:
    """What waits; None where it could not be read, which a check has told.

    Raises:
        StigmerOpsError: kubectl is to be asked, and cannot answer.
    """
    from dataclasses import replace

    from stigmer_ops.errors import StigmerOpsError
    from stigmer_ops.procedures.deployment.snapshot import Snapshot
    from stigmer_ops.procedures.kubectl import Kubectl

    try:
        report = await context.diagnosis()
        namespace = (await context.external()).namespace
    except StigmerOpsError:
        if run.success:
            raise
        return None
    activities = [found.activity for found in report.diagnoses]
    taken = Snapshot.of(namespace, activities, invocation.now())
    if not execute:
        return taken
    settings = invocation.settings.kubernetes
    kubectl = Kubectl(settings, execute=True)
    revisions = {name: await kubectl.revision(name) for name in settings.deployments}
    return replace(taken, revisions=revisions)


def _keep(invocation: Invocation, taken: Snapshot, path: Path) -> None:
    from stigmer_ops.procedures.deployment.snapshot import write_snapshot

    write_snapshot(taken, path)
    invocation.say(f"wrote what is pending to {path}")


def _finish(
    invocation: Invocation, run: CheckRun, taken: Snapshot | None, observer: Page | Silent
) -> None:
    from stigmer_ops.render.check import Page, run_record
    from stigmer_ops.render.deploy import preflight_lines, preflight_record
    from stigmer_ops.render.output import console

    if isinstance(observer, Page):
        observer.summary(run)
        preflight_lines(console(sys.stdout), run, taken)
        return
    record = {**preflight_record(run, taken), **run_record(run)}
    if invocation.output is OutputFormat.JSONL:
        del record["categories"]
        write_line("DeploymentPreflight", record)
        return
    document = Document("DeploymentPreflight", record)
    write(document, invocation.output, table=lambda _console, _wide: None)
