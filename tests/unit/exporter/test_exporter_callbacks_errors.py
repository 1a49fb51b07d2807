"""Which error a failed callback is, by what the SDKs and the server say."""

from __future__ import annotations

import pytest

from stigmer_ops.exporter.callbacks.errors import error_type_of
from stigmer_ops.handshake.activity import Failure
from stigmer_ops.monitoring.catalogue import metrics

GONE = "invalid activityID or activity already timed out or invoking workflow is completed"


@pytest.mark.parametrize(
    ("message", "kind", "error_type"),
    [
        (GONE, "NotFound", "client_error"),
        (f"failed to complete external activity: {GONE}", "wrapError", "client_error"),
        ("workflow execution already completed", "wrapError", "client_error"),
        ("Error deserializing task token.", "InvalidArgument", "client_error"),
        ("Operation requested with a token from a different namespace.", "", "client_error"),
        ("Namespace x is not found.", "NamespaceNotFound", "client_error"),
        ("Request unauthorized.", "PermissionDenied", "client_error"),
        ("", "io.temporal.client.ActivityNotExistsException", "client_error"),
        (
            "NOT_FOUND: gone",
            "io.temporal.client.ActivityCompletionFailureException",
            "client_error",
        ),
        (
            "UNAVAILABLE: io exception",
            "io.temporal.client.ActivityCompletionFailureException",
            "unknown",
        ),
        ("Task token not set on request.", "InvalidArgument", "token_empty"),
        ("connection refused", "Unavailable", "unknown"),
        ("unable to find activityType=x", "ActivityNotRegisteredError", "unknown"),
        ("unable to decode the activity function input payload", "wrapError", "unknown"),
        ("activity StartToClose timeout", "timeout", "unknown"),
    ],
)
def test_failures_are_told_apart(message: str, kind: str, error_type: str) -> None:
    assert error_type_of(Failure(message, kind)) == error_type
    assert error_type in (metrics.ERROR_TYPE.values or ())


def test_callback_that_says_nothing_is_unknown() -> None:
    assert error_type_of(None) == "unknown"
