"""The workers of task queues for machines: what was found wrong with them, and who polls."""

from __future__ import annotations

from typing import Any

from stigmer_ops.handshake.queue_verdicts import QueueCheck, next_command
from stigmer_ops.handshake.registration import ProbeAccount
from stigmer_ops.handshake.workers import (
    Backlog,
    Poller,
    QueueWorkers,
    Slots,
    TaskKind,
)
from stigmer_ops.render.text import rfc3339, seconds


def check_record(check: QueueCheck) -> dict[str, Any]:
    """One queue of `worker check`."""
    workers, registration = check.workers, check.registration
    expected, verdict = workers.expected, check.verdict
    return {
        **_queue(workers),
        "verdict": verdict.id,
        "title": verdict.title,
        "severity": str(verdict.severity),
        "findings": [
            {
                "verdict": finding.verdict.id,
                "title": finding.verdict.title,
                "severity": str(finding.verdict.severity),
                "evidence": list(finding.evidence),
                "remedy": finding.verdict.remedy,
                "command": next_command(check, finding.verdict),
                "page": finding.verdict.page,
            }
            for finding in check.findings
        ],
        "expected_activity_types": list(expected.activity_types),
        "probed": registration.probed,
        "answers": [
            {
                "identity": one.identity,
                "answer": one.answer.value,
                "activity_types": list(one.not_registered.registered)
                if one.not_registered
                else None,
                "activity_types_complete": one.not_registered.complete
                if one.not_registered
                else None,
                "detail": one.detail or None,
            }
            for one in registration.answers
        ],
        "silent": list(registration.silent),
        **_kinds(workers),
        "heartbeats": _heartbeats(workers),
    }


def probe_record(namespace: str, account: ProbeAccount) -> dict[str, Any]:
    """What the probe did to a namespace."""
    return {
        "namespace": namespace,
        "method": account.method.value,
        "reason": account.reason or None,
        "started": account.started,
        "deleted": account.deleted,
        "left_behind": list(account.left_behind),
    }


def workers_record(workers: QueueWorkers) -> dict[str, Any]:
    """One queue of `worker list`."""
    return {**_queue(workers), **_kinds(workers), "heartbeats": _heartbeats(workers)}


def _queue(workers: QueueWorkers) -> dict[str, Any]:
    expected = workers.expected
    return {
        "task_queue": expected.name,
        "namespace": expected.namespace,
        "roles": list(expected.roles),
    }


def _kinds(workers: QueueWorkers) -> dict[str, Any]:
    return {
        kind.value: {
            "expected": kind in workers.expected.kinds,
            "pollers": [_poller_record(workers, poller) for poller in workers.of(kind)],
            "backlog": _backlog_record(workers.backlog(kind)),
        }
        for kind in TaskKind
    }


def _poller_record(workers: QueueWorkers, poller: Poller) -> dict[str, Any]:
    return {
        "identity": poller.identity,
        "state": workers.state(poller).value,
        "last_access_time": rfc3339(poller.last_access_time),
        "rate_per_second": poller.rate_per_second,
        "deployment_name": poller.deployment_name or None,
        "build_id": poller.build_id or None,
    }


def _backlog_record(backlog: Backlog) -> dict[str, Any]:
    return {
        "count": backlog.count,
        "age_seconds": seconds(backlog.age),
        "add_rate": round(backlog.add_rate, 3),
        "dispatch_rate": round(backlog.dispatch_rate, 3),
    }


def _heartbeats(workers: QueueWorkers) -> list[dict[str, Any]] | None:
    if workers.heartbeats is None:
        return None
    return [
        {
            "instance_key": beat.instance_key,
            "identity": beat.identity,
            "status": beat.status,
            "host": beat.host or None,
            "process_id": beat.process_id or None,
            "sdk_name": beat.sdk_name or None,
            "sdk_version": beat.sdk_version or None,
            "start_time": rfc3339(beat.start_time),
            "heartbeat_time": rfc3339(beat.heartbeat_time),
            "deployment_name": beat.deployment_name or None,
            "build_id": beat.build_id or None,
            "activity_slots": _slots_record(beat.activity_slots),
            "workflow_slots": _slots_record(beat.workflow_slots),
            "polls": sorted(beat.polls),
        }
        for beat in workers.heartbeats
    ]


def _slots_record(slots: Slots | None) -> dict[str, Any] | None:
    return None if slots is None else {"used": slots.used, "available": slots.available}
