"""The token names no activity that is pending in an open run."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import (
    RespondActivityTaskCanceledRequest,
)
from temporalio.client import Client

from support.hand_worker import IDENTITY, HandWorker
from support.token_scenarios.case import (
    Cases,
    altered,
    cancel_requested,
    synthesised,
    until_workflow_settles,
)

cases = Cases()


@cases.leads_to("activity-completed", "(event 7), as reported by alice@bastion INC-1")
async def completed_by_another(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.complete_by_id(identity="alice@bastion INC-1")
    return token


@cases.leads_to("activity-completed", f"as reported by {IDENTITY}")
async def without_a_scheduled_event_and_completed(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.complete(token)
    return altered(token, scheduled_event_id=0)


@cases.leads_to("activity-completed", "(event 7)")
async def its_activity_id_is_in_use_again(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.complete(token)
    await worker.schedule()
    await worker.take()
    return token


@cases.leads_to("activity-failed", f"as reported by {IDENTITY}")
async def it_failed(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.fail(token, retryable=False)
    return token


@cases.leads_to("activity-timed-out", "(event 7)")
async def its_time_is_over(client: Client) -> bytes:
    worker = HandWorker(client, start_to_close=1)
    token = await worker.started()
    await until_workflow_settles(worker, pending=0)
    return token


@cases.leads_to("activity-canceled", f"as reported by {IDENTITY}")
async def it_was_cancelled(client: Client) -> bytes:
    worker, token = await cancel_requested(client)
    await worker.call(
        "respond_activity_task_canceled",
        RespondActivityTaskCanceledRequest(
            namespace=worker.namespace, task_token=token, identity=IDENTITY
        ),
    )
    return token


@cases.leads_to("activity-ended", "scheduled event 5 is no longer pending")
async def completed_while_a_workflow_task_is_under_way(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started()
    await worker.signal()
    await worker.workflow_task()
    await worker.complete(token)
    return token


@cases.leads_to("no-such-activity", "no activity with scheduled event 2")
async def of_a_workflow_task(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.start_workflow()
    return (await worker.workflow_task()).task_token


@cases.leads_to("event-not-written", "no event 6 yet")
async def of_the_event_after_the_last(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.started()
    return await synthesised(worker, event=6)


@cases.leads_to("no-such-activity", "no activity with id none")
async def without_a_scheduled_event_and_of_an_unknown_id(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), scheduled_event_id=0, activity_id="none")
