"""Plans for whatever is pending now: one action, for every activity that was selected."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stigmer_ops.diagnosis.diagnose import DiagnosisReport, Systems, diagnose
from stigmer_ops.diagnosis.plan import with_scheduled_event
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.extension import NO_DEADLINE
from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.plan_rules import row_of
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.fan_out import fan_out

_ANY_STATE = frozenset({Action.EXTEND, Action.SKIP})
"""What can be done to an attempt that no worker has started."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to do to each activity: the action, and its fields as a plan has them."""

    action: Action
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)


async def planned_rows(
    systems: Systems,
    activities: AsyncIterator[PendingActivity],
    wish: Wish,
    settings: Settings,
    *,
    now: Callable[[], datetime],
    left_out: Callable[[str], None],
) -> AsyncGenerator[PlanRow, None]:
    """Yield a row for each activity, fenced to the attempt that is pending now.

    Memory does not grow with the number of activities, but for redeliver: that joins them with the
    executions, as `diagnose` does.

    Args:
        systems: Whom to ask.
        activities: What was selected.
        wish: What to do to each.
        settings: For the join.
        now: The clock.
        left_out: Told of every activity that gets no row, and why.

    Raises:
        StigmerOpsError: A list could not be read.
    """
    frontend = systems.external

    async def row(activity: PendingActivity) -> PlanRow | str:
        if impossible := _impossible(activity, wish.action):
            return f"{_name(activity)} {impossible}"
        return await with_scheduled_event(frontend, _row(activity, wish.action, wish.content))

    if wish.action is Action.REDELIVER:
        async for found in _with_executions(systems, activities, settings, now):
            if isinstance(found, str):
                left_out(found)
            else:
                yield await with_scheduled_event(frontend, found)
        return
    rows = fan_out(activities, row, concurrency=frontend.pace.concurrency)
    async with aclosing(rows):
        async for made in rows:
            if isinstance(made, str):
                left_out(made)
            else:
                yield made


def _impossible(activity: PendingActivity, action: Action) -> str:
    """Why the action cannot be done to the activity as it is now; empty if it can."""
    if not activity.state.token_is_live and action not in _ANY_STATE:
        return f"has not started: it is {activity.state}"
    if action is Action.EXTEND and activity.deadline is None:
        return f"cannot be extended: {NO_DEADLINE}"
    return ""


async def _with_executions(
    systems: Systems,
    activities: AsyncIterator[PendingActivity],
    settings: Settings,
    now: Callable[[], datetime],
) -> AsyncIterator[PlanRow | str]:
    report = DiagnosisReport()
    await diagnose(systems, activities, settings, now=now, report=report)
    for diagnosis in report.diagnoses:
        yield _redelivery(diagnosis)
    for execution in report.unreadable_executions:
        yield f"{execution.workflow_id} could not be read: {execution.claim.detail}"


def _redelivery(diagnosis: Diagnosis) -> PlanRow | str:
    activity, executions = diagnosis.activity, diagnosis.executions
    exact = [
        execution
        for execution in executions
        if execution.claim.key == activity.key and execution.claim.attempt == activity.attempt
    ]
    if not exact and diagnosis.action is Action.REDELIVER:
        # Matched by a damaged token, or holding another attempt's.
        exact = [diagnosis.deliverable] if diagnosis.deliverable else [*executions]
    if len(exact) != 1:
        holding = f"{len(exact)} executions hold" if exact else "no execution holds"
        return f"{_name(activity)}: {holding} this attempt's token"
    if exact[0].running:
        return f"{_name(activity)}: execution {exact[0].execution_id} is still running"
    content = {"execution_id": exact[0].execution_id, "verdict": diagnosis.verdict.id}
    return _row(activity, Action.REDELIVER, content)


def _row(activity: PendingActivity, action: Action, content: Mapping[str, Any]) -> PlanRow:
    return row_of(
        {
            "action": action.value,
            **({"workflow_id": activity.workflow_id} if activity.workflow_id else {}),
            "run_id": activity.run_id,
            "activity_id": activity.activity_id,
            "attempt": activity.attempt,
            **content,
        }
    )


def _name(activity: PendingActivity) -> str:
    return f"activity {activity.activity_id} of {activity.workflow_id or 'no workflow'}"
