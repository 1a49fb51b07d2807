"""What the workflows of a few executions did, step by step, to be seen in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import RPCError

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.execution import CallbackState, StigmerExecution
from stigmer_ops.handshake.timeline import ExecutionSteps, Step
from stigmer_ops.temporal.callbacks import java_callback, local_activity_type
from stigmer_ops.temporal.describe import describe_workflow, moment
from stigmer_ops.temporal.fan_out import each_of, fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import CLOSES_ACTIVITY, closing_event, events_backwards

MOST_EVENTS = 1_000
"""Of a history, from its end: what is looked for is there."""

RunKey = tuple[str, str]
"""Workflow id and run id."""


async def read_steps(
    frontend: Frontend, executions: Sequence[StigmerExecution], callback_type: str
) -> dict[RunKey, ExecutionSteps]:
    """The steps of each execution, at a description or none and a few pages of history each.

    Args:
        frontend: The namespace of the Stigmer workflows.
        executions: Which.
        callback_type: The callback's activity type in the Go edition.
    """

    async def read(execution: StigmerExecution) -> tuple[RunKey, ExecutionSteps]:
        key = (execution.workflow_id, execution.run_id)
        try:
            return key, await _steps(frontend, execution, callback_type)
        except RPCError as error:
            reason = error.message or error.status.name
            return key, ExecutionSteps(execution, unreadable=reason)

    found = fan_out(each_of(executions), read, concurrency=frontend.pace.concurrency)
    async with aclosing(found):
        return {key: steps async for key, steps in found}


async def _steps(
    frontend: Frontend, execution: StigmerExecution, callback_type: str
) -> ExecutionSteps:
    open_: Mapping[str, PendingActivity] = {}
    if execution.running:
        described = await describe_workflow(frontend, execution.workflow_id, execution.run_id)
        open_ = {pending.activity_id: pending for pending in described.pending}
        execution = replace(execution, status=described.status, close_time=described.close_time)
    reading = _Reading(callback_type, open_)
    cut = False
    async for event in events_backwards(frontend, execution.workflow_id, execution.run_id):
        if reading.events == MOST_EVENTS:
            cut = True
            break
        reading.take(event)
    last = reading.last
    closed = last is not None and not execution.running
    return ExecutionSteps(
        execution,
        tuple(sorted(reading.steps, key=lambda step: step.scheduled)),
        moment(last, "event_time") if closed and last is not None else None,
        last.event_id if closed and last is not None else 0,
        cut,
    )


@dataclass(slots=True)
class _Reading:
    """A history read from its end; what closes an activity comes before what opened it."""

    callback_type: str
    open: Mapping[str, PendingActivity]
    steps: list[Step] = field(default_factory=list)
    events: int = 0
    last: HistoryEvent | None = None
    ends: dict[int, HistoryEvent] = field(default_factory=dict)
    starts: dict[int, tuple[datetime | None, int]] = field(default_factory=dict)

    def take(self, event: HistoryEvent) -> None:
        """Take the event before those that were taken."""
        self.events += 1
        self.last = self.last or event
        if event.event_type in CLOSES_ACTIVITY:
            self.ends[CLOSES_ACTIVITY[event.event_type](event).scheduled_event_id] = event
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            self.starts[started.scheduled_event_id] = moment(event, "event_time"), started.attempt
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            self._add(self._activity(event))
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            self._add(_java_step(event))

    def _add(self, step: Step | None) -> None:
        if step is not None:
            self.steps.append(step)

    def _activity(self, event: HistoryEvent) -> Step | None:
        attributes = event.activity_task_scheduled_event_attributes
        scheduled = moment(event, "event_time")
        if scheduled is None:
            return None
        started, attempts = self.starts.get(event.event_id, (None, 0))
        step = Step(
            activity_type=attributes.activity_type.name,
            callback=attributes.activity_type.name == self.callback_type,
            scheduled=scheduled,
            activity_id=attributes.activity_id,
            started=started,
            attempts=attempts,
            scheduled_event_id=event.event_id,
        )
        end = self.ends.get(event.event_id)
        if end is None:
            return _as_pending(step, self.open.get(attributes.activity_id))
        closing = closing_event(end)
        return replace(
            step,
            ended=closing.time,
            outcome=closing.outcome,
            failure=closing.failure,
            end_event_id=closing.event_id,
        )


def _as_pending(step: Step, pending: PendingActivity | None) -> Step:
    if pending is None:
        return step
    return replace(
        step,
        started=pending.last_started_time,
        attempts=pending.attempt,
        failure=pending.last_failure,
    )


_JAVA_OUTCOMES = {CallbackState.SUCCEEDED: "COMPLETED", CallbackState.FAILED: "FAILED"}


def _java_step(event: HistoryEvent) -> Step | None:
    callback, ended = java_callback(event), moment(event, "event_time")
    if callback is None or ended is None:
        return None
    # A worker's clock may be ahead of the server's.
    scheduled = min(callback.scheduled or ended, ended)
    return Step(
        activity_type=local_activity_type(event.marker_recorded_event_attributes),
        callback=True,
        scheduled=scheduled,
        ended=ended,
        outcome=_JAVA_OUTCOMES.get(callback.state, ""),
        failure=callback.failure,
        end_event_id=callback.event_id,
    )
