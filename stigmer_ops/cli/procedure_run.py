"""From a procedure's plan to its last step, the same for every command that runs one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import WRITE, Mutation
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.errors import write_error
from stigmer_ops.render.output import OutputFormat, write_line

if TYPE_CHECKING:
    from stigmer_ops.procedures.runner.journal import ProcedureJournal, Progress
    from stigmer_ops.procedures.runner.run import Author, Standing
    from stigmer_ops.procedures.runner.step import Task
    from stigmer_ops.temporal.frontend import Frontend

Execute = Annotated[
    bool,
    typer.Option(
        "--execute",
        help="Run the kubectl commands that are shown; else they wait to be typed by hand",
        rich_help_panel=WRITE,
    ),
]
ConfirmStep = Annotated[
    list[str] | None,
    typer.Option(
        "--confirm-step",
        metavar="STEP",
        help="This step, which waits, was done by hand. May be repeated",
        rich_help_panel=WRITE,
    ),
]


def procedures_path(invocation: Invocation) -> Path:
    """Where journals are: procedures.path of the settings, else in the user's state directory."""
    configured = invocation.settings.procedures.path
    return configured or invocation.state_file(
        "procedures", "journals", "STIGMER_OPS_PROCEDURES_PATH"
    )


def author_of_run(
    invocation: Invocation, mutation: Mutation, frontend: Frontend, command: str
) -> Author:
    """What every audit record of the run says."""
    from stigmer_ops.handshake.identity import identity_of
    from stigmer_ops.procedures.apply.run import Operator
    from stigmer_ops.procedures.runner.run import Author

    reason = (mutation.reason or "").strip()
    name, host = invocation.operator(), invocation.host()
    operator = Operator(name, host, identity_of(name, host, reason), reason)
    return Author(operator, command, frontend.namespace, frontend.address)


async def carry_out(
    invocation: Invocation,
    journal: ProcedureJournal,
    tasks: Sequence[Task[Any]],
    world: Any,  # noqa: ANN401 - whatever the procedure's steps need
    author: Author,
    *,
    confirmed: Collection[str] = (),
) -> Standing[Any]:
    """Carry tasks out, and show each on standard error, or as a line of JSON where that is asked.

    The result is for the command to write; what made the run stop is in it, and was told.

    Raises:
        StigmerOpsError: Journal or audit cannot be written, or nothing waits to be confirmed.
    """
    from stigmer_ops.cli.audit_trail import audit_trail
    from stigmer_ops.procedures.runner.run import ProcedureRun, Standing
    from stigmer_ops.render.procedure import task_record, task_text
    from stigmer_ops.render.progress import progress

    standing: Standing[Any] = Standing(journal, tuple(tasks))
    numbers = {task.key: number for number, task in enumerate(standing.tasks, 1)}

    def observed(task: Task[Any], seen: Progress) -> None:
        if invocation.output is OutputFormat.JSONL:
            write_line("ProcedureStep", task_record(task, seen))
        elif invocation.output.for_people:
            invocation.say(task_text(task, seen, numbers[task.key], len(numbers)))

    run = ProcedureRun(
        journal, world, author, audit_trail(invocation), now=invocation.now, observer=observed
    )
    with progress(
        invocation.progress_wanted,
        author.command,
        done=lambda: standing.settled,
        total=len(standing.tasks),
        told=lambda: _told(standing),
    ):
        await run.carry_out(standing, confirmed=confirmed)
    if standing.error is not None:
        write_error(standing.error, invocation.output)
    return standing


def _told(standing: Standing[Any]) -> str:
    if standing.current is None or standing.record is None:
        return ""
    done, total = standing.record.reported()
    counted = f" {done:,}" + (f" of {total:,}" if total else "") if done or total else ""
    return f"{standing.current.key}{counted}"


def next_step(standing: Standing[Any], command: str, resumed: str) -> str:
    """What a person types next after a run: confirm what waits, mend what failed, or nothing.

    Args:
        standing: How far it has come.
        command: What resumes it.
        resumed: What is said where everything is done.
    """
    waiting = [t.key for t in standing.tasks if standing.progress(t).state.value == "waiting"]
    if waiting:
        confirm = f"{command} --confirm-step {waiting[0]}"
        return f"type these, then: {confirm}; or have them run: {command} --execute"
    if standing.exit_code is ExitCode.OK:
        return resumed
    if standing.exit_code is ExitCode.FINDINGS:
        return f"look at what was found; then again: {command}"
    return f"{command} resumes, and does nothing twice"
