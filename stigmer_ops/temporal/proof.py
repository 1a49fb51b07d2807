"""Reading back what became of a write.

A completion or a final failure shows in the history, with the identity of the caller. A retry or a
changed timeout leaves no event; it shows in the description.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import RPCError

from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.token import decode
from stigmer_ops.handshake.token_validation import Observation
from stigmer_ops.handshake.write_plan import Aftermath
from stigmer_ops.temporal.describe import failure_of
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import events_backwards
from stigmer_ops.temporal.token_state import validate_token

EFFECT_PATIENCE = timedelta(seconds=3)
"""How long to look for an effect. While a workflow task is under way, the server holds events back
until it is done, so that an accepted write may show nothing at first."""

AFTERMATH_PATIENCE = timedelta(seconds=1)
"""How long to look for the workflow's next step."""

_PAUSE = timedelta(milliseconds=100)


async def effect_on(frontend: Frontend, fence: AttemptFence) -> Observation:
    """What is to be seen of the attempt, once it has ended or after `EFFECT_PATIENCE`.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    token = decode(fence.token())
    deadline = asyncio.get_running_loop().time() + EFFECT_PATIENCE.total_seconds()
    while True:
        seen = (await validate_token(frontend, token)).seen
        assert seen is not None
        moved_on = seen.pending is not None and seen.pending.attempt != fence.attempt
        if seen.ended or moved_on or asyncio.get_running_loop().time() > deadline:
            return seen
        await asyncio.sleep(_PAUSE.total_seconds())


async def aftermath_of(
    frontend: Frontend,
    fence: AttemptFence,
    event_id: int,
    *,
    patience: timedelta = AFTERMATH_PATIENCE,
) -> tuple[Aftermath, str]:
    """What the workflow made of the event, within `patience`; with what shows it.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    deadline = asyncio.get_running_loop().time() + patience.total_seconds()
    while True:
        try:
            found = await _next_step(frontend, fence, event_id)
        except RPCError as error:
            raise frontend.translate(error, "read what the workflow did next") from error
        if found or asyncio.get_running_loop().time() > deadline:
            return found or (Aftermath.WAITING, "no worker has taken it up yet")
        await asyncio.sleep(_PAUSE.total_seconds())


async def _next_step(
    frontend: Frontend, fence: AttemptFence, event_id: int
) -> tuple[Aftermath, str] | None:
    async for event in events_backwards(
        frontend, fence.workflow_id, fence.run_id, page_size=_FEW_EVENTS
    ):
        if event.event_id <= event_id:
            return None
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failure = failure_of(event.workflow_task_failed_event_attributes.failure)
            return Aftermath.TASK_FAILED, f"event {event.event_id}: {failure.message}"
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
            return Aftermath.TASK_FAILED, f"event {event.event_id}: the workflow task timed out"
        if event.event_type in _TAKEN_UP:
            return Aftermath.RESUMED, _named(event)
    return None


_FEW_EVENTS = 20
_TAKEN_UP = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    }
)


def _named(event: HistoryEvent) -> str:
    words = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower().replace("_", " ")
    return f"event {event.event_id}, {words}"
