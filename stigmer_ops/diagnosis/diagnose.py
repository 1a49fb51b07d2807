"""One scan of external activities, one of Stigmer's workflows, a join, and a look at the few.

Cost: a list page per thousand workflows, one description per external workflow, one first event per
Stigmer workflow in the window. Only what is suspicious costs more: the history of a closed
execution whose activity is still pending, the description of one that runs for long, and a second
look at every activity that seems stuck, since both scans take time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.diagnosis.executions import stigmer_executions
from stigmer_ops.diagnosis.queues import task_queue_states
from stigmer_ops.handshake import reasoning, verdicts
from stigmer_ops.handshake.activity import ActivityKey, ActivityState, PendingActivity
from stigmer_ops.handshake.case import Candidate, Case, Diagnosis, Expectations
from stigmer_ops.handshake.correlation import correlate
from stigmer_ops.handshake.execution import (
    CallbackState,
    ExecutionTrace,
    StigmerExecution,
    TaskQueueState,
    TokenState,
)
from stigmer_ops.handshake.scan_report import ScanReport, Unreadable
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE, Settings
from stigmer_ops.stigmer.service import NoAnswer, StigmerService
from stigmer_ops.temporal.callbacks import NOT_ATTEMPTED, trace_execution
from stigmer_ops.temporal.describe import (
    describe_workflow,
    pending_standalone,
)
from stigmer_ops.temporal.fan_out import each_of, fan_out
from stigmer_ops.temporal.frontend import Frontend

_TraceKey = tuple[str, str]

WINDOW_SLACK = timedelta(minutes=1)
"""How much earlier than the oldest activity an execution's workflow may seem to have started."""


@dataclass(slots=True)
class DiagnosisReport:
    """What was concluded, and what could not be read.

    Attributes:
        diagnoses: One for each external activity, in no particular order.
        external: Counts of the scan of external workflows.
        unreadable: External workflows that could not be read.
        executions: How many Stigmer workflows were read.
        unreadable_executions: Those of them whose input could not be read, with the reason.
        settled: Activities that looked stuck and were no longer pending at the second look.
        notes: What the reader should know of how it was done, a sentence each.
    """

    diagnoses: list[Diagnosis] = field(default_factory=list)
    external: ScanReport = field(default_factory=ScanReport)
    unreadable: list[Unreadable] = field(default_factory=list)
    executions: int = 0
    unreadable_executions: list[StigmerExecution] = field(default_factory=list)
    settled: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def stuck(self) -> bool:
        """Whether anything is stuck."""
        return any(diagnosis.verdict.stuck for diagnosis in self.diagnoses)

    @property
    def complete(self) -> bool:
        """Whether everything was read."""
        return not self.unreadable and not self.unreadable_executions

    def unread(self) -> Iterator[tuple[str, str, str]]:
        """Id (of the workflow, or the standalone activity), run id and reason of what was not."""
        for one in self.unreadable:
            yield one.workflow_id or one.activity_id, one.run_id, one.reason
        for execution in self.unreadable_executions:
            yield execution.workflow_id, execution.run_id, execution.claim.detail


@dataclass(frozen=True, slots=True)
class Systems:
    """Whom to ask: the namespaces of both sides, and the Stigmer service if there is one."""

    external: Frontend
    stigmer: Frontend
    service: StigmerService | None = None


async def diagnose(
    systems: Systems,
    activities: AsyncIterator[PendingActivity | Unreadable],
    settings: Settings,
    *,
    now: Callable[[], datetime],
    report: DiagnosisReport,
) -> None:
    """Give each of `activities` its verdict, into `report`.

    Args:
        systems: Whom to ask.
        activities: The external activities, as `temporal.scan.scan` yields them.
        settings: Thresholds and names.
        now: The clock.
        report: Filled while it is made, so that an interrupted run still tells something.

    Raises:
        StigmerOpsError: A list could not be read.
    """
    pending: list[PendingActivity] = []
    async for found in activities:
        if isinstance(found, Unreadable):
            report.unreadable.append(found)
        else:
            pending.append(found)
    if not pending:
        return
    executions = await _read_executions(systems.stigmer, _oldest(pending), report)
    namespace_id = await systems.external.namespace_id()
    expected = Expectations(
        now=now(),
        namespace_id=namespace_id,
        grace=settings.thresholds.handshake_grace,
        near_deadline_share=settings.thresholds.near_deadline_share,
        longest_timeout=settings.thresholds.longest_timeout,
        agent_run_timeout=settings.stigmer.agent_run_timeout,
        callback_activity_type=CALLBACK_ACTIVITY_TYPE,
        unreadable_executions=len(report.unreadable_executions),
    )
    candidates = correlate(pending, executions, namespace_id)
    queues = await _task_queues(systems, pending, candidates, settings, expected.now)
    candidates = await _traced(systems, pending, candidates, queues, settings, expected, report)
    diagnoses = [
        reasoning.diagnose(Case(activity, candidates.get(activity.key, ()), expected, queues))
        for activity in pending
    ]
    report.diagnoses = await _second_look(systems.external, diagnoses, report)


async def executions_of(
    systems: Systems,
    activity: PendingActivity,
    settings: Settings,
    *,
    now: Callable[[], datetime],
) -> list[StigmerExecution]:
    """The executions whose token, damaged or not, names exactly this attempt.

    Raises:
        StigmerOpsError: The Stigmer workflows could not be listed.
    """
    report = DiagnosisReport()
    await diagnose(systems, each_of([activity]), settings, now=now, report=report)
    return [
        execution
        for diagnosis in report.diagnoses
        for execution in diagnosis.executions
        if execution.claim.key == activity.key and execution.claim.attempt == activity.attempt
    ]


def _oldest(pending: Sequence[PendingActivity]) -> datetime | None:
    times = [activity.waiting_since for activity in pending]
    if None in times:
        return None
    return min(time for time in times if time is not None) - WINDOW_SLACK


async def _read_executions(
    frontend: Frontend, since: datetime | None, report: DiagnosisReport
) -> list[StigmerExecution]:
    claiming: list[StigmerExecution] = []
    async with aclosing(stigmer_executions(frontend, started_since=since)) as executions:
        async for execution in executions:
            report.executions += 1
            if execution.claim.state is TokenState.UNREADABLE:
                report.unreadable_executions.append(execution)
            elif execution.claim.state is not TokenState.ABSENT:
                claiming.append(execution)
    return claiming


# --- Task queues ---------------------------------------------------------------------------------


async def _task_queues(
    systems: Systems,
    pending: Iterable[PendingActivity],
    candidates: Mapping[ActivityKey, tuple[Candidate, ...]],
    settings: Settings,
    now: datetime,
) -> dict[str, TaskQueueState]:
    """The pollers of every queue on which something may wait: a few, however many activities."""
    external = {a.task_queue for a in pending if a.state is ActivityState.SCHEDULED}
    running = [
        found.execution
        for group in candidates.values()
        for found in group
        if found.execution.running
    ]
    stigmer = {execution.task_queue for execution in running}
    stigmer |= {execution.runner_task_queue for execution in running}
    stale_after = settings.thresholds.poller_stale_after
    return {
        state.name: state
        for frontend, names in ((systems.external, external), (systems.stigmer, stigmer))
        for state in await task_queue_states(
            frontend, filter(None, names), now=now, stale_after=stale_after
        )
    }


# --- A closer look at the few --------------------------------------------------------------------


async def _traced(
    systems: Systems,
    pending: Sequence[PendingActivity],
    candidates: Mapping[ActivityKey, tuple[Candidate, ...]],
    queues: Mapping[str, TaskQueueState],
    settings: Settings,
    expected: Expectations,
    report: DiagnosisReport,
) -> dict[ActivityKey, tuple[Candidate, ...]]:
    suspect_after = settings.thresholds.suspect_after
    wanted: dict[tuple[str, str], StigmerExecution] = {}
    for activity in pending:
        long_ago = _attempt_age(activity, expected.now) >= suspect_after
        for found in candidates.get(activity.key, ()):
            execution = found.execution
            if not execution.running or long_ago or _unpolled(execution, queues):
                wanted[execution.workflow_id, execution.run_id] = execution
    traces = await _read_traces(systems.stigmer, list(wanted.values()))
    await _ask_stigmer(systems.service, wanted, traces, report)
    return {
        key: tuple(_with_trace(found, traces) for found in group)
        for key, group in candidates.items()
    }


def _with_trace(found: Candidate, traces: Mapping[_TraceKey, ExecutionTrace]) -> Candidate:
    execution = found.execution
    trace = traces.get((execution.workflow_id, execution.run_id))
    if trace is not None and trace.close is not None:
        # Visibility may still have called it running.
        execution = replace(execution, status=trace.close.how)
    return Candidate(execution, found.relation, found.certain, trace)


def _attempt_age(activity: PendingActivity, now: datetime) -> timedelta:
    started = activity.last_started_time
    return timedelta(0) if started is None else now - started


def _unpolled(execution: StigmerExecution, queues: Mapping[str, TaskQueueState]) -> bool:
    stigmer, runner = queues.get(execution.task_queue), queues.get(execution.runner_task_queue)
    return bool(
        (stigmer and not (stigmer.workflow_pollers and stigmer.activity_pollers))
        or (runner and not runner.activity_pollers)
    )


async def _read_traces(
    frontend: Frontend, executions: Sequence[StigmerExecution]
) -> dict[_TraceKey, ExecutionTrace]:
    async def read(execution: StigmerExecution) -> tuple[_TraceKey, ExecutionTrace]:
        key = (execution.workflow_id, execution.run_id)
        try:
            return key, await trace_execution(frontend, execution, CALLBACK_ACTIVITY_TYPE)
        except RPCError as error:
            reason = f"cannot be read: {error.message or error.status.name}"
            return key, ExecutionTrace(NOT_ATTEMPTED, unreadable=reason)

    found = fan_out(each_of(executions), read, concurrency=frontend.pace.concurrency)
    return {key: trace async for key, trace in found}


async def _ask_stigmer(
    service: StigmerService | None,
    executions: Mapping[_TraceKey, StigmerExecution],
    traces: dict[_TraceKey, ExecutionTrace],
    report: DiagnosisReport,
) -> None:
    """Add what the Stigmer service says of the closed ones; stop at the first refusal."""
    if service is None:
        return
    for key, execution in executions.items():
        trace = traces[key]
        if execution.running or trace.callback.state is CallbackState.SUCCEEDED:
            continue
        said = await service.execution(execution.kind, execution.execution_id)
        if isinstance(said, NoAnswer):
            report.notes.append(
                f"Stigmer at {service.address} could not be asked: {said.code} {said.reason}"
            )
            return
        if said is not None:
            traces[key] = replace(trace, stigmer_phase=said.phase, stigmer_error=said.error)


async def _second_look(
    frontend: Frontend, diagnoses: Sequence[Diagnosis], report: DiagnosisReport
) -> list[Diagnosis]:
    """Drop what only looked stuck because it was read before the execution had finished."""
    kept = [d for d in diagnoses if not _worth_a_second_look(d)]
    doubtful: dict[tuple[str, str, str], list[Diagnosis]] = defaultdict(list)
    for diagnosis in filter(_worth_a_second_look, diagnoses):
        activity = diagnosis.activity
        standalone_id = activity.activity_id if activity.standalone else ""
        doubtful[activity.workflow_id, activity.run_id, standalone_id].append(diagnosis)

    async def read(group: list[Diagnosis]) -> list[Diagnosis]:
        return await _still_pending(frontend, group)

    groups = fan_out(each_of(list(doubtful.values())), read, concurrency=frontend.pace.concurrency)
    confirmed = [diagnosis async for group in groups for diagnosis in group]
    report.settled += len(diagnoses) - len(kept) - len(confirmed)
    return kept + confirmed


def _worth_a_second_look(diagnosis: Diagnosis) -> bool:
    return diagnosis.verdict.stuck or diagnosis.verdict is verdicts.UNKNOWN


async def _still_pending(frontend: Frontend, group: list[Diagnosis]) -> list[Diagnosis]:
    first = group[0].activity
    try:
        if first.standalone:
            pending = await pending_standalone(frontend, first.activity_id, first.run_id)
        else:
            pending = (await describe_workflow(frontend, first.workflow_id, first.run_id)).pending
    except RPCError as error:
        return [] if error.status is RPCStatusCode.NOT_FOUND else group
    attempts = {activity.key: activity.attempt for activity in pending}
    return [d for d in group if attempts.get(d.activity.key) == d.activity.attempt]
