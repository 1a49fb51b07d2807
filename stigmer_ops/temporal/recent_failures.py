"""What workers said of their registrations in the failures of activities that are pending.

Reading only: where nothing may be sent, these texts are all that can be had.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.registration import Answer, ProbeAnswer, parse_not_registered
from stigmer_ops.temporal.describe import describe_workflow
from stigmer_ops.temporal.failure_texts import with_texts
from stigmer_ops.temporal.fan_out import fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.visibility import list_workflows

WORKFLOWS_AT_MOST = 500
"""The newest running workflows that are read; a failing activity is retried within minutes."""


@dataclass(frozen=True, slots=True)
class RecentFailures:
    """The answers found, by queue, and what was read for them.

    Attributes:
        answers: By queue.
        workflows: How many running workflows were read.
        encoded: How many failures on those queues nobody could decode.
    """

    answers: dict[str, tuple[ProbeAnswer, ...]]
    workflows: int
    encoded: int = 0


async def recent_failures(frontend: Frontend, task_queues: Collection[str]) -> RecentFailures:
    """Read the last failures of pending activities on `task_queues`.

    Raises:
        StigmerOpsError: The workflows could not be listed or described, or the codec server, which
            the texts need, cannot be used.
    """
    found: dict[str, set[ProbeAnswer]] = {name: set() for name in task_queues}
    workflows = encoded = 0

    async def pending(listed: WorkflowExecutionInfo) -> Sequence[PendingActivity]:
        ids = listed.execution
        try:
            description = await describe_workflow(frontend, ids.workflow_id, ids.run_id)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return ()
            raise frontend.translate(error, f"describe workflow {ids.workflow_id}") from error
        return [
            await _with_text(frontend, activity)
            for activity in description.pending
            if activity.task_queue in found and activity.last_failure is not None
        ]

    results = fan_out(_newest(frontend), pending, concurrency=frontend.pace.concurrency)
    async with aclosing(results):
        async for activities in results:
            workflows += 1
            for activity in activities:
                encoded += bool(activity.last_failure and activity.last_failure.encoded)
                answer = _answer(activity)
                if answer is not None:
                    found[activity.task_queue].add(answer)
    return RecentFailures(
        {
            name: tuple(sorted(answers, key=lambda one: (one.identity, one.detail)))
            for name, answers in found.items()
        },
        workflows,
        encoded,
    )


async def _with_text(frontend: Frontend, activity: PendingActivity) -> PendingActivity:
    assert activity.last_failure is not None
    (failure,) = await with_texts(frontend, [activity.last_failure])
    return replace(activity, last_failure=failure)


async def _newest(frontend: Frontend) -> AsyncIterator[WorkflowExecutionInfo]:
    count = 0
    async for workflow in list_workflows(frontend, "ExecutionStatus = 'Running'"):
        yield workflow
        count += 1
        if count == WORKFLOWS_AT_MOST:
            return


def _answer(activity: PendingActivity) -> ProbeAnswer | None:
    failure = activity.last_failure
    if failure is None:
        return None
    said = parse_not_registered(failure.message, truncated=failure.truncated)
    if said is None:
        return None
    return ProbeAnswer(Answer.REGISTERED_TYPES, activity.last_worker_identity, said)
