"""What a task token is worth now: decode, read, compare. Nothing is sent to the activity.

A token is checked as the server would check it (temporalio/temporal, service/history/api/
activity_util.go): by its run, its scheduled event and its attempt. The activity id counts only
where no scheduled event is named.
"""

from __future__ import annotations

from dataclasses import replace

from temporalio.api.activity.v1 import ActivityExecutionInfo
from temporalio.api.enums.v1 import ActivityExecutionStatus, EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.handshake import token_verdicts as verdicts
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.token import TaskToken
from stigmer_ops.handshake.token_validation import (
    EndedActivity,
    Observation,
    RunState,
    Succession,
    TokenValidation,
    concluded,
    fenced,
    names,
)
from stigmer_ops.handshake.token_verdicts import TokenVerdict
from stigmer_ops.temporal.describe import (
    WorkflowDescription,
    describe_standalone,
    describe_workflow,
    moment,
    standalone_activity,
)
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import ActivityEvents, events_backwards, find_activity


async def validate_token(frontend: Frontend, token: TaskToken) -> TokenValidation:
    """Compare a token with the server's state, by a handful of reads.

    The verdict holds at the moment of the reads: an attempt may end right after them.

    Raises:
        StigmerOpsError: The server could not be asked, or refused us.
    """
    try:
        verdict, seen = await _judge(frontend, token)
    except RPCError as error:
        raise frontend.translate(error, "see what became of the activity") from error
    return concluded(verdict, token, seen)


_Judged = tuple[TokenVerdict, Observation]


async def _judge(frontend: Frontend, token: TaskToken) -> _Judged:
    seen = Observation(namespace=frontend.namespace, token_namespace=frontend.namespace)
    if token.namespace_id != await frontend.namespace_id():
        return await _of_other_namespace(frontend, token, seen)
    if token.standalone:
        return await _of_standalone_activity(frontend, token, seen)
    return await _of_workflow_activity(frontend, token, seen)


async def _of_other_namespace(frontend: Frontend, token: TaskToken, seen: Observation) -> _Judged:
    try:
        answer = await frontend.call(
            frontend.service.describe_namespace, DescribeNamespaceRequest(id=token.namespace_id)
        )
    except RPCError as error:
        # INVALID_ARGUMENT: the id is not a UUID, so no namespace can have it.
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            return verdicts.UNKNOWN_NAMESPACE, replace(seen, token_namespace="")
        raise
    return verdicts.WRONG_NAMESPACE, replace(seen, token_namespace=answer.namespace_info.name)


async def _of_standalone_activity(
    frontend: Frontend, token: TaskToken, seen: Observation
) -> _Judged:
    _, run_id, activity_id = names(token)
    try:
        info = await describe_standalone(frontend, activity_id, run_id)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return verdicts.ACTIVITY_NOT_FOUND, seen
        raise
    if info.HasField("close_time"):
        ended = standalone_outcome(info)
        return verdicts.ENDED[ended.outcome], replace(seen, ended=ended)
    pending = standalone_activity(frontend.namespace, info)
    return _against_pending(token, pending), replace(seen, pending=pending)


def standalone_outcome(info: ActivityExecutionInfo) -> EndedActivity:
    """How a standalone activity that is closed has ended."""
    name = ActivityExecutionStatus.Name(info.status)
    outcome = name.removeprefix("ACTIVITY_EXECUTION_STATUS_")
    # The server keeps who completed or failed it in the place of the last worker.
    told = info.last_worker_identity if outcome in ("COMPLETED", "FAILED") else ""
    return EndedActivity(outcome, moment(info, "close_time"), identity=told)


async def _of_workflow_activity(frontend: Frontend, token: TaskToken, seen: Observation) -> _Judged:
    try:
        workflow = await describe_workflow(frontend, token.workflow_id, token.run_id)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return await _of_missing_run(frontend, token, seen)
        raise
    events = await find_activity(
        frontend,
        workflow.workflow_id,
        workflow.run_id,
        activity_id=token.activity_id,
        scheduled_event_id=token.scheduled_event_id,
    )
    seen = replace(
        seen,
        run=_run_state(workflow),
        ended=_ended(events),
        scheduled_event_id=events.scheduled_event_id if events else 0,
        scheduled_time=events.scheduled_time if events else None,
    )
    if not workflow.running:
        return await _of_closed_run(frontend, token, workflow, seen)
    if token.scheduled_event_id > workflow.history_length:
        return verdicts.EVENT_NOT_WRITTEN, seen
    if events is None:
        return verdicts.NO_SUCH_ACTIVITY, seen
    if seen.ended is not None:
        return verdicts.ENDED[seen.ended.outcome], seen
    pending = _pending(workflow, events.activity_id)
    if pending is None:
        return verdicts.ACTIVITY_ENDED, seen
    return _against_pending(token, pending), replace(seen, pending=pending)


def _against_pending(token: TaskToken, pending: PendingActivity) -> TokenVerdict:
    if not fenced(token):
        return verdicts.UNFENCED
    if token.attempt < pending.attempt:
        return verdicts.STALE_ATTEMPT
    if token.attempt > pending.attempt:
        return verdicts.ACTIVITY_RESET
    return verdicts.CURRENT if pending.state.token_is_live else verdicts.NOT_STARTED


async def _of_missing_run(frontend: Frontend, token: TaskToken, seen: Observation) -> _Judged:
    current = await _current_run(frontend, token.workflow_id) if token.run_id else None
    if current is None:
        return verdicts.WORKFLOW_NOT_FOUND, seen
    return verdicts.RUN_NOT_FOUND, _with_current(seen, current, token.activity_id)


async def _of_closed_run(
    frontend: Frontend, token: TaskToken, workflow: WorkflowDescription, seen: Observation
) -> _Judged:
    last = await anext(
        events_backwards(frontend, workflow.workflow_id, workflow.run_id, page_size=1)
    )
    seen = replace(
        seen, run=_run_state(workflow, last), succession=_succession(workflow.reset_run_id, last)
    )
    current = await _current_run(frontend, workflow.workflow_id)
    if current is not None and current.run_id != workflow.run_id:
        seen = _with_current(seen, current, token.activity_id)
    superseded = seen.succession is not None
    return (verdicts.RUN_SUPERSEDED if superseded else verdicts.WORKFLOW_CLOSED), seen


async def _current_run(frontend: Frontend, workflow_id: str) -> WorkflowDescription | None:
    try:
        return await describe_workflow(frontend, workflow_id)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _with_current(seen: Observation, current: WorkflowDescription, activity_id: str) -> Observation:
    return replace(
        seen, current_run=_run_state(current), current_pending=_pending(current, activity_id)
    )


def _pending(workflow: WorkflowDescription, activity_id: str) -> PendingActivity | None:
    # Ids are unique among the pending activities of a run.
    return next((each for each in workflow.pending if each.activity_id == activity_id), None)


def _ended(events: ActivityEvents | None) -> EndedActivity | None:
    if events is None or events.closing is None:
        return None
    closing = events.closing
    return EndedActivity(
        closing.outcome, closing.time, closing.event_id, closing.identity, closing.failure
    )


def _run_state(workflow: WorkflowDescription, last: HistoryEvent | None = None) -> RunState:
    terminated = last.workflow_execution_terminated_event_attributes if last else None
    return RunState(
        workflow.run_id,
        workflow.status,
        workflow.close_time,
        closed_by=terminated.identity if terminated else "",
        reason=terminated.reason if terminated else "",
    )


def _succession(reset_run_id: str, last: HistoryEvent) -> Succession | None:
    if reset_run_id:
        return Succession.RESET
    if last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
        return Succession.CONTINUED_AS_NEW
    attributes = getattr(last, last.WhichOneof("attributes") or "", None)
    return Succession.FOLLOWED if getattr(attributes, "new_execution_run_id", "") else None
