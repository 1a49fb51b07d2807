"""The report of `apply`, whoever carried the plan out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection, Mutation
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.errors import write_error

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.diagnosis.diagnose import Systems
    from stigmer_ops.procedures.apply.engine import Limits, Standing
    from stigmer_ops.procedures.apply.journal import Journal
    from stigmer_ops.procedures.apply.run import Operator
    from stigmer_ops.procedures.plan_file import PlanFile


@dataclass(frozen=True, slots=True)
class Given:
    """One run of `apply`: what was typed, and what it is about.

    Attributes:
        invocation: The run of the command.
        connection: Its options.
        mutation: Its options.
        systems: Whom to write to.
        plan: Checked, and of the namespace that it is for.
        journal: Its own, locked; of a dry run, a copy.
        limits: How far to go.
    """

    invocation: Invocation
    connection: Connection
    mutation: Mutation
    systems: Systems
    plan: PlanFile
    journal: Journal
    limits: Limits


def operator_of(invocation: Invocation, mutation: Mutation) -> Operator:
    """Who applies the plan, and why."""
    from stigmer_ops.handshake.identity import identity_of
    from stigmer_ops.procedures.apply.run import Operator

    reason = (mutation.reason or "").strip()
    name, host = invocation.operator(), invocation.host()
    return Operator(name, host, identity_of(name, host, reason), reason)


def records(plan: PlanFile, journal: Journal) -> Iterator[Mapping[str, Any]]:
    """Every row as reports have it."""
    from stigmer_ops.procedures.apply.report import report_rows
    from stigmer_ops.render.apply import outcome_record

    for each in report_rows(plan, journal):
        numbered = each.numbered
        yield outcome_record(
            numbered.number, numbered.line, numbered.row, each.outcome, each.operation_id
        )


def exit_code_of(plan: PlanFile, journal: Journal, standing: Standing) -> ExitCode:
    """What the command says of the run in a number."""
    from stigmer_ops.handshake.plan_outcome import exit_code
    from stigmer_ops.procedures.apply.report import counted

    if standing.interrupted:
        return ExitCode.INTERRUPTED
    if standing.error is not None and not standing.tried:
        return standing.error.exit_code
    if standing.error is not None:
        return ExitCode.PARTIAL
    return exit_code(counted(plan, journal))


def write_report(
    given: Given, standing: Standing, stats: Mapping[str, Any], code: ExitCode
) -> None:
    """The report on standard output."""
    from stigmer_ops.procedures.apply.report import counted, report_rows
    from stigmer_ops.render import apply as render
    from stigmer_ops.render.plan import plan_record

    invocation, plan, journal = given.invocation, given.plan, given.journal
    dry_run = given.mutation.dry_run
    states = counted(plan, journal)
    if standing.error is not None:
        write_error(standing.error, invocation.output)

    def page(console: Console, _wide: bool) -> None:
        rows = (
            (each.numbered.number, each.numbered.row, each.outcome)
            for each in report_rows(plan, journal)
        )
        shown = [*islice(render.troubles(rows), render.TROUBLES_SHOWN)]
        summary = _DRY if dry_run else _NEXT.get(code, "").format(plan=plan.path)
        render.report_page(
            console, states, shown, stopped=standing.stopped, dry_run=dry_run, summary=summary
        )

    head = {
        "plan": str(plan.path),
        **plan_record(plan.header, plan.tally, edited=plan.edited),
        "journal": str(journal.path),
        "dry_run": dry_run,
        "totals": render.totals(states),
        "stopped": standing.stopped or None,
        "exit_code": code.value,
        "stats": dict(stats),
    }
    rows = records(plan, journal)
    render.write_report(head, rows, invocation.output, page)


_DRY = "the same command without --dry-run does it; it wants a --reason"
_NEXT = {
    ExitCode.OK: "stigmer-ops plan verify {plan} proves it from the histories",
    ExitCode.REFUSED: "what was refused is over or has another attempt now: stigmer-ops diagnose",
    ExitCode.PARTIAL: "run the same command again: it resumes, and does nothing twice",
    ExitCode.INTERRUPTED: "run the same command again: it resumes, and does nothing twice",
}
