"""The callbacks of the last minutes, followed: each Stigmer workflow is read once, as it closes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.service import RPCError

from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE, Callback, CallbackState
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE
from stigmer_ops.temporal.callbacks import read_callback
from stigmer_ops.temporal.describe import moment
from stigmer_ops.temporal.fan_out import fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.visibility import all_of, closed_since, is_any_of, list_workflows

VISIBILITY_LAG = timedelta(minutes=1)
"""How late a closed workflow may be listed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A Stigmer workflow that closed.

    Attributes:
        time: When.
        completed: Whether the workflow itself completed.
        callback: Its callback; None where its history could not be read.
    """

    time: datetime
    completed: bool
    callback: Callback | None

    @property
    def failed(self) -> bool:
        """Whether its callback failed."""
        return self.callback is not None and self.callback.state is CallbackState.FAILED

    @property
    def succeeded(self) -> bool:
        """Whether the server accepted its callback."""
        return self.callback is not None and self.callback.state is CallbackState.SUCCEEDED

    @property
    def lost(self) -> bool:
        """Whether it closed without a callback that came to an end, and not because it was done."""
        ended = self.callback is None or self.succeeded or self.failed
        return not ended and not self.completed

    @property
    def duration(self) -> timedelta | None:
        """How long its callback took, retries included; None where there was none."""
        found = self.callback
        if found is None or found.time is None or found.scheduled is None:
            return None
        return found.time - found.scheduled


class CallbackWindow:
    """The Stigmer workflows that closed since a time, read as they turn up.

    Args:
        frontend: The namespace of the Stigmer workflows.
        since: What closed before is left out.
        length: What closed longer ago is forgotten.
    """

    def __init__(self, frontend: Frontend, since: datetime, length: timedelta) -> None:
        self._frontend = frontend
        self._since = since
        self._length = length
        self._known: dict[str, Ended] = {}

    async def read(self, now: datetime) -> tuple[Ended, ...]:
        """Those of the window that ends `now`.

        Raises:
            StigmerOpsError: The workflows could not be listed.
        """
        start = max(self._since, now - self._length)
        # What is forgotten too soon would be listed, and read, once more.
        kept = start - VISIBILITY_LAG
        self._known = {run: one for run, one in self._known.items() if one.time >= kept}
        width = self._frontend.pace.concurrency
        async for run_id, ended in fan_out(self._closed(kept), self._read, concurrency=width):
            self._known[run_id] = ended
        return tuple(one for one in self._known.values() if one.time >= start)

    async def _closed(self, since: datetime) -> AsyncIterator[WorkflowExecutionInfo]:
        query = all_of(is_any_of("WorkflowType", KIND_BY_WORKFLOW_TYPE), closed_since(since))
        async for info in list_workflows(self._frontend, query):
            if info.execution.run_id not in self._known:
                yield info

    async def _read(self, info: WorkflowExecutionInfo) -> tuple[str, Ended]:
        execution = info.execution
        callback: Callback | None = None
        try:
            found = await read_callback(
                self._frontend, execution.workflow_id, execution.run_id, CALLBACK_ACTIVITY_TYPE
            )
            callback = found.callback
        except RPCError:  # deleted since it was listed, or not to be read
            pass
        completed = info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED
        closed = moment(info, "close_time") or self._since
        return execution.run_id, Ended(closed, completed, callback)
