"""What a Stigmer workflow's history tells of its callback, in both editions.

The Go edition schedules a regular activity. The Java edition runs a local activity, which leaves
nothing but a MarkerRecorded event; Temporal's SDKs name that marker differently, and say in its
details which activity type it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes

from stigmer_ops.handshake.activity import Failure
from stigmer_ops.handshake.execution import (
    Callback,
    CallbackState,
    Edition,
    ExecutionTrace,
    StigmerExecution,
    WorkflowClose,
)
from stigmer_ops.temporal.describe import describe_workflow, failure_of, moment
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import CLOSES_ACTIVITY, closing_event, events_backwards
from stigmer_ops.untrusted.json_text import json_value

_EPOCH = datetime.fromtimestamp(0, UTC)
_FAR = 10**14  # milliseconds: the year 5138

NOT_ATTEMPTED = Callback(CallbackState.NOT_ATTEMPTED)
LOCAL_ACTIVITY_MARKERS = frozenset({"LocalActivity", "core_local_activity"})
"""Marker names of local activities: the Java and Go SDKs, and those built on the Rust core."""

JAVA_COMPLETES, JAVA_FAILS = "completeexternalactivity", "failexternalactivity"


@dataclass(frozen=True, slots=True)
class CallbackEvents:
    """The callback with the events it was read from.

    `input` are the scheduled callback's arguments as they stand in history (still encoded), where
    there are any; they hold the token, so they are never shown.
    """

    callback: Callback
    close: WorkflowClose | None = None
    input: Sequence[Payload] = field(default=(), repr=False)


async def trace_execution(
    frontend: Frontend, execution: StigmerExecution, callback_type: str
) -> ExecutionTrace:
    """Read what `diagnose` needs of one Stigmer workflow: of an open one its pending activities.

    Of a closed one, its history is read from the end back to the callback.

    Raises:
        RPCError: As answered.
    """
    if execution.running:
        description = await describe_workflow(frontend, execution.workflow_id, execution.run_id)
        if description.running:
            return ExecutionTrace(
                NOT_ATTEMPTED,
                pending=description.pending,
                workflow_task_waiting=description.workflow_task_waiting,
            )
    found = await read_callback(frontend, execution.workflow_id, execution.run_id, callback_type)
    return ExecutionTrace(found.callback, found.close)


async def read_callback(
    frontend: Frontend, workflow_id: str, run_id: str, callback_type: str
) -> CallbackEvents:
    """Read backwards to the last callback of a Stigmer workflow, or to its beginning.

    Raises:
        RPCError: As answered.
    """
    ends: dict[int, HistoryEvent] = {}
    attempts: dict[int, int] = {}
    close: WorkflowClose | None = None
    async for event in events_backwards(frontend, workflow_id, run_id):
        close = close or _workflow_close(event)
        if event.event_type in CLOSES_ACTIVITY:
            ends[CLOSES_ACTIVITY[event.event_type](event).scheduled_event_id] = event
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            attempts[started.scheduled_event_id] = started.attempt
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name == callback_type:
                callback = go_callback(event, ends.get(event.event_id), attempts)
                return CallbackEvents(callback, close, list(scheduled.input.payloads))
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            java = java_callback(event)
            if java is not None:
                return CallbackEvents(java, close)
    return CallbackEvents(NOT_ATTEMPTED, close)


def go_callback(
    scheduled: HistoryEvent, end: HistoryEvent | None, attempts: Mapping[int, int]
) -> Callback:
    """A callback of the Go edition, from the event that scheduled it and the one that ended it.

    Args:
        scheduled: ActivityTaskScheduled.
        end: What closed the activity; None while it is under way.
        attempts: Numbers of the last attempts, by scheduled event id.
    """
    scheduled_time = moment(scheduled, "event_time")
    if end is None:
        return Callback(
            CallbackState.UNDER_WAY,
            Edition.GO,
            event_id=scheduled.event_id,
            time=scheduled_time,
            scheduled=scheduled_time,
        )
    closing = closing_event(end)
    succeeded = closing.outcome == "COMPLETED"
    return Callback(
        CallbackState.SUCCEEDED if succeeded else CallbackState.FAILED,
        Edition.GO,
        attempts=attempts.get(scheduled.event_id, 0),
        failure=closing.failure,
        event_id=closing.event_id,
        time=closing.time,
        scheduled=scheduled_time,
    )


def java_callback(event: HistoryEvent) -> Callback | None:
    """A callback of the Java edition, from its MarkerRecorded event; None if that is none.

    A marker with a backoff does not end it: the Java SDK waits on a timer, and tries again
    (`LocalActivityMarkerMetadata` of temporalio/sdk-java).
    """
    marker = event.marker_recorded_event_attributes
    if marker.marker_name not in LOCAL_ACTIVITY_MARKERS:
        return None
    activity_type = local_activity_type(marker).lower()
    if activity_type not in (JAVA_COMPLETES, JAVA_FAILS):
        return None
    metadata = _json_detail(marker, "meta")
    known = metadata if isinstance(metadata, dict) else {}
    return Callback(
        _java_state(marker, known),
        Edition.JAVA,
        failure=_java_failure(marker),
        delivers_failure=activity_type == JAVA_FAILS,
        event_id=event.event_id,
        time=moment(event, "event_time"),
        scheduled=_milliseconds(known.get("firstSkd")),
    )


def _java_state(
    marker: MarkerRecordedEventAttributes, metadata: Mapping[str, object]
) -> CallbackState:
    if metadata.get("backoff") is not None:
        return CallbackState.UNDER_WAY
    return CallbackState.FAILED if marker.HasField("failure") else CallbackState.SUCCEEDED


def _java_failure(marker: MarkerRecordedEventAttributes) -> Failure | None:
    if not marker.HasField("failure"):
        return None
    failure = marker.failure
    # The outer one says only that an activity failed; what went wrong is its cause.
    wrapped = failure.HasField("activity_failure_info") and failure.HasField("cause")
    return failure_of(failure.cause if wrapped else failure)


def _milliseconds(value: object) -> datetime | None:
    if not isinstance(value, int) or not 0 < value < _FAR:
        return None
    return _EPOCH + timedelta(milliseconds=value)


def local_activity_type(marker: MarkerRecordedEventAttributes) -> str:
    """The activity type of a local activity marker, or an empty string.

    The Java SDK keeps it in the detail `type`; the Rust core keeps a JSON object in `data`.
    """
    named = _json_detail(marker, "type")
    if isinstance(named, str):
        return named
    data = _json_detail(marker, "data")
    if isinstance(data, dict):
        return str(data.get("activity_type", ""))
    return ""


def _json_detail(marker: MarkerRecordedEventAttributes, name: str) -> object:
    payloads = marker.details[name].payloads if name in marker.details else []
    if not payloads:
        return None
    try:
        return json_value(payloads[0].data)
    except ValueError:
        return None


_CLOSES_WORKFLOW = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "COMPLETED",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "FAILED",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "TIMED_OUT",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "TERMINATED",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "CANCELED",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "CONTINUED_AS_NEW",
}


def _workflow_close(event: HistoryEvent) -> WorkflowClose | None:
    how = _CLOSES_WORKFLOW.get(event.event_type)
    if how is None:
        return None
    reason = ""
    if how == "FAILED":
        reason = event.workflow_execution_failed_event_attributes.failure.message
    elif how == "TERMINATED":
        terminated = event.workflow_execution_terminated_event_attributes
        reason = f"{terminated.reason}, by {terminated.identity}".removeprefix(", ")
    return WorkflowClose(event.event_id, moment(event, "event_time"), how, reason)
