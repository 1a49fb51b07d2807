"""Whether a deployment may begin now; these checks run only where they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime, timedelta

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.monitoring.catalogue.promql import duration
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
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE
from stigmer_ops.temporal.executions import StartedWorkflow, stigmer_workflows
from stigmer_ops.temporal.scan import scan

DEPLOYMENT = Category("deployment", "Deployment", after=(SETTINGS.id, TEMPORAL.id), opt_in=True)

NEEDS = frozenset({Need.TEMPORAL})

RECENT = timedelta(hours=1)
READ_AT_MOST = 50
"""Stigmer workflows whose message type is read, the newest first."""
_NAMED = 3


async def _callbacks(context: CheckContext) -> Outcome:
    wanted = Selection(
        activity_types=frozenset({CALLBACK_ACTIVITY_TYPE}),
        workflow_types=frozenset(KIND_BY_WORKFLOW_TYPE),
    )
    now = context.access.now()
    async with aclosing(scan(await context.stigmer(), wanted, now=now)) as found:
        under_way = [one async for one in found if isinstance(one, PendingActivity)]
    return judged_callbacks(under_way)


def judged_callbacks(under_way: Sequence[PendingActivity]) -> Outcome:
    """What callbacks mean that have not ended: those that failed before have few attempts left."""
    failed_before = [one for one in under_way if one.attempt > 1]
    if failed_before:
        named = ", ".join(one.workflow_id for one in failed_before[:_NAMED])
        more = f" and {len(failed_before) - _NAMED} more" if len(failed_before) > _NAMED else ""
        return Fail(f"callbacks that failed and are tried again: {named}{more}")
    if under_way:
        return Warn(f"callbacks under way: {len(under_way)}; what is cut off is tried again")
    return Ok()


async def _deadlines(context: CheckContext) -> Outcome:
    report = await context.diagnosis()
    activities = [found.activity for found in report.diagnoses]
    limit = context.settings.kubernetes.rollout_timeout
    return judged_deadlines(activities, context.access.now(), limit)


def judged_deadlines(
    activities: Sequence[PendingActivity], now: datetime, limit: timedelta
) -> Outcome:
    """Whether any of them times out within `limit`, in which nobody may be there to call back."""
    soon = [one for one in activities if (left := one.time_left(now)) is not None and left <= limit]
    if not soon:
        return Ok(f"waiting: {len(activities)}")
    named = ", ".join(one.workflow_id or one.activity_id for one in soon[:_NAMED])
    more = f" and {len(soon) - _NAMED} more" if len(soon) > _NAMED else ""
    return Fail(f"time out within {duration(limit)}: {named}{more}")


async def _messages(context: CheckContext) -> Outcome:
    since = context.access.now() - RECENT
    types: set[str] = set()
    read = 0
    started = stigmer_workflows(await context.stigmer(), KIND_BY_WORKFLOW_TYPE, started_since=since)
    async with aclosing(started):
        async for workflow in started:
            types |= _message_type(workflow)
            read += 1
            if read == READ_AT_MOST:
                break
    return judged_messages(frozenset(types))


def _message_type(workflow: StartedWorkflow) -> set[str]:
    metadata = {} if workflow.input is None else workflow.input.metadata
    named = metadata.get("messageType", b"").decode("ascii", "replace")
    return {named} if named else set()


def judged_messages(found: frozenset[str]) -> Outcome:
    """Whether these message types are those of the API that this version was built for."""
    unknown = sorted(found - KNOWN_MESSAGES)
    if unknown:
        return Fail(f"executions hold {', '.join(unknown)}")
    if not found:
        return Skip("no execution of the last hour says of which message type it is")
    return Ok(", ".join(sorted(found)))


KNOWN_MESSAGES = frozenset(
    {
        "ai.stigmer.agentic.agentexecution.v1.AgentExecution",
        "ai.stigmer.agentic.workflowexecution.v1.WorkflowExecution",
    }
)
"""Metadata `messageType` of the inputs of Stigmer's workflows."""


CHECKS = (
    Check(
        id="callbacks-settled",
        category=DEPLOYMENT,
        sentence="no callback is being tried again",
        needs=NEEDS,
        hint="see why they fail: stigmer-ops diagnose",
        run=_callbacks,
        retry=True,
    ),
    Check(
        id="deadlines-after-rollout",
        category=DEPLOYMENT,
        sentence="no external activity times out while a rollout may last",
        needs=NEEDS,
        hint="extend them, or wait for their end: stigmer-ops pending list --sort time-left",
        run=_deadlines,
        retry=True,
    ),
    Check(
        id="messages-known",
        category=DEPLOYMENT,
        sentence="executions are of the message types that this version knows",
        needs=NEEDS,
        hint="use the version of this tool that was built for this Stigmer",
        run=_messages,
    ),
)
