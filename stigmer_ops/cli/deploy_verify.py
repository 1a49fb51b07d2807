"""`deploy verify`: the watch after a deployment, and the rollback where it has to be."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.check import access_of
from stigmer_ops.cli.commands import command
from stigmer_ops.cli.confirmation import confirmed, require_writable
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.deploy_rollback import COMMAND, carry_on, code_of, roll_back
from stigmer_ops.cli.option_sets import Connection, Mutation, parse_duration
from stigmer_ops.cli.procedure_run import Execute
from stigmer_ops.cli.prometheus import PrometheusUrl, prometheus_of
from stigmer_ops.errors import CapabilityError, ExitCode, UnavailableError
from stigmer_ops.render.output import Document, OutputFormat

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.procedures.deployment.rollback import World
    from stigmer_ops.procedures.deployment.sample import Sample
    from stigmer_ops.procedures.deployment.snapshot import Snapshot
    from stigmer_ops.procedures.deployment.sources import Sampler
    from stigmer_ops.procedures.kubectl import Kubectl
    from stigmer_ops.render.deploy import Outcome, Show
    from stigmer_ops.render.output import Record

app = typer.Typer()

WATCH_FOR = timedelta(minutes=30)
EVERY = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: which deployments, for how long, and how often to look."""

    deployments: tuple[str, ...]
    length: timedelta
    every: timedelta
    smoke: bool
    execute: bool
    may_be_quiet: bool


@command(
    app,
    "verify",
    examples=(
        "deploy verify",
        "deploy verify --for 30m --snapshot before.json",
        "deploy verify --for 30m -o jsonl",
        "deploy verify --execute --reason 'CHG-7 Stigmer 1.9' --yes --snapshot before.json",
        "deploy verify --dry-run",
    ),
    writes=True,
)
async def verify(
    invocation: Invocation,
    connection: Connection,
    mutation: Mutation,
    length: Annotated[
        timedelta | None,
        typer.Option(
            "--for",
            parser=parse_duration,
            metavar="DURATION",
            help="How long to watch",
            show_default="30m",
        ),
    ] = None,
    every: Annotated[
        timedelta | None,
        typer.Option(
            "--every",
            parser=parse_duration,
            metavar="DURATION",
            help="How long to pause between two looks",
            show_default="15s",
        ),
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            "--snapshot",
            metavar="FILE",
            help="What was pending before, as `deploy preflight` wrote it",
            show_default="what is pending now",
        ),
    ] = None,
    deployment: Annotated[
        list[str] | None,
        typer.Option(
            "--deployment",
            metavar="NAME",
            help="What was deployed, and would be rolled back. May be repeated",
            show_default="kubernetes.deployments",
        ),
    ] = None,
    no_smoke: Annotated[
        bool, typer.Option("--no-smoke", help="Send no canary handshake before the watch")
    ] = False,
    may_be_quiet: Annotated[
        bool,
        typer.Option(
            "--may-be-quiet",
            help="Pass, too, where too few handshakes ended to judge errors and durations by",
        ),
    ] = False,
    execute: Execute = False,
    prometheus: PrometheusUrl = None,
) -> ExitCode:
    """Watch a deployment, and say at the end whether it went well, or at once that it did not.

    Sends a canary handshake; then watches errors, the duration of completions, what is pending and
    what workers have registered, by Prometheus where one is configured, else by Temporal alone.
    Exit 1: a limit does not hold at the end or did not for too long, or something rolls back. The
    rollback is shown; with --execute it is run, without asking again. Exit 3: something could not
    be read to the end, or too little happened to judge by. Exit 5: the rollback was begun and is
    not done: the same command, run again, carries it to its end before anything is watched.
    """
    from stigmer_ops.procedures.deployment.rollback import World
    from stigmer_ops.procedures.kubectl import Kubectl
    from stigmer_ops.render.procedure import task_records

    settings = invocation.settings
    wanted = Wanted(
        tuple(deployment or settings.kubernetes.deployments),
        WATCH_FOR if length is None else length,
        EVERY if every is None else every,
        not no_smoke,
        execute,
        may_be_quiet,
    )
    namespace = invocation.target(connection).namespace
    before = _before(snapshot, namespace)
    kubectl = Kubectl(settings.kubernetes, execute=execute)
    world = World(kubectl, {} if before is None else before.revisions)
    _require_able(invocation, mutation, namespace, kubectl)
    if kubectl.runs:
        carried_on = await carry_on(invocation, connection, mutation, wanted.deployments, kubectl)
        if carried_on is not None:
            return carried_on
    if not _agreed(invocation, mutation, namespace, wanted, world):
        return ExitCode.OK
    async with _sampler(invocation, connection, prometheus) as sampler:
        outcome = await _watched(invocation, connection, mutation, wanted, sampler, before)
    commands = [str(one) for one in world.commands(wanted.deployments)]
    outcome = replace(outcome, rollback=() if outcome.passed else commands)
    code = ExitCode.OK if outcome.passed else ExitCode.FINDINGS
    if outcome.verification.triggered and execute:
        standing = await roll_back(invocation, connection, mutation, wanted.deployments, world)
        code, outcome = code_of(standing), replace(outcome, steps=task_records(standing))
    _write(invocation, outcome)
    unknown = code is ExitCode.FINDINGS and not outcome.bad
    return ExitCode.UNAVAILABLE if unknown else code


def _before(path: Path | None, namespace: str) -> Snapshot | None:
    from stigmer_ops.procedures.deployment.snapshot import read_snapshot

    return None if path is None else read_snapshot(path, namespace)


def _require_able(
    invocation: Invocation, mutation: Mutation, namespace: str, kubectl: Kubectl
) -> None:
    """Refuse a rollback that must not be run, or cannot be, before anything is watched.

    Raises:
        StigmerOpsError: It is refused, or kubectl is missing.
    """
    if kubectl.execute or mutation.dry_run:
        require_writable(invocation, mutation, namespace)
    if kubectl.execute and not mutation.dry_run and not kubectl.runs:
        raise CapabilityError(
            f"the rollback cannot be run: {kubectl.why_not}",
            not_done="nothing was watched",
            next_step="put kubectl on PATH, or leave --execute out and type what is shown",
        )


def _agreed(
    invocation: Invocation, mutation: Mutation, namespace: str, wanted: Wanted, world: World
) -> bool:
    """Show what may be done, and have it confirmed where something may; whether to go on.

    Raises:
        StigmerOpsError: It is refused.
    """
    if not wanted.execute and not mutation.dry_run:
        return True
    commands = [str(one) for one in world.commands(wanted.deployments)]
    if mutation.dry_run:
        _write_plan(invocation, wanted, commands)
        return False
    if invocation.output.for_people:
        invocation.say("\n".join(["if something rolls back, this is run:", *commands]))
    return confirmed(invocation, mutation, namespace, "Roll back without asking again?")


def _write_plan(invocation: Invocation, wanted: Wanted, commands: list[str]) -> None:
    from stigmer_ops.render.text import seconds, short_duration

    record = {
        "watch_seconds": seconds(wanted.length),
        "every_seconds": seconds(wanted.every),
        "smoke": wanted.smoke,
        "execute": wanted.execute,
        "deployments": list(wanted.deployments),
        "rollback": commands,
    }
    deed = "be run" if wanted.execute else "be shown"
    lines = [
        *(["would send a canary handshake (see stigmer-ops smoke --dry-run)"] * wanted.smoke),
        f"would watch for {short_duration(wanted.length)}",
        f"where something rolls back, this would {deed}:",
        *(f"  {line}" for line in commands),
    ]

    def table(console: Console, _wide: bool) -> None:
        from rich.text import Text

        for line in lines:
            console.print(Text(line), soft_wrap=True)

    invocation.write(Document("DeploymentVerificationPlan", record), table)


@asynccontextmanager
async def _sampler(
    invocation: Invocation, connection: Connection, url: str | None
) -> AsyncIterator[Sampler]:
    """What takes samples: Prometheus where there is one, else Temporal alone."""
    from stigmer_ops.procedures.checks.context import CheckContext
    from stigmer_ops.procedures.deployment.sources import (
        PrometheusSource,
        Sampler,
        TemporalSource,
    )

    settings = invocation.settings
    async with CheckContext.opened(access_of(invocation, connection)) as context:
        external, stigmer = await context.external(), await context.stigmer()
        if (url or settings.monitoring.prometheus) is None:
            source = TemporalSource(external, stigmer, settings, invocation.now())
            yield Sampler(source, context)
            return
        prometheus = prometheus_of(invocation, url)
        yield Sampler(PrometheusSource(prometheus, settings, external.namespace), context)


async def _watched(
    invocation: Invocation,
    connection: Connection,
    mutation: Mutation,
    wanted: Wanted,
    sampler: Sampler,
    before: Snapshot | None,
) -> Outcome:
    """The canary, and then the watch; a canary that does not come through spares the watch."""
    from stigmer_ops.monitoring.catalogue import catalogue
    from stigmer_ops.procedures.deployment.watch import watch
    from stigmer_ops.procedures.deployment.watched import Terms, Verification
    from stigmer_ops.render.deploy import Outcome

    settings, started = invocation.settings, invocation.now()
    smoke, failure = None, ""
    if wanted.smoke:
        smoke, failure = await _smoke(invocation, connection, mutation)
    terms = Terms(settings, catalogue(settings), before or await _now(invocation, sampler))
    verification = Verification(terms)
    last: Sample | None = None
    if not failure:
        until = invocation.now() + wanted.length
        taken = watch(sampler, verification, until=until, every=wanted.every)
        with _view(invocation, until) as show:
            async with aclosing(taken):
                async for last in taken:
                    show(last, verification)
    ended, source = invocation.now(), sampler.source.name
    return Outcome(
        verification,
        started,
        ended,
        source,
        smoke,
        failure,
        last,
        may_be_quiet=wanted.may_be_quiet,
    )


async def _now(invocation: Invocation, sampler: Sampler) -> Snapshot:
    """What is pending now, where nobody took a snapshot before.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    from stigmer_ops.procedures.deployment.snapshot import Snapshot

    external = await sampler.context.external()
    now = invocation.now()
    pending = await sampler.source.pending(now)
    if pending.value is None:
        raise UnavailableError(
            f"nobody can say what is pending now: {pending.note}",
            not_done="nothing was watched",
            next_step="stigmer-ops check --category monitoring",
        )
    return Snapshot(now, external.namespace, round(pending.value))


async def _smoke(
    invocation: Invocation, connection: Connection, mutation: Mutation
) -> tuple[Record, str]:
    from stigmer_ops.cli.smoke import plan_of, run
    from stigmer_ops.render.smoke import smoke_record

    if invocation.progress_wanted:
        invocation.say("sending a canary handshake …")
    reason = mutation.reason or COMMAND
    report = await run(invocation, connection, plan_of(invocation), reason=reason)
    if report.stopped:
        # A connection that breaks loses a canary, and says nothing of what was deployed.
        report = await run(invocation, connection, plan_of(invocation), reason=reason)
    failure = report.stopped
    if not failure and report.over_budget:
        failure = "the handshake takes longer than thresholds.smoke_budget"
    return smoke_record(report), failure


def _view(invocation: Invocation, until: datetime) -> AbstractContextManager[Show]:
    from stigmer_ops.render import deploy

    if invocation.output is OutputFormat.JSONL:
        return deploy.json_lines()
    if not invocation.output.for_people:
        return deploy.silent()
    return deploy.screen(until) if invocation.screen else deploy.plain_lines()


def _write(invocation: Invocation, outcome: Outcome) -> None:
    from stigmer_ops.render.deploy import outcome_page, outcome_record

    def table(console: Console, _wide: bool) -> None:
        outcome_page(console, outcome, table=not sys.stdout.isatty())

    invocation.write(Document("DeploymentVerdict", outcome_record(outcome)), table)
