"""One way, or several, to come to each verdict of `token validate` on a real server.

A scenario takes a client and returns the bytes that the token's holder has.
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from temporalio.api.command.v1 import Command
from temporalio.api.command.v1 import CompleteWorkflowExecutionCommandAttributes as CompleteWorkflow
from temporalio.api.command.v1 import ContinueAsNewWorkflowExecutionCommandAttributes as AsNew
from temporalio.api.command.v1 import FailWorkflowExecutionCommandAttributes as FailWorkflow
from temporalio.api.command.v1 import RequestCancelActivityTaskCommandAttributes as CancelActivity
from temporalio.api.common.v1 import RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import CommandType
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    DescribeNamespaceRequest,
    DescribeWorkflowExecutionRequest,
    PauseActivityExecutionRequest,
    PauseActivityRequest,
    PauseWorkflowExecutionRequest,
    RequestCancelActivityExecutionRequest,
    ResetActivityRequest,
    ResetWorkflowExecutionRequest,
    RespondActivityTaskCanceledRequest,
    TerminateActivityExecutionRequest,
)
from temporalio.client import Client

from stigmer_ops.handshake.token import decode, encode, synthesise, synthesise_standalone
from support.hand_worker import IDENTITY, WORKFLOW_TYPE, HandWorker, seconds, unique

Scenario = Callable[[Client], Awaitable[bytes]]


@dataclass(frozen=True)
class Case:
    """A scenario, the verdict it leads to, and what else the validation must tell."""

    verdict: str
    scenario: Scenario
    finding: str = ""

    @property
    def name(self) -> str:
        return f"{self.verdict}:{self.scenario.__name__}"


CASES: list[Case] = []


def leads_to(verdict: str, finding: str = "") -> Callable[[Scenario], Scenario]:
    def add(scenario: Scenario) -> Scenario:
        CASES.append(Case(verdict, scenario, finding))
        return scenario

    return add


def altered(token: bytes, **fields: Any) -> bytes:
    """The token with some of its fields changed."""
    return encode(replace(decode(token), **fields))


async def namespace_id(client: Client) -> str:
    answer = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )
    return answer.namespace_info.id


async def synthesised(worker: HandWorker, event: int = 5, attempt: int = 1) -> bytes:
    return synthesise(
        namespace_id=await namespace_id(worker.client),
        workflow_id=worker.workflow_id,
        run_id=worker.run_id,
        scheduled_event_id=event,
        attempt=attempt,
        activity_id="1",
    )


async def retried(client: Client, *, taken: bool) -> tuple[HandWorker, bytes, bytes]:
    """An activity whose first attempt failed; the second is taken by a worker, or in backoff."""
    worker = HandWorker(client, attempts=5, retry_after=0.01 if taken else 600)
    first = await worker.started()
    await worker.fail(first, retryable=True)
    return worker, first, await worker.take() if taken else b""


async def until_workflow_settles(worker: HandWorker, *, pending: int) -> None:
    """Wait until the run has so many pending activities."""
    request = DescribeWorkflowExecutionRequest(
        namespace=worker.namespace, execution=worker.execution
    )
    async with asyncio.timeout(15):
        while True:
            answer = await worker.call("describe_workflow_execution", request)
            if len(answer.pending_activities) == pending:
                return
            await asyncio.sleep(0.05)


# --- pending --------------------------------------------------------------------------------------


@leads_to("current", "attempt 1 is pending (STARTED)")
async def a_worker_has_taken_it(client: Client) -> bytes:
    return await HandWorker(client).started()


@leads_to("current", "attempt 2 is pending")
async def the_second_attempt(client: Client) -> bytes:
    return (await retried(client, taken=True))[2]


@leads_to("current", "(CANCEL_REQUESTED)")
async def the_workflow_asked_to_cancel_it(client: Client) -> bytes:
    return (await cancel_requested(client))[1]


async def cancel_requested(client: Client) -> tuple[HandWorker, bytes]:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.signal()
    await worker.decide(
        Command(
            command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
            request_cancel_activity_task_command_attributes=CancelActivity(scheduled_event_id=5),
        )
    )
    return worker, token


@leads_to("current", "(PAUSE_REQUESTED)")
async def it_was_paused_after_its_start(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await pause(worker)
    return token


async def pause(worker: HandWorker) -> None:
    await worker.call(
        "pause_activity",
        PauseActivityRequest(
            namespace=worker.namespace, execution=worker.execution, id="1", identity=IDENTITY
        ),
    )


@leads_to("current")
async def its_workflow_is_paused(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.call(
        "pause_workflow_execution",
        PauseWorkflowExecutionRequest(
            namespace=worker.namespace,
            workflow_id=worker.workflow_id,
            run_id=worker.run_id,
            identity=IDENTITY,
            request_id=uuid.uuid4().hex,
        ),
    )
    return token


@leads_to("current")
async def built_by_hand_for_the_attempt(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.started()
    return await synthesised(worker)


@leads_to("current")
async def another_activity_id_than_the_event_has(client: Client) -> bytes:
    # The server goes by the scheduled event alone.
    return altered(await HandWorker(client).started(), activity_id="other")


@leads_to("current")
async def without_a_run_id(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), run_id="")


@leads_to("current")
async def a_stale_attempt_that_a_reset_revived(client: Client) -> bytes:
    worker, first, _ = await retried(client, taken=True)
    await reset_activity(worker)
    return first


async def reset_activity(worker: HandWorker) -> None:
    await worker.call(
        "reset_activity",
        ResetActivityRequest(
            namespace=worker.namespace, execution=worker.execution, id="1", identity=IDENTITY
        ),
    )


@leads_to("unfenced", "at attempt 2")
async def without_a_scheduled_event(client: Client) -> bytes:
    return altered((await retried(client, taken=True))[1], scheduled_event_id=0)


@leads_to("unfenced", "(SCHEDULED)")
async def without_a_scheduled_event_and_never_started(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.start_workflow()
    await worker.schedule()
    return altered(await synthesised(worker), scheduled_event_id=0)


@leads_to("stale-attempt", "attempt 1, and the activity is now at attempt 2 (STARTED)")
async def retried_and_taken_again(client: Client) -> bytes:
    return (await retried(client, taken=True))[1]


@leads_to("stale-attempt", "attempt 1, and the activity is now at attempt 2 (SCHEDULED)")
async def retried_and_in_backoff(client: Client) -> bytes:
    return (await retried(client, taken=False))[1]


@leads_to("not-started", "it is SCHEDULED")
async def no_worker_has_taken_it(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.start_workflow()
    await worker.schedule()
    return await synthesised(worker)


@leads_to("not-started", "it is SCHEDULED")
async def of_the_attempt_that_is_in_backoff(client: Client) -> bytes:
    worker, _, _ = await retried(client, taken=False)
    return await synthesised(worker, attempt=2)


@leads_to("not-started", "it is PAUSED")
async def it_was_paused_before_its_start(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.start_workflow()
    await worker.schedule()
    await pause(worker)
    return await synthesised(worker)


@leads_to("activity-reset", "attempt 2, but the activity is at attempt 1 (STARTED)")
async def its_attempts_count_from_one_again(client: Client) -> bytes:
    worker, _, second = await retried(client, taken=True)
    await reset_activity(worker)
    return second


# --- ended ----------------------------------------------------------------------------------------


@leads_to("activity-completed", "(event 7), as reported by alice@bastion INC-1")
async def completed_by_another(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.complete_by_id(identity="alice@bastion INC-1")
    return token


@leads_to("activity-completed", f"as reported by {IDENTITY}")
async def without_a_scheduled_event_and_completed(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.complete(token)
    return altered(token, scheduled_event_id=0)


@leads_to("activity-completed", "(event 7)")
async def its_activity_id_is_in_use_again(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.complete(token)
    await worker.schedule()
    await worker.take()
    return token


@leads_to("activity-failed", f"as reported by {IDENTITY}")
async def it_failed(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.fail(token, retryable=False)
    return token


@leads_to("activity-timed-out", "(event 7)")
async def its_time_is_over(client: Client) -> bytes:
    worker = HandWorker(client, start_to_close=1)
    token = await worker.started()
    await until_workflow_settles(worker, pending=0)
    return token


@leads_to("activity-canceled", f"as reported by {IDENTITY}")
async def it_was_cancelled(client: Client) -> bytes:
    worker, token = await cancel_requested(client)
    await worker.call(
        "respond_activity_task_canceled",
        RespondActivityTaskCanceledRequest(
            namespace=worker.namespace, task_token=token, identity=IDENTITY
        ),
    )
    return token


@leads_to("activity-ended", "event 5 is no longer pending")
async def completed_while_a_workflow_task_is_under_way(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.signal()
    await worker.workflow_task()
    await worker.complete(token)
    return token


@leads_to("not-an-activity", "event 2 of the run")
async def of_a_workflow_task(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.start_workflow()
    return (await worker.workflow_task()).task_token


@leads_to("event-not-written", "no event 6 yet")
async def of_the_event_after_the_last(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.started()
    return await synthesised(worker, event=6)


# --- the run is not there or not open -------------------------------------------------------------


async def reset_run(client: Client, event: int = 4) -> tuple[HandWorker, bytes]:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.call(
        "reset_workflow_execution",
        ResetWorkflowExecutionRequest(
            namespace=worker.namespace,
            workflow_execution=worker.execution,
            workflow_task_finish_event_id=event,
            reason="bad deployment",
            request_id=uuid.uuid4().hex,
        ),
    )
    return worker, token


@leads_to("run-superseded", "was reset")
async def the_workflow_was_reset(client: Client) -> bytes:
    return (await reset_run(client))[1]


@leads_to("run-superseded", "where activity 1 is STARTED at attempt 1")
async def the_workflow_was_reset_and_waits_again(client: Client) -> bytes:
    worker, token = await reset_run(client)
    await worker.schedule()
    await worker.take()
    return token


@leads_to("run-superseded", "was continued as new")
async def the_workflow_continued_as_new(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.signal()
    await worker.decide(
        Command(
            command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
            continue_as_new_workflow_execution_command_attributes=AsNew(
                workflow_type=WorkflowType(name=WORKFLOW_TYPE), task_queue=worker.task_queue
            ),
        )
    )
    return token


@leads_to("run-superseded", "was followed by a retry or a scheduled run")
async def the_workflow_failed_and_is_retried(client: Client) -> bytes:
    worker = HandWorker(client)
    policy = RetryPolicy(maximum_attempts=3, initial_interval=seconds(600))
    token = await worker.started(retry_policy=policy)
    await worker.signal()
    await worker.decide(
        Command(
            command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
            fail_workflow_execution_command_attributes=FailWorkflow(failure=Failure(message="x")),
        )
    )
    return token


@leads_to("workflow-closed", f"by {IDENTITY}, because: maintenance; the activity was still pending")
async def the_workflow_was_terminated(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.terminate()
    return token


@leads_to("workflow-closed", "; the current run is")
async def the_workflow_was_terminated_and_started_anew(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.terminate()
    await worker.start_workflow()
    return token


@leads_to("workflow-closed", "had ended before: COMPLETED at event 7")
async def the_workflow_completed_after_the_activity(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.complete(token)
    await worker.decide(
        Command(
            command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
            complete_workflow_execution_command_attributes=CompleteWorkflow(),
        )
    )
    return token


@leads_to("workflow-closed", "is not in its history")
async def the_workflow_was_terminated_before_it_scheduled_anything(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.start_workflow()
    await worker.terminate()
    return await synthesised(worker)


@leads_to("run-not-found", "the current run is")
async def another_run_of_the_workflow(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), run_id=str(uuid.uuid4()))


@leads_to("workflow-not-found")
async def a_workflow_that_never_was(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), workflow_id=unique("nobody's"))


@leads_to("workflow-not-found")
async def a_workflow_that_never_was_without_a_run_id(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), workflow_id=unique("none"), run_id="")


# --- standalone activities ------------------------------------------------------------------------


async def retried_standalone(client: Client, *, taken: bool) -> tuple[bytes, bytes]:
    worker = HandWorker(client, attempts=5, retry_after=0.01 if taken else 600)
    first = await worker.started_standalone()
    await worker.fail(first, retryable=True)
    return first, await worker.take() if taken else b""


@leads_to("current")
async def a_standalone_activity(client: Client) -> bytes:
    return await HandWorker(client).started_standalone()


@leads_to("current", "attempt 2")
async def the_second_attempt_of_a_standalone_activity(client: Client) -> bytes:
    return (await retried_standalone(client, taken=True))[1]


@leads_to("unfenced")
async def a_standalone_activity_without_an_attempt(client: Client) -> bytes:
    return altered(await HandWorker(client).started_standalone(), attempt=0)


@leads_to("stale-attempt", "attempt 1, and the activity is now at attempt 2 (STARTED)")
async def a_standalone_activity_taken_again(client: Client) -> bytes:
    return (await retried_standalone(client, taken=True))[0]


@leads_to("stale-attempt", "(SCHEDULED)")
async def a_standalone_activity_in_backoff(client: Client) -> bytes:
    return (await retried_standalone(client, taken=False))[0]


async def unstarted_standalone(client: Client) -> tuple[HandWorker, bytes]:
    worker, activity_id = HandWorker(client), unique("standalone")
    await worker.start_standalone(activity_id)
    token = synthesise_standalone(
        namespace_id=await namespace_id(client),
        activity_id=activity_id,
        run_id=worker.run_id,
        attempt=1,
    )
    return worker, token


@leads_to("not-started", "it is SCHEDULED")
async def a_standalone_activity_that_nobody_has_taken(client: Client) -> bytes:
    return (await unstarted_standalone(client))[1]


@leads_to("not-started", "it is PAUSED")
async def a_standalone_activity_paused_before_its_start(client: Client) -> bytes:
    worker, token = await unstarted_standalone(client)
    await worker.call(
        "pause_activity_execution",
        PauseActivityExecutionRequest(
            namespace=worker.namespace,
            activity_id=decode(token).activity_id,
            run_id=worker.run_id,
            identity=IDENTITY,
            request_id=uuid.uuid4().hex,
        ),
    )
    return token


@leads_to("activity-completed", f"as reported by {IDENTITY}")
async def a_standalone_activity_completed(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started_standalone()
    await worker.complete(token)
    return token


@leads_to("activity-failed", f"as reported by {IDENTITY}")
async def a_standalone_activity_failed(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started_standalone()
    await worker.fail(token, retryable=False)
    return token


@leads_to("activity-timed-out")
async def a_standalone_activity_timed_out(client: Client) -> bytes:
    worker = HandWorker(client, start_to_close=1)
    token = await worker.started_standalone()
    request = DescribeActivityExecutionRequest(
        namespace=worker.namespace, activity_id=decode(token).activity_id, run_id=worker.run_id
    )
    async with asyncio.timeout(15):
        while True:
            answer = await worker.call("describe_activity_execution", request)
            if answer.info.HasField("close_time"):
                return token
            await asyncio.sleep(0.05)


@leads_to("activity-canceled")
async def a_standalone_activity_cancelled(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started_standalone()
    await worker.call(
        "request_cancel_activity_execution",
        RequestCancelActivityExecutionRequest(
            namespace=worker.namespace,
            activity_id=decode(token).activity_id,
            run_id=worker.run_id,
            identity=IDENTITY,
            request_id=uuid.uuid4().hex,
        ),
    )
    await worker.call(
        "respond_activity_task_canceled",
        RespondActivityTaskCanceledRequest(
            namespace=worker.namespace, task_token=token, identity=IDENTITY
        ),
    )
    return token


@leads_to("activity-terminated")
async def a_standalone_activity_terminated(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started_standalone()
    await worker.call(
        "terminate_activity_execution",
        TerminateActivityExecutionRequest(
            namespace=worker.namespace,
            activity_id=decode(token).activity_id,
            run_id=worker.run_id,
            identity=IDENTITY,
            reason="maintenance",
            request_id=uuid.uuid4().hex,
        ),
    )
    return token


@leads_to("activity-not-found")
async def a_standalone_activity_that_never_was(client: Client) -> bytes:
    return synthesise_standalone(
        namespace_id=await namespace_id(client),
        activity_id=unique("nobody's"),
        run_id=str(uuid.uuid4()),
        attempt=1,
    )


# --- namespaces, and damage -----------------------------------------------------------------------


@leads_to("unknown-namespace")
async def of_another_server(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), namespace_id=str(uuid.uuid4()))


@leads_to("malformed", "truncated at byte 60")
async def cut_off(client: Client) -> bytes:
    return (await HandWorker(client).started())[:60]


@leads_to("malformed", "truncated at byte 38")
async def cut_off_between_two_fields(client: Client) -> bytes:
    return (await HandWorker(client).started())[:38]


@leads_to("malformed", "empty")
async def nothing_at_all(_client: Client) -> bytes:
    return b""


@leads_to("malformed")
async def prose(_client: Client) -> bytes:
    return b"callback_token is not set"


@leads_to("double-encoded", "of the token inside: attempt 1 is pending")
async def base64_text_stored_as_bytes(client: Client) -> bytes:
    return base64.b64encode(await HandWorker(client).started())
