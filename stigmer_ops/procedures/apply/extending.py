"""Extending: moving the deadline of one row's attempt back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import NOTHING_SENT, StaleError
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.extension import NO_DEADLINE, TimeoutChange, deadline_moved_to
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.procedures.apply.deeds import Content
from stigmer_ops.procedures.audited_timeouts import timeout_parameters
from stigmer_ops.temporal import respond
from stigmer_ops.temporal.attempt import LocatedAttempt, locate, reference_to_ids
from stigmer_ops.temporal.describe import pending_activity
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.respond import Answer

_NOT_EXTENDABLE = RowOutcome(RowState.NOT_EXTENDABLE, NO_DEADLINE)


class Extension:
    """Moving the deadline of an attempt back.

    The row says by how much; what is sent, and written into the journal before, is the deadline
    itself. So an extension whose answer was lost can be sent again without extending twice. It is
    read back, since the server cuts timeouts in silence.
    """

    answer_proves = False

    def __init__(self, frontend: Frontend, namespace_id: str, sha256: str) -> None:
        self._frontend = frontend
        self._namespace_id = namespace_id
        self._sha256 = sha256

    async def target(self, row: PlanRow) -> AttemptFence:
        """See `Deed`."""
        return AttemptFence(
            namespace_id=self._namespace_id,
            workflow_id=row.workflow_id,
            run_id=row.run_id,
            activity_id=row.activity_id,
            scheduled_event_id=row.scheduled_event_id,
            attempt=row.attempt,
        )

    async def look(
        self,
        row: PlanRow,  # noqa: ARG002 - see Deed
        fence: AttemptFence,
        until: datetime | None,
    ) -> RowOutcome | None:
        """See `Deed`.

        Raises:
            StigmerOpsError: It cannot be read.
        """
        try:
            deadline = (await self._pending(fence)).deadline
        except StaleError as error:
            return RowOutcome(RowState.REFUSED, error.happened)
        if deadline is None:
            return _NOT_EXTENDABLE
        if until is None or deadline.time < until:
            return None
        told = timestamp(deadline.time, "seconds")
        return RowOutcome(RowState.DONE, f"its deadline is {told}")

    async def content(
        self, row: PlanRow, fence: AttemptFence, until: datetime | None
    ) -> Content | RowOutcome:
        """See `Deed`.

        Raises:
            StaleError: The attempt is not pending any more.
            StigmerOpsError: It cannot be read.
        """
        activity = await self._pending(fence)
        if activity.deadline is None:
            return _NOT_EXTENDABLE
        wanted = until or activity.deadline.time + timedelta(seconds=row.extend_by_seconds)
        change = deadline_moved_to(activity, wanted)
        parameters = timeout_parameters(change, plan_sha256=self._sha256)
        before, after = timestamp(activity.deadline.time, "seconds"), timestamp(wanted, "seconds")
        effect = f"moves its deadline from {before} to {after}"
        return Content(change, parameters, effect, until=wanted)

    async def _pending(self, fence: AttemptFence) -> PendingActivity:
        """The attempt as it is now.

        Its description is enough where its timeouts count from times that are in there. The history
        is read where they do not, where the row names an event, and to say what it is now.
        """
        described = None if fence.scheduled_event_id else await self._described(fence)
        return described or (await self._located(fence)).activity

    async def _described(self, fence: AttemptFence) -> PendingActivity | None:
        try:
            found = await pending_activity(
                self._frontend, fence.workflow_id, fence.run_id, fence.activity_id
            )
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise self._frontend.translate(error, f"describe {fence.workflow_id}") from error
        if found is None or found.attempt != fence.attempt:
            return None
        since_first_schedule = found.attempt > 1 and found.timeouts.schedule_to_close
        return None if since_first_schedule else found

    async def _located(self, fence: AttemptFence) -> LocatedAttempt:
        reference = reference_to_ids(
            fence.namespace_id,
            workflow_id=fence.workflow_id,
            run_id=fence.run_id,
            activity_id=fence.activity_id,
        )
        found = await locate(self._frontend, replace(reference, attempt=fence.attempt))
        if fence.scheduled_event_id not in (0, found.fence.scheduled_event_id):
            raise StaleError(
                f"event {fence.scheduled_event_id} did not schedule activity "
                f"{fence.activity_id}: event {found.fence.scheduled_event_id} did",
                not_done=NOTHING_SENT,
            )
        return found

    async def send(self, fence: AttemptFence, content: Content, identity: str) -> Answer:
        """See `Deed`.

        Raises:
            StigmerOpsError: The server answered, and it is certain that nothing was changed.
        """
        assert isinstance(content.body, TimeoutChange)
        return await respond.extend(
            self._frontend, fence, content.body, identity=identity, outlast_throttling=True
        )
