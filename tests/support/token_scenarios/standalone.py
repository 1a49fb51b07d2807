"""Standalone activities."""

from __future__ import annotations

import asyncio
import uuid

from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    PauseActivityExecutionRequest,
    RequestCancelActivityExecutionRequest,
    RespondActivityTaskCanceledRequest,
    TerminateActivityExecutionRequest,
)
from temporalio.client import Client

from stigmer_ops.handshake.token import decode, synthesise_standalone
from support.hand_worker import IDENTITY, HandWorker, unique
from support.token_scenarios.case import (
    Cases,
    altered,
    namespace_id,
)

cases = Cases()


async def retried_standalone(client: Client, *, taken: bool) -> tuple[bytes, bytes]:
    worker = HandWorker(client, attempts=5, retry_after=0.01 if taken else 600)
    first = await worker.started_standalone()
    await worker.fail(first, retryable=True)
    return first, await worker.take() if taken else b""


@cases.leads_to("current")
async def a_standalone_activity(client: Client) -> bytes:
    return await HandWorker(client).started_standalone()


@cases.leads_to("current", "attempt 2")
async def the_second_attempt_of_a_standalone_activity(client: Client) -> bytes:
    return (await retried_standalone(client, taken=True))[1]


@cases.leads_to("unfenced")
async def a_standalone_activity_without_an_attempt(client: Client) -> bytes:
    return altered(await HandWorker(client).started_standalone(), attempt=0)


@cases.leads_to("stale-attempt", "attempt 1, and the activity is now at attempt 2 (STARTED)")
async def a_standalone_activity_taken_again(client: Client) -> bytes:
    return (await retried_standalone(client, taken=True))[0]


@cases.leads_to("stale-attempt", "(SCHEDULED)")
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


@cases.leads_to("not-started", "it is SCHEDULED")
async def a_standalone_activity_that_nobody_has_taken(client: Client) -> bytes:
    return (await unstarted_standalone(client))[1]


@cases.leads_to("not-started", "it is PAUSED")
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


@cases.leads_to("activity-completed", f"as reported by {IDENTITY}")
async def a_standalone_activity_completed(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started_standalone()
    await worker.complete(token)
    return token


@cases.leads_to("activity-failed", f"as reported by {IDENTITY}")
async def a_standalone_activity_failed(client: Client) -> bytes:
    worker = HandWorker(client)
    token = await worker.started_standalone()
    await worker.fail(token, retryable=False)
    return token


@cases.leads_to("activity-timed-out")
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


@cases.leads_to("activity-canceled")
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


@cases.leads_to("activity-terminated")
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


@cases.leads_to("activity-not-found")
async def a_standalone_activity_that_never_was(client: Client) -> bytes:
    return synthesise_standalone(
        namespace_id=await namespace_id(client),
        activity_id=unique("nobody's"),
        run_id=str(uuid.uuid4()),
        attempt=1,
    )
