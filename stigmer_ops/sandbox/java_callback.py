"""The callback of Stigmer's Java edition: a local activity, and the marker that it leaves behind.

A history keeps nothing of a local activity but a marker, and each SDK writes its own. Java's is
named `LocalActivity`, with the details `activityId`, `type`, `time`, `meta`, `input` and `result`,
or with a failure instead of a result (LocalActivityStateMachine and LocalActivityMarkerMetadata in
temporalio/sdk-java). SDKs on the shared Rust core, Python's among them, name theirs
`core_local_activity`, so no Python worker can leave Java's marker; it is made by hand here.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence

from temporalio.api.command.v1 import Command, RecordMarkerCommandAttributes
from temporalio.api.common.v1 import ActivityType, Payloads
from temporalio.api.enums.v1 import CommandType, RetryState
from temporalio.api.failure.v1 import ActivityFailureInfo, ApplicationFailureInfo, Failure
from temporalio.client import Client
from temporalio.converter import DefaultPayloadConverter
from temporalio.exceptions import ApplicationError

from stigmer_ops.sandbox.callback import respond_completed, respond_failed
from stigmer_ops.sandbox.plan import CALLBACK_ATTEMPTS, CALLBACK_RETRY_INTERVAL
from stigmer_ops.sandbox.scale import TimeScale
from stigmer_ops.stigmer.api.agentexecution_pb2 import AgentExecution

MARKER = "LocalActivity"
COMPLETE_EXTERNAL = "CompleteExternalActivity"
FAIL_EXTERNAL = "FailExternalActivity"
"""Activity types, which the Java SDK derives from the methods of the interface."""


class JavaCallback:
    """Calls back, and makes the marker of having done so.

    Args:
        client: Client of the namespace in which the external activities wait.
        scale: Scale of the time between attempts.
    """

    def __init__(self, client: Client, scale: TimeScale) -> None:
        self._client = client
        self._pause = scale(CALLBACK_RETRY_INTERVAL).total_seconds()

    async def complete(
        self, token: bytes, execution: AgentExecution
    ) -> tuple[Command, Failure | None]:
        """Complete the external activity; the result is the execution, as protobuf JSON.

        Returns:
            The marker, and why the callback failed if it did.
        """
        values = [token, execution]
        result = await self._encoded(values[1:])

        async def attempt() -> None:
            await respond_completed(self._client, token, result)

        return await self._local_activity(COMPLETE_EXTERNAL, values, attempt)

    async def fail(self, token: bytes, message: str) -> tuple[Command, Failure | None]:
        """Fail the external activity, in a way that its retry policy may retry.

        Returns:
            As `complete`.
        """
        failure = Failure(
            message=message,
            source="JavaSDK",
            application_failure_info=ApplicationFailureInfo(type="java.lang.RuntimeException"),
        )

        async def attempt() -> None:
            await respond_failed(self._client, token, failure)

        return await self._local_activity(FAIL_EXTERNAL, [token, message], attempt)

    async def _local_activity(
        self, name: str, arguments: Sequence[object], attempt: Callable[[], Awaitable[None]]
    ) -> tuple[Command, Failure | None]:
        first_scheduled = _milliseconds()
        activity_id = str(uuid.uuid4())
        for number in range(1, CALLBACK_ATTEMPTS + 1):
            failure = await self._outcome(name, activity_id, attempt)
            if failure is None or number == CALLBACK_ATTEMPTS:
                break
            await asyncio.sleep(self._pause * 2 ** (number - 1))
        details = {
            "activityId": _standard(activity_id),
            "type": _standard(name),
            "time": _standard(_milliseconds()),
            "meta": _standard({"firstSkd": first_scheduled, "atpt": number, "backoff": None}),
            "input": await self._encoded(arguments),
        }
        marker = RecordMarkerCommandAttributes(marker_name=MARKER, details=details, failure=failure)
        command = Command(
            command_type=CommandType.COMMAND_TYPE_RECORD_MARKER,
            record_marker_command_attributes=marker,
        )
        return command, failure

    async def _outcome(
        self, name: str, activity_id: str, attempt: Callable[[], Awaitable[None]]
    ) -> Failure | None:
        try:
            await attempt()
        except ApplicationError as error:
            return Failure(
                message="Activity task failed",
                source="JavaSDK",
                activity_failure_info=ActivityFailureInfo(
                    activity_id=activity_id,
                    activity_type=ActivityType(name=name),
                    retry_state=RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED,
                ),
                cause=Failure(
                    message=error.message,
                    source="JavaSDK",
                    application_failure_info=ApplicationFailureInfo(
                        type=f"io.temporal.client.{_JAVA_EXCEPTIONS.get(error.type or '', _OTHER)}"
                    ),
                ),
            )
        return None

    async def _encoded(self, values: Sequence[object]) -> Payloads:
        return Payloads(payloads=await self._client.data_converter.encode(values))


_JAVA_EXCEPTIONS = {"NotFound": "ActivityNotExistsException"}
_OTHER = "ActivityCompletionFailureException"


def _standard(value: object) -> Payloads:
    # The Java SDK writes its own details with the standard converter, past any codec.
    return Payloads(payloads=DefaultPayloadConverter().to_payloads([value]))


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000
