"""Planning and executing writes as the commands do, without the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    PauseActivityRequest,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest,
)
from temporalio.client import Client

from stigmer_ops.audit import AuditTrail
from stigmer_ops.handshake.extension import wanted_deadline
from stigmer_ops.handshake.token import TaskToken
from stigmer_ops.handshake.write_plan import FailureContent, Proof
from stigmer_ops.procedures.activity_plans import (
    Author,
    plan_completion,
    plan_extension,
    plan_failure,
)
from stigmer_ops.procedures.activity_writes import Write, execute, intent_of
from stigmer_ops.temporal.attempt import locate, reference_to_ids
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.results import encode_failure, encode_result
from support.audit import records
from support.hand_worker import IDENTITY, HandWorker

AUTHOR = Author("stigmer-ops:alice@bastion-1 INC-7", "INC-7 the agent is gone")
RESULT = b'{"status": "completed"}'
VERBS = ("complete", "fail")


def frontend_of(client: Client) -> Frontend:
    return Frontend(client, Pace(rps=0))


async def by_ids(frontend: Frontend, worker: HandWorker, **changes: str) -> TaskToken:
    """The worker's activity 1, named by its ids, unless `changes` name something else."""
    ids = {"workflow_id": worker.workflow_id, "run_id": worker.run_id, "activity_id": "1"}
    return reference_to_ids(await frontend.namespace_id(), **(ids | changes))


async def planned(
    frontend: Frontend,
    reference: TaskToken,
    verb: str,
    *,
    unfenced: bool = False,
    retryable: bool = False,
) -> Write:
    """The plan of `activity complete` or `activity fail`."""
    found = await locate(frontend, reference)
    if verb == "complete":
        content, payloads = await encode_result(frontend, {"status": "completed"}, RESULT)
        return plan_completion(frontend, found, content, payloads, AUTHOR, unfenced=unfenced)
    failure = FailureContent("the agent is gone", "AgentGone", retryable)
    return plan_failure(
        frontend,
        found,
        failure,
        await encode_failure(frontend, failure),
        AUTHOR,
        unfenced=unfenced,
    )


async def extension(
    frontend: Frontend,
    reference: TaskToken,
    *,
    by: timedelta | None = None,
    until: datetime | None = None,
    start_to_close: timedelta | None = None,
) -> Write:
    """The plan of `activity extend`."""
    found = await locate(frontend, reference)
    deadline = wanted_deadline(found.activity, by=by, until=until, start_to_close=start_to_close)
    return await plan_extension(frontend, found, deadline, AUTHOR)


async def executed(frontend: Frontend, write: Write, trail: Path) -> Proof:
    """Carry a plan out, with its audit in the file `trail`."""
    audit = AuditTrail(trail, now=lambda: datetime.now(UTC))
    intent = intent_of(write.plan, operator="alice", host="bastion-1")
    return await execute(frontend, write, audit, intent)


def results_in(trail: Path) -> list[str]:
    """The results of the outcomes in an audit file, oldest first."""
    return [record.outcome.result for record in records(trail) if record.outcome]


async def history(worker: HandWorker) -> list[HistoryEvent]:
    answer = await worker.call(
        "get_workflow_execution_history",
        GetWorkflowExecutionHistoryRequest(namespace=worker.namespace, execution=worker.execution),
    )
    return list(answer.history.events)


def closing(events: list[HistoryEvent]) -> Any:
    """Attributes of the one event that ended the activity."""
    (ended,) = [
        event
        for event in events
        if event.HasField("activity_task_completed_event_attributes")
        or event.HasField("activity_task_failed_event_attributes")
    ]
    return getattr(ended, ended.WhichOneof("attributes") or "")


def ours(events: list[HistoryEvent]) -> list[int]:
    """Numbers of the events that our identity caused."""
    return [
        event.event_id
        for event in events
        if getattr(getattr(event, event.WhichOneof("attributes") or ""), "identity", "")
        == AUTHOR.identity
    ]


async def pause(worker: HandWorker) -> None:
    await worker.call(
        "pause_activity",
        PauseActivityRequest(
            namespace=worker.namespace, execution=worker.execution, id="1", identity=IDENTITY
        ),
    )


async def finish(worker: HandWorker, task: PollWorkflowTaskQueueResponse) -> None:
    """End a workflow task without commands."""
    await worker.call(
        "respond_workflow_task_completed",
        RespondWorkflowTaskCompletedRequest(task_token=task.task_token),
    )
