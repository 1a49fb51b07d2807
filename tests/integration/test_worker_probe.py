"""The probe on a real server: hard answers, missing rights, older servers, interruptions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from temporalio.api.workflowservice.v1 import (
    DeleteActivityExecutionRequest,
)
from temporalio.client import Client
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes

from stigmer_ops.handshake.queue_verdicts import (
    HEALTHY,
    REGISTRATION_UNKNOWN,
    TYPES_MISSING,
)
from stigmer_ops.handshake.registration import ProbeAccount, ProbeMethod
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.server import TemporalServer
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.probe import StandaloneProber
from stigmer_ops.temporal.probe_workflow import WorkflowProber
from support.codec import ReversingCodec
from support.frontends import frontend_at
from support.gateway import gateway_to, refusing
from support.worker_checks import (
    BOTH_WAYS,
    STANDALONE,
    WORKFLOW,
    assert_nothing_left,
    check,
    evidence,
    said,
)
from support.workers import new_queue, polling, until, worker


@pytest.fixture
async def frontend(sandbox: Sandbox) -> Frontend:
    return await frontend_at(sandbox.address, sandbox.namespace)


# --- Texts that are hard to read -----------------------------------------------------------------


async def test_encoded_failure_is_read_with_the_codec_and_said_to_be_unreadable_without(
    sandbox: Sandbox, frontend: Frontend
) -> None:
    queue = new_queue()
    codec = ReversingCodec()
    converter = DataConverter(
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes, payload_codec=codec
    )
    client = Client(
        sandbox.client.service_client, namespace=sandbox.namespace, data_converter=converter
    )
    knowing = Frontend(
        Client(
            sandbox.client.service_client,
            namespace=sandbox.namespace,
            data_converter=replace(DataConverter.default, payload_codec=codec),
        ),
        Pace(rps=0),
    )
    async with worker(client, queue, "encodes", "Execute"):
        readable, _ = await check(knowing, queue, "Execute")
        unreadable, _ = await check(frontend, queue, "Execute")
    assert readable.verdict is HEALTHY
    assert evidence(unreadable) == {
        REGISTRATION_UNKNOWN.id: ("encodes answered without naming its types: Encoded failure",)
    }


@BOTH_WAYS
async def test_names_of_many_types_are_all_read(
    sandbox: Sandbox, frontend: Frontend, method: ProbeMethod
) -> None:
    queue = new_queue()
    types = [f"AnActivityTypeWithALongName{number:03}" for number in range(300)]
    async with worker(sandbox.client, queue, "many", *types):
        found, _ = await check(frontend, queue, *types, method=method)
    assert found.verdict is HEALTHY
    assert said(found) == {"many": tuple(types)}


# --- Servers and accounts that cannot do everything ----------------------------------------------


async def test_server_without_standalone_activities_and_heartbeats_is_probed_by_a_workflow() -> (
    None
):
    old = TemporalServer(
        dynamic_config={
            "activity.enableStandalone": False,
            "frontend.WorkerHeartbeatsEnabled": False,
        }
    )
    queue = new_queue()
    async with old as server:
        client = await Client.connect(server.address)
        frontend = await frontend_at(server.address)
        async with worker(client, queue, "runner", "Execute"):
            found, account = await check(frontend, queue, "Execute", "Other")
        assert [item async for item in client.list_workflows()] == []
    assert account.method is WORKFLOW
    assert account.reason == "the server has no standalone activities"
    assert account.started == account.deleted > 0
    assert found.verdict is TYPES_MISSING
    assert found.workers.heartbeats is None


@pytest.mark.parametrize(
    ("method", "refused"),
    [(STANDALONE, "StartActivityExecution"), (WORKFLOW, "StartWorkflowExecution")],
)
async def test_refused_probe_leaves_the_registration_unknown(
    sandbox: Sandbox, method: ProbeMethod, refused: str
) -> None:
    queue = new_queue()
    async with (
        gateway_to(sandbox.address, intercept=refusing(refused)) as gateway,
        worker(sandbox.client, queue, "runner", "Execute"),
    ):
        frontend = await frontend_at(gateway.address, sandbox.namespace)
        found, account = await check(frontend, queue, "Execute", method=method)
    assert found.verdict is REGISTRATION_UNKNOWN
    assert "refused by the gateway" in evidence(found)[REGISTRATION_UNKNOWN.id][0]
    assert account.started == account.deleted == 0


async def test_probe_that_may_not_be_deleted_is_named(sandbox: Sandbox) -> None:
    queue = new_queue()
    async with (
        gateway_to(sandbox.address, intercept=refusing("DeleteActivityExecution")) as gateway,
        worker(sandbox.client, queue, "runner", "Execute"),
    ):
        frontend = await frontend_at(gateway.address, sandbox.namespace)
        found, account = await check(frontend, queue, "Execute")
        assert found.verdict is HEALTHY
        assert account.deleted == 0
        assert len(account.left_behind) == account.started > 0
    for activity_id in account.left_behind:
        await _delete(sandbox, activity_id)
    await assert_nothing_left(sandbox.client)


async def _delete(sandbox: Sandbox, activity_id: str) -> None:
    await sandbox.client.workflow_service.delete_activity_execution(
        DeleteActivityExecutionRequest(namespace=sandbox.namespace, activity_id=activity_id)
    )


# --- Given up ------------------------------------------------------------------------------------


@BOTH_WAYS
async def test_probe_that_is_interrupted_is_ended_and_deleted(
    sandbox: Sandbox, frontend: Frontend, method: ProbeMethod
) -> None:
    queue, account = new_queue(), ProbeAccount(method)

    async def ask() -> None:
        way = StandaloneProber if method is STANDALONE else WorkflowProber
        async with way(frontend, account) as prober:
            await prober.ask(queue, 2)

    async with polling(sandbox.client, queue, "hangs"):
        asking = asyncio.create_task(ask())
        await until(_started(account))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert account.deleted == account.started > 0
    await assert_nothing_left(sandbox.client)


def _started(account: ProbeAccount) -> Callable[[], Awaitable[bool]]:
    async def started() -> bool:
        return account.started > 0

    return started
