"""The report as a record, ready for JSON: what the page says, no more and no less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stigmer_ops.render.check import result_record
from stigmer_ops.render.diagnosis import diagnosis_record
from stigmer_ops.render.report import words
from stigmer_ops.render.text import rfc3339, seconds

if TYPE_CHECKING:
    from stigmer_ops.handshake.timeline import Timeline
    from stigmer_ops.procedures.incident.actions import Actions
    from stigmer_ops.procedures.incident.report import IncidentReport, VerdictGroup


def report_record(
    report: IncidentReport, operations: Sequence[Mapping[str, Any]], written: str | None
) -> dict[str, Any]:
    """The record.

    Args:
        report: What is known.
        operations: Its operations, as `audit show` has them.
        written: The file that was written, if one was.
    """
    situation = report.situation
    return {
        "time": rfc3339(situation.time),
        "namespace": situation.namespace,
        "address": report.address,
        "tickets": list(report.tickets),
        "headline": words.headline(report),
        "wrong": situation.wrong,
        "critical": situation.critical,
        "waiting": len(situation.diagnoses) if situation.diagnosed else None,
        "stuck": len(situation.stuck) if situation.diagnosed else None,
        "running": report.healthy,
        "by_age": [
            {"age": bucket, "waiting": tally.count, "stuck": report.stuck_ages.by_age[bucket].count}
            for bucket, tally in report.ages.by_age.items()
        ],
        "verdicts": [_group_record(group, report) for group in report.groups],
        "checks": [result_record(one) for one in report.checks],
        "alerts": _alerts(report),
        "actions": _actions(report.actions, operations),
        "gaps": list(words.gaps_of(report)),
        "complete": report.complete,
        "written": written,
    }


def _group_record(group: VerdictGroup, report: IncidentReport) -> dict[str, Any]:
    verdict, now = group.verdict, report.situation.time
    return {
        "verdict": verdict.id,
        "title": verdict.title,
        "severity": str(verdict.severity),
        "stuck": verdict.stuck,
        "count": group.count,
        "told": [
            {
                **diagnosis_record(told.diagnosis, now),
                "timeline": _timeline_record(told.timeline),
                "executions_left_out": told.executions_left_out,
            }
            for told in group.told
        ],
        "listed": [
            {
                "workflow_id": one.activity.workflow_id or None,
                "run_id": one.activity.run_id,
                "activity_id": one.activity.activity_id,
                "attempt": one.activity.attempt,
                "age_seconds": seconds(one.activity.age(now)),
                "time_left_seconds": seconds(one.activity.time_left(now)),
            }
            for one in group.listed
        ],
        "left_out": group.left_out,
    }


def _timeline_record(timeline: Timeline) -> dict[str, Any]:
    return {
        "moments": [
            {
                "time": rfc3339(moment.time),
                "what": moment.what,
                "workflow_id": moment.workflow_id or None,
                "run_id": moment.run_id or None,
                "event_id": moment.event_id or None,
            }
            for moment in timeline.moments
        ],
        "left_out": timeline.left_out,
        "remarks": list(timeline.remarks),
    }


def _alerts(report: IncidentReport) -> dict[str, Any]:
    alerts = report.situation.alerts
    return {
        "prometheus": report.prometheus or None,
        "firing": None
        if alerts is None
        else [
            {
                "name": one.name,
                "severity": one.severity,
                "since": rfc3339(one.since),
                "summary": one.annotations.get("summary"),
            }
            for one in alerts[: words.ALERTS]
        ],
        "left_out": 0 if alerts is None else max(len(alerts) - words.ALERTS, 0),
    }


def _actions(actions: Actions, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "since": rfc3339(actions.since),
        "operations": list(operations),
        "cut": actions.cut,
        "other_servers": list(actions.elsewhere),
        "trails": [
            {
                "path": str(trail.path),
                "exists": trail.there,
                "intact": not trail.broken,
                "broken": trail.broken or None,
                "head": trail.head or None,
                "unreadable": trail.unreadable,
            }
            for trail in actions.trails
        ],
    }
