"""What kind of error a callback failed with, as the catalogue's label `error_type` has them.

Failure types are those of the SDKs' service errors (go.temporal.io/api/serviceerror, and the
exceptions of io.temporal.client), texts those of the Temporal server and of gRPC.
"""

from __future__ import annotations

from stigmer_ops.exporter.callbacks.news import ErrorType
from stigmer_ops.handshake.activity import Failure

_WITHOUT = "task token not set on request"

_REFUSAL_TYPES = frozenset(
    {
        "NotFound",
        "InvalidArgument",
        "PermissionDenied",
        "NamespaceNotFound",
        "FailedPrecondition",
        "io.temporal.client.ActivityNotExistsException",
    }
)
_REFUSALS = (
    "invalid activityid or activity already timed out",
    "workflow execution already completed",
    "workflow execution not found",
    "workflow not found for id",
    "error deserializing task token",
    "token from a different namespace",
    "request unauthorized",
    "not_found: ",  # a gRPC status, as Java writes it
    "invalid_argument: ",
    "permission_denied: ",
    "unauthenticated: ",
)


def error_type_of(failure: Failure | None) -> ErrorType:
    """The kind of error behind a callback that failed.

    A server that could not be reached did not refuse: that is unknown, as are a callback that is
    not registered, whose queue nobody polls, or whose input cannot be decoded. `timeout` is never
    the answer: it means that the external activity timed out.
    """
    if failure is None:
        return "unknown"
    text = failure.message.lower()
    if _WITHOUT in text:
        return "token_empty"
    refused = failure.type in _REFUSAL_TYPES or any(sign in text for sign in _REFUSALS)
    return "client_error" if refused else "unknown"
