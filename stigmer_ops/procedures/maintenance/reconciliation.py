"""Every activity that waited when a window was begun, and what has become of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.procedures.maintenance.restoration import is_same_attempt
from stigmer_ops.procedures.maintenance.snapshot import whole_file, written_down
from stigmer_ops.procedures.maintenance.window import World
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import StepResult, StepState, done, found
from stigmer_ops.temporal.describe import (
    WorkflowDescription,
    describe_standalone,
    describe_workflow,
    standalone_activity,
)
from stigmer_ops.temporal.fan_out import each_of, fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import ActivityEvents, find_activity
from stigmer_ops.temporal.patience import patiently
from stigmer_ops.temporal.token_state import standalone_outcome

FILE_NAME = "reconciliation.jsonl"
LINES_TOLD = 20
_EVENT_PATIENCE = timedelta(seconds=3)
"""The server holds the event of an ended activity back while a workflow task is under way."""
_PAUSE_SECONDS = 0.2


class Whereabouts(StrEnum):
    """What has become of an activity that was written down."""

    PENDING = "pending"
    """It waits, on the attempt that it was on."""
    COMPLETED = "completed"
    FAILED = "failed"
    RETRIED = "retried"
    """It waits on a later attempt: its token is another one, and its work may be done twice."""
    TIMED_OUT = "timed out"
    CANCELED = "canceled"
    WORKFLOW_CLOSED = "workflow closed"
    """Its workflow ended without it: terminated, timed out, or reset."""
    MISSING = "missing"
    """Temporal does not know it any more."""
    UNREADABLE = "unreadable"

    @property
    def accounted_for(self) -> bool:
        """Whether it is as a window may leave it."""
        return self in (Whereabouts.PENDING, Whereabouts.COMPLETED, Whereabouts.FAILED)


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one activity.

    Attributes:
        activity: As the snapshot has it.
        whereabouts: In a word.
        detail: In a clause: by whom, in which event, or what it is now.
        time: When it ended, where it has.
    """

    activity: PendingActivity
    whereabouts: Whereabouts
    detail: str = ""
    time: datetime | None = None

    def __str__(self) -> str:
        activity = self.activity
        name = f"{activity.workflow_id or '(standalone)'} {activity.activity_id}"
        return f"{name}: {self.whereabouts}" + (f", {self.detail}" if self.detail else "")


async def reconcile(world: World, record: StepRecord) -> StepResult:
    """Say of every activity that was written down what has become of it, from the histories.

    Raises:
        StigmerOpsError: The snapshot cannot be read, or the result not written.
    """
    if record.of("snapshot").state is not StepState.DONE:
        return done("no snapshot was taken, so nothing was changed either")
    late = record.of("extend-latecomers").data.get("activities", 0)
    total = record.of("snapshot").data["activities"] + late
    counts: Counter[Whereabouts] = Counter()
    lost: list[str] = []
    frontend = world.systems.external
    accounts = fan_out(
        each_of(written_down(record.folder)),
        lambda activity: account_for(frontend, activity),
        concurrency=frontend.pace.concurrency,
    )
    with whole_file(record.folder / FILE_NAME) as file:
        async with aclosing(accounts):
            async for account in accounts:
                counts[account.whereabouts] += 1
                file.write(json.dumps(_record(account)) + "\n")
                if not account.whereabouts.accounted_for:
                    lost.append(str(account))
                record.report(counts.total(), total)
    told = ", ".join(f"{counts[each]:,} {each}" for each in Whereabouts if counts[each])
    data = {"accounts": {each.value: counts[each] for each in Whereabouts if counts[each]}}
    detail = f"{counts.total():,} activities that waited then: {told or 'there were none'}"
    if not lost:
        return done(detail, data)
    more = [f"and {len(lost) - LINES_TOLD:,} more: {record.folder / FILE_NAME}"]
    return found(detail, [*lost[:LINES_TOLD], *(more if len(lost) > LINES_TOLD else [])], data)


def _record(account: Account) -> dict[str, object]:
    activity = account.activity
    record = {
        "workflow_id": activity.workflow_id,
        "run_id": activity.run_id,
        "activity_id": activity.activity_id,
        "attempt": activity.attempt,
        "whereabouts": account.whereabouts.value,
        "accounted_for": account.whereabouts.accounted_for,
        "detail": account.detail,
        "time": account.time and account.time.isoformat().replace("+00:00", "Z"),
    }
    return {name: value for name, value in record.items() if value not in ("", None)}


async def account_for(frontend: Frontend, activity: PendingActivity) -> Account:
    """What has become of one activity; what cannot be read is told as that."""
    look = _standalone if activity.standalone else _of_workflow
    try:
        return await patiently(lambda: look(frontend, activity))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND and "amespace" not in error.message:
            return Account(activity, Whereabouts.MISSING, error.message)
        reason = error.message or error.status.name
        return Account(activity, Whereabouts.UNREADABLE, reason)


async def _standalone(frontend: Frontend, activity: PendingActivity) -> Account:
    info = await describe_standalone(frontend, activity.activity_id, activity.run_id)
    if info.HasField("close_time"):
        ended = standalone_outcome(info)
        return Account(activity, _whereabouts(ended.outcome), _by(ended.identity), ended.time)
    return _pending(activity, standalone_activity(frontend.namespace, info))


async def _of_workflow(frontend: Frontend, activity: PendingActivity) -> Account:
    deadline = asyncio.get_running_loop().time() + _EVENT_PATIENCE.total_seconds()
    while True:
        workflow = await describe_workflow(frontend, activity.workflow_id, activity.run_id)
        now = next((one for one in workflow.pending if is_same_attempt(one, activity)), None)
        if now is not None:
            return Account(activity, Whereabouts.PENDING)
        events = await find_activity(
            frontend,
            activity.workflow_id,
            activity.run_id,
            activity_id=activity.activity_id,
            not_after=activity.waiting_since,
        )
        account = _from_history(activity, workflow, events)
        if account is not None:
            return account
        if asyncio.get_running_loop().time() > deadline:
            return Account(activity, Whereabouts.UNREADABLE, "its history does not show its end")
        await asyncio.sleep(_PAUSE_SECONDS)


def _from_history(
    activity: PendingActivity, workflow: WorkflowDescription, events: ActivityEvents | None
) -> Account | None:
    """What the history tells; None where it may tell it in a moment."""
    if events is not None and events.closing is not None:
        closing = events.closing
        detail = f"event {closing.event_id}" + _by(closing.identity)
        return Account(activity, _whereabouts(closing.outcome), detail, closing.time)
    again = next((one for one in workflow.pending if one.activity_id == activity.activity_id), None)
    if again is not None:
        return _pending(activity, again)
    if not workflow.running:
        reset = f", reset to {workflow.reset_run_id}" if workflow.reset_run_id else ""
        detail = f"{workflow.status}{reset}"
        return Account(activity, Whereabouts.WORKFLOW_CLOSED, detail, workflow.close_time)
    return None


def _pending(before: PendingActivity, now: PendingActivity) -> Account:
    if is_same_attempt(now, before):
        return Account(before, Whereabouts.PENDING)
    failure = f": {now.last_failure.message}" if now.last_failure else ""
    detail = f"attempt {before.attempt} then, attempt {now.attempt} now ({now.state}){failure}"
    return Account(before, Whereabouts.RETRIED, detail)


def _whereabouts(outcome: str) -> Whereabouts:
    """COMPLETED, FAILED, TIMED_OUT, CANCELED, and TERMINATED of a standalone activity."""
    known = {each.value.upper().replace(" ", "_"): each for each in Whereabouts}
    return known.get(outcome, Whereabouts.CANCELED)


def _by(identity: str) -> str:
    return f" by {identity}" if identity else ""
