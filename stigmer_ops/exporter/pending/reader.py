"""The external activities of one run after the other, as the server describes them now."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from temporalio.api.enums.v1 import ActivityExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.exporter.pending.records import Run, TrackedActivity, time_of
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.temporal.describe import (
    describe_standalone,
    describe_workflow,
    moment,
    standalone_activity,
)
from stigmer_ops.temporal.fan_out import fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.patience import Outage, patiently
from stigmer_ops.temporal.scan import with_first_schedules

WORKFLOW, HISTORY = "workflow", "history"
"""What could not be read, as the metrics' label `item` names it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What waits in a run now.

    Attributes:
        asked: The run as it was named; its run id may be empty for the current one.
        run: The run as it was found.
        activities: The external activities that wait; none in a closed run.
        unread: What could not be read: WORKFLOW, so that nothing is known; HISTORY, so that the
            age of a retried activity is not exact; or nothing.
        exists: False where the server has no such run, and so no history of it.
        start_time: Of an open workflow run.
        timed_out: When a standalone activity timed out, if that is how it ended.
    """

    asked: Run
    run: Run
    activities: Sequence[PendingActivity] = ()
    unread: str = ""
    exists: bool = True
    start_time: datetime | None = None
    timed_out: datetime | None = None


class PendingReader:
    """Reads runs, many at once, and notices when nobody answers any more.

    Attributes:
        described: How many were described.
    """

    def __init__(
        self,
        frontend: Frontend,
        selection: Selection,
        known: Callable[[Run], Sequence[TrackedActivity]],
    ) -> None:
        self.described = 0
        self._frontend = frontend
        self._selection = selection
        self._known = known
        self._outage = Outage(frontend.pace.concurrency)

    def read(self, runs: AsyncIterator[Run], *, ahead: int = 0) -> AsyncGenerator[Reading, None]:
        """Read each of `runs`; wrap it in `aclosing`.

        Args:
            runs: What to read.
            ahead: How many of them may be fetched before they are needed.

        Raises:
            StigmerOpsError: So many reads failed in a row that the rest would fail too.
        """
        width = self._frontend.pace.concurrency
        self._outage = Outage(width)
        return fan_out(runs, self._read, concurrency=width, ahead=ahead)

    async def _read(self, run: Run) -> Reading:
        describe = self._workflow if run.workflow_id else self._standalone
        try:
            reading = await patiently(lambda: describe(run))
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return Reading(run, run, exists=False)
            return self._failed(error, Reading(run, run, unread=WORKFLOW))
        self._outage.answered()
        self.described += 1
        return await self._with_ages(reading)

    async def _workflow(self, run: Run) -> Reading:
        found = await describe_workflow(self._frontend, run.workflow_id, run.run_id)
        return Reading(
            run,
            Run(found.workflow_id, found.run_id),
            [activity for activity in found.pending if self._is_external(activity)],
            start_time=found.start_time if found.running else None,
        )

    async def _standalone(self, run: Run) -> Reading:
        info = await describe_standalone(self._frontend, run.standalone_id, run.run_id)
        if info.HasField("close_time"):
            timed_out = info.status == ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_TIMED_OUT
            return Reading(run, run, timed_out=moment(info, "close_time") if timed_out else None)
        activity = standalone_activity(self._frontend.namespace, info)
        return Reading(run, run, [activity] if self._is_external(activity) else [])

    def _is_external(self, activity: PendingActivity) -> bool:
        return (
            self._selection.matches_kind(activity)
            and activity.workflow_type not in self._selection.other_than
        )

    async def _with_ages(self, reading: Reading) -> Reading:
        """With the times of the first schedules of what was retried since it was last read."""
        if all(activity.attempt <= 1 for activity in reading.activities):
            return reading
        known = {activity.activity_id: activity for activity in self._known(reading.run)}
        activities = [_with_known_age(activity, known) for activity in reading.activities]
        try:
            exact = await patiently(lambda: with_first_schedules(self._frontend, activities))
        except RPCError as error:
            return self._failed(error, replace(reading, activities=activities, unread=HISTORY))
        return replace(reading, activities=exact)

    def _failed(self, error: RPCError, reading: Reading) -> Reading:
        if self._outage.includes(error):
            raise self._frontend.translate(error, "go on reading workflows") from error
        return reading


def _with_known_age(
    activity: PendingActivity, known: Mapping[str, TrackedActivity]
) -> PendingActivity:
    before = known.get(activity.activity_id)
    if activity.attempt <= 1 or activity.first_scheduled_time is not None:
        return activity
    if before is None or not before.exact or before.attempt != activity.attempt:
        return activity
    return replace(activity, first_scheduled_time=time_of(before.since))
