"""The activity is pending in an open run."""

from __future__ import annotations

import uuid

from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    PauseWorkflowExecutionRequest,
    ResetActivityRequest,
)
from temporalio.client import Client

from support.hand_worker import IDENTITY, HandWorker
from support.token_scenarios.case import (
    Cases,
    altered,
    cancel_requested,
    retried,
    synthesised,
)

cases = Cases()


@cases.leads_to("current", "attempt 1 is pending (STARTED)")
async def a_worker_has_taken_it(client: Client) -> bytes:
    return await HandWorker(client).started()


@cases.leads_to("current", "attempt 2 is pending")
async def the_second_attempt(client: Client) -> bytes:
    return (await retried(client, taken=True))[2]


@cases.leads_to("current", "(CANCEL_REQUESTED)")
async def the_workflow_asked_to_cancel_it(client: Client) -> bytes:
    return (await cancel_requested(client))[1]


@cases.leads_to("current", "(PAUSE_REQUESTED)")
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


@cases.leads_to("current")
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


@cases.leads_to("current")
async def built_by_hand_for_the_attempt(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.started()
    return await synthesised(worker)


@cases.leads_to("current")
async def another_activity_id_than_the_event_has(client: Client) -> bytes:
    # The server goes by the scheduled event alone.
    return altered(await HandWorker(client).started(), activity_id="other")


@cases.leads_to("current")
async def without_a_run_id(client: Client) -> bytes:
    return altered(await HandWorker(client).started(), run_id="")


@cases.leads_to("current")
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


@cases.leads_to("unfenced", "at attempt 2")
async def without_a_scheduled_event(client: Client) -> bytes:
    return altered((await retried(client, taken=True))[1], scheduled_event_id=0)


@cases.leads_to("unfenced", "(SCHEDULED)")
async def without_a_scheduled_event_and_never_started(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.start_workflow()
    await worker.schedule()
    return altered(await synthesised(worker), scheduled_event_id=0)


@cases.leads_to("stale-attempt", "attempt 1, and the activity is now at attempt 2 (STARTED)")
async def retried_and_taken_again(client: Client) -> bytes:
    return (await retried(client, taken=True))[1]


@cases.leads_to("stale-attempt", "attempt 1, and the activity is now at attempt 2 (SCHEDULED)")
async def retried_and_in_backoff(client: Client) -> bytes:
    return (await retried(client, taken=False))[1]


@cases.leads_to("not-started", "it is SCHEDULED")
async def no_worker_has_taken_it(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.start_workflow()
    await worker.schedule()
    return await synthesised(worker)


@cases.leads_to("not-started", "it is SCHEDULED")
async def of_the_attempt_that_is_in_backoff(client: Client) -> bytes:
    worker, _, _ = await retried(client, taken=False)
    return await synthesised(worker, attempt=2)


@cases.leads_to("not-started", "it is PAUSED")
async def it_was_paused_before_its_start(client: Client) -> bytes:
    worker = HandWorker(client)
    await worker.start_workflow()
    await worker.schedule()
    await pause(worker)
    return await synthesised(worker)


@cases.leads_to("activity-reset", "attempt 2, but the activity is at attempt 1 (STARTED)")
async def its_attempts_count_from_one_again(client: Client) -> bytes:
    worker, _, second = await retried(client, taken=True)
    await reset_activity(worker)
    return second
