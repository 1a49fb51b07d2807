"""A live view without a screen: one line, or one JSON document, for each refresh."""

from __future__ import annotations

from typing import Any

from stigmer_ops.handshake.live import Live, Waiting, unpolled
from stigmer_ops.handshake.workers import QueueWorkers, TaskKind
from stigmer_ops.render.diagnosis import diagnosis_record
from stigmer_ops.render.text import rfc3339, seconds, short_duration, visible

NEAREST = 10
"""Activities whose deadlines a document tells."""


def plain_line(live: Live) -> str:
    """One refresh in one line, for a pipe or a log."""
    parts = [f"{len(live.waiting):,} pending{_ages(live)}"]
    if live.oldest is not None:
        parts.append(f"oldest {short_duration(live.oldest.age(live.now))}")
    parts += [
        f"nearest deadline {short_duration(one.time_left(live.now))}" for one in live.nearest(1)
    ]
    parts.append(f"{live.callbacks_per_minute:.1f} callbacks/min")
    if live.callbacks_failed:
        parts.append(f"{live.callbacks_failed:,} callbacks failed")
    parts += [f"{count:,} {verdict}" for verdict, (count, _) in live.verdict_counts().items()]
    parts += [
        f"nobody polls {queue.expected.name} ({', '.join(kinds)})"
        for queue in live.queues
        if (kinds := unpolled(queue))
    ]
    if live.unreadable:
        parts.append(f"{live.unreadable:,} could not be read")
    parts += [f"not all was read: {trouble}" for trouble in live.troubles]
    if live.pending.trouble and live.pending.read_at is not None:
        parts.append(f"as of {short_duration(live.now - live.pending.read_at)} ago")
    return visible(f"{rfc3339(live.now)} {', '.join(parts)}")


def _ages(live: Live) -> str:
    told = [f"{bucket}: {count:,}" for bucket, count in live.by_age.items() if count]
    return f" ({', '.join(told)})" if told else ""


def live_record(live: Live) -> dict[str, Any]:
    """One refresh, as JSON shows it."""
    oldest = live.oldest
    return {
        "namespace": live.namespace,
        "refresh": live.refreshes,
        "time": rfc3339(live.now),
        "read_at": rfc3339(live.pending.read_at),
        "complete": live.complete,
        "pending": len(live.waiting),
        "by_age": dict(live.by_age),
        "oldest_age_seconds": seconds(oldest.age(live.now)) if oldest else None,
        "nearest_deadlines": [_waiting_record(one, live) for one in live.nearest(NEAREST)],
        "callbacks_per_minute": round(live.callbacks_per_minute, 3),
        "callbacks": [
            {
                "minute": rfc3339(minute.minute),
                "succeeded": minute.succeeded,
                "failed": minute.failed,
            }
            for minute in live.callbacks
        ],
        "queues": [_queue_record(queue) for queue in live.queues],
        "stuck": live.stuck,
        "verdicts": {verdict: count for verdict, (count, _) in live.verdict_counts().items()},
        "diagnoses": [diagnosis_record(found, live.now) for found in live.verdicts.values()],
        "diagnosed_at": rfc3339(live.round.part.read_at),
        "not_diagnosed": live.round.skipped,
        "notes": list(live.round.notes),
        "unreadable": live.unreadable,
        "errors": live.troubles,
        "calls": live.calls,
        "calls_in_all": live.calls_in_all,
    }


def _waiting_record(one: Waiting, live: Live) -> dict[str, Any]:
    diagnosis = live.verdicts.get(one.key)
    return {
        "workflow_id": one.key.workflow_id or None,
        "run_id": one.key.run_id,
        "activity_id": one.key.activity_id,
        "activity_type": one.activity_type,
        "task_queue": one.task_queue,
        "attempt": one.attempt,
        "waiting_since": rfc3339(one.since),
        "age_seconds": seconds(one.age(live.now)),
        "deadline": rfc3339(one.deadline),
        "time_left_seconds": seconds(one.time_left(live.now)),
        "verdict": None if diagnosis is None else diagnosis.verdict.id,
    }


def _queue_record(queue: QueueWorkers) -> dict[str, Any]:
    return {
        "namespace": queue.expected.namespace,
        "task_queue": queue.expected.name,
        "roles": list(queue.expected.roles),
        "workflow_pollers": len(queue.live(TaskKind.WORKFLOW)),
        "activity_pollers": len(queue.live(TaskKind.ACTIVITY)),
        "not_polled": [kind.value for kind in unpolled(queue)],
        "backlog": sum(queue.backlog(kind).count for kind in TaskKind),
    }
