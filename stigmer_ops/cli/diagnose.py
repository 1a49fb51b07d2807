"""`diagnose`: why each external activity waits, proved, and what to do about it."""

from __future__ import annotations

import difflib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityFilters, ActivityReference, Connection
from stigmer_ops.cli.pending_scan import UNREADABLE_SHOWN, selection_of
from stigmer_ops.cli.systems import both_sides
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.render.output import Document, OutputFormat

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.diagnosis.diagnose import DiagnosisReport, Systems
    from stigmer_ops.handshake.activity import PendingActivity
    from stigmer_ops.handshake.scan_report import Unreadable
    from stigmer_ops.handshake.verdicts import Verdict

app = typer.Typer()


@command(
    app,
    "diagnose",
    examples=(
        "diagnose",
        "diagnose --older-than 4h --plan-out plan.jsonl",
        "diagnose --verdict callback-failed --verdict token-stale --plan-out plan.jsonl",
        "diagnose -w order-42 -a 5",
        "diagnose -o json --stats",
    ),
)
async def diagnose(
    invocation: Invocation,
    connection: Connection,
    reference: ActivityReference,
    filters: ActivityFilters,
    verdict: Annotated[
        list[str] | None,
        typer.Option(
            "--verdict",
            metavar="NAME",
            help="Tell, and plan for, activities of this verdict only; may be repeated",
        ),
    ] = None,
    plan_out: Annotated[
        Path | None,
        typer.Option(
            "--plan-out", metavar="FILE", help="Write what to do about each as a plan for `apply`"
        ),
    ] = None,
    stats: Annotated[
        bool, typer.Option("--stats", help="Tell how many calls it took, by kind, and how long")
    ] = False,
) -> ExitCode:
    """Say why each external activity waits, with evidence, and what to do. Changes nothing.

    Exits 1 if anything is stuck, 3 if something could not be read.
    """
    from stigmer_ops.diagnosis.diagnose import DiagnosisReport
    from stigmer_ops.diagnosis.diagnose import diagnose as judge
    from stigmer_ops.render.progress import progress

    began = time.monotonic()
    settings = invocation.settings
    wanted = verdicts_named(verdict or [])
    if plan_out is not None:
        _require_new_plan(plan_out)
    report = DiagnosisReport()
    async with both_sides(invocation, connection) as systems:
        external, stigmer = systems.external, systems.stigmer
        found = _activities(invocation, systems, reference, filters, report)
        with progress(
            invocation.progress_wanted,
            "reading workflows",
            done=lambda: report.external.workflows + report.executions,
        ):
            await judge(systems, found, settings, now=invocation.now, report=report)
        if wanted:
            report.diagnoses = [one for one in report.diagnoses if one.verdict in wanted]
        if plan_out is not None:
            await _write_plan(invocation, systems, report, plan_out)
    calls = external.calls if stigmer is external else external.calls + stigmer.calls
    told = {"seconds": round(time.monotonic() - began, 3), "calls": dict(calls)}
    _write(invocation, report, told if stats else None)
    if not report.complete:
        return ExitCode.UNAVAILABLE
    return ExitCode.FINDINGS if report.stuck else ExitCode.OK


def verdicts_named(names: list[str]) -> set[Verdict]:
    """The verdicts of the values of --verdict.

    Raises:
        UsageError: There is none of that name.
    """
    from stigmer_ops.handshake.verdicts import BY_ID

    for name in names:
        if name not in BY_ID:
            near = difflib.get_close_matches(name, BY_ID, 1)
            raise UsageError(
                f"there is no verdict {name!r}",
                next_step=f"--verdict {near[0]}"
                if near
                else "stigmer-ops runbook list --kind verdict",
            )
    return {BY_ID[name] for name in names}


async def _activities(
    invocation: Invocation,
    systems: Systems,
    reference: ActivityReference,
    filters: ActivityFilters,
    report: DiagnosisReport,
) -> AsyncIterator[PendingActivity | Unreadable]:
    """The one that was named, or all that are selected."""
    if reference.activity_id is None and reference.workflow_id is None:
        from stigmer_ops.temporal.scan import scan

        async for found in scan(
            systems.external,
            selection_of(invocation, filters),
            now=invocation.now(),
            report=report.external,
        ):
            yield found
        return
    if not reference.standalone and not reference.workflow_id:
        raise UsageError(
            "an activity is named by --workflow-id and --activity-id, or by --standalone",
            next_step="stigmer-ops pending list",
        )
    from stigmer_ops.diagnosis.named import named_activities, nothing_pending

    workflow_id, run_id = reference.workflow_id or "", reference.run_id or ""
    named = await named_activities(
        systems.external,
        workflow_id=workflow_id,
        run_id=run_id,
        activity_id=reference.activity_id or "",
    )
    for activity in named:
        yield activity
    if not named:
        report.notes.append(await nothing_pending(systems.external, workflow_id, run_id))


async def _write_plan(
    invocation: Invocation, systems: Systems, report: DiagnosisReport, path: Path
) -> None:
    from stigmer_ops.diagnosis.plan import with_scheduled_events
    from stigmer_ops.handshake.plan import PlanHeader, plan_lines, planned
    from stigmer_ops.procedures.plan_file import write_new
    from stigmer_ops.render.diagnosis import by_urgency

    rows = list(planned(by_urgency(report.diagnoses)))
    rows = await with_scheduled_events(systems.external, rows)
    header = PlanHeader(
        namespace=systems.external.namespace,
        namespace_id=await systems.external.namespace_id(),
        address=systems.external.address,
        created_time=invocation.now(),
    )
    write_new(path, (line.encode() for line in plan_lines(header, rows)))
    invocation.say(f"wrote {len(rows)} rows to {path}")


def _require_new_plan(path: Path) -> None:
    from stigmer_ops.procedures.plan_file import require_new

    if str(path) == "-":
        raise UsageError("the plan needs a file: standard output holds the diagnosis")
    require_new(path)


def _write(
    invocation: Invocation, report: DiagnosisReport, stats: dict[str, object] | None
) -> None:
    from stigmer_ops.render.diagnosis import (
        by_urgency,
        counts,
        diagnosis_page,
        diagnosis_record,
        unread_record,
    )
    from stigmer_ops.render.text import rfc3339

    now = invocation.now()
    ordered = by_urgency(report.diagnoses)
    records = [diagnosis_record(diagnosis, now) for diagnosis in ordered]
    unread = [unread_record(*one) for one in report.unread()]
    body = {
        "time": rfc3339(now),
        "counts": counts(ordered),
        "settled_meanwhile": report.settled,
        "items": records,
        "unreadable": unread,
        "notes": report.notes,
        **({} if stats is None else {"stats": stats}),
    }
    lines = [
        *(("Diagnosis", record) for record in records),
        *(("Unreadable", one) for one in unread),
    ]

    def table(console: Console, wide: bool) -> None:
        diagnosis_page(console, ordered, now, everything=wide)

    invocation.write(Document("DiagnosisList", body, lines), table)
    if invocation.output.for_people or invocation.output is OutputFormat.JSONL:
        _say_the_rest(invocation, report, stats)


def _say_the_rest(
    invocation: Invocation, report: DiagnosisReport, stats: dict[str, object] | None
) -> None:
    for note in report.notes:
        invocation.say(f"note: {note}")
    if report.settled:
        invocation.say(f"note: {report.settled} settled while this was running")
    unread = list(report.unread())
    for name, _, reason in unread[:UNREADABLE_SHOWN]:
        invocation.say(f"could not be read: {name}: {reason}")
    if unread:
        invocation.say(f"{len(unread)} workflows could not be read: the diagnosis is incomplete")
    if stats is not None:
        invocation.say(f"stats: {stats}")
