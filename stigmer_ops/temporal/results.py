"""Results and failures as they go over the wire, checked before anything is sent.

The SDK's raw calls bypass the data converter. So payloads are encoded here, by the converter and
the codec of the connection, or else the workflow could not decode what it was given.
"""

from __future__ import annotations

import hashlib
import json
from typing import NoReturn

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from stigmer_ops.errors import NOTHING_SENT, InputError, RefusedError, StigmerOpsError
from stigmer_ops.handshake.shape import ResultShape
from stigmer_ops.handshake.write_plan import FailureContent, ResultContent
from stigmer_ops.temporal.frontend import Frontend

DEFAULT_RESULT = b'{"status": "completed", "message": "manually completed"}'
"""What an operator delivers by hand where nothing better is known."""

DEFAULT_SIZE_LIMIT = 2 * 1024 * 1024
"""The server's own `limit.blobSize.error`, where the namespace does not tell its value."""

_JSON_TYPES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def parse_json(content: bytes, place: str) -> object:
    """Read JSON strictly: RFC 8259, so neither NaN nor Infinity; UTF-8 with or without a BOM.

    Raises:
        InputError: With line and column, or byte offset, of what is wrong.
    """
    try:
        text = content.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 at byte {error.start}"
    except json.JSONDecodeError as error:
        problem = f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
    except RecursionError:
        problem = "nested too deeply"
    except ValueError as error:
        problem = f"not JSON: {error}"
    raise InputError(
        f"the result ({place}) is {problem}",
        not_done=NOTHING_SENT,
        next_step="text has to be in double quotes, inside the shell's own: "
        "--result '\"done\"'; or give a file: --result @FILE",
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it has no {name}")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


async def encode_result(
    frontend: Frontend, value: object, content: bytes, *, is_default: bool = False
) -> tuple[ResultContent, Payloads]:
    """Encode a JSON result as the namespace's workers would.

    Args:
        frontend: Whose converter and codec are used, and whose limit holds.
        value: The result, from `parse_json`.
        content: The JSON text that it was read from.
        is_default: Whether it is the stock result.

    Raises:
        RefusedError: It is larger than the namespace allows. The server would accept it, and fail
            the activity instead of completing it.
        StigmerOpsError: The codec server cannot be reached.
    """
    payloads = Payloads(payloads=await frontend.data_converter.encode([value]))
    await _require_within_limit(frontend, payloads.ByteSize(), "result")
    described = ResultContent(
        text=content.decode("utf-8-sig").strip(),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        encoded_bytes=payloads.ByteSize(),
        shape=await shape_of(frontend, payloads),
        is_default=is_default,
    )
    return described, payloads


async def encode_failure(frontend: Frontend, content: FailureContent) -> Failure:
    """Encode a failure as an application of the namespace would.

    Raises:
        RefusedError: It is larger than the namespace allows; the server would cut it.
        StigmerOpsError: The codec server cannot be reached.
    """
    error = ApplicationError(
        content.message, type=content.type, non_retryable=not content.retryable
    )
    failure = Failure()
    await frontend.data_converter.encode_failure(error, failure)
    await _require_within_limit(frontend, failure.ByteSize(), "failure")
    return failure


async def _require_within_limit(frontend: Frontend, size: int, what: str) -> None:
    limits = (await frontend.describe_namespace()).namespace_info.limits
    limit = limits.blob_size_limit_error or DEFAULT_SIZE_LIMIT
    if size > limit:
        raise RefusedError(
            f"the {what} is {size} bytes once encoded; "
            f"namespace {frontend.namespace} allows {limit}",
            not_done=NOTHING_SENT,
            next_step="store it elsewhere and deliver a reference to it",
        )


async def shape_of(frontend: Frontend, payloads: Payloads) -> ResultShape:
    """The shape of a result as stored; without what only the codec could tell if it cannot."""
    if not payloads.payloads:
        return ResultShape("none", "none")
    stored = payloads.payloads[0]
    decoded = await _without_codec(frontend, stored)
    if decoded is None:
        return ResultShape(_metadata(stored, "encoding"))
    encoding = _metadata(decoded, "encoding")
    value = _json_value(decoded) if encoding.startswith("json/") else None
    return ResultShape(
        stored_encoding=_metadata(stored, "encoding"),
        encoding=encoding,
        message_type=_metadata(decoded, "messageType"),
        json_type=_JSON_TYPES[type(value)] if encoding.startswith("json/") else "",
        keys=frozenset(value) if isinstance(value, dict) else frozenset(),
    )


async def _without_codec(frontend: Frontend, stored: Payload) -> Payload | None:
    codec = frontend.data_converter.payload_codec
    if codec is None:
        return stored if _metadata(stored, "encoding") in _PLAIN else None
    try:
        decoded = await codec.decode([stored])
    except StigmerOpsError:
        return None
    return decoded[0] if decoded else None


_PLAIN = frozenset(
    {"json/plain", "json/protobuf", "binary/plain", "binary/protobuf", "binary/null"}
)


def _metadata(payload: Payload, name: str) -> str:
    return payload.metadata.get(name, b"").decode(errors="replace")


def _json_value(payload: Payload) -> object:
    try:
        return json.loads(payload.data)
    except (ValueError, RecursionError):
        return ""
