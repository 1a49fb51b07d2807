"""Failures whose texts are encrypted: read with the codec server, and marked without it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import RespondActivityTaskFailedRequest
from temporalio.client import Client
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.exceptions import ApplicationError

from stigmer_ops.handshake.registration import ProbeMethod
from stigmer_ops.handshake.workers import ExpectedQueue
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.recent_failures import recent_failures
from stigmer_ops.temporal.worker_check import ProbeChoice, check_workers
from support.codec import ReversingCodec, codec_server
from support.command_line import Finished, stigmer_ops
from support.hand_worker import ACTIVITY_TYPE, IDENTITY, HandWorker
from support.plans import utc_now

TEXT = (
    f"Activity function {ACTIVITY_TYPE} for workflow order is not registered on this worker, "
    "available activities: Bill, Ship"
)
CAUSE = "the image is the one of last week"


async def encoded(text: str, cause: str) -> Failure:
    """A failure with a cause, as an SDK makes it that encodes common attributes."""
    converter = DataConverter(
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
        payload_codec=ReversingCodec(),
    )
    error = ApplicationError(text, type="NotFoundError")
    error.__cause__ = ApplicationError(cause)
    failure = Failure()
    await converter.encode_failure(error, failure)
    return failure


@pytest.fixture
async def failing(isolated_sandbox: Sandbox) -> HandWorker:
    """A worker whose activity has failed with an encoded text, and waits for its next attempt."""
    worker = HandWorker(isolated_sandbox.client, attempts=5)
    token = await worker.started()
    await worker.call(
        "respond_activity_task_failed",
        RespondActivityTaskFailedRequest(
            namespace=worker.namespace,
            task_token=token,
            identity=IDENTITY,
            failure=await encoded(TEXT, CAUSE),
        ),
    )
    return worker


async def show(sandbox: Sandbox, worker: HandWorker, *options: str, **variables: str) -> Finished:
    named = ("-w", worker.workflow_id, "-r", worker.run_id, "-a", "1")
    return await stigmer_ops(
        "pending", "show", *named, *options, variables={**sandbox.environment(), **variables}
    )


async def test_pending_show_reads_the_texts_through_the_codec_server(
    isolated_sandbox: Sandbox, failing: HandWorker
) -> None:
    async with codec_server() as codec:
        shown = await show(
            isolated_sandbox, failing, "-o", "json", TEMPORAL_CODEC_ENDPOINT=codec.endpoint
        )
        page = await show(isolated_sandbox, failing, TEMPORAL_CODEC_ENDPOINT=codec.endpoint)
        asked = [path for path, _ in codec.requests]
    assert shown.code == 0, shown.err
    first, cause = shown.json["failures"]
    assert first == {"message": TEXT, "type": "NotFoundError", "encoded": False}
    assert cause["message"] == CAUSE
    assert shown.json["last_failure"] == first
    assert asked == ["/decode", "/decode"]
    assert CAUSE in page.out
    assert "encoded" not in page.out


async def test_pending_show_marks_the_texts_that_nobody_decodes(
    isolated_sandbox: Sandbox, failing: HandWorker
) -> None:
    shown = await show(isolated_sandbox, failing, "-o", "json")
    page = await show(isolated_sandbox, failing)
    gone = await show(isolated_sandbox, failing, TEMPORAL_CODEC_ENDPOINT="http://127.0.0.1:1")
    listed = await stigmer_ops("pending", "list", variables=isolated_sandbox.environment())
    assert (shown.code, page.code, gone.code) == (0, 0, 0)
    assert [failure["encoded"] for failure in shown.json["failures"]] == [True, True]
    assert page.out.count("its text is encoded: --codec-endpoint decodes it") == 2
    assert "cannot reach the codec server" in gone.err
    assert "its text is encoded" in gone.out
    assert "NotFoundError: (encoded)" in " ".join(listed.out.split())
    assert CAUSE not in shown.out + page.out + gone.out


async def test_passive_check_reads_registrations_through_the_codec(
    isolated_sandbox: Sandbox, failing: HandWorker
) -> None:
    plain = Frontend(isolated_sandbox.client, Pace(rps=0))
    client = Client(
        isolated_sandbox.client.service_client,
        namespace=failing.namespace,
        data_converter=replace(DataConverter.default, payload_codec=ReversingCodec()),
    )
    knowing = await recent_failures(Frontend(client, Pace(rps=0)), {failing.queue})
    blind = await recent_failures(plain, {failing.queue})
    (answer,) = knowing.answers[failing.queue]
    assert answer.not_registered is not None
    assert set(answer.not_registered.registered) == {"Bill", "Ship"}
    assert knowing.encoded == 0
    assert (blind.answers[failing.queue], blind.encoded) == ((), 1)

    queue = ExpectedQueue(failing.queue, failing.namespace)
    (check,), _ = await check_workers(
        plain,
        [queue],
        ProbeChoice(ProbeMethod.NONE, "--passive"),
        clock=utc_now,
        stale_after=timedelta(hours=1),
    )
    assert "the texts of 1 are encoded: --codec-endpoint" in check.registration.unknown
