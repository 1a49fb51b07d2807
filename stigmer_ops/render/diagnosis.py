"""How a diagnosis looks: grouped by verdict, most urgent first, each fact with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stigmer_ops.handshake.case import Diagnosis, Evidence
from stigmer_ops.handshake.execution import StigmerExecution
from stigmer_ops.handshake.remedies import commands
from stigmer_ops.handshake.verdicts import VERDICTS, Severity, Verdict
from stigmer_ops.render.paragraphs import paragraph
from stigmer_ops.render.text import rfc3339, seconds, short_duration, visible

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.WARNING: "yellow",
    Severity.INFO: "cyan",
    Severity.OK: "green",
}
SHOWN_EACH = 5
"""Activities told in full of one verdict, where there are many; JSON has all."""


def page_of(verdict: Verdict) -> str:
    """The verdict's runbook page."""
    return f"runbooks/verdicts/{verdict.id}.md"


def by_urgency(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Most severe first, then by verdict, then the longest waiting first."""
    order = {verdict: position for position, verdict in enumerate(VERDICTS)}
    return sorted(
        diagnoses,
        key=lambda diagnosis: (
            -diagnosis.verdict.severity,
            order[diagnosis.verdict],
            diagnosis.activity.waiting_since.timestamp() if diagnosis.activity.waiting_since else 0,
            diagnosis.activity.key.workflow_id,
            diagnosis.activity.key.activity_id,
        ),
    )


def counts(diagnoses: Iterable[Diagnosis]) -> dict[str, int]:
    """How many activities each verdict has, most urgent verdict first."""
    found = Counter(diagnosis.verdict.id for diagnosis in by_urgency(diagnoses))
    return dict(found)


# --- For machines --------------------------------------------------------------------------------


def diagnosis_record(diagnosis: Diagnosis, now: datetime) -> dict[str, Any]:
    """One diagnosis, as JSON shows it."""
    activity, verdict = diagnosis.activity, diagnosis.verdict
    deadline = activity.deadline
    return {
        "verdict": verdict.id,
        "title": verdict.title,
        "severity": str(verdict.severity),
        "stuck": verdict.stuck,
        "confidence": diagnosis.confidence.value,
        "also": [other.id for other in diagnosis.also],
        "activity": {
            "namespace": activity.namespace,
            "workflow_id": activity.workflow_id or None,
            "run_id": activity.run_id,
            "workflow_type": activity.workflow_type or None,
            "activity_id": activity.activity_id,
            "activity_type": activity.activity_type,
            "standalone": activity.standalone,
            "state": activity.state.value,
            "attempt": activity.attempt,
            "task_queue": activity.task_queue,
            "waiting_since": rfc3339(activity.waiting_since),
            "age_seconds": seconds(activity.age(now)),
            "deadline": rfc3339(deadline.time) if deadline else None,
            "time_left_seconds": seconds(activity.time_left(now)),
        },
        "executions": [execution_record(execution) for execution in diagnosis.executions],
        "evidence": [evidence_record(fact) for fact in diagnosis.evidence],
        "remedy": verdict.remedy,
        "action": diagnosis.action.value,
        "commands": list(commands(diagnosis)),
        "page": page_of(verdict),
    }


def execution_record(execution: StigmerExecution) -> dict[str, Any]:
    """One execution, as JSON shows it; of its token only what names it."""
    claim = execution.claim
    return {
        "execution_id": execution.execution_id,
        "kind": execution.kind.value,
        "workflow_id": execution.workflow_id,
        "run_id": execution.run_id,
        "status": execution.status,
        "start_time": rfc3339(execution.start_time),
        "close_time": rfc3339(execution.close_time),
        "token": {
            "state": claim.state.value,
            "fingerprint": claim.fingerprint or None,
            "attempt": claim.attempt or None,
            "scheduled_event_id": claim.scheduled_event_id or None,
        },
    }


def evidence_record(fact: Evidence) -> dict[str, Any]:
    """One fact, as JSON shows it."""
    return {
        "fact": fact.fact,
        "workflow_id": fact.workflow_id or None,
        "run_id": fact.run_id or None,
        "event_id": fact.event_id or None,
        "time": rfc3339(fact.time),
    }


def unread_record(workflow_id: str, run_id: str, reason: str) -> dict[str, Any]:
    """One workflow that could not be read, as JSON shows it."""
    return {"workflow_id": workflow_id, "run_id": run_id, "reason": reason}


# --- For people ----------------------------------------------------------------------------------


def diagnosis_page(
    console: Console, diagnoses: Sequence[Diagnosis], now: datetime, *, everything: bool
) -> None:
    """Print every verdict that asks for attention, and count the rest.

    Args:
        console: Where to.
        diagnoses: In any order.
        now: For ages.
        everything: Tell every activity, the healthy ones too.
    """
    ordered = by_urgency(diagnoses)
    groups: dict[Verdict, list[Diagnosis]] = {}
    for diagnosis in ordered:
        groups.setdefault(diagnosis.verdict, []).append(diagnosis)
    for verdict, group in groups.items():
        if verdict.severity is Severity.OK and not everything:
            continue
        print_group(console, verdict, group, now, everything=everything)
    _print_totals(console, groups)


def print_group(
    console: Console, verdict: Verdict, group: Sequence[Diagnosis], now: datetime, everything: bool
) -> None:
    """Print a verdict and what it was given to; up to `SHOWN_EACH`, unless everything is wanted."""
    heading = f"{str(verdict.severity).upper()}  {verdict.id}  ({_activities(len(group))})"
    console.print(heading, style=STYLES[verdict.severity])
    paragraph(console, f"{verdict.title}.", 2)
    paragraph(console, verdict.remedy, 2)
    shown = group if everything else group[:SHOWN_EACH]
    for diagnosis in shown:
        _print_one(console, diagnosis, now)
    if len(group) > len(shown):
        more = len(group) - len(shown)
        console.print(f"\n  … and {more} more: -o wide tells all, --plan-out FILE plans them all")
    console.print(f"  see: stigmer-ops runbook show {verdict.id}\n", style="dim")


def _print_one(console: Console, diagnosis: Diagnosis, now: datetime) -> None:
    activity = diagnosis.activity
    whose = activity.workflow_id or "standalone"
    left = activity.time_left(now)
    facts = [
        activity.activity_type,
        f"attempt {activity.attempt}",
        f"waiting {short_duration(activity.age(now))}",
        f"{short_duration(left)} left" if left is not None else "no deadline",
        diagnosis.confidence.value,
        *(f"also {other.id}" for other in diagnosis.also),
    ]
    console.print()
    console.print(f"  {visible(whose)}  activity {visible(activity.activity_id)}", style="bold")
    paragraph(console, visible(", ".join(facts)), 4)
    for fact in diagnosis.evidence:
        paragraph(console, f"{visible(fact.fact)}{_place(fact)}", 4, "- ")
    for line in commands(diagnosis):
        console.print(f"    $ {visible(line)}", style="cyan", soft_wrap=True)


def _place(fact: Evidence) -> str:
    parts = []
    if fact.event_id:
        parts.append(f"event {fact.event_id}")
    if fact.time is not None:
        parts.append(str(rfc3339(fact.time)))
    return f" ({', '.join(parts)})" if parts else ""


def _print_totals(console: Console, groups: dict[Verdict, list[Diagnosis]]) -> None:
    total = sum(map(len, groups.values()))
    stuck = sum(len(group) for verdict, group in groups.items() if verdict.stuck)
    console.print(f"{_activities(total)}: {stuck} stuck")
    for verdict, group in groups.items():
        console.print(f"  {len(group):>6}  {verdict.id}", style=STYLES[verdict.severity])


def _activities(count: int) -> str:
    return f"{count:,} {'activity' if count == 1 else 'activities'}"
