"""What a report says in words, the same on a page and in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stigmer_ops.render.text import short_duration, without_userinfo

if TYPE_CHECKING:
    from stigmer_ops.audit import RecordedOperation
    from stigmer_ops.handshake.activity import PendingActivity
    from stigmer_ops.handshake.case import Diagnosis, Evidence
    from stigmer_ops.handshake.timeline import Moment
    from stigmer_ops.procedures.incident.actions import Actions
    from stigmer_ops.procedures.incident.report import IncidentReport, Told, VerdictGroup

LONGEST = 600
"""Characters of a foreign text, such as a failure, that are shown."""
ALERTS = 50
"""Alerts that are shown."""


def cut(text: str, longest: int = LONGEST) -> str:
    """The beginning of a long text, without passwords of addresses in it."""
    plain = without_userinfo(text)
    left = len(plain) - longest
    return plain if left <= 0 else f"{plain[:longest]}… ({left:,} more characters)"


def clock(time: datetime) -> str:
    """A time to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def moment(time: datetime) -> str:
    """A time to the millisecond, as histories have it."""
    return f"{time.astimezone(UTC).isoformat(sep=' ', timespec='milliseconds')[:23]}"


def _shortly(time: datetime, now: datetime) -> str:
    """A time of today without its date, another one without its year."""
    at = time.astimezone(UTC)
    return f"{at:%H:%M:%S}" if at.date() == now.astimezone(UTC).date() else f"{at:%b %d %H:%M}"


def counted(count: int, noun: str) -> str:
    """`1 check`, `2 checks`, `2 activities`."""
    if count != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun}"


KIND = "Stigmer incident report"


def title(report: IncidentReport) -> str:
    """The heading of all, in plain text."""
    return f"{KIND}: {', '.join((*names_of(report), when(report)))}"


def names_of(report: IncidentReport) -> tuple[str, ...]:
    """What it is about, as others wrote it: tickets, and the namespace."""
    return (*report.tickets, report.situation.namespace)


def when(report: IncidentReport) -> str:
    """As of when it is."""
    return f"{report.situation.time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def standing(report: IncidentReport) -> str:
    """`critical`, `wrong`, `unknown` or `well`."""
    situation = report.situation
    if situation.critical:
        return "critical"
    if situation.wrong:
        return "wrong"
    return "well" if report.complete else "unknown"


def headline(report: IncidentReport) -> str:
    """How it stands, in a sentence or two."""
    situation = report.situation
    stuck, waiting = len(situation.stuck), len(situation.diagnoses)
    if stuck:
        return (
            f"{stuck:,} of {counted(waiting, 'external activity')} that "
            f"{'waits' if waiting == 1 else 'wait'} will not complete by "
            f"{'itself' if stuck == 1 else 'themselves'}."
        )
    if not situation.diagnosed:
        return "What waits could not be read."
    if situation.wrong:
        return "No activity is stuck, but not all is well."
    return "Nothing is wrong as far as is known."


def key_facts(report: IncidentReport) -> Iterator[tuple[str, str, str]]:
    """What matters most: a name, a value, and what more there is to say of it."""
    situation, now = report.situation, report.situation.time
    if situation.diagnosed:
        stuck = situation.stuck
        yield "waiting", f"{len(situation.diagnoses):,}", "external activities"
        yield "stuck", f"{len(stuck):,}", _verdicts(report)
        oldest, nearest = report.stuck_ages.all.oldest, report.stuck_ages.all.nearest
        if oldest is not None:
            yield "longest stuck", short_duration(oldest.age(now)), _since(oldest, now)
        if nearest is not None and nearest.deadline is not None:
            ends = f"a stuck one times out at {_shortly(nearest.deadline.time, now)} UTC"
            yield "next deadline", short_duration(nearest.time_left(now)), ends
    failed = len(situation.failed)
    made = sum(one.result.value != "skipped" for one in report.checks)
    yield "checks failed", f"{failed}", f"of {made} that were made"
    yield "alerts firing", *_alerts(report)
    yield "actions", f"{len(report.actions.operations)}", _in_short(report.actions, now)


def _verdicts(report: IncidentReport) -> str:
    kinds = sum(group.verdict.stuck for group in report.groups)
    return "nothing is" if not kinds else f"for {counted(kinds, 'reason')}"


def _since(activity: PendingActivity, now: datetime) -> str:
    since = activity.waiting_since
    return "" if since is None else f"waits since {_shortly(since, now)} UTC"


def _alerts(report: IncidentReport) -> tuple[str, str]:
    alerts = report.situation.alerts
    if not report.prometheus:
        return "-", "no Prometheus is configured"
    if alerts is None:
        return "?", "Prometheus could not be asked"
    critical = len(report.situation.critical_alerts)
    return f"{len(alerts)}", f"of them critical: {critical}"


def _in_short(actions: Actions, now: datetime) -> str:
    ended = Counter(result_of(operation) for operation in actions.operations)
    told = ", ".join(f"{count} {result}" for result, count in ended.most_common())
    return f"{told or 'none'}, since {_shortly(actions.since, now)} UTC"


def result_of(operation: RecordedOperation) -> str:
    """How an operation ended."""
    return "unfinished" if operation.result is None else operation.result.value


def proof_of(operation: RecordedOperation) -> str:
    """What shows in Temporal that it had its effect."""
    outcome, target = operation.record.outcome, operation.record.intent.target
    if outcome is None or outcome.proof_event_id is None:
        return ""
    run = f" of run {target.run_id}" if target is not None and target.run_id else ""
    return f"event {outcome.proof_event_id}{run}"


def target_of(operation: RecordedOperation) -> str:
    """What it was done to."""
    target = operation.record.intent.target
    if target is None:
        return ""
    names = {
        "workflow": target.workflow_id,
        "activity": target.activity_id,
        "attempt": target.attempt,
    }
    return ", ".join(f"{what} {value}" for what, value in names.items() if value)


def trail_remarks(report: IncidentReport) -> Iterator[str]:
    """What the actions were taken from, and what that is worth."""
    actions = report.actions
    for trail in actions.trails:
        if trail.unreadable:
            yield f"The audit trail {trail.path} has lines that are no records: {trail.unreadable}."
        if not trail.there:
            yield f"There is no audit trail {trail.path}: nothing was written with it."
        elif trail.broken:
            yield f"The audit trail {trail.path} is broken: {trail.broken}."
        else:
            yield f"The audit trail {trail.path} is whole; its head is {trail.head}."
    if report.tickets:
        yield f"Only what was done for {' or '.join(report.tickets)} is told."
    if actions.elsewhere:
        yield (
            "What was done to a namespace of this name on other servers is left out (--server "
            f"takes it in): {', '.join(actions.elsewhere)}."
        )
    if actions.cut:
        yield f"Earlier ones are left out: {len(actions.operations)} are shown."
    yield "What others did from other hosts is in their audit trails, not in this one."


def group_heading(group: VerdictGroup) -> str:
    """The verdict with how many activities have it."""
    return f"{group.verdict.id}: {counted(group.count, 'activity')}"


def whose(activity: PendingActivity) -> str:
    """The workflow, or that there is none."""
    return activity.workflow_id or "standalone"


def in_short(diagnosis: Diagnosis, now: datetime) -> str:
    """An activity in a line: type, attempt, age, time left, confidence. Types are foreign text."""
    activity = diagnosis.activity
    left = activity.time_left(now)
    also = [f"also {other.id}" for other in diagnosis.also]
    facts = [
        activity.activity_type,
        f"attempt {activity.attempt}",
        f"waiting {short_duration(activity.age(now))}",
        "no deadline" if left is None else f"{short_duration(left)} left",
        diagnosis.confidence.value,
        *also,
    ]
    return ", ".join(facts)


Places = Mapping[tuple[str, str], str]
"""Short names of workflow runs, by workflow id and run id."""


def places_of(diagnosis: Diagnosis) -> dict[tuple[str, str], str]:
    """The runs in which an activity's handshake took place."""
    activity, executions = diagnosis.activity, diagnosis.executions
    names = {}
    if activity.workflow_id:
        names[activity.workflow_id, activity.run_id] = "external workflow"
    for number, one in enumerate(executions, 1):
        several = f" {number}" if len(executions) > 1 else ""
        names[one.workflow_id, one.run_id] = f"Stigmer execution{several}"
    return names


def place_of(fact: Evidence | Moment, places: Places) -> str:
    """Where a colleague can check it."""
    if not fact.event_id:
        return ""
    where = places.get((fact.workflow_id, fact.run_id), fact.workflow_id)
    return f"event {fact.event_id}, {where}"


def remarks_of(told: Told) -> Iterator[str]:
    """What a timeline does not show."""
    timeline = told.timeline
    if timeline.left_out:
        yield f"{counted(timeline.left_out, 'moment')} in between are left out."
    if told.executions_left_out:
        more = counted(told.executions_left_out, "execution")
        yield f"{more} more are not in the timeline."
    yield from timeline.remarks


def gaps_of(report: IncidentReport) -> Iterator[str]:
    """What is not known, and how it was read."""
    yield from report.situation.gaps
    for name, reason in report.unread:
        yield f"could not be read: {name}: {reason}"
    more = report.unread_count - len(report.unread)
    if more > 0:
        yield f"could not be read: {more:,} more"
    yield from report.notes
