"""How an activity ended and what its workflow did next, in one reading of the history's end."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.service import RPCError

from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.write_plan import Aftermath
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import (
    CLOSES_ACTIVITY,
    ClosingEvent,
    closing_event,
    events_backwards,
)

_PAGE_SIZE = 50
"""Events a page: most workflows do little after an activity, and close."""

_TASK_ENDS = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: Aftermath.RESUMED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: Aftermath.RESUMED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: Aftermath.RESUMED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: Aftermath.RESUMED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: Aftermath.RESUMED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: Aftermath.TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: Aftermath.TASK_FAILED,
}


@dataclass(frozen=True, slots=True)
class ActivityEnding:
    """The event that ended an activity, and what came after it.

    Attributes:
        closing: The event.
        aftermath: RESUMED if any workflow task went through since, else TASK_FAILED if one failed.
        aftermath_event_id: The event that shows it; 0 while the workflow waits for a worker.
    """

    closing: ClosingEvent
    aftermath: Aftermath = Aftermath.WAITING
    aftermath_event_id: int = 0


async def ending_of(frontend: Frontend, fence: AttemptFence) -> ActivityEnding | None:
    """Read backwards to the end of the activity that the fence's event scheduled.

    Returns:
        None where the history shows no end of it.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    after: dict[Aftermath, int] = {}
    events = events_backwards(frontend, fence.workflow_id, fence.run_id, page_size=_PAGE_SIZE)
    try:
        async for event in events:
            if event.event_id <= fence.scheduled_event_id:
                return None
            if event.event_type in _TASK_ENDS:
                after[_TASK_ENDS[event.event_type]] = event.event_id
            elif event.event_type in CLOSES_ACTIVITY:
                attributes = CLOSES_ACTIVITY[event.event_type](event)
                if attributes.scheduled_event_id == fence.scheduled_event_id:
                    return _ending(closing_event(event), after)
    except RPCError as error:
        raise frontend.translate(error, f"read the history of {fence.workflow_id}") from error
    return None


def _ending(closing: ClosingEvent, after: dict[Aftermath, int]) -> ActivityEnding:
    for aftermath in (Aftermath.RESUMED, Aftermath.TASK_FAILED):
        if aftermath in after:
            return ActivityEnding(closing, aftermath, after[aftermath])
    return ActivityEnding(closing)
