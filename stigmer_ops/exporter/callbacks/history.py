"""Histories of Stigmer workflows, read for what the exporter counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest

from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.handshake.execution import Callback, CallbackState, Claim, Edition, TokenState
from stigmer_ops.stigmer.execution_input import UnreadableInputError, read_execution_input
from stigmer_ops.temporal.callbacks import go_callback, java_callback
from stigmer_ops.temporal.describe import moment
from stigmer_ops.temporal.executions import decoded
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import CLOSES_ACTIVITY, PAGE_SIZE

_FIRST_TASK = 4  # started; workflow task scheduled, started, completed


@dataclass(slots=True)
class ExecutionHistory:
    """What a history tells of an execution.

    Attributes:
        input: The workflow's arguments, encoded; they hold the token.
        edition: By the SDK that completed its workflow tasks; None while none is completed.
        callbacks: Those that ended in this run, in their order. What a reset copied from another
            run is not among them: it ended there.
    """

    input: Sequence[Payload] = field(default=(), repr=False)
    edition: Edition | None = None
    callbacks: list[Callback] = field(default_factory=list)


async def read_beginning(frontend: Frontend, workflow_id: str, run_id: str) -> ExecutionHistory:
    """Read the first events of a run: its input, and its edition if it has got so far.

    Raises:
        RPCError: As answered.
    """
    reading = _Reading("")
    page = await frontend.call(
        frontend.service.get_workflow_execution_history,
        _request(frontend, workflow_id, run_id, _FIRST_TASK),
    )
    for event in page.history.events:
        reading.add(event)
    return reading.found


async def read_whole(
    frontend: Frontend, workflow_id: str, run_id: str, callback_type: str
) -> ExecutionHistory:
    """Read the history of a closed run; most have one page.

    A callback that had not ended when the run closed is left out: whether it was delivered is not
    known. Neither is a run without any an error here. Both leave an external activity that waits;
    if that times out in the end, it is counted as a timeout.

    Args:
        frontend: Stigmer's namespace.
        workflow_id: The workflow.
        run_id: Its run.
        callback_type: Activity type of the Go edition's callback.

    Raises:
        RPCError: As answered.
    """
    reading = _Reading(callback_type)
    async for event in _events(frontend, workflow_id, run_id):
        reading.add(event)
    return reading.found


async def claim_in(frontend: Frontend, arguments: Sequence[Payload]) -> Claim:
    """The claim of an execution that is a workflow's first argument; UNREADABLE says why not.

    Raises:
        StigmerOpsError: The codec server cannot be reached, or refuses.
    """
    if not arguments:
        return Claim(TokenState.UNREADABLE, "the workflow has no input")
    payload = (await decoded(frontend, [arguments[0]]))[0]
    try:
        found = read_execution_input(dict(payload.metadata), payload.data)
    except UnreadableInputError as error:
        return Claim(TokenState.UNREADABLE, str(error))
    return claim_of(found.token)


def _request(
    frontend: Frontend, workflow_id: str, run_id: str, page_size: int
) -> GetWorkflowExecutionHistoryRequest:
    return GetWorkflowExecutionHistoryRequest(
        namespace=frontend.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        maximum_page_size=page_size,
    )


async def _events(frontend: Frontend, workflow_id: str, run_id: str) -> AsyncIterator[HistoryEvent]:
    request = _request(frontend, workflow_id, run_id, PAGE_SIZE)
    while True:
        page = await frontend.call(frontend.service.get_workflow_execution_history, request)
        for event in page.history.events:
            yield event
        if not page.next_page_token:
            return
        request.next_page_token = page.next_page_token


class _Reading:
    """Takes the events of a run, oldest first."""

    def __init__(self, callback_type: str) -> None:
        self.found = ExecutionHistory()
        self._callback_type = callback_type
        self._scheduled: dict[int, HistoryEvent] = {}
        self._task_started: datetime | None = None
        self._previous = 0

    def add(self, event: HistoryEvent) -> None:
        if event.event_type in _WORKFLOW_TASK:
            self._add_workflow_task(event)
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            self.found.input = event.workflow_execution_started_event_attributes.input.payloads
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            callback = java_callback(event)
            if callback is not None:
                self._ended(replace(callback, scheduled=self._java_scheduled(callback)))
        else:
            self._add_activity(event)
        self._previous = event.event_type

    def _add_workflow_task(self, event: HistoryEvent) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
                # A local activity that outlasts its task has it completed and follows it up at
                # once, without a command in between: it began in the first of them.
                if self._previous != EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                    self._task_started = None
            case EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                self._task_started = self._task_started or moment(event, "event_time")
            case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                completed = event.workflow_task_completed_event_attributes
                self._identify(completed.sdk_metadata.sdk_name)
            case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failed = event.workflow_task_failed_event_attributes
                if (
                    failed.cause
                    == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
                ):
                    self.found.callbacks.clear()

    def _identify(self, sdk_name: str) -> None:
        """There are two editions: what does not run on Temporal's Java SDK is the Go edition."""
        if sdk_name:
            self.found.edition = Edition.JAVA if sdk_name == "temporal-java" else Edition.GO

    def _java_scheduled(self, callback: Callback) -> datetime | None:
        """When a local activity was scheduled, as well as that can be known.

        Its marker says so by the worker's clock, if the SDK is new enough. By the server's clock it
        was after the start of the workflow task that ran it, and before the marker. So the worker's
        word is taken within these bounds, and the start of the task without it: that is a little
        too early, since the worker first replays the history.
        """
        earliest, latest, said = self._task_started, callback.time, callback.scheduled
        if earliest is None or latest is None or said is None:
            return earliest or said
        return min(max(said, earliest), latest)

    def _add_activity(self, event: HistoryEvent) -> None:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name == self._callback_type:
                self._scheduled[event.event_id] = event
        elif event.event_type in CLOSES_ACTIVITY:
            ended = CLOSES_ACTIVITY[event.event_type](event).scheduled_event_id
            begun = self._scheduled.pop(ended, None)
            if begun is not None:
                self._ended(go_callback(begun, event, {}))

    def _ended(self, callback: Callback) -> None:
        if callback.state is not CallbackState.UNDER_WAY:
            self.found.callbacks.append(callback)
            self.found.edition = callback.edition


_WORKFLOW_TASK = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    }
)
