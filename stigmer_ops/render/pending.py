"""Pending activities as records for machines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from stigmer_ops.handshake.activity import Failure, PendingActivity, age_bucket
from stigmer_ops.handshake.scan_report import ScanReport, Unreadable
from stigmer_ops.render.text import rfc3339, seconds


def activity_record(activity: PendingActivity, now: datetime) -> dict[str, Any]:
    """One pending activity, as JSON shows it; `workflow_id` is null for a standalone one."""
    deadline = activity.deadline
    failure = activity.last_failure
    age = activity.age(now)
    return {
        "namespace": activity.namespace,
        "workflow_id": activity.workflow_id or None,
        "run_id": activity.run_id,
        "workflow_type": activity.workflow_type or None,
        "activity_id": activity.activity_id,
        "activity_type": activity.activity_type,
        "standalone": activity.standalone,
        "state": activity.state.value,
        "paused": activity.paused,
        "workflow_paused": activity.workflow_paused,
        "attempt": activity.attempt,
        "maximum_attempts": activity.maximum_attempts or None,
        "task_queue": activity.task_queue,
        "waiting_since": rfc3339(activity.waiting_since),
        "age_seconds": seconds(age),
        "age_bucket": age_bucket(age),
        "scheduled_time": rfc3339(activity.scheduled_time),
        "last_started_time": rfc3339(activity.last_started_time),
        "last_heartbeat_time": rfc3339(activity.last_heartbeat_time),
        "deadline": rfc3339(deadline.time) if deadline else None,
        "deadline_timeout": deadline.timeout_type.value if deadline else None,
        "time_left_seconds": seconds(deadline.time - now) if deadline else None,
        "last_failure": failure_record(failure) if failure else None,
        "last_worker_identity": activity.last_worker_identity or None,
    }


def failure_record(failure: Failure) -> dict[str, Any]:
    """A failure, as JSON shows it; of one that is still encoded, the message only stands for it."""
    return {
        "message": failure.message,
        "type": failure.type or None,
        "encoded": bool(failure.encoded),
    }


def unreadable_record(unreadable: Unreadable) -> dict[str, Any]:
    """What could not be read, as JSON shows it."""
    return {
        "workflow_id": unreadable.workflow_id or None,
        "run_id": unreadable.run_id,
        "activity_id": unreadable.activity_id or None,
        "reason": unreadable.reason,
    }


def report_record(report: ScanReport) -> dict[str, Any]:
    """The counts of a scan, as JSON shows them."""
    return {
        "workflows_read": report.workflows,
        "standalone_read": report.standalone,
        "pending": report.pending,
        "selected": report.selected,
        "gone": report.gone,
    }
