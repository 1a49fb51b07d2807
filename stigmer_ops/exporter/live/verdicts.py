"""Why activities that were followed wait: `diagnose` for a few of them, at half the load limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from temporalio.service import RPCError

from stigmer_ops.diagnosis.diagnose import DiagnosisReport, Systems, diagnose
from stigmer_ops.diagnosis.named import named_activities
from stigmer_ops.errors import InputError, StaleError, StigmerOpsError, UsageError
from stigmer_ops.exporter.pending.records import Run
from stigmer_ops.handshake.activity import ActivityKey, PendingActivity
from stigmer_ops.handshake.scan_report import Unreadable
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.clock import Clock
from stigmer_ops.temporal.fan_out import each_of, fan_out
from stigmer_ops.temporal.frontend import Frontend, Pace

_Found = list[PendingActivity | Unreadable]


async def at_half(systems: Systems) -> Systems:
    """The same systems at half the load limit, so that a diagnosis does not hold up refreshes."""
    external = await _halved(systems.external)
    same = systems.stigmer is systems.external
    stigmer = external if same else await _halved(systems.stigmer)
    return replace(systems, external=external, stigmer=stigmer)


async def _halved(frontend: Frontend) -> Frontend:
    pace = frontend.pace
    return await frontend.at_share(Pace(pace.rps / 2, max(1, pace.concurrency // 2)))


def calls_of(systems: Systems) -> int:
    """Calls made so far."""
    calls = systems.external.calls.total()
    return calls if systems.stigmer is systems.external else calls + systems.stigmer.calls.total()


async def judge(
    systems: Systems, keys: Sequence[ActivityKey], settings: Settings, *, clock: Clock
) -> DiagnosisReport:
    """Diagnose those of the activities that still wait.

    It costs a description of each, and a first event of every execution since the oldest of them.

    Raises:
        StigmerOpsError: The executions could not be listed.
    """
    report = DiagnosisReport()
    wanted: dict[Run, set[str]] = defaultdict(set)
    for key in keys:
        wanted[Run.of(key)].add(key.activity_id)
    await _diagnose(systems, _described(systems.external, wanted), settings, clock, report)
    return report


async def judge_one(
    systems: Systems, key: ActivityKey, settings: Settings, *, clock: Clock
) -> DiagnosisReport:
    """Diagnose one activity.

    Raises:
        StaleError: It does not wait any more; what it is instead.
        StigmerOpsError: It could not be read.
    """
    report = DiagnosisReport()
    named = await named_activities(
        systems.external,
        workflow_id=key.workflow_id,
        run_id=key.run_id,
        activity_id=key.activity_id,
    )
    await _diagnose(systems, each_of(named), settings, clock, report)
    return report


async def _diagnose(
    systems: Systems,
    found: AsyncIterator[PendingActivity | Unreadable],
    settings: Settings,
    clock: Clock,
    report: DiagnosisReport,
) -> None:
    try:
        await diagnose(systems, found, settings, now=clock, report=report)
    except RPCError as error:
        raise systems.external.translate(error, "diagnose what waits") from error


async def _described(
    frontend: Frontend, wanted: Mapping[Run, set[str]]
) -> AsyncIterator[PendingActivity | Unreadable]:
    async def read(run: Run) -> _Found:
        return await _pending_of(frontend, run, wanted[run])

    every = fan_out(each_of(wanted), read, concurrency=frontend.pace.concurrency)
    async with aclosing(every) as groups:
        async for group in groups:
            for found in group:
                yield found


async def _pending_of(frontend: Frontend, run: Run, wanted: set[str]) -> _Found:
    try:
        pending = await named_activities(
            frontend,
            workflow_id=run.workflow_id,
            run_id=run.run_id,
            activity_id=run.standalone_id,
        )
    except (StaleError, UsageError, InputError):
        return []  # it has ended, or is gone: nothing waits there any more
    except StigmerOpsError as error:
        reason = " ".join(error.happened.split())
        return [Unreadable(run.workflow_id, run.run_id, reason, run.standalone_id)]
    return [one for one in pending if one.activity_id in wanted]
