"""The texts of failures that a data converter encoded as payloads, so that a codec encrypts them.

The SDKs do so where they are asked to encode common attributes: `Failure.message` then only stands
for the text, and `encoded_attributes` is a payload with the true message and the stack trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from temporalio.api.common.v1 import Payload

from stigmer_ops.handshake.activity import Failure
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.untrusted.json_text import json_value


async def with_texts(frontend: Frontend, failures: Sequence[Failure]) -> list[Failure]:
    """The failures with their own messages, decoded by one request where a codec server is set.

    What cannot be decoded is left as it is: it keeps `Failure.encoded`.

    Raises:
        StigmerOpsError: The codec server cannot be used.
    """
    encoded = [Payload.FromString(failure.encoded) for failure in failures if failure.encoded]
    if not encoded:
        return list(failures)
    codec = frontend.data_converter.payload_codec
    decoded = iter(encoded if codec is None else await codec.decode(encoded))
    return [
        _with_text(failure, next(decoded)) if failure.encoded else failure for failure in failures
    ]


def _with_text(failure: Failure, payload: Payload) -> Failure:
    if payload.metadata.get("encoding") != b"json/plain":
        return failure
    try:
        message = json_value(payload.data)["message"]
    except (ValueError, LookupError, TypeError):
        return failure
    return replace(failure, message=message, encoded=b"") if isinstance(message, str) else failure
