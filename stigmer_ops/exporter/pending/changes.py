"""What visibility tells of changes: workflows and standalone activities that started or closed.

Visibility lags behind, and its times are the server's. So every look goes back as far as the last
one began, and by the lag that is allowed for; what was told before is told again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from google.protobuf.message import Message

from stigmer_ops.exporter.pending.records import Run
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.temporal.describe import moment
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.visibility import (
    all_of,
    closed_since,
    is_any_of,
    is_none_of,
    list_standalone,
    list_workflows,
    not_before,
)

FARTHEST_BEHIND = timedelta(minutes=5)
"""How far the server's clock may be behind ours while nothing is known of it."""


class ServerClock:
    """A time that the server's clock has certainly reached, whatever ours says.

    Every time of the server's that is seen lies in its past: its clock is ahead of ours by at least
    the difference, and the largest difference seen tells most.
    """

    def __init__(self) -> None:
        self._ahead = -FARTHEST_BEHIND

    def saw(self, server_time: datetime, now: datetime) -> None:
        """Take note of a time that the server had reached when ours was `now`."""
        self._ahead = max(self._ahead, server_time - now)

    def at(self, now: datetime) -> datetime:
        """What it had reached when ours was `now`: never too late, perhaps too early."""
        return now + self._ahead


@dataclass(slots=True)
class Changes:
    """What was listed: runs by whether they are open, with the times of their start."""

    started: dict[Run, datetime | None] = field(default_factory=dict)
    closed: list[Run] = field(default_factory=list)

    def add(self, run: Run, started: datetime | None, closed: datetime | None) -> None:
        """Take one that was listed."""
        if closed is None:
            self.started[run] = started
        else:
            self.closed.append(run)


class ChangeLog:
    """Asks visibility what has changed since it was last asked: one list of each kind a time."""

    def __init__(self, frontend: Frontend, selection: Selection, lag: timedelta) -> None:
        self._frontend = frontend
        self._selection = selection
        self._lag = lag
        self._clock = ServerClock()
        self._began: datetime | None = None
        self._read_at: datetime | None = None

    def begin(self, now: datetime) -> None:
        """A reading of all that is open begins.

        The server's clock is learned anew each time: a step of our own, which would make what was
        known of it wrong, then harms nothing.
        """
        self._clock = ServerClock()
        self._began = now

    def complete(self) -> None:
        """That reading has come to its end: changes count from its beginning."""
        self._read_at = self._began

    def saw(self, start_time: datetime | None, now: datetime) -> None:
        """Learn of the server's clock from a time of its own."""
        if start_time is not None:
            self._clock.saw(start_time, now)

    def since(self, now: datetime) -> datetime:
        """From which server time on changes are asked for."""
        return self._clock.at(min(self._read_at or now, now)) - self._lag

    async def read(self, clock: Callable[[], datetime]) -> Changes:
        """What started, or closed, since the last reading began, and some of what did before.

        Raises:
            StigmerOpsError: A list could not be read; the next one goes back as far as this.
        """
        found = Changes()
        now = clock()
        since = self.since(now)
        self.begin(now)
        has = (await self._frontend.describe_namespace()).namespace_info.capabilities
        recent = f"({not_before('StartTime', since)} OR {closed_since(since)})"
        query = all_of(recent, is_none_of("WorkflowType", self._selection.other_than))
        async for listed in list_workflows(self._frontend, query):
            ids = listed.execution
            times = self._times(listed, "start_time", clock())
            found.add(Run(ids.workflow_id, ids.run_id), *times)
        if has.standalone_activities:
            query = all_of(recent, is_any_of("ActivityType", self._selection.activity_types))
            async for alone in list_standalone(self._frontend, query):
                run = Run("", alone.run_id, alone.activity_id)
                found.add(run, *self._times(alone, "schedule_time", clock()))
        self.complete()
        return found

    def _times(
        self, listed: Message, start: str, now: datetime
    ) -> tuple[datetime | None, datetime | None]:
        times = moment(listed, start), moment(listed, "close_time")
        for time in times:
            self.saw(time, now)
        return times
