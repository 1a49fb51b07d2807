"""Gathers what a report of an incident holds: bounded, however much waits. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from stigmer_ops.diagnosis.diagnose import DiagnosisReport
from stigmer_ops.diagnosis.steps import RunKey, read_steps
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.execution import StigmerExecution
from stigmer_ops.handshake.summary import Summary
from stigmer_ops.handshake.timeline import ExecutionSteps, Timeline, timeline
from stigmer_ops.handshake.verdicts import VERDICTS, Severity, Verdict
from stigmer_ops.monitoring.http_api import without_credentials
from stigmer_ops.procedures.checks.check import CheckResult
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.runner import CheckRun
from stigmer_ops.procedures.escalation.situation import Situation, situation
from stigmer_ops.procedures.incident.actions import Actions
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE

LISTED = 20
"""Activities of a verdict that are named, beyond those that are told in full."""
EXECUTIONS_DRAWN = 3
"""Of one activity; more are counted."""
UNREAD = 20
"""Workflows that could not be read and are named."""


@dataclass(frozen=True, slots=True)
class Told:
    """An activity that is told in full; `executions_left_out` are not in its timeline."""

    diagnosis: Diagnosis
    timeline: Timeline
    executions_left_out: int = 0


@dataclass(frozen=True, slots=True)
class VerdictGroup:
    """The activities of one verdict, the longest waiting first.

    Attributes:
        verdict: Theirs.
        count: How many there are.
        told: Those that are told in full.
        listed: The next ones, which are named.
    """

    verdict: Verdict
    count: int
    told: tuple[Told, ...]
    listed: tuple[Diagnosis, ...]

    @property
    def left_out(self) -> int:
        """How many are neither told nor named."""
        return self.count - len(self.told) - len(self.listed)


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """What is known.

    Attributes:
        situation: The checks that failed, the diagnoses, the alerts, and what is not known.
        address: Of the Temporal frontend; empty where it is not well said.
        checks: All checks.
        groups: What asks for attention, the most urgent verdict first.
        healthy: How many activities ask for none.
        ages: All that waits, by age.
        stuck_ages: What is stuck, by age.
        actions: What was done.
        prometheus: Who was asked for alerts; empty if nobody is configured.
        unread: Id and reason of what could not be read, the first of `unread_count`.
        unread_count: How many could not be read.
        notes: How the diagnosis was made, a sentence each.
        tickets: Those that it is about; none for whatever was done.
    """

    situation: Situation
    address: str
    checks: tuple[CheckResult, ...]
    groups: tuple[VerdictGroup, ...]
    healthy: int
    ages: Summary
    stuck_ages: Summary
    actions: Actions
    prometheus: str = ""
    unread: tuple[tuple[str, str], ...] = ()
    unread_count: int = 0
    notes: tuple[str, ...] = ()
    tickets: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all that should be known is."""
        return not self.situation.gaps and not self.unread_count


async def incident_report(
    context: CheckContext,
    run: CheckRun,
    actions: Actions,
    *,
    each: int,
    tickets: Sequence[str] = (),
    verdicts: Collection[Verdict] = (),
) -> IncidentReport:
    """What is known now.

    Whatever cannot be read is told in the situation's gaps.

    Args:
        context: With which the checks were run; what they read is not read again.
        run: The checks.
        actions: See `read_actions`.
        each: How many activities of a verdict to tell in full.
        tickets: Those that it is about, for its title.
        verdicts: Tell only of activities with one of these; none for all.

    Raises:
        StigmerOpsError: The settings, or the options of the connection, are not valid.
    """
    found = await situation(context, run.results)
    if verdicts:
        chosen_ones = tuple(one for one in found.diagnoses if one.verdict in verdicts)
        found = replace(found, diagnoses=chosen_ones)
    report = await context.diagnosis() if found.diagnosed else DiagnosisReport()
    chosen = [one for group in _by_verdict(found.diagnoses) for one in group[:each]]
    groups = groups_of(found.diagnoses, await _steps(context, chosen), found.time, each=each)
    unread = list(report.unread())
    prometheus = context.settings.monitoring.prometheus
    ages, stuck_ages = Summary(found.time), Summary(found.time)
    for one in found.diagnoses:
        ages.add(one.activity)
        if one.verdict.stuck:
            stuck_ages.add(one.activity)
    return IncidentReport(
        situation=found,
        address=context.access.target().address,
        checks=tuple(run.results),
        groups=groups,
        healthy=len(found.diagnoses) - sum(group.count for group in groups),
        ages=ages,
        stuck_ages=stuck_ages,
        actions=actions,
        prometheus="" if prometheus is None else without_credentials(prometheus),
        unread=tuple((name, reason) for name, _, reason in unread[:UNREAD]),
        unread_count=len(unread),
        notes=_notes(report, verdicts),
        tickets=tuple(tickets),
    )


def groups_of(
    diagnoses: Sequence[Diagnosis],
    steps: Mapping[RunKey, ExecutionSteps],
    now: datetime,
    *,
    each: int,
) -> tuple[VerdictGroup, ...]:
    """What asks for attention, the most urgent verdict first.

    Args:
        diagnoses: All, the longest waiting first.
        steps: Of the executions that are drawn; others are drawn without.
        now: For the timelines.
        each: How many of a verdict to tell in full.
    """
    return tuple(_group(group, steps, now, each) for group in _by_verdict(diagnoses))


def _by_verdict(diagnoses: Sequence[Diagnosis]) -> list[list[Diagnosis]]:
    groups: dict[Verdict, list[Diagnosis]] = {}
    for one in diagnoses:
        if one.verdict.severity is not Severity.OK:
            groups.setdefault(one.verdict, []).append(one)
    order = {verdict: position for position, verdict in enumerate(VERDICTS)}
    urgent = sorted(groups, key=lambda verdict: (-verdict.severity, order[verdict]))
    return [groups[verdict] for verdict in urgent]


def _drawn(diagnosis: Diagnosis) -> tuple[StigmerExecution, ...]:
    return diagnosis.executions[:EXECUTIONS_DRAWN]


async def _steps(
    context: CheckContext, chosen: Sequence[Diagnosis]
) -> dict[RunKey, ExecutionSteps]:
    wanted = {(one.workflow_id, one.run_id): one for found in chosen for one in _drawn(found)}
    if not wanted:
        return {}
    return await read_steps(await context.stigmer(), list(wanted.values()), CALLBACK_ACTIVITY_TYPE)


def _group(
    diagnoses: Sequence[Diagnosis],
    steps: Mapping[RunKey, ExecutionSteps],
    now: datetime,
    each: int,
) -> VerdictGroup:
    told = []
    for one in diagnoses[:each]:
        drawn = _drawn(one)
        read = [
            steps.get((execution.workflow_id, execution.run_id)) or ExecutionSteps(execution)
            for execution in drawn
        ]
        told.append(Told(one, timeline(one, now, read), len(one.executions) - len(drawn)))
    listed = tuple(diagnoses[each : each + LISTED])
    return VerdictGroup(diagnoses[0].verdict, len(diagnoses), tuple(told), listed)


def _notes(report: DiagnosisReport, verdicts: Collection[Verdict]) -> tuple[str, ...]:
    notes = list(report.notes)
    if verdicts:
        named = ", ".join(sorted(verdict.id for verdict in verdicts))
        notes.append(f"of what waits only this is told: {named}")
    if report.settled:
        notes.append(f"{report.settled} activities ended while this was made")
    return tuple(notes)
