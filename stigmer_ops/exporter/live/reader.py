"""Reads what a live view shows, with the readers of the exporter: what changed, not everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta

from temporalio.service import RPCError

from stigmer_ops.diagnosis.diagnose import DiagnosisReport, Systems
from stigmer_ops.errors import StaleError, StigmerOpsError
from stigmer_ops.exporter.callbacks.feed import OVERLAP, Watermark
from stigmer_ops.exporter.callbacks.news import CallbackNews
from stigmer_ops.exporter.callbacks.reader import CallbackReader
from stigmer_ops.exporter.callbacks.totals import Totals
from stigmer_ops.exporter.live.verdicts import at_half, calls_of, judge, judge_one
from stigmer_ops.exporter.pending.records import NEVER, Run, TrackedActivity, time_of
from stigmer_ops.exporter.pending.tracker import PendingTracker
from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.live import (
    CALLBACKS_SHOWN,
    CallbackLog,
    History,
    Live,
    Marks,
    Part,
    Round,
    Waiting,
    Why,
)
from stigmer_ops.handshake.workers import ExpectedQueue, QueueWorkers
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.clock import Clock, measure_clock_skew
from stigmer_ops.temporal.expected_queues import expected_queues
from stigmer_ops.temporal.worker_check import look_at_workers

JUDGED_AT_ONCE = 200
"""Activities that one round looks at: who watches wants to know what is wrong, not every case."""

REST = 20
"""A round begins no sooner than so many times as long after the last one as that took."""


class LiveReader:
    """Reads both sides of the handshake again and again.

    A refresh makes the calls of one cycle of the exporter, over the same readers. Why something
    waits is looked at in rounds of their own, for what is old or near its deadline.
    """

    def __init__(
        self,
        systems: Systems,
        settings: Settings,
        *,
        interval: timedelta,
        round_every: timedelta,
        clock: Clock,
    ) -> None:
        """Read nothing yet.

        Args:
            systems: Whom to ask.
            settings: Thresholds, and how often the exporter would read what.
            interval: How often it will be refreshed.
            round_every: How often to look at why things wait, at most; 0 only when asked to.
            clock: Our own time, UTC.
        """
        self._systems = systems
        self._settings = _paced(settings, interval)
        self._round_every = round_every
        self._own_clock = clock
        self._skew: timedelta | None = None
        self._tracker = PendingTracker(systems.external, self._settings)
        self._reader: CallbackReader | None = None
        self._callbacks = CallbackLog()
        self._history = History()
        self._queues: tuple[QueueWorkers, ...] = ()
        self._pending, self._callback_reading, self._queue_reading = Part(), Part(), Part()
        self._unread: StigmerOpsError | None = None
        self._verdicts: dict[ActivityKey, Diagnosis] = {}
        self._round = Round()
        self._next_round = 0.0
        self._judging = asyncio.Lock()
        self._refreshes = 0
        self._calls = 0
        self._calls_of_rounds = 0
        thresholds = settings.thresholds
        self._marks = Marks(thresholds.stuck_after, thresholds.near_deadline_share)

    # --- What is known ---------------------------------------------------------------------------

    def now(self) -> datetime:
        """The server's time, as well as it is known: its clock stamps what is read."""
        return self._own_clock() + (self._skew or timedelta(0))

    @property
    def described(self) -> int:
        """How many workflows were described so far."""
        return self._tracker.workflows_scanned

    def live(self) -> Live:
        """All that is known now; no calls."""
        waiting = {one.key: one for one in self._waiting()}
        self._verdicts = {
            key: diagnosis
            for key, diagnosis in self._verdicts.items()
            if key in waiting and waiting[key].attempt == diagnosis.activity.attempt
        }
        now = self.now()
        return Live(
            namespace=self._systems.external.namespace,
            address=self._systems.external.address,
            now=now,
            waiting=tuple(waiting.values()),
            marks=self._marks,
            history=self._history.samples,
            callbacks=self._callbacks.minutes(self._callback_reading.read_at or now),
            queues=self._queues,
            verdicts=dict(self._verdicts),
            pending=self._pending,
            callback_reading=self._callback_reading,
            queue_reading=self._queue_reading,
            round=self._round,
            unreadable=sum(self._tracker.unreadable.values()),
            described=self.described,
            refreshes=self._refreshes,
            calls=self._calls,
            calls_in_all=calls_of(self._systems) + self._calls_of_rounds,
        )

    def _waiting(self) -> list[Waiting]:
        return [_waiting(run, activity) for run, activity in self._tracker.activities()]

    # --- Refreshes -------------------------------------------------------------------------------

    async def refresh(self, *, everything: bool = False) -> None:
        """Read what has changed; what cannot be read stays as it is, and says so.

        Args:
            everything: Describe every open workflow, as the first refresh does.

        Raises:
            StigmerOpsError: What waits could not be read, and was never read before.
        """
        before = calls_of(self._systems)
        if self._skew is None:
            self._skew = await measure_clock_skew(self._systems.external, self._own_clock)
        await asyncio.gather(self._both_sides(everything=everything), self._read_queues())
        self._calls = calls_of(self._systems) - before
        if self._pending.read_at is None and self._unread is not None:
            raise self._unread
        self._refreshes += 1
        if not self._pending.trouble:
            self._history.add(self._waiting(), self.now())

    async def _both_sides(self, *, everything: bool) -> None:
        now = self.now()
        if self._pending.read_at is None:  # nobody waits for callbacks to see what waits
            await asyncio.gather(self._read_pending(now, everything), self._read_callbacks(now))
        else:  # callbacks first: they tell which activities to look at
            await self._read_callbacks(now)
            await self._read_pending(now, everything)

    async def _read_pending(self, now: datetime, everything: bool) -> None:
        reading = self._tracker.sweep(now) if everything else self._tracker.follow(now)
        self._pending, self._unread = await self._tried(self._pending, now, reading)
        self._tracker.drain_ends()

    async def _read_callbacks(self, now: datetime) -> None:
        reading = self._follow_callbacks(now)
        self._callback_reading, _ = await self._tried(self._callback_reading, now, reading)

    async def _read_queues(self) -> None:
        now = self.now()
        every = self._settings.exporter.queues_every
        looked = self._queue_reading.read_at
        if looked is None or now - looked >= every:
            self._queue_reading, _ = await self._tried(self._queue_reading, now, self._look())

    async def _tried(
        self, part: Part, now: datetime, reading: Awaitable[None]
    ) -> tuple[Part, StigmerOpsError | None]:
        try:
            await reading
        except StigmerOpsError as error:
            return part.failed(_sentence(error)), error
        except RPCError as error:
            translated = self._systems.external.translate(error, "read what has changed")
            return part.failed(_sentence(translated)), translated
        return part.read(now), None

    async def _look(self) -> None:
        external, stigmer = self._systems.external, self._systems.stigmer
        found: dict[str, list[ExpectedQueue]] = {}
        for queue in expected_queues(self._settings, external.namespace):
            found.setdefault(queue.namespace, []).append(queue)
        stale_after = self._settings.thresholds.poller_stale_after
        looked = [
            await look_at_workers(
                external if namespace == external.namespace else stigmer,
                queues,
                clock=self._own_clock,
                stale_after=stale_after,
            )
            for namespace, queues in found.items()
        ]
        self._queues = tuple(one for some in looked for one in some)

    # --- Callbacks -------------------------------------------------------------------------------

    async def _follow_callbacks(self, now: datetime) -> None:
        if self._reader is None:
            self._reader = await self._callback_reader(now)
        caught_up = False
        while not caught_up:
            news = await self._reader.follow(now)
            await self._tell(news, now)
            caught_up = news.caught_up

    async def _callback_reader(self, now: datetime) -> CallbackReader:
        """Of what ended since the beginning of what is shown, and of what started since then.

        Earlier executions need no links: when their callbacks end, these tell by themselves.
        """
        external = self._systems.external
        names = {await external.namespace_id(): external.namespace}
        thresholds = self._settings.thresholds.model_copy(
            update={"longest_timeout": CALLBACKS_SHOWN}
        )
        settings = self._settings.model_copy(update={"thresholds": thresholds})
        position = Watermark(now - CALLBACKS_SHOWN + OVERLAP)
        return CallbackReader(self._systems.stigmer, settings, position, Totals(), names)

    async def _tell(self, news: CallbackNews, now: datetime) -> None:
        ours = await self._systems.external.namespace_id()
        for claim, edition in news.links:
            if claim.namespace_id == ours:
                self._tracker.linked(claim, edition)
        for end in news.ended:
            if end.status is not None:
                self._callbacks.add(end.time or now, succeeded=end.status == "success")
            if end.claim.namespace_id == ours:
                self._tracker.touch(end.claim.workflow_id, end.claim.run_id)

    # --- Why -------------------------------------------------------------------------------------

    @property
    def round_is_due(self) -> bool:
        """Whether it is time to look at why things wait."""
        return bool(self._round_every) and time.monotonic() >= self._next_round

    async def judge(self, waiting: Sequence[Waiting]) -> None:
        """Look at why these wait, the first of them if they are many; not while that is done.

        Never raises because something cannot be read: see `Live.round`.
        """
        if self._judging.locked():
            return
        async with self._judging:
            began = time.monotonic()
            keys = [one.key for one in waiting[:JUDGED_AT_ONCE]]
            systems = await at_half(self._systems)
            now = self.now()
            try:
                report = await judge(systems, keys, self._settings, clock=self.now)
            except StigmerOpsError as error:
                part, notes = self._round.part.failed(_sentence(error)), self._round.notes
            else:
                self._conclude(keys, report)
                part, notes = _outcome(self._round.part, report, now), _notes(report)
            calls = calls_of(systems)
            self._calls_of_rounds += calls
            self._round = Round(part, len(keys), len(waiting) - len(keys), calls, notes)
            took = time.monotonic() - began
            pause = max(self._round_every.total_seconds(), REST * took)
            self._next_round = time.monotonic() + pause

    def _conclude(self, keys: Sequence[ActivityKey], report: DiagnosisReport) -> None:
        unread = {Run(one.workflow_id, one.run_id, one.activity_id) for one in report.unreadable}
        judged = {diagnosis.activity.key: diagnosis for diagnosis in report.diagnoses}
        self._verdicts.update(judged)
        for key in keys:
            if key not in judged and Run.of(key) not in unread:
                self._settled(key)

    def _settled(self, key: ActivityKey) -> None:
        self._verdicts.pop(key, None)
        self._tracker.touch(key.workflow_id, key.run_id)

    async def why(self, key: ActivityKey) -> Why:
        """Why one activity waits.

        Raises:
            StaleError: It does not wait any more; what it is instead.
            StigmerOpsError: It could not be read.
        """
        systems = await at_half(self._systems)
        try:
            report = await judge_one(systems, key, self._settings, clock=self.now)
        except StaleError:
            self._settled(key)
            raise
        finally:
            self._calls_of_rounds += calls_of(systems)
        self._conclude([key], report)
        return Why(next(iter(report.diagnoses), None), _notes(report), calls_of(systems))


def _paced(settings: Settings, interval: timedelta) -> Settings:
    """The settings, with the share of the slow sweep in a refresh that it has in a cycle."""
    exporter = settings.exporter
    whole = min(
        exporter.full_sweep_every, exporter.full_sweep_every * (interval / exporter.interval)
    )
    paced = exporter.model_copy(update={"interval": interval, "full_sweep_every": whole})
    return settings.model_copy(update={"exporter": paced})


def _waiting(run: Run, activity: TrackedActivity) -> Waiting:
    runs = activity.deadline != NEVER
    return Waiting(
        key=ActivityKey(run.workflow_id, run.run_id, activity.activity_id),
        activity_type=activity.group.activity_type,
        task_queue=activity.group.task_queue,
        attempt=activity.attempt,
        started=activity.live,
        since=time_of(activity.since),
        deadline=time_of(activity.deadline) if runs else None,
        counts_from=time_of(activity.counts_from) if runs else None,
    )


def _sentence(error: StigmerOpsError) -> str:
    return " ".join(error.happened.split())


def _outcome(part: Part, report: DiagnosisReport, now: datetime) -> Part:
    """How a round fared; one that could read nothing was none."""
    if report.unreadable and not report.diagnoses:
        return part.failed(report.unreadable[0].reason)
    return part.read(now)


def _notes(report: DiagnosisReport) -> tuple[str, ...]:
    unread = sum(1 for _ in report.unread())
    more = (f"could not be read, of workflows: {unread}",) if unread else ()
    return (*report.notes, *more)
