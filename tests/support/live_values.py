"""States of a live view, made of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from stigmer_ops.handshake.activity import ActivityKey, ActivityState, PendingActivity
from stigmer_ops.handshake.case import Confidence, Diagnosis, Evidence
from stigmer_ops.handshake.live import (
    Callbacks,
    Live,
    Marks,
    Part,
    Sample,
    Waiting,
    count_by_age,
)
from stigmer_ops.handshake.verdicts import Verdict
from stigmer_ops.handshake.workers import ExpectedQueue, Poller, QueueWorkers, TaskKind

NOW = datetime(2026, 11, 24, 3, 0, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
MARKS = Marks(stuck_after=4 * HOUR, near_deadline_share=0.8)


def waiting(workflow_id: str, *, age: timedelta = HOUR, timeout: timedelta | None = 24 * HOUR,
            attempt: int = 1, activity_id: str = "5") -> Waiting:  # fmt: skip
    since = NOW - age
    return Waiting(
        key=ActivityKey(workflow_id, f"run of {workflow_id}", activity_id),
        activity_type="CallAgentActivity",
        task_queue="zigflow_execution",
        attempt=attempt,
        started=True,
        since=since,
        deadline=None if timeout is None else since + timeout,
        counts_from=None if timeout is None else since,
    )


def diagnosis(one: Waiting, verdict: Verdict) -> Diagnosis:
    activity = PendingActivity(
        namespace="default",
        workflow_id=one.key.workflow_id,
        run_id=one.key.run_id,
        activity_id=one.key.activity_id,
        activity_type=one.activity_type,
        state=ActivityState.STARTED,
        attempt=one.attempt,
        scheduled_time=one.since,
    )
    return Diagnosis(activity, verdict, Confidence.PROVED, (Evidence("nothing refers to it"),))


def queue(name: str, pollers: int, *kinds: TaskKind) -> QueueWorkers:
    found = tuple(
        Poller(f"{number}@{name}", kind, NOW) for kind in kinds for number in range(pollers)
    )
    expected = ExpectedQueue(name, "default", kinds=frozenset(kinds))
    return QueueWorkers(expected, NOW, timedelta(minutes=1), found)


def live(*everything: Waiting, **fields: object) -> Live:
    """A view that was read a moment ago."""
    return replace(
        Live(
            namespace="default",
            address="127.0.0.1:7233",
            now=NOW,
            waiting=everything,
            marks=MARKS,
            pending=Part(NOW),
            callback_reading=Part(NOW),
            queue_reading=Part(NOW),
            history=(Sample(NOW, count_by_age(everything, NOW)),),
            refreshes=1,
        ),
        **fields,  # type: ignore[arg-type] # as the fields are declared
    )


def minutes(*ended: tuple[int, int]) -> Sequence[Callbacks]:
    """Callbacks, succeeded and failed, of consecutive minutes; the last is under way."""
    first = NOW.replace(second=0) - timedelta(minutes=len(ended) - 1)
    return tuple(
        Callbacks(first + timedelta(minutes=place), succeeded, failed)
        for place, (succeeded, failed) in enumerate(ended)
    )
