"""How the callbacks of recently closed Stigmer workflows ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE, CallbackState
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE
from stigmer_ops.temporal import visibility
from stigmer_ops.temporal.callbacks import read_callback
from stigmer_ops.temporal.fan_out import fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.visibility import all_of, is_any_of, list_workflows


@dataclass(frozen=True, slots=True)
class RecentCallbacks:
    """Counts of workflows by what became of their callback.

    Attributes:
        succeeded: The server accepted the callback.
        failed: All its attempts failed.
        none: The workflow closed without attempting a callback.
        unreadable: The history could not be read.
    """

    succeeded: int = 0
    failed: int = 0
    none: int = 0
    unreadable: int = 0


async def recent_callbacks(
    frontend: Frontend, *, closed_since: datetime, limit: int
) -> RecentCallbacks:
    """Read the callbacks of the Stigmer workflows that closed since then.

    Args:
        frontend: The namespace of the Stigmer workflows.
        closed_since: UTC.
        limit: How many workflows to read at most, the last closed first.

    Raises:
        StigmerOpsError: The workflows could not be listed.
    """
    query = all_of(
        is_any_of("WorkflowType", KIND_BY_WORKFLOW_TYPE), visibility.closed_since(closed_since)
    )

    async def read(info: WorkflowExecutionInfo) -> str:
        try:
            found = await read_callback(
                frontend,
                info.execution.workflow_id,
                info.execution.run_id,
                CALLBACK_ACTIVITY_TYPE,
            )
        except RPCError as error:
            # Deleted since it was listed, or not to be read.
            return "gone" if error.status is RPCStatusCode.NOT_FOUND else "unreadable"
        return _NAMES.get(found.callback.state, "none")

    workflows = _first(list_workflows(frontend, query), limit)
    concurrency = frontend.pace.concurrency
    counts = Counter([n async for n in fan_out(workflows, read, concurrency=concurrency)])
    counts.pop("gone", None)
    return RecentCallbacks(**counts)


_NAMES = {CallbackState.SUCCEEDED: "succeeded", CallbackState.FAILED: "failed"}


async def _first(
    workflows: AsyncIterator[WorkflowExecutionInfo], limit: int
) -> AsyncIterator[WorkflowExecutionInfo]:
    left = limit
    async for workflow in workflows:
        if not left:
            return
        left -= 1
        yield workflow
