"""The run is closed, or is not there."""

from __future__ import annotations

import uuid

from temporalio.api.command.v1 import Command
from temporalio.api.command.v1 import CompleteWorkflowExecutionCommandAttributes as CompleteWorkflow
from temporalio.api.command.v1 import ContinueAsNewWorkflowExecutionCommandAttributes as AsNew
from temporalio.api.command.v1 import FailWorkflowExecutionCommandAttributes as FailWorkflow
from temporalio.api.common.v1 import RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import CommandType
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    ResetWorkflowExecutionRequest,
)
from temporalio.client import Client

from support.hand_worker import IDENTITY, WORKFLOW_TYPE, HandWorker, seconds, unique
from support.token_scenarios.case import (
    Cases,
    altered,
    synthesised,
)

cases = Cases()


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


@cases.leads_to("run-superseded", "was reset")
async def the_workflow_was_reset(client: Client) -> bytes:
    return (await reset_run(client))[1]


@cases.leads_to("run-superseded", "where activity 1 is STARTED at attempt 1")
async def the_workflow_was_reset_and_waits_again(client: Client) -> bytes:
    worker, token = await reset_run(client)
    await worker.schedule()
    await worker.take()
    return token


@cases.leads_to("run-superseded", "was continued as new")
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


@cases.leads_to("run-superseded", "was followed by a retry or a scheduled run")
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


@cases.leads_to(
    "workflow-closed", f"by {IDENTITY}, because: maintenance; the activity was still pending"
)
async def the_workflow_was_terminated(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.terminate()
    return token


@cases.leads_to("workflow-closed", "; the current run is")
async def the_workflow_was_terminated_and_started_anew(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.terminate()
    await worker.start_workflow()
    return token


@cases.leads_to("workflow-closed", "had ended before: COMPLETED at event 7")
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


@cases.leads_to("workflow-closed", "is not in its history")
async def the_workflow_was_terminated_before_it_scheduled_anything(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.start_workflow()
    await worker.terminate()
    return await synthesised(worker)


@cases.leads_to("run-not-found", "the current run is")
async def another_run_of_the_workflow(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), run_id=str(uuid.uuid4()))


@cases.leads_to("workflow-not-found")
async def a_workflow_that_never_was(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), workflow_id=unique("nobody's"))


@cases.leads_to("workflow-not-found")
async def a_workflow_that_never_was_without_a_run_id(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), workflow_id=unique("none"), run_id="")
