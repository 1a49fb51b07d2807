"""Workflow histories, read from whichever end is nearer to what is looked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)

from stigmer_ops.handshake.activity import Failure
from stigmer_ops.temporal.describe import failure_of, moment
from stigmer_ops.temporal.frontend import Frontend

PAGE_SIZE = 256  # the server's own maximum for history pages


async def events_backwards(
    frontend: Frontend, workflow_id: str, run_id: str, *, page_size: int = PAGE_SIZE
) -> AsyncIterator[HistoryEvent]:
    """The events of a run, newest first; stop iterating to stop reading.

    Raises:
        RPCError: As answered.
    """
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=frontend.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        maximum_page_size=page_size,
    )
    while True:
        page = await frontend.call(frontend.service.get_workflow_execution_history_reverse, request)
        for event in page.history.events:
            yield event
        if not page.next_page_token:
            return
        request.next_page_token = page.next_page_token


async def first_event(frontend: Frontend, workflow_id: str, run_id: str) -> HistoryEvent:
    """The WorkflowExecutionStarted event, which holds the input.

    Raises:
        RPCError: As answered.
    """
    page = await frontend.call(
        frontend.service.get_workflow_execution_history,
        GetWorkflowExecutionHistoryRequest(
            namespace=frontend.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=1,
        ),
    )
    return page.history.events[0]


@dataclass(frozen=True, slots=True)
class ClosingEvent:
    """The event that ended an activity.

    `outcome` is COMPLETED, FAILED, TIMED_OUT or CANCELED; `identity` is who reported it, empty for
    a timeout.
    """

    event_id: int
    time: datetime | None
    outcome: str
    identity: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class ActivityEvents:
    """What the history of a run holds of one activity; `closing` is None while it is open."""

    activity_id: str
    activity_type: str
    scheduled_event_id: int
    scheduled_time: datetime | None
    closing: ClosingEvent | None = None


async def find_activity(
    frontend: Frontend,
    workflow_id: str,
    run_id: str,
    *,
    activity_id: str = "",
    scheduled_event_id: int = 0,
    not_after: datetime | None = None,
) -> ActivityEvents | None:
    """Read backwards to the activity's scheduled event; None if the run has none such.

    Either its id or its scheduled event must be given. An activity id may be used again within a
    run after its activity closed: the newest is found, or the newest that was scheduled by
    `not_after`.

    Raises:
        RPCError: As answered.
    """
    closings: dict[int, HistoryEvent] = {}
    async for event in events_backwards(frontend, workflow_id, run_id):
        if event.event_type in CLOSES_ACTIVITY:
            closings[CLOSES_ACTIVITY[event.event_type](event).scheduled_event_id] = event
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            meant = event.event_id == scheduled_event_id or (
                not scheduled_event_id and scheduled.activity_id == activity_id
            )
            if meant and _by(event, not_after):
                closing = closings.get(event.event_id)
                return ActivityEvents(
                    activity_id=scheduled.activity_id,
                    activity_type=scheduled.activity_type.name,
                    scheduled_event_id=event.event_id,
                    scheduled_time=moment(event, "event_time"),
                    closing=None if closing is None else closing_event(closing),
                )
        if event.event_id < scheduled_event_id:
            return None
    return None


def _by(event: HistoryEvent, time: datetime | None) -> bool:
    at = moment(event, "event_time")
    return time is None or at is None or at <= time


CLOSES_ACTIVITY = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: (
        lambda event: event.activity_task_completed_event_attributes
    ),
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: (
        lambda event: event.activity_task_failed_event_attributes
    ),
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: (
        lambda event: event.activity_task_timed_out_event_attributes
    ),
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: (
        lambda event: event.activity_task_canceled_event_attributes
    ),
}


def closing_event(event: HistoryEvent) -> ClosingEvent:
    """One of the four events that end an activity, reduced to what is told of it."""
    attributes = CLOSES_ACTIVITY[event.event_type](event)
    named = EventType.Name(event.event_type)
    has_failure = "failure" in attributes.DESCRIPTOR.fields_by_name
    return ClosingEvent(
        event_id=event.event_id,
        time=moment(event, "event_time"),
        outcome=named.removeprefix("EVENT_TYPE_ACTIVITY_TASK_"),
        identity=getattr(attributes, "identity", ""),
        failure=failure_of(attributes.failure)
        if has_failure and attributes.HasField("failure")
        else None,
    )
