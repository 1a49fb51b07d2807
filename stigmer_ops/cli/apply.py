"""`apply`: a plan carried out, row by row, exactly."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stigmer_ops.cli.apply_durable import carried_out_durably
from stigmer_ops.cli.apply_report import Given, exit_code_of, operator_of, records, write_report
from stigmer_ops.cli.commands import command
from stigmer_ops.cli.confirmation import confirmed, require_writable
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection, Mutation
from stigmer_ops.errors import NOTHING_SENT, ExitCode, InputError, RefusedError, UsageError
from stigmer_ops.render.errors import write_error

if TYPE_CHECKING:
    from stigmer_ops.diagnosis.diagnose import Systems
    from stigmer_ops.procedures.apply.engine import PlanRun, Standing
    from stigmer_ops.procedures.apply.journal import Journal
    from stigmer_ops.procedures.apply.recorder import Recorder
    from stigmer_ops.procedures.plan_file import PlanFile
    from stigmer_ops.temporal.frontend import Pace

app = typer.Typer()

SAMPLE_ROWS = 5

PlanArgument = Annotated[
    Path, typer.Argument(metavar="PLAN", help="The plan: JSON Lines or YAML; see docs/plan.md")
]


@command(
    app,
    "apply",
    examples=(
        "apply plan.jsonl --dry-run",
        "apply plan.jsonl --reason 'INC-123 restore lost callbacks'",
        "apply plan.jsonl --reason INC-123 --canary 5 --rps 50 --report report.csv",
        "apply plan.jsonl --reason INC-123 --yes --confirm-namespace default -o json",
        "apply plan.jsonl --reason INC-123 --durable --detach",
    ),
    writes=True,
)
async def apply(
    invocation: Invocation,
    connection: Connection,
    mutation: Mutation,
    plan: PlanArgument,
    maximum: Annotated[
        int | None,
        typer.Option("--max", min=1, metavar="N", help="Try at most this many rows in this run"),
    ] = None,
    canary: Annotated[
        int,
        typer.Option(
            "--canary",
            min=0,
            metavar="K",
            help="Rows of each action that are done first, and proved; 0 for none",
        ),
    ] = 1,
    stop_on_error_rate: Annotated[
        float,
        typer.Option(
            "--stop-on-error-rate",
            min=0,
            max=100,
            metavar="PERCENT",
            help="Stop when more than this share of the rows tried is refused or fails",
        ),
    ] = 20.0,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write every row's outcome: .csv or .jsonl"),
    ] = None,
    digest: Annotated[
        str | None,
        typer.Option(
            "--digest", metavar="SHA256", help="Refuse any other plan than the one reviewed"
        ),
    ] = None,
    durable: Annotated[
        bool,
        typer.Option(
            "--durable",
            help="Hand the plan over to workflows that `stigmer-ops batch-worker` carries out",
        ),
    ] = False,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="With --durable: do not wait for the end"),
    ] = False,
) -> ExitCode:
    """Carry a plan out: every row at most once, fenced to its attempt, and resumable.

    Shows what will be done, asks, proves some rows first, then does the rest at --rps and
    --concurrency. What was done is in the journal beside the plan: run the same command again, and
    it resumes. Exit 0: every row is done. Exit 4: rows were refused, since their attempts are not
    pending any more, or have no deadline to extend. Exit 5: rows are left, and running it again
    tries them.

    With --durable, the same is done by workflows in Temporal itself and by any number of
    `stigmer-ops batch-worker`: it goes on without this command, and `batch pause`, `resume` and
    `cancel` change it. Running the same command again waits for its end, and reads back what became
    of it.
    """
    from stigmer_ops.cli.systems import both_sides
    from stigmer_ops.procedures.apply.engine import Limits
    from stigmer_ops.procedures.apply.run import require_same_namespace
    from stigmer_ops.procedures.plan_file import open_plan

    _require_sense(durable=durable, detach=detach)
    require_writable(invocation, mutation, invocation.target(connection).namespace)
    identity = operator_of(invocation, mutation).identity
    async with both_sides(invocation, connection, identity=identity) as systems:
        limit = await _result_limit(systems)
        with ExitStack() as stack:
            opened = stack.enter_context(open_plan(plan, result_limit=limit))
            _require_digest(opened, digest)
            await require_same_namespace(systems.external, opened.header)
            write_file = _report_writer(stack, report)
            journal = _journal(stack, opened, dry_run=mutation.dry_run)
            limits = Limits(maximum, canary, stop_on_error_rate, _width(systems.external.pace))
            given = Given(invocation, connection, mutation, systems, opened, journal, limits)
            if durable and not mutation.dry_run:
                ended = await carried_out_durably(given, announce=_announce, detach=detach)
            else:
                ended = await _carried_out_here(given)
            if ended is None:
                return ExitCode.OK
            standing, stats = ended
            code = exit_code_of(opened, journal, standing)
            try:
                write_file(records(opened, journal))
            except InputError as error:
                write_error(error, invocation.output)
                code = ExitCode.PARTIAL
            write_report(given, standing, stats, code)
            return code


def _require_sense(*, durable: bool, detach: bool) -> None:
    if detach and not durable:
        raise UsageError(
            "--detach is for --durable: nothing else goes on without this command",
            not_done=NOTHING_SENT,
            next_step="stigmer-ops apply PLAN --reason … --durable --detach",
        )


async def _carried_out_here(given: Given) -> tuple[Standing, dict[str, Any]]:
    from stigmer_ops.procedures.batch.starting import require_not_handed_over

    if not given.mutation.dry_run:
        require_not_handed_over(given.plan, given.journal)
    _announce(given)
    return await _run(given)


def _width(pace: Pace) -> int:
    """Rows under way at once: those that the rate lets through in a second.

    More would only wait, with their intents written, and would have to be waited for at Ctrl-C.
    """
    return min(pace.concurrency, max(1, int(pace.rps))) if pace.rps else pace.concurrency


async def _result_limit(systems: Systems) -> int:
    from stigmer_ops.handshake.plan_rules import RESULT_LIMIT

    limits = (await systems.external.describe_namespace()).namespace_info.limits
    return limits.blob_size_limit_error or RESULT_LIMIT


def _require_digest(plan: PlanFile, digest: str | None) -> None:
    if digest is not None and digest.lower() != plan.sha256:
        raise RefusedError(
            f"the plan's digest is {plan.sha256}, and --digest says {digest}",
            not_done=NOTHING_SENT,
            next_step=f"stigmer-ops plan diff REVIEWED {plan.path}",
        )


def _report_writer(stack: ExitStack, path: Path | None) -> Any:  # noqa: ANN401 - a function
    from stigmer_ops.procedures.apply.report import report_file

    return (lambda _records: None) if path is None else stack.enter_context(report_file(path))


def _journal(stack: ExitStack, plan: PlanFile, *, dry_run: bool) -> Journal:
    from stigmer_ops.procedures.apply.journal import open_journal, scratch_journal

    return stack.enter_context(scratch_journal(plan) if dry_run else open_journal(plan))


def _announce(given: Given) -> int:
    """Show what will be done, and have it confirmed; how many rows there are to try.

    Raises:
        RefusedError: It was not.
    """
    from stigmer_ops.procedures.apply.engine import to_try
    from stigmer_ops.procedures.apply.report import counted
    from stigmer_ops.render.output import console
    from stigmer_ops.render.plan import plan_page

    invocation, plan, journal = given.invocation, given.plan, given.journal
    left, maximum = to_try(plan, journal), given.limits.maximum
    left = left if maximum is None else min(left, maximum)
    if invocation.output.for_people:
        states = counted(plan, journal) if journal.last_run else None
        sample = [(each.number, each.row) for each in islice(plan.rows(), SAMPLE_ROWS)]
        plan_page(
            console(sys.stderr),
            plan.header,
            plan.tally,
            edited=plan.edited,
            sample=sample,
            states=states,
        )
    if left and not given.mutation.dry_run:
        namespace = plan.header.namespace
        question = f"Write to {left:,} activities of namespace {namespace}?"
        confirmed(invocation, given.mutation, namespace, question, activities=left)
    return left


async def _run(given: Given) -> tuple[Standing, dict[str, Any]]:
    from stigmer_ops.cli.audit_trail import audit_trail
    from stigmer_ops.procedures.apply.run import plan_run
    from stigmer_ops.render.apply import progress_text
    from stigmer_ops.render.progress import progress

    invocation, mutation = given.invocation, given.mutation
    async with plan_run(
        given.plan,
        given.journal,
        given.systems,
        operator_of(invocation, mutation),
        given.limits,
        trail=None if mutation.dry_run else audit_trail(invocation),
        now=invocation.now,
        dry_run=mutation.dry_run,
    ) as (run, recorder):
        standing = run.standing
        with (
            _stops_on_signals(invocation, run),
            progress(
                invocation.progress_wanted,
                "checking" if mutation.dry_run else "applying",
                done=lambda: standing.tried,
                total=standing.total,
                told=lambda: progress_text(standing.states, standing.rate),
            ),
        ):
            await run.run()
    return standing, _stats(given.systems, standing, recorder)


@contextmanager
def _stops_on_signals(invocation: Invocation, run: PlanRun) -> Iterator[None]:
    """Let the first Ctrl-C end the run in good order, and the second at once."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def received(number: int) -> None:
        if run.standing.stopped:
            assert task is not None
            task.cancel()
            return
        invocation.say("stopping: rows under way are carried to their end; again to break off")
        run.stop(f"interrupted by {signal.Signals(number).name}", interrupted=True)

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, received, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _stats(systems: Systems, standing: Standing, recorder: Recorder) -> dict[str, Any]:
    import time

    costs = recorder.costs
    calls = systems.external.calls
    if systems.stigmer is not systems.external:
        calls = calls + systems.stigmer.calls
    return {
        "tried": standing.tried,
        "seconds": round(time.monotonic() - standing.began, 3),
        "canary_seconds": round(standing.canary_seconds, 3),
        "journal_seconds": round(costs.journal_seconds, 3),
        "audit_seconds": round(costs.audit_seconds, 3),
        "groups": costs.groups,
        "calls": dict(calls),
    }
