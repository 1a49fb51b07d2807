"""The activities that a person named, instead of a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import UsageError
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.temporal.attempt import locate, reference_to_ids
from stigmer_ops.temporal.describe import describe_workflow, pending_standalone
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import find_activity


async def named_activities(
    frontend: Frontend, *, workflow_id: str, run_id: str, activity_id: str
) -> Sequence[PendingActivity]:
    """The pending activities of a workflow, or the one of them that is named.

    Args:
        frontend: Whom to ask.
        workflow_id: Empty for a standalone activity.
        run_id: Empty for the current run.
        activity_id: Empty for all of the workflow.

    Raises:
        StaleError: The activity that is named is not pending; what it is instead.
        UsageError: There is no such workflow.
        StigmerOpsError: It cannot be read.
    """
    try:
        if workflow_id:
            pending = (await describe_workflow(frontend, workflow_id, run_id)).pending
        else:
            pending = await pending_standalone(frontend, activity_id, run_id)
        wanted = [
            await _with_first_schedule(frontend, one)
            for one in pending
            if activity_id in ("", one.activity_id)
        ]
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise frontend.translate(error, "find the activity") from error
        if not activity_id:
            raise UsageError(
                f"there is no workflow {workflow_id} in namespace {frontend.namespace}: misspelt, "
                "deleted, or past its retention",
                next_step="is the id right, and the namespace? stigmer-ops config show",
            ) from error
        wanted = []
    if not wanted and activity_id:
        # What is not pending has ended, or never was: this says which.
        namespace_id = await frontend.namespace_id()
        await locate(
            frontend,
            reference_to_ids(
                namespace_id, workflow_id=workflow_id, run_id=run_id, activity_id=activity_id
            ),
        )
    return wanted


async def nothing_pending(frontend: Frontend, workflow_id: str, run_id: str) -> str:
    """Why a workflow that is there waits for no activity, in words.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    try:
        workflow = await describe_workflow(frontend, workflow_id, run_id)
    except RPCError as error:
        raise frontend.translate(error, f"describe workflow {workflow_id}") from error
    return f"nothing is pending: workflow {workflow_id} is {workflow.status}"


async def _with_first_schedule(frontend: Frontend, activity: PendingActivity) -> PendingActivity:
    """A retried activity with the time of its first schedule, from which its executions date."""
    if activity.attempt <= 1 or activity.first_scheduled_time is not None:
        return activity
    events = await find_activity(
        frontend, activity.workflow_id, activity.run_id, activity_id=activity.activity_id
    )
    since = None if events is None else events.scheduled_time
    return replace(activity, first_scheduled_time=since)
