"""The input of a Stigmer workflow: one payload that holds the execution, its token included.

Encodings: `json/protobuf` (and `json/plain`) is the protobuf JSON form, camelCase, bytes in base64;
`binary/protobuf` is the message itself. The metadata key `messageType` names the message. Sources:
Temporal's data converters and the protobuf JSON mapping.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from stigmer_ops.stigmer.api import agentexecution_pb2, workflowexecution_pb2
from stigmer_ops.untrusted.json_text import json_value

_Message = type[agentexecution_pb2.AgentExecution] | type[workflowexecution_pb2.WorkflowExecution]

_MESSAGES: dict[str, _Message] = {
    "ai.stigmer.agentic.agentexecution.v1.AgentExecution": agentexecution_pb2.AgentExecution,
    "ai.stigmer.agentic.workflowexecution.v1.WorkflowExecution": (
        workflowexecution_pb2.WorkflowExecution
    ),
}


_ID_LIMIT = 1000
"""Characters: an id is part of a workflow's, which has as many bytes at most."""


_SHOWN = 40
"""Characters of metadata that a message quotes; whoever starts a workflow may write megabytes."""


class UnreadableInputError(ValueError):
    """The payload is of an unknown encoding, encrypted without a codec server, or corrupt."""


@dataclass(frozen=True, slots=True)
class ExecutionInput:
    """What the handshake needs of an execution; `token` is empty where none was passed."""

    execution_id: str
    token: bytes = field(repr=False)


def read_execution_input(metadata: Mapping[str, bytes], data: bytes) -> ExecutionInput:
    """Read an execution from a payload that a codec, if any, has already decoded.

    Raises:
        UnreadableInputError: Says why, never quoting the payload.
    """
    encoding = _named(metadata, "encoding")
    if encoding in ("json/protobuf", "json/plain"):
        return _from_json(data)
    if encoding == "binary/protobuf":
        return _from_binary(_named(metadata, "messageType"), data)
    shown = encoding[:_SHOWN] or "missing"
    raise UnreadableInputError(f"payload encoding {shown!r}: is a codec needed?")


def _named(metadata: Mapping[str, bytes], name: str) -> str:
    return metadata.get(name, b"").decode("ascii", "replace")


def _from_json(data: bytes) -> ExecutionInput:
    try:
        execution = json_value(data)
    except ValueError:
        raise UnreadableInputError("the payload says JSON and is not") from None
    if not isinstance(execution, dict):
        raise UnreadableInputError("the payload is no execution")
    metadata, spec, status = (_object(execution, name) for name in ("metadata", "spec", "status"))
    text = _token_text(spec) or _token_text(status)
    return ExecutionInput(_id(metadata.get("id")), _bytes_field(text))


def _id(value: object) -> str:
    """An execution's id; empty where it cannot be one, as half a character or a megabyte cannot."""
    if not isinstance(value, str) or len(value) > _ID_LIMIT:
        return ""
    return value.encode(errors="replace").decode()


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _token_text(part: Mapping[str, Any]) -> str:
    # The protobuf JSON mapping accepts both the camelCase name and the one in the .proto.
    value = part.get("callbackToken") or part.get("callback_token") or ""
    return value if isinstance(value, str) else ""


def _bytes_field(text: str) -> bytes:
    """A protobuf JSON bytes field: base64, standard or URL-safe, padded or not."""
    standard = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except ValueError:  # binascii.Error is one; another says that the text is not ASCII
        raise UnreadableInputError("the callback token is not base64") from None


def _from_binary(message_type: str, data: bytes) -> ExecutionInput:
    message = _MESSAGES.get(message_type)
    if message is None:
        shown = message_type[-_SHOWN:] or "missing"
        raise UnreadableInputError(f"message type {shown!r} is no execution")
    try:
        execution = message.FromString(data)
    except DecodeError:
        raise UnreadableInputError("the payload says protobuf and is not") from None
    token = execution.spec.callback_token
    if not token and isinstance(execution, agentexecution_pb2.AgentExecution):
        token = execution.status.callback_token
    return ExecutionInput(execution.metadata.id, token)
