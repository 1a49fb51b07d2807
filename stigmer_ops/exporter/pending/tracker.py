"""Which external activities are pending, followed with few calls.

No index of Temporal's holds pending activities: to know them all, every open workflow has to be
described. `sweep` does that once. After it, `follow` describes only the *suspects*, those of which
something says that they may have changed:

- a workflow that started, according to visibility, and one more time after that if it had no
  external activity yet;
- one whose callback ended, or whose token an execution carries that started (`touch`, `linked`);
- one whose attempt is past its deadline, or waits for a worker, by arithmetic (`TrackedRun`);
- one that could not be read the last time.

A workflow that closed, according to visibility, has nothing pending, and costs no description. All
else stays as it is, only older, and age needs no call.

Nothing tells of an activity that somebody else completes while its workflow stays open, of one that
an old workflow schedules and whose token never reaches an execution, of options that are changed,
or of what visibility lists later than is allowed for. Those show up in the slow sweep: with each
`follow` a portion of all that is open is described too, so that every workflow's turn comes again
within `exporter.full_sweep_every`. What is remembered of a workflow is therefore never older than
that, and the difference to a full scan is bounded by what changed silently meanwhile.

What is remembered but not listed as open is described before it is given up: an index that lags
behind proves nothing. A workflow that is not found is gone. One that cannot be read keeps the
activities it had, and counts as unreadable.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import NamedTuple

from stigmer_ops.exporter.outcomes import EndedActivity, TimeoutInquiries
from stigmer_ops.exporter.pending.changes import ChangeLog, Changes
from stigmer_ops.exporter.pending.reader import HISTORY, WORKFLOW, PendingReader, Reading
from stigmer_ops.exporter.pending.records import Link, Records, Run, TrackedActivity, TrackedRun
from stigmer_ops.exporter.pending.round import Round
from stigmer_ops.exporter.pending.summary import PendingSummary, summarise
from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.execution import KIND_BY_WORKFLOW_TYPE, Claim, Edition
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.fan_out import each_of
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.visibility import PAGE_SIZE

RECHECKS_AT_LEAST = 100
RECHECKED_SHARE = 0.05
"""How many of the tracked runs one `follow` describes again because of the time, at most: a million
heartbeat timeouts must not make it a scan. The longest overdue come first."""

LOOKS = 2
"""How often a workflow that has started is described before its turn comes in the slow sweep."""

CLAIMS_KEPT = 10
"""For how many readings a token's claim is kept whose activity was not found yet."""

Clock = Callable[[], datetime]


class _Fresh(NamedTuple):
    """A workflow that started lately and has no external activity yet."""

    start_time: datetime
    looks: int


class _HeldClaim(NamedTuple):
    """A claim on an activity that was not found yet."""

    link: Link
    reading: int


class PendingTracker:
    """The external activities of one namespace.

    `sweep` once, at the start; after that `follow`, which carries the slow sweep along: no further
    `sweep` is needed, and none does harm. Before either, `linked` and `touch` for what is known of
    executions. Those that were open when the exporter started have to be told too, or the service
    of their activities stays unknown.

    If a reading raises, what was read is kept, and the next goes on where it stopped.
    """

    def __init__(self, frontend: Frontend, settings: Settings) -> None:
        self._frontend = frontend
        self._selection = Selection(
            activity_types=frozenset(settings.external.activity_types),
            # Stigmer's own workflows wait for its runners, never for Stigmer.
            other_than=frozenset(KIND_BY_WORKFLOW_TYPE),
        )
        self._settings = settings.exporter
        self._time_scale = settings.monitoring.time_scale
        self._records = Records(settings)
        self._changes = ChangeLog(frontend, self._selection, self._settings.visibility_lag)
        self._reader = PendingReader(frontend, self._selection, self._activities_of)
        self._inquiries = TimeoutInquiries(frontend)
        self._runs: dict[Run, TrackedRun] = {}
        self._suspects: dict[Run, None] = {}
        self._unread: dict[Run, str] = {}
        self._fresh: dict[Run, _Fresh] = {}
        self._claims: dict[ActivityKey, _HeldClaim] = {}
        self._namespace_id = ""
        self._readings = 0
        self._round: Round | None = None
        self._round_number = 0
        self._open_runs = 0
        self._followed_at: datetime | None = None

    # --- What others have seen -------------------------------------------------------------------

    def touch(self, workflow_id: str, run_id: str) -> None:
        """Something happened to a workflow: the next `follow` describes it."""
        if workflow_id:
            self._suspects[Run(workflow_id, run_id)] = None

    def linked(self, claim: Claim, edition: Edition | None) -> None:
        """An execution carries the token of an activity.

        Args:
            claim: What its token names. One too damaged to name an activity is passed over, and so
                is one of another namespace, as soon as it is known which this one is.
            edition: Which edition runs the execution, if that shows.
        """
        key = claim.key
        foreign = self._namespace_id and claim.namespace_id != self._namespace_id
        if foreign or not (key.run_id and key.activity_id):
            return
        run, link = Run.of(key), Link(claim.attempt, edition)
        tracked = next(
            (a for a in self._activities_of(run) if a.activity_id == key.activity_id), None
        )
        if tracked is None:
            self._claims[key] = _HeldClaim(link, self._readings)
        else:
            tracked.learn(link)
        if tracked is None or claim.attempt > tracked.attempt or not tracked.live:
            self._suspects[run] = None

    # --- Readings --------------------------------------------------------------------------------

    async def sweep(self, now: datetime) -> None:
        """Describe every open workflow.

        Raises:
            StigmerOpsError: A list could not be read, or nobody answers any more.
        """
        clock = _clock_from(now)
        self._namespace_id = await self._frontend.namespace_id()
        suspected_before = list(self._suspects)
        self._round = None
        self._changes.begin(now)
        everything = self._new_round(now)
        await self._read(everything.rest(), clock, ahead=PAGE_SIZE)
        # What was suspected was listed, or started so lately that `follow` will find it listed.
        for run in suspected_before:
            if run not in self._unread:
                self._suspects.pop(run, None)
        await self._read(each_of(self._finish(everything)), clock)
        self._changes.complete()
        await self._conclude(now)

    async def follow(self, now: datetime) -> None:
        """Describe what may have changed, and a portion of the rest. The first time, everything.

        Raises:
            StigmerOpsError: As `sweep`.
        """
        if self._followed_at is None:
            await self.sweep(now)
            return
        clock = _clock_from(now)
        changes = await self._changes.read(clock)
        self._take_changes(changes, now)
        self._suspect(self._overdue(now.timestamp()))
        self._suspect(await self._portion(now, now - self._followed_at))
        await self._read(each_of(list(self._suspects)), clock)
        if self._round is not None and self._round.ended:
            self._suspect(self._finish(self._round))
            self._round = None
        await self._conclude(now)

    async def _conclude(self, now: datetime) -> None:
        self._followed_at = now
        self._readings += 1
        await self._inquiries.settle()
        since = self._changes.since(now)
        self._fresh = {run: f for run, f in self._fresh.items() if f.start_time >= since}
        oldest = self._readings - CLAIMS_KEPT
        self._claims = {key: held for key, held in self._claims.items() if held.reading >= oldest}

    # --- What to describe ------------------------------------------------------------------------

    def _take_changes(self, changes: Changes, now: datetime) -> None:
        for run in changes.closed:
            if run.workflow_id:
                self._forget(run, now)
            elif run in self._runs:
                self._suspects[run] = None  # how it ended is in its description
        self._suspect(
            run
            for run in changes.started
            if run not in self._runs and (run not in self._fresh or self._fresh[run].looks < LOOKS)
        )

    def _forget(self, run: Run, now: datetime) -> None:
        """A workflow has closed."""
        self._suspects.pop(run, None)
        self._unread.pop(run, None)
        self._fresh.pop(run, None)
        tracked = self._runs.pop(run, None)
        for activity in tracked.activities if tracked else ():
            self._inquiries.gone(run, activity, now)

    def _suspect(self, runs: Iterable[Run]) -> None:
        self._suspects.update(dict.fromkeys(runs))

    def _overdue(self, now: float) -> list[Run]:
        """Those to be described again because of the time, up to the limit."""
        limit = max(RECHECKS_AT_LEAST, int(len(self._runs) * RECHECKED_SHARE))
        due = ((t.recheck, run) for run, t in self._runs.items() if t.recheck <= now)
        return [run for _, run in heapq.nsmallest(limit, due)]

    # --- The slow sweep --------------------------------------------------------------------------

    def _new_round(self, now: datetime) -> Round:
        self._round_number += 1
        return Round(self._frontend, self._selection, self._round_number, now)

    async def _portion(self, now: datetime, elapsed: timedelta) -> Sequence[Run]:
        """As much of all that is open as is due after `elapsed`, and all that is left in the end.

        How much is open is known from the last round; there may be more by now.
        """
        whole = self._settings.full_sweep_every
        if not whole:
            return ()
        current, self._round = self._round or self._new_round(now), None
        ends = now - current.began + elapsed > whole
        known = max(self._open_runs, len(self._runs))
        size = sys.maxsize if ends else max(math.ceil(known * (elapsed / whole)), 1)
        portion = await current.portion(size)
        self._round = current
        return portion

    def _finish(self, finished: Round) -> list[Run]:
        """Close a round that has ended; what is tracked and was not met in it."""
        self._open_runs = finished.listed
        return [run for run, tracked in self._runs.items() if tracked.round < finished.number]

    # --- What was described ----------------------------------------------------------------------

    async def _read(self, runs: AsyncIterator[Run], clock: Clock, *, ahead: int = 0) -> None:
        async with aclosing(self._reader.read(runs, ahead=ahead)) as readings:
            async for reading in readings:
                self._take(reading, clock())

    def _take(self, reading: Reading, now: datetime) -> None:
        run = reading.run
        for name in (reading.asked, run):
            self._suspects.pop(name, None)
            self._unread.pop(name, None)
        if reading.unread:
            self._unread[run] = reading.unread
            self._suspects[run] = None
        if reading.unread == WORKFLOW:
            if run in self._runs:
                self._runs[run].round = self._round_number
            return
        self._changes.saw(reading.start_time, now)
        self._replace(reading, now)

    def _replace(self, reading: Reading, now: datetime) -> None:
        run = reading.run
        before = self._activities_of(run)
        activities = tuple(self._records.record(found, now) for found in reading.activities)
        for activity in activities:
            self._link(run, activity, before)
        for activity in before:
            if not any(activity.is_same(other) for other in activities):
                self._left(reading, activity, now)
        if activities:
            recheck = self._records.recheck(activities, now.timestamp())
            self._runs[run] = TrackedRun(activities, recheck, self._round_number)
            self._fresh.pop(run, None)
        else:
            self._runs.pop(run, None)
            self._look_again(run, reading.start_time, now)

    def _link(self, run: Run, activity: TrackedActivity, before: Sequence[TrackedActivity]) -> None:
        for other in before:
            if other.is_same(activity):
                activity.learn(other.link)
        held = self._claims.pop(
            ActivityKey(run.workflow_id, run.run_id, activity.activity_id), None
        )
        if held is not None:
            activity.learn(held.link)

    def _left(self, reading: Reading, activity: TrackedActivity, now: datetime) -> None:
        if reading.timed_out is not None:
            self._inquiries.timed_out(reading.run, activity, reading.timed_out)
        elif reading.exists and reading.run.workflow_id:
            self._inquiries.gone(reading.run, activity, now)

    def _look_again(self, run: Run, start_time: datetime | None, now: datetime) -> None:
        if start_time is not None and start_time >= self._changes.since(now):
            looks = self._fresh[run].looks if run in self._fresh else 0
            self._fresh[run] = _Fresh(start_time, looks + 1)

    # --- What is known ---------------------------------------------------------------------------

    def _activities_of(self, run: Run) -> Sequence[TrackedActivity]:
        tracked = self._runs.get(run)
        return () if tracked is None else tracked.activities

    def activities(self) -> Iterable[tuple[Run, TrackedActivity]]:
        """Everything that is tracked."""
        for run, tracked in self._runs.items():
            for activity in tracked.activities:
                yield run, activity

    def summary(self, now: datetime) -> PendingSummary:
        """What the gauges tell; no calls."""
        every = (activity for _, activity in self.activities())
        limit = self._settings.series_limit
        return summarise(every, now, limit, time_scale=self._time_scale)

    def drain_ends(self) -> list[EndedActivity]:
        """The activities that timed out for good since this was last called, each once ever."""
        return self._inquiries.drain()

    @property
    def tracked(self) -> int:
        """How many external activities are remembered."""
        return sum(len(run.activities) for run in self._runs.values())

    @property
    def unreadable(self) -> Mapping[str, int]:
        """How much could not be read when it was last tried, by what the metrics call it."""
        counts = Counter(self._unread.values())
        return {WORKFLOW: counts[WORKFLOW], HISTORY: counts[HISTORY] + self._inquiries.unread}

    @property
    def workflows_scanned(self) -> int:
        """How many workflows and standalone activities were described so far."""
        return self._reader.described


def _clock_from(now: datetime) -> Clock:
    """A clock that says `now` now: readings take long, and what they see has its time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    return lambda: now + timedelta(seconds=loop.time() - began)
