"""`maintenance`: windows that are forecast, begun, looked at and ended."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.confirmation import confirmed, require_writable
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.maintenance_window import (
    END_COMMAND,
    NOTHING_CHANGED,
    Setting,
    advice,
    connected,
    outlook_for,
    require_only_window,
    state_name,
    ticket_of,
    window_asked_for,
    write_status,
)
from stigmer_ops.cli.option_sets import (
    Connection,
    Mutation,
    parse_duration,
)
from stigmer_ops.cli.procedure_run import (
    ConfirmStep,
    Execute,
    author_of_run,
    carry_out,
    next_step,
    procedures_path,
)
from stigmer_ops.cli.window_options import WindowOptions
from stigmer_ops.errors import ExitCode, RefusedError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.procedures.maintenance.window import Window, World
    from stigmer_ops.procedures.runner.journal import ProcedureJournal
    from stigmer_ops.procedures.runner.run import PlannedTask

WAIT = timedelta(minutes=5)
"""How long `end` waits for workers unless it is told."""

app = typer.Typer(
    name="maintenance",
    help="Maintenance windows in which nothing that waits is lost.",
    no_args_is_help=True,
)


@command(
    app,
    "preflight",
    examples=(
        "maintenance preflight --for 2h",
        "maintenance preflight --for 4h --kind extended --margin 30m",
        "maintenance preflight --for 2h -o json",
    ),
)
async def preflight(
    invocation: Invocation,
    connection: Connection,
    options: WindowOptions,
    execute: Execute = False,
) -> ExitCode:
    """Forecast a window: what would time out in it, and what `begin` would do. Changes nothing.

    Exit 1: no-go, with the reasons, such as activities whose workflow itself times out within the
    window, which nothing can put off.
    """
    from stigmer_ops.procedures.maintenance.procedure import MAINTENANCE
    from stigmer_ops.procedures.maintenance.window import KINDS
    from stigmer_ops.procedures.runner.journal import ProcedureJournal, next_run
    from stigmer_ops.procedures.runner.run import planned
    from stigmer_ops.render.maintenance import outlook_record, preflight_page, verdict_lines

    async with connected(invocation, connection, "") as setting:
        window = window_asked_for(invocation, options, "")
        world = setting.world(window, execute=execute)
        outlook = await outlook_for(invocation, world)
        journal = ProcedureJournal(next_run(setting.folder))
        plan = await planned(MAINTENANCE.begin, journal, world, now=invocation.now)
        reasons = [*await _open_already(setting), *outlook.obstacles, *_obstacles(plan)]
    effect = KINDS[window.kind].effect

    def table(console: Console, _wide: bool) -> None:
        preflight_page(console, window, outlook, effect, plan)
        verdict_lines(console, reasons)

    body = outlook_record(window, outlook, plan, reasons)
    invocation.write(Document("MaintenanceForecast", body), table)
    return ExitCode.FINDINGS if reasons else ExitCode.OK


def _obstacles(plan: list[PlannedTask[Any]]) -> list[str]:
    return [f"{one.task.key}: {one.obstacle}" for one in plan if one.obstacle]


async def _open_already(setting: Setting) -> list[str]:
    journal = await setting.latest()
    if journal is None or state_name(journal) == "ended":
        return []
    return [f"window {journal.folder.name} of this namespace has not ended: {END_COMMAND}"]


@command(
    app,
    "begin",
    examples=(
        "maintenance begin --for 2h --reason 'CHG-7 upgrade of Stigmer' --dry-run",
        "maintenance begin --for 2h --reason 'CHG-7 upgrade of Stigmer'",
        "maintenance begin --for 6h --kind extended --execute --reason CHG-8 --yes",
        "maintenance begin --for 1h --kind temporal --throttle 5 --reason CHG-9 --yes -o jsonl",
        "maintenance begin --reason CHG-8 --confirm-step scale-down",
    ),
    writes=True,
)
async def begin(
    invocation: Invocation,
    connection: Connection,
    options: WindowOptions,
    mutation: Mutation,
    execute: Execute = False,
    confirm_step: ConfirmStep = None,
) -> ExitCode:
    """Begin a window: snapshot, silence, extend what would time out; throttle and scale if asked.

    Every step is in a journal before it is done: run the same command again and it resumes, after
    a crash too. Exit 5: a step failed or waits to be done by hand, and what was done is in force.
    Exit 4: a window is open already, here or, as Alertmanager's silences tell, elsewhere.
    """
    from stigmer_ops.procedures.maintenance.procedure import MAINTENANCE
    from stigmer_ops.procedures.runner.journal import open_journal

    require_writable(invocation, mutation, invocation.target(connection).namespace)
    async with connected(invocation, connection, mutation.reason or "") as setting:
        folder, window = await _begun_or_asked(invocation, setting, options, mutation)
        world = setting.world(window, execute=execute)
        if not mutation.dry_run:  # whose plan says it
            await require_only_window(world)
        if not await _shown_and_confirmed(invocation, mutation, world, folder):
            return ExitCode.OK
        with open_journal(folder) as journal:
            if not journal.head:
                journal.open_head(MAINTENANCE.name, setting.parameters(window), invocation.now())
            setting.require_own(journal, window)
            author = author_of_run(
                invocation, mutation, setting.systems.external, "maintenance begin"
            )
            standing = await carry_out(
                invocation,
                journal,
                MAINTENANCE.begin,
                world,
                author,
                confirmed=confirm_step or (),
            )
            command = f"stigmer-ops maintenance begin --reason '{ticket_of(mutation)}'"
            what_next = next_step(standing, command, f"do the work; then {END_COMMAND}")
            write_status(invocation, journal, what_next)
    return standing.exit_code


async def _begun_or_asked(
    invocation: Invocation, setting: Setting, options: WindowOptions, mutation: Mutation
) -> tuple[Path, Window]:
    """The window that was begun and cut off, to be resumed; else a new one.

    Raises:
        RefusedError: One is open, or the one to be resumed is another than the one asked for.
        UsageError: No --for.
    """
    from stigmer_ops.procedures.maintenance.procedure import window_in
    from stigmer_ops.procedures.runner.journal import next_run

    latest = await setting.latest()
    state = "ended" if latest is None else state_name(latest)
    if latest is None or state == "ended":
        return next_run(setting.folder), window_asked_for(
            invocation, options, mutation.reason or ""
        )
    if state != "beginning":
        raise RefusedError(
            f"window {latest.folder.name} of this namespace is {state}",
            not_done=NOTHING_CHANGED,
            next_step=f"stigmer-ops maintenance status; then {END_COMMAND}",
        )
    window = window_in(latest)
    if options != WindowOptions():
        different = window_asked_for(invocation, options, "").differs_from(window)
        if different:
            raise RefusedError(
                f"window {latest.folder.name} was begun and not finished, with other values of "
                f"{', '.join(different)}",
                not_done=NOTHING_CHANGED,
                next_step=f"begin without these options resumes it; or give it up: {END_COMMAND}",
            )
    invocation.say(f"resuming window {latest.folder.name}, begun {window.begin:%Y-%m-%dT%H:%MZ}")
    return latest.folder, window


async def _shown_and_confirmed(
    invocation: Invocation, mutation: Mutation, world: World, folder: Path
) -> bool:
    """Show what will be done, and have it confirmed; False for a dry run, whose plan is written."""
    from stigmer_ops.procedures.maintenance.procedure import EXTEND, MAINTENANCE
    from stigmer_ops.procedures.maintenance.window import KINDS
    from stigmer_ops.procedures.runner.journal import read_journal
    from stigmer_ops.procedures.runner.run import planned
    from stigmer_ops.render.maintenance import outlook_record, preflight_page
    from stigmer_ops.render.output import console

    journal = read_journal(folder)
    extended = journal.progress(EXTEND.id).state.settled
    outlook = await outlook_for(invocation, world, empty=extended)
    plan = await planned(MAINTENANCE.begin, journal, world, now=invocation.now)
    effect = KINDS[world.window.kind].effect

    def table(console: Console, _wide: bool) -> None:
        preflight_page(console, world.window, outlook, effect, plan)

    if not mutation.dry_run and invocation.output.for_people:
        table(console(sys.stderr), False)
    for obstacle in outlook.obstacles:
        invocation.say(f"warning: {obstacle}")
    namespace = world.systems.external.namespace
    question = f"Begin this window in namespace {namespace}?"
    if confirmed(invocation, mutation, namespace, question, activities=max(outlook.to_extend, 1)):
        return True
    reasons = [*outlook.obstacles, *_obstacles(plan)]
    body = outlook_record(world.window, outlook, plan, reasons)
    invocation.write(Document("MaintenanceForecast", body), table)
    return False


@command(
    app,
    "status",
    examples=("maintenance status", "maintenance status -o json", "maintenance status -n orders"),
)
def status(invocation: Invocation, connection: Connection) -> ExitCode:
    """Say what was done for the latest window, and what was taken back. Asks no server.

    Exit 1: it needs attention: it was cut off, a step failed or waits, it is past its end, or it
    ended with findings.
    """
    from stigmer_ops.procedures.maintenance.procedure import NAME, latest_window

    target = invocation.target(connection)
    folder = procedures_path(invocation) / NAME
    journal = latest_window(folder, target.namespace, address=target.address)
    if journal is None:
        body = {"namespace": target.namespace, "state": "none", "journals": str(folder)}

        def nothing(console: Console, _wide: bool) -> None:
            console.print(f"no maintenance window was begun in namespace {target.namespace}")
            console.print(f"  at {target.address}; journals are in {folder}")
            console.print("  begun on another machine? maintenance preflight sees its silence")

        invocation.write(Document("MaintenanceWindow", body), nothing)
        return ExitCode.OK
    return write_status(invocation, journal, advice(journal))


@command(
    app,
    "end",
    examples=(
        "maintenance end --reason 'CHG-7 done' --dry-run",
        "maintenance end --reason 'CHG-7 done'",
        "maintenance end --reason CHG-8 --execute --wait 10m --yes -o jsonl",
    ),
    writes=True,
)
async def end(
    invocation: Invocation,
    connection: Connection,
    mutation: Mutation,
    wait: Annotated[
        timedelta | None,
        typer.Option(
            "--wait",
            parser=parse_duration,
            metavar="DURATION",
            help="How long to wait until workers poll again",
            show_default="5m",
        ),
    ] = None,
    execute: Execute = False,
    confirm_step: ConfirmStep = None,
) -> ExitCode:
    """End the latest window: take back what `begin` did, and account for every activity.

    Scales and throttles back, waits for workers, asks them for what they have registered, puts
    timeouts back where nothing would die of it, removes the silence, says of every activity that
    waited then what has become of it, and lists what has begun to wait since. Exit 1: something is
    not as it was before, and is listed. Running it twice does nothing twice.
    """
    from stigmer_ops.procedures.maintenance.procedure import MAINTENANCE, window_in
    from stigmer_ops.procedures.runner.journal import open_journal

    require_writable(invocation, mutation, invocation.target(connection).namespace)
    async with connected(invocation, connection, mutation.reason or "") as setting:
        latest = await setting.latest()
        if latest is None:
            raise RefusedError(
                f"no maintenance window was begun in {setting.systems.external.namespace}",
                not_done=NOTHING_CHANGED,
                next_step="stigmer-ops maintenance status; check --namespace and --address",
            )
        world = setting.world(
            window_in(latest), execute=execute, patience=WAIT if wait is None else wait
        )
        if not await _end_confirmed(invocation, mutation, world, latest):
            return ExitCode.OK
        with open_journal(latest.folder) as journal:
            author = author_of_run(
                invocation, mutation, setting.systems.external, "maintenance end"
            )
            standing = await carry_out(
                invocation,
                journal,
                MAINTENANCE.end,
                world,
                author,
                confirmed=confirm_step or (),
            )
            command = f"stigmer-ops maintenance end --reason '{ticket_of(mutation)}'"
            write_status(invocation, journal, next_step(standing, command, ""))
    return standing.exit_code


async def _end_confirmed(
    invocation: Invocation, mutation: Mutation, world: World, journal: ProcedureJournal
) -> bool:
    """Show what will be taken back, and have it confirmed; False for a dry run."""
    from stigmer_ops.procedures.maintenance.procedure import (
        EXTEND,
        EXTEND_LATECOMERS,
        MAINTENANCE,
    )
    from stigmer_ops.procedures.runner.run import planned
    from stigmer_ops.render.output import console
    from stigmer_ops.render.procedure import plan_table, planned_record

    plan = await planned(MAINTENANCE.end, journal, world, now=invocation.now)
    if not mutation.dry_run and invocation.output.for_people:
        plan_table(console(sys.stderr), plan)
    if all(one.state.settled for one in plan):
        invocation.say(f"window {journal.folder.name} has ended already")
        return not mutation.dry_run
    steps_taken_back = (EXTEND, EXTEND_LATECOMERS)
    extended = sum(journal.progress(s.id).data.get("extended", 0) for s in steps_taken_back)
    namespace = world.systems.external.namespace
    question = f"End window {journal.folder.name} of namespace {namespace}?"
    if confirmed(invocation, mutation, namespace, question, activities=max(extended, 1)):
        return True
    steps = [planned_record(one) for one in plan]
    body = {"window": journal.folder.name, "namespace": namespace, "steps": steps}
    invocation.write(
        Document("MaintenanceEndPlan", body), lambda console, _wide: plan_table(console, plan)
    )
    return False
