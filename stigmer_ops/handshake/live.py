"""What a live view shows: the state of the handshake as it was last read, and how it went."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from stigmer_ops.handshake.activity import AGE_BUCKETS, ActivityKey, age_bucket
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.selection import SortKey
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.handshake.workers import QueueWorkers, TaskKind

SAMPLES = 720
"""How many refreshes a history remembers: two hours of one every ten seconds."""
MINUTE = timedelta(minutes=1)
CALLBACKS_SHOWN = timedelta(minutes=15)
"""How far back callbacks are told."""
RATE_OVER = 5
"""Minutes over which the rate of callbacks is a mean."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An external activity that waits, reduced to what is followed without describing it again.

    Attributes:
        key: Which activity.
        activity_type: Its type.
        task_queue: Its queue.
        attempt: The attempt that is pending.
        started: Whether a worker took the attempt.
        since: When it was first scheduled, as well as that is known.
        deadline: When the attempt will time out; None if no timeout runs.
        counts_from: From when that timeout counts; None likewise.
    """

    key: ActivityKey
    activity_type: str
    task_queue: str
    attempt: int
    started: bool
    since: datetime
    deadline: datetime | None = None
    counts_from: datetime | None = None

    def age(self, now: datetime) -> timedelta:
        """How long it has been waiting."""
        return max(now - self.since, timedelta(0))

    def time_left(self, now: datetime) -> timedelta | None:
        """Time until the deadline, negative past it; None without one."""
        return None if self.deadline is None else self.deadline - now

    def timeout_used(self, now: datetime) -> float:
        """Share of its timeout that has passed; 0.0 without one."""
        if self.deadline is None or self.counts_from is None:
            return 0.0
        whole = self.deadline - self.counts_from
        return 1.0 if whole <= timedelta(0) else (now - self.counts_from) / whole


class Mark(StrEnum):
    """What is remarkable about an activity, by the clock alone."""

    NONE = ""
    OLD = "old"
    NEAR_DEADLINE = "near-deadline"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Marks:
    """From when on an activity is remarkable.

    Attributes:
        stuck_after: An age.
        near_deadline_share: A share of the activity's own timeout.
    """

    stuck_after: timedelta
    near_deadline_share: float

    def mark(self, waiting: Waiting, now: datetime) -> Mark:
        """The most urgent that applies."""
        left = waiting.time_left(now)
        if left is not None and left <= timedelta(0):
            return Mark.OVERDUE
        if left is not None and waiting.timeout_used(now) >= self.near_deadline_share:
            return Mark.NEAR_DEADLINE
        return Mark.OLD if waiting.age(now) >= self.stuck_after else Mark.NONE


@dataclass(frozen=True, slots=True)
class Sample:
    """How many waited at one time, by age bucket."""

    time: datetime
    by_age: Mapping[str, int]


def count_by_age(waiting: Iterable[Waiting], now: datetime) -> dict[str, int]:
    """How many there are in each age bucket, the empty ones too, in their order."""
    counts = dict.fromkeys((bucket for bucket, _ in AGE_BUCKETS), 0)
    for one in waiting:
        counts[age_bucket(one.age(now))] += 1
    return counts


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Callbacks that ended in one minute."""

    minute: datetime
    succeeded: int
    failed: int

    @property
    def ended(self) -> int:
        """All of them."""
        return self.succeeded + self.failed


class CallbackLog:
    """Counts callbacks by the minute in which they ended, for as long as they are shown."""

    def __init__(self) -> None:
        self._succeeded: Counter[datetime] = Counter()
        self._failed: Counter[datetime] = Counter()

    def add(self, time: datetime, *, succeeded: bool) -> None:
        """Count one."""
        (self._succeeded if succeeded else self._failed)[minute_of(time)] += 1

    def minutes(self, now: datetime) -> tuple[Callbacks, ...]:
        """Every minute that is shown, oldest first; the last is the one under way."""
        last = minute_of(now)
        first = last - CALLBACKS_SHOWN
        for counted in (self._succeeded, self._failed):
            for minute in [minute for minute in counted if minute < first]:
                del counted[minute]
        return tuple(
            Callbacks(minute, self._succeeded[minute], self._failed[minute])
            for minute in (first + step * MINUTE for step in range(CALLBACKS_SHOWN // MINUTE + 1))
        )


def minute_of(time: datetime) -> datetime:
    """The beginning of the minute of a time."""
    return time.replace(second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Part:
    """One of the things that are read: how old what is known of it is, and what is wrong.

    Attributes:
        read_at: When it was last read in full; None before.
        trouble: Why it could not be read the last time; empty if it could.
    """

    read_at: datetime | None = None
    trouble: str = ""

    def read(self, time: datetime) -> Part:
        """After a reading that worked."""
        return Part(time)

    def failed(self, trouble: str) -> Part:
        """After one that did not; what is known stays."""
        return replace(self, trouble=trouble)


@dataclass(frozen=True, slots=True)
class Round:
    """The last look at why activities wait.

    Attributes:
        part: When it was made, and what went wrong.
        asked: Of how many activities.
        skipped: How many more there were for which it was too much.
        calls: What it took.
        notes: What the reader should know of how it was done.
    """

    part: Part = Part()
    asked: int = 0
    skipped: int = 0
    calls: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Live:
    """Everything that a live view shows, at one time.

    Attributes:
        namespace: Of the external workflows.
        address: Of the server.
        now: The server's time, as well as it is known.
        waiting: Every external activity that waits, in no order.
        history: How many waited, refresh by refresh.
        callbacks: Minute by minute, oldest first, up to when they were last read; the last minute
            was under way then.
        queues: The task queues of both sides.
        verdicts: Of those that were looked at, and still wait.
        marks: From when on an activity is remarkable.
        pending: How the reading of what waits fares.
        callback_reading: How that of the callbacks does.
        queue_reading: How that of the queues does.
        round: The last look at why they wait.
        unreadable: Workflows and histories that could not be read.
        described: Workflows described so far: how far the first reading is.
        refreshes: How many refreshes there were.
        calls: Remote procedure calls of the last refresh.
        calls_in_all: And since the start, those of the rounds included.
    """

    namespace: str
    address: str
    now: datetime
    waiting: tuple[Waiting, ...]
    marks: Marks
    history: tuple[Sample, ...] = ()
    callbacks: tuple[Callbacks, ...] = ()
    queues: tuple[QueueWorkers, ...] = ()
    verdicts: Mapping[ActivityKey, Diagnosis] = field(default_factory=dict)
    pending: Part = Part()
    callback_reading: Part = Part()
    queue_reading: Part = Part()
    round: Round = Round()
    unreadable: int = 0
    described: int = 0
    refreshes: int = 0
    calls: int = 0
    calls_in_all: int = 0

    @property
    def troubles(self) -> list[str]:
        """What could not be read the last time, each once."""
        parts = (self.pending, self.callback_reading, self.queue_reading, self.round.part)
        return list(dict.fromkeys(part.trouble for part in parts if part.trouble))

    @property
    def complete(self) -> bool:
        """Whether all of it was read the last time."""
        return not self.troubles and not self.unreadable

    @property
    def by_age(self) -> Mapping[str, int]:
        """How many wait, by age bucket, as of the last refresh."""
        return self.history[-1].by_age if self.history else count_by_age(self.waiting, self.now)

    @property
    def oldest(self) -> Waiting | None:
        """What has been waiting longest."""
        return min(self.waiting, key=lambda one: one.since, default=None)

    def nearest(self, count: int) -> list[Waiting]:
        """Those whose deadline is nearest, at most `count`."""
        with_deadline = (one for one in self.waiting if one.deadline is not None)
        return heapq.nsmallest(count, with_deadline, key=_RANKS[SortKey.TIME_LEFT])

    def marked(self) -> list[Waiting]:
        """What is remarkable by the clock, the nearest deadline first."""
        found = [one for one in self.waiting if self.marks.mark(one, self.now)]
        return sorted(found, key=_RANKS[SortKey.TIME_LEFT])

    @property
    def callbacks_per_minute(self) -> float:
        """The mean of the last whole minutes."""
        whole = self.callbacks[-RATE_OVER - 1 : -1]
        return sum(minute.ended for minute in whole) / len(whole) if whole else 0.0

    @property
    def callbacks_failed(self) -> int:
        """Callbacks that failed within the time that is shown."""
        return sum(minute.failed for minute in self.callbacks)

    def verdict_counts(self) -> dict[str, tuple[int, Severity]]:
        """How many have each verdict, with its severity: most severe, then most frequent first."""
        counts = Counter(diagnosis.verdict for diagnosis in self.verdicts.values())
        ordered = sorted(counts.items(), key=lambda item: (-item[0].severity, -item[1], item[0].id))
        return {verdict.id: (count, verdict.severity) for verdict, count in ordered}

    @property
    def stuck(self) -> int:
        """How many are stuck, of those that were looked at."""
        return sum(diagnosis.verdict.stuck for diagnosis in self.verdicts.values())


_FAR = float("inf")


def _identity(one: Waiting) -> tuple[str, str, str]:
    return one.key.workflow_id, one.key.activity_id, one.key.run_id


_RANKS: Mapping[SortKey, Callable[[Waiting], tuple[Any, ...]]] = {
    SortKey.AGE: lambda one: (one.since.timestamp(), *_identity(one)),
    SortKey.TIME_LEFT: lambda one: (
        _FAR if one.deadline is None else one.deadline.timestamp(),
        *_identity(one),
    ),
    SortKey.ATTEMPT: lambda one: (-one.attempt, *_identity(one)),
    SortKey.WORKFLOW: _identity,
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which activities a list shows, and in which order.

    Attributes:
        key: What comes first: see `selection.Order`.
        reverse: The other way round.
        words: Each has to be part of an id, of the type, the queue or the verdict, whatever its
            case; empty shows all.
    """

    key: SortKey = SortKey.TIME_LEFT
    reverse: bool = False
    words: str = ""

    def of(self, live: Live) -> list[Waiting]:
        """The activities that are chosen, in their order."""
        words = self.words.casefold().split()
        chosen = [one for one in live.waiting if _has(words, one, live)] if words else live.waiting
        return sorted(chosen, key=_RANKS[self.key], reverse=self.reverse)


def _has(words: Sequence[str], one: Waiting, live: Live) -> bool:
    diagnosis = live.verdicts.get(one.key)
    verdict = "" if diagnosis is None else diagnosis.verdict.id
    facts = (*_identity(one), one.activity_type, one.task_queue, verdict)
    text = "\n".join(facts).casefold()
    return all(word in text for word in words)


def unpolled(queue: QueueWorkers) -> list[TaskKind]:
    """The kinds of tasks that must be polled and are not; any kind will do where none must be."""
    kinds = queue.expected.kinds
    if not kinds:
        polled = any(queue.live(kind) for kind in TaskKind)
        return [] if polled else [TaskKind.ACTIVITY]
    return [kind for kind in TaskKind if kind in kinds and not queue.live(kind)]


class History:
    """How many waited, refresh by refresh, the oldest forgotten first."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)

    def add(self, waiting: Iterable[Waiting], now: datetime) -> None:
        """Count once more."""
        self._samples.append(Sample(now, count_by_age(waiting, now)))

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All that is remembered, oldest first."""
        return tuple(self._samples)


@dataclass(frozen=True, slots=True)
class Why:
    """Why one activity waits.

    Attributes:
        diagnosis: None where it settled while it was looked at.
        notes: What the reader should know of how it was done.
        calls: What it took.
    """

    diagnosis: Diagnosis | None
    notes: tuple[str, ...] = ()
    calls: int = 0
