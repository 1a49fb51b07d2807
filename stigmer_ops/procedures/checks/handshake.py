"""Whether handshakes come through: one diagnosis, and the callbacks of the last hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from stigmer_ops.diagnosis.diagnose import DiagnosisReport
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.verdicts import NEAR_DEADLINE, UNSAFE_SETTINGS, Severity, Verdict
from stigmer_ops.procedures.checks.check import (
    Category,
    Check,
    Fail,
    Need,
    Ok,
    Outcome,
    Skip,
    Warn,
)
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.settings import SETTINGS
from stigmer_ops.procedures.checks.temporal import TEMPORAL
from stigmer_ops.temporal.recent_callbacks import RecentCallbacks, recent_callbacks

HANDSHAKE = Category("handshake", "Handshake", after=(SETTINGS.id, TEMPORAL.id))

NEEDS = frozenset({Need.TEMPORAL})

WINDOW = timedelta(hours=1)
"""Callbacks of Stigmer workflows that closed within this time are counted."""
READ_AT_MOST = 500
"""Workflows whose history is read, the newest first."""
FLOOR = 20
"""Fewer callbacks than this make no rate."""
ERROR_RATE = 0.05
"""Share of failed callbacks from which on the operator's alert for errors fires."""


def _of_diagnosis(
    judge: Callable[[DiagnosisReport], Outcome],
) -> Callable[[CheckContext], Awaitable[Outcome]]:
    async def run(context: CheckContext) -> Outcome:
        return judge(await context.diagnosis())

    return run


def all_read(report: DiagnosisReport) -> Outcome:
    """Whether nothing stayed unread."""
    unread = len(report.unreadable) + len(report.unreadable_executions)
    if unread:
        return Fail(f"{unread} workflows could not be read: what follows is incomplete")
    return Ok(f"external activities: {len(report.diagnoses)}, executions: {report.executions}")


def none_stuck(report: DiagnosisReport) -> Outcome:
    """Whether every activity will complete by itself."""
    stuck = [found for found in report.diagnoses if found.verdict.stuck]
    if stuck:
        return Fail(_by_verdict(stuck))
    return Ok(f"waiting: {len(report.diagnoses)}")


def none_of(verdict: Verdict) -> Callable[[DiagnosisReport], Outcome]:
    """Whether a verdict is the case nowhere, not even beside another."""

    def judge(report: DiagnosisReport) -> Outcome:
        found = [one for one in report.diagnoses if verdict in (one.verdict, *one.also)]
        return Fail(_some(found)) if found else Ok()

    return judge


def _by_verdict(diagnoses: Iterable[Diagnosis]) -> str:
    counts = Counter(found.verdict for found in diagnoses)
    lines = [f"{count} x {verdict.id}: {verdict.title}" for verdict, count in counts.most_common()]
    return "\n".join(lines)


def _some(found: list[Diagnosis]) -> str:
    """How many, and the first of them by name."""
    activity = found[0].activity
    where = f"activity {activity.activity_id}"
    if activity.workflow_id:
        where += f" of workflow {activity.workflow_id}"
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return where + others


async def _callbacks(context: CheckContext) -> Outcome:
    recent = await recent_callbacks(
        await context.stigmer(), closed_since=context.access.now() - WINDOW, limit=READ_AT_MOST
    )
    return judged(recent)


def judged(recent: RecentCallbacks) -> Outcome:
    """What the callbacks of the last hour say."""
    attempted = recent.succeeded + recent.failed
    counted = f"{recent.failed} of {attempted} callbacks failed in the last hour"
    if recent.unreadable:
        return Warn(f"{recent.unreadable} histories could not be read; {counted}")
    if recent.failed and attempted < FLOOR:
        return Skip(f"{counted}: fewer than {FLOOR} make no rate")
    if attempted and recent.failed / attempted >= ERROR_RATE:
        return Fail(f"{counted}, {recent.failed / attempted:.0%}")
    return Ok(counted)


CHECKS = (
    Check(
        id="handshakes-readable",
        category=HANDSHAKE,
        sentence="both sides of every handshake can be read",
        needs=NEEDS,
        hint="see what could not be read: stigmer-ops diagnose",
        run=_of_diagnosis(all_read),
    ),
    Check(
        id="no-handshake-stuck",
        category=HANDSHAKE,
        sentence="no external activity is stuck",
        needs=NEEDS,
        hint="stigmer-ops diagnose",
        run=_of_diagnosis(none_stuck),
    ),
    Check(
        id="no-handshake-near-deadline",
        category=HANDSHAKE,
        sentence="no external activity is near its deadline",
        needs=NEEDS,
        hint="stigmer-ops pending list --sort time-left",
        run=_of_diagnosis(none_of(NEAR_DEADLINE)),
        severity=Severity.WARNING,
    ),
    Check(
        id="activity-settings-safe",
        category=HANDSHAKE,
        sentence="the settings of external activities are safe for async completion",
        needs=NEEDS,
        hint="stigmer-ops diagnose -o wide",
        run=_of_diagnosis(none_of(UNSAFE_SETTINGS)),
        severity=Severity.WARNING,
    ),
    Check(
        id="callbacks-succeed",
        category=HANDSHAKE,
        sentence=f"less than {ERROR_RATE:.0%} of recent callbacks failed",
        needs=NEEDS,
        hint="stigmer-ops diagnose",
        run=_callbacks,
    ),
)
