"""One pass over the pending activities of a namespace, for the commands that need one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityFilters
from stigmer_ops.errors import ExitCode, StigmerOpsError, UsageError
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE
from stigmer_ops.handshake.scan_report import ScanReport, Unreadable
from stigmer_ops.handshake.selection import Selection

if TYPE_CHECKING:
    from stigmer_ops.render.pending_table import Look
    from stigmer_ops.temporal.frontend import Frontend

UNREADABLE_SHOWN = 10
"""Lines on standard error about what could not be read; the machine formats have all."""


@dataclass(slots=True)
class Pass:
    """What one pass has read.

    Attributes:
        namespace: Where.
        now: When it began; ages and times left are as of then.
        report: Its counts.
        unreadable: What could not be read.
        broken_off: Why it ended before its end, if it did.
        took: How long it took.
        calls: Remote procedure calls so far, by method.
    """

    namespace: str
    now: datetime
    report: ScanReport = field(default_factory=ScanReport)
    unreadable: list[Unreadable] = field(default_factory=list)
    broken_off: StigmerOpsError | None = None
    took: timedelta = timedelta(0)
    calls: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether everything was read."""
        return self.report.complete and self.broken_off is None


def selection_of(invocation: Invocation, filters: ActivityFilters) -> Selection:
    """The filters, with the activity types of the settings where none is given.

    Raises:
        UsageError: The filters contradict each other.
    """
    if filters.all_types and filters.activity_type:
        raise UsageError(
            "--all-types and --activity-type contradict each other", next_step="give one of them"
        )
    external = not filters.all_types and not filters.activity_type
    types = invocation.settings.external.activity_types if external else filters.activity_type
    return Selection(
        activity_types=frozenset(types or ()),
        workflow_types=frozenset(filters.workflow_type or ()),
        # Stigmer's own workflows wait for its runners, never for Stigmer.
        other_than=frozenset(KIND_BY_WORKFLOW_TYPE if external else ()),
        task_queues=frozenset(filters.task_queue or ()),
        states=frozenset(filters.state or ()),
        attempts=filters.attempt,
        older_than=filters.older_than,
        expires_within=filters.expires_within,
    )


async def read_pending(
    invocation: Invocation,
    frontend: Frontend,
    selection: Selection,
    take: Callable[[PendingActivity, datetime], None],
    *,
    take_unreadable: Callable[[Unreadable], None] | None = None,
    quiet: bool = False,
) -> Pass:
    """Read the namespace once and hand over each selected activity as it is found.

    Args:
        invocation: For clock and terminal.
        frontend: Whom to ask.
        selection: What is wanted.
        take: Receives each activity, with the time that its age is counted to.
        take_unreadable: Receives what could not be read, as it turns up.
        quiet: Whether to show no progress.

    Raises:
        StigmerOpsError: Nothing at all could be read. What ends a pass later is in the result.
    """
    from stigmer_ops.render.progress import progress
    from stigmer_ops.temporal.scan import scan

    reading = Pass(frontend.namespace, invocation.now())
    report = reading.report
    wanted = invocation.progress_wanted and not quiet
    total = await _size(frontend, selection, reading.now) if wanted else None
    found = scan(frontend, selection, now=reading.now, report=report)
    try:
        with progress(wanted, "reading workflows", done=lambda: report.workflows, total=total):
            async with aclosing(found):
                async for item in found:
                    if isinstance(item, PendingActivity):
                        take(item, reading.now)
                        continue
                    reading.unreadable.append(item)
                    if take_unreadable is not None:
                        take_unreadable(item)
    except StigmerOpsError as error:
        if not report.workflows and not report.standalone:
            raise
        reading.broken_off = error
    reading.took = invocation.now() - reading.now
    reading.calls = dict(frontend.calls)
    return reading


async def _size(frontend: Frontend, selection: Selection, now: datetime) -> int | None:
    """How many workflows there are to read; None where they cannot be counted: it is for show."""
    from stigmer_ops.temporal.scan import count_to_scan

    with suppress(StigmerOpsError):
        return await count_to_scan(frontend, selection, now=now)
    return None


def conclude(invocation: Invocation, reading: Pass, *, stats: bool = False) -> ExitCode:
    """Say what could not be read, and the statistics if a person asked; the exit code of the pass.

    Raises:
        StigmerOpsError: The pass broke off. What it had read is written by then.
    """
    from stigmer_ops.render.text import visible

    if stats and invocation.output.for_people:
        invocation.say(_stats_text(reading))
    for item in reading.unreadable[:UNREADABLE_SHOWN]:
        what = item.workflow_id or f"standalone activity {item.activity_id}"
        invocation.say(visible(f"could not read {what} (run {item.run_id}): {item.reason}"))
    if len(reading.unreadable) > UNREADABLE_SHOWN:
        invocation.say(f"could not read {len(reading.unreadable) - UNREADABLE_SHOWN} more")
    if reading.broken_off is not None:
        raise reading.broken_off
    return ExitCode.UNAVAILABLE if reading.unreadable else ExitCode.OK


def nothing_pending(reading: Pass) -> str:
    """What a person is told instead of an empty table."""
    report = reading.report
    read = f"{report.workflows} running workflows"
    if report.standalone:
        read += f" and {report.standalone} standalone activities"
    others = f"; {report.pending} pending activities are of other kinds" if report.pending else ""
    hint = " (--all-types shows every type)" if report.pending else ""
    return f"no such activity is pending; read {read}{others}{hint}"


def look_of(invocation: Invocation, now: datetime) -> Look:
    """What tables mark, by the thresholds of the settings."""
    from stigmer_ops.render.pending_table import Look

    thresholds = invocation.settings.thresholds
    return Look(now, thresholds.stuck_after, thresholds.near_deadline_share)


def head_record(reading: Pass, *, stats: bool) -> dict[str, Any]:
    """What the JSON documents of a pass have in common."""
    from stigmer_ops.render.pending import report_record, unreadable_record
    from stigmer_ops.render.text import rfc3339

    return {
        "namespace": reading.namespace,
        "read_at": rfc3339(reading.now),
        "complete": reading.complete,
        **report_record(reading.report),
        "unreadable": [unreadable_record(item) for item in reading.unreadable],
        **({"stats": stats_record(reading)} if stats else {}),
    }


def stats_record(reading: Pass) -> dict[str, Any]:
    """The calls by method, as gRPC names them, and the seconds that the pass took."""
    return {
        "seconds": round(reading.took.total_seconds(), 3),
        "calls": {
            name.title().replace("_", ""): count for name, count in sorted(reading.calls.items())
        },
    }


def _stats_text(reading: Pass) -> str:
    calls = ", ".join(f"{name} {count}" for name, count in stats_record(reading)["calls"].items())
    return f"{reading.took.total_seconds():.2f} s; calls: {calls}"
