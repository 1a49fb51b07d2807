"""What Stigmer would have delivered: the outcome of an execution whose callback did not arrive.

The result is taken from where it is most exact: the callback's own input in the history of the
Stigmer workflow, else what the Stigmer service says of the execution. A failure has no faithful
copy in the callback's input (the Go edition writes `{}`), so its text comes from the service, else
from the event that made the execution fail.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from temporalio.api.enums.v1 import EventType
from temporalio.service import RPCError

from stigmer_ops.errors import NOTHING_SENT, RefusedError
from stigmer_ops.handshake.execution import (
    ENDED_PHASES,
    CallbackState,
    Edition,
    StigmerExecution,
)
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE
from stigmer_ops.stigmer.service import ExecutionStatus, StigmerService
from stigmer_ops.temporal.callbacks import CallbackEvents, read_callback
from stigmer_ops.temporal.executions import decoded
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import CLOSES_ACTIVITY, closing_event, events_backwards
from stigmer_ops.untrusted.json_text import json_value

FAILURE_TYPE = "StigmerExecutionFailed"
"""`ApplicationFailureInfo.type` of a redelivered failure; the editions have none in common."""

_TOKEN_FIELDS = frozenset({"callbackToken", "callback_token"})


@dataclass(frozen=True, slots=True)
class Delivery:
    """An outcome, and where it was read.

    Exactly one of `result` and `failure` (a message) is set. The result is a JSON value, as the Go
    edition delivers it, or a protobuf message, as the Java edition does; `text` is how it may be
    shown. `incomplete` says that the service sent fields that are not known here, and are left out.
    """

    execution: StigmerExecution
    source: str
    result: Any = None
    failure: str | None = None
    incomplete: bool = False

    @property
    def text(self) -> str:
        """The result as JSON, without the task token that an execution holds."""
        value = self.result
        if isinstance(value, Message):
            value = json_format.MessageToDict(value)
        return json.dumps(without_token(value), ensure_ascii=False)


async def find_delivery(
    stigmer: Frontend, service: StigmerService | None, execution: StigmerExecution
) -> Delivery:
    """Find out what the execution's callback was to deliver. Reads only.

    Raises:
        RefusedError: The execution still runs, its callback is under way or was accepted, or its
            outcome cannot be learnt.
        StigmerOpsError: A history could not be read.
    """
    if execution.running:
        raise _refused(execution, "is still running: it delivers its result by itself")
    try:
        events = await read_callback(
            stigmer, execution.workflow_id, execution.run_id, CALLBACK_ACTIVITY_TYPE
        )
        said = await _said(service, execution)
        return await _from(stigmer, execution, events, said)
    except RPCError as error:
        raise stigmer.translate(error, f"read {execution.workflow_id}") from error


async def _from(
    stigmer: Frontend,
    execution: StigmerExecution,
    events: CallbackEvents,
    said: ExecutionStatus | None,
) -> Delivery:
    callback = events.callback
    if callback.state is CallbackState.UNDER_WAY:
        raise _refused(execution, "has its callback under way")
    arguments = await _arguments(stigmer, events)
    if arguments.get("Result") is not None:
        source = f"the callback's input in {execution.workflow_id}"
        return Delivery(execution, source, result=arguments["Result"])
    if said is not None and said.phase == "EXECUTION_COMPLETED":
        return completed(execution, callback.edition, said)
    if said is not None:
        failure = said.error or said.phase
        return Delivery(execution, "what the Stigmer service says of it", failure=failure)
    if callback.delivers_failure or arguments.get("Error") is not None or _failed(events):
        return await _failure_from_history(stigmer, execution)
    raise RefusedError(
        f"the outcome of execution {execution.execution_id} cannot be learnt: its history holds no "
        "callback, and the Stigmer service was not asked or does not know",
        not_done=NOTHING_SENT,
        next_step="set stigmer.address, or complete or fail the activity by hand",
    )


def completed(
    execution: StigmerExecution, edition: Edition | None, said: ExecutionStatus
) -> Delivery:
    """What an edition would have delivered of an execution that the service says has completed.

    Raises:
        RefusedError: JSON cannot hold it: an output may be NaN, or nested as deep as it likes.
    """
    source = "what the Stigmer service says of it"
    try:
        # Go's encoding/json writes the names and enum numbers of the .proto file.
        value = json_format.MessageToDict(
            said.message, preserving_proto_field_name=True, use_integers_for_enums=True
        )
        known = json_format.ParseDict(value, type(said.message)())
    except (json_format.Error, RecursionError) as error:
        raise _refused(execution, "has a result that JSON cannot hold") from error
    if edition is Edition.JAVA:
        return Delivery(execution, source, said.message)
    incomplete = known.ByteSize() < said.message.ByteSize()
    return Delivery(execution, source, value, incomplete=incomplete)


def _failed(events: CallbackEvents) -> bool:
    return events.close is not None and events.close.how == "FAILED"


async def _said(
    service: StigmerService | None, execution: StigmerExecution
) -> ExecutionStatus | None:
    """What the service says of an execution that has ended; None where it cannot tell."""
    if service is None:
        return None
    said = await service.execution(execution.kind, execution.execution_id)
    return said if isinstance(said, ExecutionStatus) and said.phase in ENDED_PHASES else None


async def _arguments(stigmer: Frontend, events: CallbackEvents) -> dict[str, Any]:
    if not events.input:
        return {}
    payloads = await decoded(stigmer, list(events.input)[:1])
    try:
        value = json_value(payloads[0].data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


async def _failure_from_history(stigmer: Frontend, execution: StigmerExecution) -> Delivery:
    """The failure of the activity that made the execution fail: the last one but the callback."""
    failures: dict[int, str] = {}
    async for event in events_backwards(stigmer, execution.workflow_id, execution.run_id):
        if event.event_type in CLOSES_ACTIVITY:
            closing = closing_event(event)
            if closing.failure is not None:
                scheduled = CLOSES_ACTIVITY[event.event_type](event).scheduled_event_id
                failures[scheduled] = closing.failure.message
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            named = event.activity_task_scheduled_event_attributes.activity_type.name
            if event.event_id in failures and named != CALLBACK_ACTIVITY_TYPE:
                source = f"the failure of {named} in {execution.workflow_id}"
                return Delivery(execution, source, failure=failures[event.event_id])
    raise _refused(execution, "failed, and its history does not say why")


def _refused(execution: StigmerExecution, why: str) -> RefusedError:
    return RefusedError(
        f"execution {execution.execution_id} {why}",
        not_done=NOTHING_SENT,
        next_step="stigmer-ops diagnose says what it waits for",
    )


def without_token(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The result as it may be shown: an execution holds the task token that it was given."""
    if isinstance(value, list):
        return [without_token(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        name: "(task token)" if name in _TOKEN_FIELDS else without_token(inner)
        for name, inner in value.items()
    }
