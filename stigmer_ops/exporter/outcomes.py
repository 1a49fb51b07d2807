"""External activities that timed out for good, each told once, on the word of a history only.

What is no longer pending has completed, failed, been cancelled or timed out, or its workflow has
closed around it. A timeout cannot strike before the deadline: only what disappeared past its own is
looked for. A restart of the exporter tells nothing twice, without any memory: it tracks what is
pending, and what has timed out no longer is. What times out while no exporter runs is not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.exporter.callbacks.news import Service
from stigmer_ops.exporter.pending.records import SAME_TIME, Run, TrackedActivity, time_of
from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.temporal.describe import moment
from stigmer_ops.temporal.fan_out import each_of, fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import events_backwards
from stigmer_ops.temporal.patience import Outage, patiently

SKEW = timedelta(minutes=1)
"""How far the server's clock may be ahead of ours before a timeout is missed."""

TRIES = 10
"""How often a history is asked for that cannot be read; after that its timeouts stay untold."""


@dataclass(frozen=True, slots=True)
class EndedActivity:
    """An external activity that timed out for good.

    Attributes:
        key: Which.
        activity_type: Its type.
        task_queue: Its queue.
        service: The edition that held its token: a value of the metrics' label `service`.
        time: When.
    """

    key: ActivityKey
    activity_type: str
    task_queue: str
    service: Service
    time: datetime | None


@dataclass(slots=True)
class _Inquiry:
    """The activities that disappeared from one run past their deadlines."""

    run: Run
    activities: list[TrackedActivity] = field(default_factory=list)
    tries: int = 0


class TimeoutInquiries:
    """Finds out which of the activities that disappeared had timed out."""

    def __init__(self, frontend: Frontend) -> None:
        self._frontend = frontend
        self._open: dict[Run, _Inquiry] = {}
        self._found: list[EndedActivity] = []

    @property
    def unread(self) -> int:
        """How many histories could not be read yet."""
        return sum(1 for inquiry in self._open.values() if inquiry.tries)

    def gone(self, run: Run, activity: TrackedActivity, now: datetime) -> None:
        """An activity of a workflow that exists is pending no longer."""
        if activity.may_time_out <= (now + SKEW).timestamp():
            self._open.setdefault(run, _Inquiry(run)).activities.append(activity)

    def timed_out(self, run: Run, activity: TrackedActivity, time: datetime | None) -> None:
        """An activity is known to have timed out: a standalone one, of which it is described."""
        self._found.append(
            EndedActivity(
                key=ActivityKey(run.workflow_id, run.run_id, activity.activity_id),
                activity_type=activity.group.activity_type,
                task_queue=activity.group.task_queue,
                service=activity.service,
                time=time,
            )
        )

    def drain(self) -> list[EndedActivity]:
        """Those found since it was last called."""
        found, self._found = self._found, []
        return found

    async def settle(self) -> None:
        """Read the histories that may tell of a timeout.

        Raises:
            StigmerOpsError: Nobody answers any more; the rest is asked for the next time.
        """
        outage = Outage(self._frontend.pace.concurrency)

        async def read(inquiry: _Inquiry) -> Run:
            try:
                ends = await patiently(lambda: self._timeouts(inquiry))
            except RPCError as error:
                return self._failed(inquiry, error, outage)
            outage.answered()
            for activity, time in ends:
                self.timed_out(inquiry.run, activity, time)
            del self._open[inquiry.run]
            return inquiry.run

        inquiries = each_of(list(self._open.values()))
        width = self._frontend.pace.concurrency
        async with aclosing(fan_out(inquiries, read, concurrency=width)) as settled:
            async for _ in settled:
                pass

    def _failed(self, inquiry: _Inquiry, error: RPCError, outage: Outage) -> Run:
        inquiry.tries += 1
        if error.status is RPCStatusCode.NOT_FOUND or inquiry.tries >= TRIES:
            del self._open[inquiry.run]
        elif outage.includes(error):
            inquiry.tries -= 1
            raise self._frontend.translate(error, "go on reading histories") from error
        return inquiry.run

    async def _timeouts(
        self, inquiry: _Inquiry
    ) -> Sequence[tuple[TrackedActivity, datetime | None]]:
        """Read back until each of the activities was met; those that timed out, with the times."""
        wanted = list(inquiry.activities)
        timeouts: dict[int, datetime | None] = {}
        found: list[tuple[TrackedActivity, datetime | None]] = []
        run = inquiry.run
        events = events_backwards(self._frontend, run.workflow_id, run.run_id)
        async for event in events:
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                ended = event.activity_task_timed_out_event_attributes
                timeouts[ended.scheduled_event_id] = moment(event, "event_time")
            elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                activity = _scheduled_by(event, wanted)
                if activity is not None:
                    wanted.remove(activity)
                    if event.event_id in timeouts:
                        found.append((activity, timeouts[event.event_id]))
            if not wanted:
                break
        return found


def _scheduled_by(event: HistoryEvent, wanted: Sequence[TrackedActivity]) -> TrackedActivity | None:
    """Which of the activities the event scheduled; a later use of the same id is none of them."""
    activity_id = event.activity_task_scheduled_event_attributes.activity_id
    time = moment(event, "event_time")
    for activity in wanted:
        same_id = activity.activity_id == activity_id
        if same_id and time is not None and time <= time_of(activity.since + SAME_TIME):
            return activity
    return None
