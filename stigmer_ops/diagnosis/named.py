"""The activities that a person named, instead of a scan."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.service import RPCError

from stigmer_ops.errors import UsageError
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.temporal.describe import describe_workflow, pending_standalone
from stigmer_ops.temporal.frontend import Frontend


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
        StigmerOpsError: There is no such workflow, or nothing of that name is pending.
    """
    try:
        if workflow_id:
            pending = (await describe_workflow(frontend, workflow_id, run_id)).pending
        else:
            pending = await pending_standalone(frontend, activity_id, run_id)
    except RPCError as error:
        raise frontend.translate(error, "find the activity") from error
    wanted = [one for one in pending if activity_id in ("", one.activity_id)]
    if not wanted:
        raise UsageError(
            "no such activity is pending: it has ended, or the ids are wrong",
            next_step="stigmer-ops pending show, with the same ids, says what became of it",
        )
    return wanted
