"""`audit`: what was done to Temporal, and whether the record of it is whole."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stigmer_ops.cli.audit_trail import audit_path, operation_row
from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import parse_duration
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.audit import RecordedOperation

app = typer.Typer(name="audit", help="The record of every write.", no_args_is_help=True)


class ResultFilter(StrEnum):
    """The values of --result."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNFINISHED = "unfinished"


File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help="Another audit file than the one in force, such as one that was moved aside",
        show_default="audit.path",
    ),
]


@command(
    app,
    "show",
    examples=(
        "audit show",
        "audit show --since 12h --operator alice",
        "audit show --workflow-id order-42 -o wide",
        "audit show --result unfinished --result unknown",
        "audit show --limit 0 -o jsonl",
    ),
)
def show(
    invocation: Invocation,
    workflow_id: Annotated[
        str | None, typer.Option("--workflow-id", "-w", help="Only on this workflow")
    ] = None,
    operator: Annotated[
        str | None, typer.Option("--operator", help="Only by this person (login name)")
    ] = None,
    operation_id: Annotated[
        str | None, typer.Option("--operation-id", help="Only this operation")
    ] = None,
    result: Annotated[
        list[ResultFilter] | None,
        typer.Option("--result", help="Only those that ended so; may be repeated"),
    ] = None,
    since: Annotated[
        timedelta | None,
        typer.Option(
            "--since",
            parser=parse_duration,
            metavar="DURATION",
            help="Only those of the last 90s, 30m, 4h, …",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="The latest so many; 0 for all")
    ] = 20,
    file: File = None,
) -> ExitCode:
    """Show the latest operations, oldest first: who did what, why, and how it ended.

    Of an extension, -o wide and the machine formats have every timeout as it was before, also where
    its outcome was never written: that is what to put back.
    """
    from stigmer_ops.audit import RecordedOperations, is_missing, read_operations
    from stigmer_ops.render.audit import operations_table

    earliest = None if since is None else invocation.now() - since
    results = {None if r is ResultFilter.UNFINISHED else r.value for r in result or ()}

    def wanted(operation: RecordedOperation) -> bool:
        record = operation.record
        target = record.intent.target
        return (
            workflow_id in (None, target and target.workflow_id)
            and operator in (None, record.intent.operator)
            and operation_id in (None, str(record.operation_id))
            and (not results or operation.result in results)
            and (earliest is None or record.time >= earliest)
        )

    path = file or audit_path(invocation)
    if file is None and is_missing(path):
        invocation.say(f"nothing has been written yet: there is no {path}")
        found = RecordedOperations()
    else:
        found = read_operations(path, wanted=wanted, limit=limit or None)
    rows = [operation_row(operation) for operation in found.operations]
    document = Document(
        "AuditOperations",
        {"path": str(path), "operations": rows, "cut": found.cut, "unreadable": found.unreadable},
        lines=[("AuditOperation", row) for row in rows],
    )

    def table(console: Console, wide: bool) -> None:
        operations_table(console, rows, wide=wide)

    invocation.write(document, table)
    if found.cut:
        invocation.say("earlier operations are not shown; --limit 0 shows all")
    if found.unreadable:
        invocation.say(f"lines that are no records: {found.unreadable}; stigmer-ops audit verify")
        return ExitCode.FINDINGS
    return ExitCode.OK


@command(
    app,
    "verify",
    examples=("audit verify", "audit verify --expect DIGEST", "audit verify --file old.jsonl"),
)
def verify(
    invocation: Invocation,
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="DIGEST",
            help="A head noted earlier: shows whether the end was cut off since",
        ),
    ] = None,
    file: File = None,
) -> ExitCode:
    """Prove that no record was changed, taken out, put in or moved; exit 1 names the line.

    Records cut off at the end leave no trace: note the head in a ticket, for --expect later.
    """
    from stigmer_ops import audit
    from stigmer_ops.render.audit import report_table

    if expect is not None and not re.fullmatch("[0-9a-fA-F]{64}", expect):
        raise UsageError(
            "--expect is not a SHA-256 digest: 64 hexadecimal digits",
            next_step="stigmer-ops audit verify prints the present head",
        )
    report = audit.verify(file or audit_path(invocation), expect=expect)
    broken = report.broken
    body: dict[str, Any] = {
        "path": str(report.path),
        "intact": report.intact,
        "broken": broken
        and {"line": broken.line, "reason": broken.reason.value, "detail": broken.detail},
        "records": report.records,
        "head": report.head,
        "outcomes": {result.value: count for result, count in report.outcomes.items()},
        "sealed": report.sealed,
        "unfinished": [
            operation_row(audit.RecordedOperation(record, record)) for record in report.unfinished
        ],
    }

    def table(console: Console, wide: bool) -> None:
        report_table(console, body, wide=wide)

    invocation.write(Document("AuditReport", body), table)
    if report.unfinished:
        invocation.say(
            "unfinished: the command was killed, or is running now; "
            "the workflow's history shows whether the call had its effect"
        )
    return ExitCode.OK if report.intact else ExitCode.FINDINGS
