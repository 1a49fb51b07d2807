"""Results on their way to the workflow: encoded, bounded, and compared with recent ones."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.command.v1 import Command
from temporalio.api.command.v1 import CompleteWorkflowExecutionCommandAttributes as CompleteWorkflow
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import CommandType
from temporalio.api.workflowservice.v1 import RespondActivityTaskCompletedRequest
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from stigmer_ops.errors import RefusedError, UnavailableError
from stigmer_ops.handshake.shape import ResultShape, differences
from stigmer_ops.handshake.write_plan import Aftermath, FailureContent
from stigmer_ops.procedures.activity_plans import plan_completion
from stigmer_ops.procedures.activity_writes import with_aftermath
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.attempt import locate, reference_to_ids
from stigmer_ops.temporal.codec_server import CodecServer
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.recent_results import recent_shapes
from stigmer_ops.temporal.results import encode_failure, encode_result
from support.activity_writes import (
    AUTHOR,
    by_ids,
    closing,
    executed,
    frontend_of,
    history,
    planned,
)
from support.codec import ENCODING, codec_server
from support.hand_worker import ACTIVITY_TYPE, HandWorker, unique


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@workflow.defn(name="WaitsForAgent")
class WaitsForAgent:
    """Returns what its activity was completed with, or the type of its failure."""

    @workflow.run
    async def run(self) -> Any:
        try:
            return await workflow.execute_activity(
                "CallAgent", start_to_close_timeout=timedelta(minutes=5)
            )
        except Exception as error:  # noqa: BLE001 - told to the test
            cause = error.__cause__
            assert isinstance(cause, ApplicationError)
            return {"failed": cause.type, "message": cause.message, "final": cause.non_retryable}


@activity.defn(name="CallAgent")
async def call_agent() -> None:
    activity.raise_complete_async()


@pytest.fixture
async def encrypted(sandbox: Sandbox) -> AsyncIterator[Frontend]:
    """A frontend behind a codec server."""
    async with codec_server() as server:
        codec = CodecServer(server.endpoint, sandbox.namespace)
        converter = dataclasses.replace(DataConverter.default, payload_codec=codec)
        client = await Client.connect(
            sandbox.address, namespace=sandbox.namespace, data_converter=converter
        )
        yield frontend_of(client)


async def started_by(client: Client, queue: str) -> str:
    """A workflow of a real worker, waiting; its id."""
    workflow_id = unique("waits")
    await client.start_workflow("WaitsForAgent", id=workflow_id, task_queue=queue)
    handle = client.get_workflow_handle(workflow_id)
    async with asyncio.timeout(10):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and pending[0].HasField("last_started_time"):
                return workflow_id
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("behind_codec", [False, True])
async def test_workflow_resumes_with_the_result_or_the_failure(
    sandbox: Sandbox, encrypted: Frontend, trail: Path, behind_codec: bool
) -> None:
    frontend = encrypted if behind_codec else frontend_of(sandbox.client)
    client, queue = frontend.client, unique("queue")
    async with Worker(
        client,
        task_queue=queue,
        workflows=[WaitsForAgent],
        activities=[call_agent],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        completed, failed = [await started_by(client, queue) for _ in range(2)]
        for workflow_id, verb in ((completed, "complete"), (failed, "fail")):
            reference = reference_to_ids(
                await frontend.namespace_id(), workflow_id=workflow_id, run_id="", activity_id="1"
            )
            write = await planned(frontend, reference, verb)
            proof = await executed(frontend, write, trail)
            proof = await with_aftermath(frontend, write.plan, proof)
            assert proof.aftermath is Aftermath.RESUMED
        result = await client.get_workflow_handle(completed).result()
        failure = await client.get_workflow_handle(failed).result()

    assert result == {"status": "completed"}
    assert failure == {"failed": "AgentGone", "message": "the agent is gone", "final": True}


async def test_result_is_stored_as_the_codec_made_it(encrypted: Frontend, trail: Path) -> None:
    worker = HandWorker(encrypted.client)
    await worker.started()

    write = await planned(encrypted, await by_ids(encrypted, worker), "complete")
    await executed(encrypted, write, trail)

    (payload,) = closing(await history(worker)).result.payloads
    assert payload.metadata["encoding"] == ENCODING
    assert b"completed" not in payload.data
    shape = write.plan.change.shape  # type: ignore[union-attr] # a completion's change
    assert (shape.stored_encoding, shape.encoding) == (ENCODING.decode(), "json/plain")


async def test_codec_server_that_is_down_stops_the_write(sandbox: Sandbox) -> None:
    codec = CodecServer("http://127.0.0.1:9", sandbox.namespace)
    converter = dataclasses.replace(DataConverter.default, payload_codec=codec)
    client = await Client.connect(
        sandbox.address, namespace=sandbox.namespace, data_converter=converter
    )
    worker = HandWorker(client)
    await worker.started()
    frontend = frontend_of(client)

    with pytest.raises(UnavailableError, match="codec server"):
        await planned(frontend, await by_ids(frontend, worker), "complete")

    assert "respond_activity_task_completed" not in frontend.calls


async def test_result_over_the_limit_of_the_namespace_is_refused(sandbox: Sandbox) -> None:
    frontend = frontend_of(sandbox.client)
    limit = (await frontend.describe_namespace()).namespace_info.limits.blob_size_limit_error

    with pytest.raises(RefusedError, match=f"allows {limit}"):
        await encode_result(frontend, "x" * limit, b"")
    with pytest.raises(RefusedError, match="the failure is"):
        await encode_failure(frontend, FailureContent("x" * limit, "TooLong", retryable=False))


async def test_result_just_within_the_limit_is_delivered(sandbox: Sandbox, trail: Path) -> None:
    frontend = frontend_of(sandbox.client)
    worker = HandWorker(sandbox.client)
    await worker.started()
    limit = (await frontend.describe_namespace()).namespace_info.limits.blob_size_limit_error
    described, payloads = await encode_result(frontend, "x" * (limit - 50), b"")
    assert limit - 20 < described.encoded_bytes <= limit

    found = await locate(frontend, await by_ids(frontend, worker))
    proof = await executed(
        frontend, plan_completion(frontend, found, described, payloads, AUTHOR), trail
    )

    assert proof.outcome == "COMPLETED", "and not failed by the server for its size"


async def completed_workflow(client: Client, workflow_type: str, result: Payload, by: str) -> None:
    worker = HandWorker(client, workflow_type=workflow_type)
    token = await worker.started()
    await worker.call(
        "respond_activity_task_completed",
        RespondActivityTaskCompletedRequest(
            namespace=worker.namespace,
            task_token=token,
            result=Payloads(payloads=[result]),
            identity=by,
        ),
    )
    await worker.decide(
        Command(
            command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
            complete_workflow_execution_command_attributes=CompleteWorkflow(),
        )
    )


async def shapes_of(frontend: Frontend, workflow_type: str, count: int) -> list[ResultShape]:
    """Recent shapes, once visibility shows as many workflows."""
    async with asyncio.timeout(10):
        while True:
            shapes = await recent_shapes(frontend, workflow_type, ACTIVITY_TYPE)
            if len(shapes) >= count:
                return shapes
            await asyncio.sleep(0.1)


async def test_recent_results_show_their_shape_without_their_values(
    sandbox: Sandbox, encrypted: Frontend
) -> None:
    workflow_type = unique("it's a type")
    message = Payload(
        metadata={"encoding": b"json/protobuf", "messageType": b"ai.stigmer.AgentExecution"},
        data=b'{"apiVersion": "v1", "status": {"secret": "s3cret"}}',
    )
    await completed_workflow(sandbox.client, workflow_type, message, "stigmer")
    plain, _ = await encode_result(frontend_of(sandbox.client), {"status": 1}, b"")

    shapes = await shapes_of(frontend_of(sandbox.client), workflow_type, 1)

    (shape,) = shapes
    assert shape.message_type == "ai.stigmer.AgentExecution"
    assert shape.keys == {"apiVersion", "status"}
    assert "s3cret" not in repr(shape)
    said = "; ".join(differences(plain.shape, shapes))
    assert "encoding is json/plain, that of recent ones json/protobuf" in said
    assert "it lacks apiVersion" in said


async def test_results_that_were_delivered_by_hand_are_no_example(sandbox: Sandbox) -> None:
    frontend = frontend_of(sandbox.client)
    workflow_type = unique("ByHand")
    text = Payload(metadata={"encoding": b"json/plain"}, data=b'"text"')
    await completed_workflow(sandbox.client, workflow_type, text, AUTHOR.identity)
    await completed_workflow(sandbox.client, workflow_type, text, "stigmer")

    assert [shape.json_type for shape in await shapes_of(frontend, workflow_type, 1)] == ["string"]


async def test_codec_that_is_not_set_shows_in_the_comparison(
    sandbox: Sandbox, encrypted: Frontend
) -> None:
    workflow_type = unique("Encrypted")
    content, payloads = await encode_result(encrypted, {"status": 1}, b"")
    await completed_workflow(sandbox.client, workflow_type, payloads.payloads[0], "stigmer")
    without = frontend_of(sandbox.client)
    ours, _ = await encode_result(without, {"status": 1}, b"")

    (said,) = differences(ours.shape, await shapes_of(without, workflow_type, 1))

    assert "--codec-endpoint" in said
    assert differences(content.shape, await shapes_of(encrypted, workflow_type, 1)) == []
