"""The Go edition's callback: the activity that completes the external activity by its token."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from google.protobuf.json_format import MessageToDict
from temporalio import activity
from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
)
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.store import Execution

DECODE_ERROR = (
    "unable to decode the activity function input payload with error: payload item 0: unable to "
    "decode: json: cannot unmarshal object into Go struct field "
    "CompleteExternalActivityInput.Error of type error for function name: " + names.CALLBACK
)
"""What the Go SDK says to `{"Error": {}}`: a Go interface cannot be read back from JSON."""

_FAILURE_TYPES = {
    RPCStatusCode.NOT_FOUND: "NotFound",
    RPCStatusCode.INVALID_ARGUMENT: "InvalidArgument",
    RPCStatusCode.PERMISSION_DENIED: "PermissionDenied",
    RPCStatusCode.UNAVAILABLE: "Unavailable",
}
"""Failure types as the Go SDK names them, after the types of its service errors."""


def callback_input(
    token: bytes, *, result: Execution | None = None, failed: bool = False
) -> dict[str, Any]:
    """The input of the callback activity, as the Go edition's JSON encoding makes it.

    Args:
        token: The task token; a bearer secret.
        result: The execution that is the result. It goes through Go's plain JSON encoding, hence
            with the field names and enum numbers of the .proto files.
        failed: Report a failure. A Go error has no exported fields, so nothing of it is left.
    """
    return {
        "CallbackToken": base64.b64encode(token).decode(),
        "Result": None
        if result is None
        else MessageToDict(result, preserving_proto_field_name=True, use_integers_for_enums=True),
        "Error": {} if failed else None,
    }


class Callback:
    """The callback activity.

    Args:
        client: Client of the namespace in which the external activities wait.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name=names.CALLBACK)
    async def complete_external_activity(self, given: Mapping[str, Any]) -> None:
        """Complete the external activity; an empty token is a no-op.

        The result is what Go decodes from the input and encodes again: plain JSON.

        Raises:
            ApplicationError: If the input says that the agent failed (it cannot be decoded), or
                Temporal refused the token or could not be reached.
        """
        if given.get("Error") is not None:
            raise ApplicationError(DECODE_ERROR, type="wrapError")
        token = base64.b64decode(given.get("CallbackToken") or "")
        if not token:
            return
        payloads = await self._client.data_converter.encode([given.get("Result")])
        await respond_completed(self._client, token, Payloads(payloads=payloads))


async def respond_completed(client: Client, token: bytes, result: Payloads) -> None:
    """Complete the external activity, in one call without retries.

    Raises:
        ApplicationError: With the failure type and text that the Go SDK would report.
    """
    request = RespondActivityTaskCompletedRequest(
        namespace=client.namespace, task_token=token, result=result, identity=client.identity
    )
    with _as_application_error():
        await client.workflow_service.respond_activity_task_completed(request, retry=False)


async def respond_failed(client: Client, token: bytes, failure: Failure) -> None:
    """Fail the external activity, in one call without retries.

    Raises:
        ApplicationError: As `respond_completed`.
    """
    request = RespondActivityTaskFailedRequest(
        namespace=client.namespace, task_token=token, failure=failure, identity=client.identity
    )
    with _as_application_error():
        await client.workflow_service.respond_activity_task_failed(request, retry=False)


@contextmanager
def _as_application_error() -> Iterator[None]:
    try:
        yield
    except RPCError as error:
        kind = _FAILURE_TYPES.get(error.status, error.status.name)
        raise ApplicationError(error.message, type=kind) from None
    except RuntimeError as error:  # what a lazy client raises when it cannot connect
        raise ApplicationError(str(error), type="Unavailable") from None
