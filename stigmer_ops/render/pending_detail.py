"""One activity in full: as JSON, and as a page for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stigmer_ops.handshake.activity import Timeouts, TimeoutType
from stigmer_ops.handshake.activity_detail import ActivityDetail, Pause, RetryPolicy
from stigmer_ops.render.pending import activity_record, failure_record
from stigmer_ops.render.text import rfc3339, seconds, short_duration, visible

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.render.pending_table import Look
    from stigmer_ops.render.tables import Cell


# --- For machines --------------------------------------------------------------------------------


def detail_record(detail: ActivityDetail, now: datetime) -> dict[str, Any]:
    """Everything that is known of a pending activity."""
    activity = detail.activity
    return {
        "pending": True,
        **activity_record(activity, now),
        "scheduled_event_id": detail.scheduled_event_id or None,
        "first_scheduled_time": rfc3339(activity.first_scheduled_time),
        "last_attempt_complete_time": rfc3339(detail.last_attempt_complete_time),
        "next_attempt_time": rfc3339(detail.next_attempt_time),
        "workflow_expiration_time": rfc3339(detail.workflow_expiration_time),
        "timeouts": {
            kind.value.lower() + "_seconds": seconds(_timeout(activity.timeouts, kind))
            for kind in TimeoutType
        },
        "deadlines": {
            running.timeout_type.value.lower(): {
                "deadline": rfc3339(running.time),
                "since": rfc3339(running.since),
                "time_left_seconds": seconds(running.time - now),
            }
            for running in activity.running_timeouts()
        },
        "retry_policy": _policy_record(detail.retry_policy),
        "pause": _pause_record(detail.pause),
        "failures": [failure_record(failure) for failure in detail.failures],
        "worker": _worker_record(detail),
        "next": list(detail.next_commands()),
    }


def _policy_record(policy: RetryPolicy) -> dict[str, Any]:
    return {
        "initial_interval_seconds": seconds(policy.initial_interval),
        "backoff_coefficient": policy.backoff_coefficient,
        "maximum_interval_seconds": seconds(policy.maximum_interval),
        "maximum_attempts": policy.maximum_attempts or None,
        "non_retryable_error_types": list(policy.non_retryable_error_types),
    }


def _pause_record(pause: Pause | None) -> dict[str, Any] | None:
    if pause is None:
        return None
    return {
        "time": rfc3339(pause.time),
        "identity": pause.identity or None,
        "reason": pause.reason or None,
    }


def _worker_record(detail: ActivityDetail) -> dict[str, Any]:
    found = detail.worker
    return {
        "identity": detail.activity.last_worker_identity or None,
        "poller": found[1].value if found else None,
        "last_access_time": rfc3339(found[0].last_access_time) if found else None,
        "live_pollers": detail.live_pollers,
    }


# --- For people ----------------------------------------------------------------------------------


def detail_page(console: Console, detail: ActivityDetail, look: Look) -> None:
    """Field by field, then the timeouts, the failures, and what to type next."""
    from rich.text import Text  # noqa: PLC0415 - JSON output does without Rich

    from stigmer_ops.render.tables import Column, table_of  # noqa: PLC0415

    console.print(table_of([Column("FIELD", fold=False), Column("VALUE")], _rows(detail, look)))
    timeouts = list(_timeout_rows(detail, look.now))
    if timeouts:
        console.print()
        headings = ("TIMEOUT", "OF", "DEADLINE", "LEFT")
        console.print(table_of([Column(name, fold=False) for name in headings], timeouts))
    for number, failure in enumerate(detail.failures):
        console.print()
        heading = "last failure" if not number else "caused by"
        kind = f" ({failure.type})" if failure.type else ""
        console.print(Text(visible(heading + kind) + ":", style="bold"))
        for line in failure.message.splitlines():
            console.print(Text("  " + visible(line)), soft_wrap=True)
        if failure.encoded:
            console.print("  (its text is encoded: --codec-endpoint decodes it)", style="yellow")
    console.print()
    for command in detail.next_commands():
        # Not wrapped: the terminal does it, and a copied command stays one line.
        console.print(Text(f"next: {visible(command)}"), soft_wrap=True)


def _rows(detail: ActivityDetail, look: Look) -> Iterator[tuple[str, Cell]]:
    from stigmer_ops.render.pending_table import age_cell, left_cell  # noqa: PLC0415

    activity = detail.activity
    most = f" of {activity.maximum_attempts}" if activity.maximum_attempts else ""
    yield "namespace", activity.namespace
    if not activity.standalone:
        yield "workflow", activity.workflow_id
        yield "workflow type", activity.workflow_type
    yield "run", activity.run_id
    yield "activity", activity.activity_id + (" (standalone)" if activity.standalone else "")
    yield "activity type", activity.activity_type
    yield "task queue", activity.task_queue
    yield "state", activity.state.value
    if activity.workflow_paused:
        yield "workflow paused", "yes"
    if detail.pause is not None:
        yield "paused", _pause_text(detail.pause)
    yield "attempt", f"{activity.attempt}{most}"
    if detail.scheduled_event_id:
        yield "scheduled event", str(detail.scheduled_event_id)
    for name, time in (
        ("first scheduled", activity.first_scheduled_time),
        ("attempt scheduled", activity.scheduled_time),
        ("attempt started", activity.last_started_time),
        ("last heartbeat", activity.last_heartbeat_time),
        ("last attempt ended", detail.last_attempt_complete_time),
        ("next attempt", detail.next_attempt_time),
        ("workflow times out", detail.workflow_expiration_time),
    ):
        if time is not None:
            yield name, str(rfc3339(time))
    yield "age", age_cell(activity, look)
    yield "time left", left_cell(activity, look)
    yield "retry policy", _policy_text(detail.retry_policy)
    yield "worker", _worker_text(detail, look.now)


def _timeout_rows(detail: ActivityDetail, now: datetime) -> Iterator[tuple[str, str, str, str]]:
    activity = detail.activity
    running = {item.timeout_type: item for item in activity.running_timeouts()}
    for kind in TimeoutType:
        timeout = _timeout(activity.timeouts, kind)
        if timeout is None:
            continue
        item = running.get(kind)
        yield (
            kind.value,
            short_duration(timeout),
            str(rfc3339(item.time)) if item else "does not run now",
            short_duration(item.time - now) if item else "-",
        )


def _timeout(timeouts: Timeouts, kind: TimeoutType) -> timedelta | None:
    timeout: timedelta | None = getattr(timeouts, kind.value.lower())
    return timeout


def _pause_text(pause: Pause) -> str:
    at = f"since {rfc3339(pause.time)}" if pause.time else "yes"
    by = f" by {pause.identity}" if pause.identity else ""
    return at + by + (f": {pause.reason}" if pause.reason else "")


def _policy_text(policy: RetryPolicy) -> str:
    most = f"at most {policy.maximum_attempts}" if policy.maximum_attempts else "unlimited"
    if policy.maximum_attempts == 1:
        return "1 attempt, no retry"
    never = policy.non_retryable_error_types
    return (
        f"{most} attempts, first retry after {short_duration(policy.initial_interval)}, "
        f"then times {policy.backoff_coefficient:g} up to {short_duration(policy.maximum_interval)}"
        + (f", never on {', '.join(never)}" if never else "")
    )


def _worker_text(detail: ActivityDetail, now: datetime) -> str:
    identity = detail.activity.last_worker_identity
    live = detail.live_pollers
    others = f"{live} live poller{'' if live == 1 else 's'} on its queue"
    if not identity:
        return f"none has taken it; {others}"
    if detail.worker is None:
        return f"{identity}, not among the pollers any more; {others}"
    poller, state = detail.worker
    seen = (
        f" {short_duration(now - poller.last_access_time)} ago" if poller.last_access_time else ""
    )
    return f"{identity}, {state}, last polled{seen}; {others}"
