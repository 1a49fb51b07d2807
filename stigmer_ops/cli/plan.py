"""`plan`: make, look at, compare and verify the plans that `apply` carries out."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stigmer_ops.cli.apply import SAMPLE_ROWS, PlanArgument
from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityFilters, Connection, parse_duration
from stigmer_ops.cli.pending_scan import selection_of
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.handshake.activity import PendingActivity
    from stigmer_ops.handshake.plan import PlanRow
    from stigmer_ops.handshake.scan_report import ScanReport, Unreadable
    from stigmer_ops.procedures.apply.journal import Journal
    from stigmer_ops.procedures.apply.report import RowSpool
    from stigmer_ops.procedures.apply.verification import Check, RowCheck
    from stigmer_ops.procedures.plan_creation import Wish
    from stigmer_ops.procedures.plan_file import PlanFile

app = typer.Typer(
    name="plan",
    help="Make, look at, compare and verify the plans that `apply` carries out.",
    no_args_is_help=True,
)

FINDINGS_SHOWN = 20


class PlannedAction(StrEnum):
    """The values of --action."""

    COMPLETE = "complete"
    FAIL = "fail"
    REDELIVER = "redeliver"
    EXTEND = "extend"
    SKIP = "skip"


@command(
    app,
    "create",
    examples=(
        "plan create --action redeliver --older-than 4h --out plan.jsonl",
        "plan create --action complete --result @result.json --out plan.jsonl",
        "plan create --action fail --message 'agent lost' --older-than 1d --out plan.jsonl",
        "plan create --action extend --by 2h --expires-within 30m --out plan.jsonl",
    ),
)
async def create(
    invocation: Invocation,
    connection: Connection,
    filters: ActivityFilters,
    action: Annotated[PlannedAction, typer.Option("--action", help="What to do to each")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The plan's file, which must be new")
    ],
    result: Annotated[
        str | None,
        typer.Option("--result", metavar="JSON|@FILE|-", help="For complete: the result as JSON"),
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", help="For fail: the failure's message")
    ] = None,
    failure_type: Annotated[
        str | None, typer.Option("--type", help="For fail: the failure's type")
    ] = None,
    by: Annotated[
        timedelta | None,
        typer.Option(
            "--by", parser=parse_duration, metavar="DURATION", help="For extend: by how much"
        ),
    ] = None,
) -> ExitCode:
    """Plan the same action for every pending activity that the filters select. Changes nothing.

    Each row is fenced to the attempt as it is now. For redeliver, the execution that holds the
    attempt's token is looked for as `diagnose` does; activities without exactly one are left out,
    and told. Exit 3: something could not be read, and may be missing in the plan.
    """
    from stigmer_ops.cli.systems import both_sides
    from stigmer_ops.handshake.plan import PlanHeader
    from stigmer_ops.handshake.scan_report import ScanReport
    from stigmer_ops.procedures.plan_creation import planned_rows
    from stigmer_ops.procedures.plan_file import new_plan, open_plan

    wish = _wish(action, result, message, failure_type, by)
    left_out: list[str] = []
    report = ScanReport()
    async with AsyncExitStack() as stack:
        systems = await stack.enter_async_context(both_sides(invocation, connection))
        external = systems.external
        header = PlanHeader(
            namespace=external.namespace,
            namespace_id=await external.namespace_id(),
            address=external.address,
            created_time=invocation.now(),
        )
        writer = stack.enter_context(new_plan(out, header))
        found = _selected(invocation, systems.external, filters, report, left_out)
        rows = planned_rows(
            systems, found, wish, invocation.settings, now=invocation.now, left_out=left_out.append
        )
        async with aclosing(rows):
            async for row in rows:
                writer.add(row)
    for told in left_out[:FINDINGS_SHOWN]:
        invocation.say(f"left out: {told}")
    if len(left_out) > FINDINGS_SHOWN:
        invocation.say(f"left out: {len(left_out) - FINDINGS_SHOWN} more")
    with open_plan(out) as plan:
        _show(invocation, plan, None)
    invocation.say(f"wrote {out}; next: stigmer-ops apply {out} --dry-run")
    return ExitCode.OK if report.complete else ExitCode.UNAVAILABLE


def _wish(
    action: PlannedAction,
    result: str | None,
    message: str | None,
    failure_type: str | None,
    by: timedelta | None,
) -> Wish:
    """What is to be done to each activity.

    Raises:
        UsageError: An option does not belong to the action, or is missing.
    """
    from stigmer_ops.cli.activity import result_input
    from stigmer_ops.handshake.plan_rules import wrong_in_content
    from stigmer_ops.handshake.verdicts import Action
    from stigmer_ops.procedures.plan_creation import Wish
    from stigmer_ops.temporal.results import parse_json

    content: dict[str, Any] = {}
    if result is not None:
        text, place = result_input(result)
        content["result"] = parse_json(text, place)
    if message is not None:
        content["message"] = message
    if failure_type is not None:
        content["failure_type"] = failure_type
    if by is not None:
        content["extend_by_seconds"] = by.total_seconds()
    wrong = [one for one in wrong_in_content(Action(action.value), content) if one.key in _OPTIONS]
    if wrong:
        raise UsageError(
            "; ".join(one.text.replace(one.key, _OPTIONS[one.key], 1) for one in wrong),
            not_done="no plan was written",
            next_step="stigmer-ops plan create --help",
        )
    return Wish(Action(action.value), content)


_OPTIONS = {
    "result": "--result",
    "message": "--message",
    "failure_type": "--type",
    "extend_by_seconds": "--by",
}


async def _selected(
    invocation: Invocation,
    frontend: Any,  # noqa: ANN401 - a Frontend, whose module is not loaded here
    filters: ActivityFilters,
    report: ScanReport,
    left_out: list[str],
) -> AsyncGenerator[PendingActivity, None]:
    from stigmer_ops.handshake.activity import PendingActivity
    from stigmer_ops.render.progress import progress
    from stigmer_ops.temporal.scan import scan

    found: Any = scan(
        frontend, selection_of(invocation, filters), now=invocation.now(), report=report
    )
    wanted = invocation.progress_wanted
    with progress(wanted, "reading workflows", done=lambda: report.workflows):
        async with aclosing(found):
            async for item in found:
                if isinstance(item, PendingActivity):
                    yield item
                else:
                    left_out.append(_unread(item))


def _unread(item: Unreadable) -> str:
    return f"{item.workflow_id or item.activity_id} could not be read: {item.reason}"


@command(app, "show", examples=("plan show plan.jsonl", "plan show plan.yaml -o json"))
def show(invocation: Invocation, plan: PlanArgument) -> ExitCode:
    """Check a plan, and say what it will do and how far it has come. Asks no server."""
    from stigmer_ops.procedures.apply.journal import read_journal
    from stigmer_ops.procedures.plan_file import open_plan

    with open_plan(plan) as opened, read_journal(opened) as journal:
        _show(invocation, opened, journal)
    return ExitCode.OK


def _show(invocation: Invocation, plan: PlanFile, journal: Journal | None) -> None:
    from stigmer_ops.procedures.apply.report import counted
    from stigmer_ops.render.apply import totals
    from stigmer_ops.render.plan import plan_page, plan_record, row_record

    states = None if journal is None else counted(plan, journal)
    sample = [*islice(plan.rows(), SAMPLE_ROWS)]

    def page(console: Console, _wide: bool) -> None:
        plan_page(
            console,
            plan.header,
            plan.tally,
            edited=plan.edited,
            sample=[(each.number, each.row) for each in sample],
            states=states,
        )

    body = {
        "plan": str(plan.path),
        **plan_record(plan.header, plan.tally, edited=plan.edited),
        "totals": None if states is None else totals(states),
        "sample": [row_record(each.number, each.line, each.row) for each in sample],
    }
    invocation.write(Document("Plan", body), page)


@command(app, "diff", examples=("plan diff reviewed.jsonl edited.yaml",))
def diff(
    invocation: Invocation,
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The plan to compare with")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The plan to compare")],
) -> ExitCode:
    """Say what one plan does that another does not. Exit 1 where they differ."""
    from stigmer_ops.handshake.plan_diff import plan_diff
    from stigmer_ops.procedures.plan_file import open_plan
    from stigmer_ops.render.plan import diff_page, diff_record

    with open_plan(old) as left, open_plan(new) as right:
        found = plan_diff((left.header, _rows(left)), (right.header, _rows(right)))
    body = {"old": str(old), "new": str(new), **diff_record(found)}
    invocation.write(Document("PlanDiff", body), lambda console, _wide: diff_page(console, found))
    return ExitCode.OK if found.same else ExitCode.FINDINGS


def _rows(plan: PlanFile) -> Iterator[PlanRow]:
    return (numbered.row for numbered in plan.rows())


@command(
    app, "verify", examples=("plan verify plan.jsonl", "plan verify plan.jsonl -o jsonl --rps 50")
)
async def verify(invocation: Invocation, connection: Connection, plan: PlanArgument) -> ExitCode:
    """Prove from Temporal's histories that what a plan asks for is the case. Changes nothing.

    For every row: whether its activity has ended as planned, by whom, in which event, and whether
    its workflow went on after it; compared with the journal. Exit 1 where anything is otherwise,
    3 where something could not be read.
    """
    from stigmer_ops.cli.systems import both_sides
    from stigmer_ops.handshake.verdicts import Action
    from stigmer_ops.procedures.apply.journal import read_journal
    from stigmer_ops.procedures.apply.report import row_spool
    from stigmer_ops.procedures.apply.run import require_same_namespace
    from stigmer_ops.procedures.apply.verification import Check, verify_plan
    from stigmer_ops.procedures.plan_file import open_plan
    from stigmer_ops.render.progress import progress

    counts: Counter[Check] = Counter()
    async with both_sides(invocation, connection) as systems:
        with open_plan(plan) as opened, read_journal(opened) as journal, row_spool() as spool:
            await require_same_namespace(systems.external, opened.header)
            checks = verify_plan(opened, journal, systems)
            with progress(
                invocation.progress_wanted,
                "verifying",
                done=counts.total,
                total=opened.tally.rows - opened.tally.by_action[Action.SKIP],
            ):
                async with aclosing(checks):
                    async for check in checks:
                        counts[check.check] += 1
                        spool.add(_check_record(check))
            _write_verification(invocation, opened, counts, spool)
    if counts[Check.UNREADABLE]:
        return ExitCode.UNAVAILABLE
    return ExitCode.FINDINGS if counts[Check.OTHERWISE] else ExitCode.OK


def _check_record(check: RowCheck) -> dict[str, Any]:
    from stigmer_ops.render.apply import verified_record

    numbered = check.numbered
    return verified_record(
        numbered.number,
        numbered.line,
        numbered.row,
        check.outcome,
        check=check.check,
        workflow=check.workflow,
        finding=check.finding,
    )


def _write_verification(
    invocation: Invocation, plan: PlanFile, counts: Counter[Check], spool: RowSpool
) -> None:
    from stigmer_ops.procedures.apply.verification import Check
    from stigmer_ops.render.apply import verification_page, write_report
    from stigmer_ops.render.plan import plan_record

    wrong = (Check.OTHERWISE, Check.UNREADABLE)

    def page(console: Console, _wide: bool) -> None:
        found = (record for record in spool.records() if record["check"] in wrong)
        shown = [*islice(found, FINDINGS_SHOWN)]
        verification_page(console, counts, shown, sum(counts[each] for each in wrong))

    head = {
        "plan": str(plan.path),
        **plan_record(plan.header, plan.tally, edited=plan.edited),
        "totals": {check.value.replace(" ", "_"): counts[check] for check in Check},
    }
    write_report(
        head,
        spool.records(),
        invocation.output,
        page,
        kind="PlanVerification",
        row_kind="PlanRowCheck",
    )
