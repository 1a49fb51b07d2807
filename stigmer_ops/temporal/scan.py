"""The pending activities of a whole namespace, found as fast as the frontend may be pressed.

No server index holds pending activities, so every running workflow is listed and described. What is
listed comes from visibility, which lags behind; what is told comes from the description.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime

from temporalio.api.activity.v1 import ActivityExecutionListInfo
from temporalio.api.enums.v1 import EventType
from temporalio.api.namespace.v1 import NamespaceInfo
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.scan_report import ScanReport, Unreadable
from stigmer_ops.handshake.selection import Selection
from stigmer_ops.temporal.describe import (
    EPOCH,
    describe_standalone,
    describe_workflow,
    moment,
    standalone_activity,
)
from stigmer_ops.temporal.fan_out import fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import events_backwards
from stigmer_ops.temporal.patience import Outage, patiently
from stigmer_ops.temporal.visibility import (
    PAGE_SIZE,
    SMALL_PAGE,
    all_of,
    count_workflows,
    is_any_of,
    is_none_of,
    list_standalone,
    list_workflows,
    not_after,
)

Found = PendingActivity | Unreadable


async def scan(
    frontend: Frontend,
    selection: Selection,
    *,
    now: datetime,
    report: ScanReport | None = None,
) -> AsyncGenerator[Found, None]:
    """Yield the selected pending activities of all running workflows, as they are found.

    Running standalone activities follow, where the server has them. Of an activity that was
    retried, the history is read as well, for the time of its first schedule. A workflow that
    closes between its listing and its description has nothing pending, and is passed over.

    Memory does not grow with the number of workflows. Wrap the generator in `aclosing` if you may
    leave it before its end.

    Args:
        frontend: Whom to ask, and at what pace.
        selection: What is wanted.
        now: For ages and times left.
        report: Counts what is read, while it is read.

    Raises:
        StigmerOpsError: The namespace, or a page of its workflows, could not be read; or so many
            descriptions failed in a row that the rest would fail too.
    """
    has = (await frontend.describe_namespace()).namespace_info.capabilities
    reader = _Reader(frontend, selection, now, ScanReport() if report is None else report)
    width = frontend.pace.concurrency
    query = workflow_query(selection, now, has)
    workflows = list_workflows(frontend, query, first_page=SMALL_PAGE)
    passes = [fan_out(workflows, reader.workflow, concurrency=width, ahead=PAGE_SIZE)]
    if has.standalone_activities and not selection.workflow_types:
        query = standalone_query(selection, now, has)
        standalone = list_standalone(frontend, query, first_page=SMALL_PAGE)
        passes.append(fan_out(standalone, reader.standalone, concurrency=width, ahead=PAGE_SIZE))
    for results in passes:
        async with aclosing(results):
            async for found in results:
                for item in found:
                    yield item


async def count_to_scan(frontend: Frontend, selection: Selection, *, now: datetime) -> int:
    """How many workflows `scan` will describe, for its progress.

    Raises:
        StigmerOpsError: They could not be counted.
    """
    has = (await frontend.describe_namespace()).namespace_info.capabilities
    return await count_workflows(frontend, workflow_query(selection, now, has))


def workflow_query(selection: Selection, now: datetime, has: NamespaceInfo.Capabilities) -> str:
    """Which workflows to describe: the open ones in which something selected may wait."""
    return all_of(
        _open(can_be_paused=has.workflow_pause),
        is_any_of("WorkflowType", selection.workflow_types),
        is_none_of("WorkflowType", selection.other_than - selection.workflow_types),
        # An activity is not older than the run that scheduled it.
        _old_enough(selection, now),
    )


def standalone_query(selection: Selection, now: datetime, has: NamespaceInfo.Capabilities) -> str:
    """Which standalone activities to describe: the open ones that may be selected."""
    return all_of(
        _open(can_be_paused=has.standalone_activity_operator_commands),
        is_any_of("ActivityType", selection.activity_types),
        # Of a workflow this attribute is the workflow's queue; here it is the activity's own.
        is_any_of("TaskQueue", selection.task_queues),
        _old_enough(selection, now),
    )


def _old_enough(selection: Selection, now: datetime) -> str | None:
    if not selection.older_than:
        return None
    # Nothing is older than the epoch, and the server cannot compare with times far before it.
    return not_after("StartTime", now - min(selection.older_than, now - EPOCH))


def _open(*, can_be_paused: bool) -> str:
    # A server that cannot pause does not know the status, and refuses a query that names it.
    return (
        "ExecutionStatus IN ('Running', 'Paused')"
        if can_be_paused
        else ("ExecutionStatus = 'Running'")
    )


class _Reader:
    """Describes what is listed, selects, counts, and notices when nobody answers any more."""

    def __init__(
        self, frontend: Frontend, selection: Selection, now: datetime, report: ScanReport
    ) -> None:
        self._frontend = frontend
        self._selection = selection
        self._now = now
        self._report = report
        self._outage = Outage(frontend.pace.concurrency)

    async def workflow(self, listed: WorkflowExecutionInfo) -> Sequence[Found]:
        """What is selected of one workflow."""
        ids = listed.execution
        try:
            workflow = await patiently(
                lambda: describe_workflow(self._frontend, ids.workflow_id, ids.run_id)
            )
        except RPCError as error:
            return self._unread(error, Unreadable(ids.workflow_id, ids.run_id, _reason(error)))
        self._outage.answered()
        if not workflow.running:
            self._report.gone += 1
            return ()
        self._report.workflows += 1
        return await self._selected(workflow.pending)

    async def standalone(self, listed: ActivityExecutionListInfo) -> Sequence[Found]:
        """One standalone activity, if it is selected."""
        try:
            info = await patiently(
                lambda: describe_standalone(self._frontend, listed.activity_id, listed.run_id)
            )
        except RPCError as error:
            return self._unread(
                error, Unreadable("", listed.run_id, _reason(error), listed.activity_id)
            )
        self._outage.answered()
        if info.HasField("close_time"):
            self._report.gone += 1
            return ()
        self._report.standalone += 1
        return await self._selected((standalone_activity(self._frontend.namespace, info),))

    async def _selected(self, pending: Sequence[PendingActivity]) -> Sequence[Found]:
        self._report.pending += len(pending)
        wanted = [activity for activity in pending if self._selection.matches_kind(activity)]
        unread: Sequence[Found] = ()
        try:
            wanted = await patiently(lambda: with_first_schedules(self._frontend, wanted))
        except RPCError as error:
            of, reason = wanted[0], f"history, for the age of retried activities: {_reason(error)}"
            unread = self._unread(error, Unreadable(of.workflow_id, of.run_id, reason))
        selected = [item for item in wanted if self._selection.matches_times(item, self._now)]
        self._report.selected += len(selected)
        return [*selected, *unread]

    def _unread(self, error: RPCError, unreadable: Unreadable) -> Sequence[Found]:
        if error.status is RPCStatusCode.NOT_FOUND:
            self._report.gone += 1
            return ()
        self._report.unreadable += 1
        if self._outage.includes(error):
            raise self._frontend.translate(error, "go on reading workflows") from error
        return (unreadable,)


def _reason(error: RPCError) -> str:
    return f"{error.status.name}: {error.message}"


async def with_first_schedules(
    frontend: Frontend, activities: list[PendingActivity]
) -> list[PendingActivity]:
    """The pending activities of one run, with the times of their first schedules.

    Of a first attempt the description has that time. Of a retried one only the history has, which
    is read backwards until every such activity was met.

    Raises:
        RPCError: As answered.
    """
    retried = {
        item.activity_id
        for item in activities
        if item.attempt > 1 and item.first_scheduled_time is None
    }
    if not retried:
        return activities
    of = activities[0]
    times = await _first_schedules(frontend, of.workflow_id, of.run_id, retried)
    return [
        replace(item, first_scheduled_time=times[item.activity_id])
        if item.activity_id in times
        else item
        for item in activities
    ]


async def _first_schedules(
    frontend: Frontend, workflow_id: str, run_id: str, activity_ids: Collection[str]
) -> dict[str, datetime | None]:
    times: dict[str, datetime | None] = {}
    async for event in events_backwards(frontend, workflow_id, run_id):
        if event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            continue
        activity_id = event.activity_task_scheduled_event_attributes.activity_id
        if activity_id in activity_ids:
            # An id may be used again after its activity closed: the newest event is meant.
            times.setdefault(activity_id, moment(event, "event_time"))
        if len(times) == len(activity_ids):
            break
    return times
