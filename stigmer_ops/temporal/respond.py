"""The calls that end an activity or move its deadline, each made once.

None is sent a second time: where the answer is lost, what became of the call is read back (see
`proof`). Only what the server refused for a rate limit did nothing for certain: whoever makes many
calls has those made again, by `outlast_throttling`. Answers measured on Temporal Server 1.32.
"""

from __future__ import annotations

from collections.abc import Awaitable
from enum import Enum

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedRequest,
    UpdateActivityExecutionOptionsRequest,
    UpdateActivityOptionsRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.handshake.extension import TimeoutChange
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.temporal.frontend import Frontend


class Answer(Enum):
    """What came back."""

    ACCEPTED = "accepted"
    NOT_PENDING = "not pending"
    """The server refused: the attempt is not pending (any more). It does not say why."""
    LOST = "lost"
    """No answer, or one that leaves open whether the call took effect."""


_LOST = frozenset(
    {
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DATA_LOSS,
    }
)

_NOT_PENDING = frozenset(
    # FAILED_PRECONDITION `invalid transition from ...`: of a closed standalone activity.
    {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}
)


async def complete(
    frontend: Frontend,
    fence: AttemptFence,
    result: Payloads,
    *,
    identity: str,
    by_token: bool,
    outlast_throttling: bool = False,
) -> Answer:
    """Complete the activity: by the fence's token, or by its ids without any fence.

    Raises:
        StigmerOpsError: The server answered, and it is certain that nothing was changed.
    """
    sent: Awaitable[object]
    if by_token:
        sent = frontend.call(
            frontend.service.respond_activity_task_completed,
            RespondActivityTaskCompletedRequest(
                namespace=frontend.namespace,
                task_token=fence.token(),
                result=result,
                identity=identity,
            ),
            retry=False,
            outlast_throttling=outlast_throttling,
        )
    else:
        sent = frontend.call(
            frontend.service.respond_activity_task_completed_by_id,
            RespondActivityTaskCompletedByIdRequest(
                namespace=frontend.namespace,
                workflow_id=fence.workflow_id,
                run_id=fence.run_id,
                activity_id=fence.activity_id,
                result=result,
                identity=identity,
            ),
            retry=False,
            outlast_throttling=outlast_throttling,
        )
    return await _answer(frontend, sent, "complete the activity")


async def fail(
    frontend: Frontend,
    fence: AttemptFence,
    failure: Failure,
    *,
    identity: str,
    by_token: bool,
    outlast_throttling: bool = False,
) -> Answer:
    """Fail the activity, or one attempt of it where the failure is retryable.

    Raises:
        StigmerOpsError: The server answered, and it is certain that nothing was changed.
    """
    sent: Awaitable[object]
    if by_token:
        sent = frontend.call(
            frontend.service.respond_activity_task_failed,
            RespondActivityTaskFailedRequest(
                namespace=frontend.namespace,
                task_token=fence.token(),
                failure=failure,
                identity=identity,
            ),
            retry=False,
            outlast_throttling=outlast_throttling,
        )
    else:
        sent = frontend.call(
            frontend.service.respond_activity_task_failed_by_id,
            RespondActivityTaskFailedByIdRequest(
                namespace=frontend.namespace,
                workflow_id=fence.workflow_id,
                run_id=fence.run_id,
                activity_id=fence.activity_id,
                failure=failure,
                identity=identity,
            ),
            retry=False,
            outlast_throttling=outlast_throttling,
        )
    return await _answer(frontend, sent, "fail the activity")


async def extend(
    frontend: Frontend,
    fence: AttemptFence,
    change: TimeoutChange,
    *,
    identity: str,
    outlast_throttling: bool = False,
) -> Answer:
    """Set the timeouts that `change` changes, and only those.

    The server compares run and activity id, not the attempt.

    Raises:
        StigmerOpsError: The server answered, and it is certain that nothing was changed.
    """
    paths = [f"{name}_timeout" for name in change.changed]
    options = ActivityOptions()
    for name in change.changed:
        duration = Duration()
        duration.FromTimedelta(getattr(change.after, name))
        getattr(options, f"{name}_timeout").CopyFrom(duration)
    sent: Awaitable[object]
    if fence.standalone:
        sent = frontend.call(
            frontend.service.update_activity_execution_options,
            UpdateActivityExecutionOptionsRequest(
                namespace=frontend.namespace,
                activity_id=fence.activity_id,
                run_id=fence.run_id,
                identity=identity,
                activity_options=options,
                update_mask=FieldMask(paths=paths),
            ),
            retry=False,
            outlast_throttling=outlast_throttling,
        )
    else:
        # UpdateActivityExecutionOptions replaces this one, but finds no workflow activity yet.
        sent = frontend.call(
            frontend.service.update_activity_options,
            UpdateActivityOptionsRequest(
                namespace=frontend.namespace,
                execution=WorkflowExecution(workflow_id=fence.workflow_id, run_id=fence.run_id),
                id=fence.activity_id,
                identity=identity,
                activity_options=options,
                update_mask=FieldMask(paths=paths),
            ),
            retry=False,
            outlast_throttling=outlast_throttling,
        )
    return await _answer(frontend, sent, "change the activity's timeouts")


async def _answer(frontend: Frontend, sent: Awaitable[object], doing: str) -> Answer:
    try:
        await sent
    except RPCError as error:
        translated = frontend.translate(error, doing)
        if error.status in _LOST:
            return Answer.LOST
        if error.status in _NOT_PENDING and "amespace" not in error.message:
            return Answer.NOT_PENDING
        translated.not_done = "the activity was not changed"
        raise translated from error
    return Answer.ACCEPTED
