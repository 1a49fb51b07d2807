"""From bytes to a task token, or to the exact name of what is wrong with them.

Decoding is stricter than the server, which takes any protobuf message for a token: text, random
bytes and other messages (a page token, say) are named as what they are not.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from stigmer_ops.handshake.token.damage import (
    ACTIVITY_ID_EMPTY,
    BUSINESS_ID_NOT_SET,
    COMPONENT_REF_UNREADABLE,
    DIFFERENT_NAMESPACE,
    NAMESPACE_NOT_FOUND,
    NAMESPACE_NOT_SET,
    NOT_DESERIALIZED,
    NOT_PENDING,
    RUN_ID_INVALID,
    TOKEN_NOT_SET,
    Damage,
    DamageKind,
    ServerAnswer,
    TokenDamagedError,
)
from stigmer_ops.handshake.token.layers import base64_text
from stigmer_ops.handshake.token.task import PREVIEW_BYTES, TASK, TaskToken, is_uuid
from stigmer_ops.handshake.token.wire import Fault, FaultKind, Message

# Tag of field 1, and the length of a UUID: what every token begins with.
_BEGINNING = b"\x0a\x24"
_UUID_BEGINNING = re.compile(rb"[0-9a-fA-F-]{0,36}")
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]+")
# Ids have at most 1,000 bytes by default: what lacks more than this is no cut token.
_MAX_MISSING = 1 << 16
_NUMBERS = {known.name: number for number, known in TASK.items()}


class Missing(NamedTuple):
    """A field without which the server refuses a token, and how it does."""

    field: str
    answer: ServerAnswer


def decode(raw: bytes) -> TaskToken:
    """Decode a task token; unknown fields are kept.

    Args:
        raw: The token's bytes, free of base64 and the like (else see `read_form`).

    Raises:
        TokenDamagedError: The bytes are not a token. No other error, for any bytes.
    """
    token, damage = _judged(raw)
    if token is None:
        assert damage is not None
        raise TokenDamagedError(damage)
    return token


def damage_of(raw: bytes, expected_namespace_id: str | None = None) -> Damage | None:
    """What is wrong with stored bytes, or None for a usable token, standalone ones included.

    Args:
        raw: The bytes as the holder would send them to Temporal.
        expected_namespace_id: UUID of the namespace in which the token is to be used; None to
            leave the namespace out of the judgement.
    """
    token, damage = _judged(raw)
    if token is None or expected_namespace_id is None:
        return damage
    if token.namespace_id.lower() == expected_namespace_id.lower():
        return None
    return Damage(
        DamageKind.OTHER_NAMESPACE,
        f"the token is of namespace {token.namespace_id}, not of {expected_namespace_id.lower()}",
        field="namespace_id",
        server_answer=DIFFERENT_NAMESPACE,
    )


def _judged(raw: bytes) -> tuple[TaskToken | None, Damage | None]:
    if not raw:
        reason = "it is empty, 0 bytes"
        return None, Damage(DamageKind.EMPTY, reason, server_answer=TOKEN_NOT_SET)
    message = Message(TASK)
    try:
        message.read(raw)
    except Fault as fault:
        damage = _of_fault(raw, message.values, fault)
    else:
        token = TaskToken(raw, **message.values, unknown_fields=tuple(message.unknown))
        implausible = _gap(token) or _bad_id(token) or _implausible(token)
        if implausible is None:
            return token, None
        damage = implausible
    if damage.kind is DamageKind.NOT_A_TOKEN:
        damage = _of_text(raw) or damage
    return None, damage


def _of_fault(raw: bytes, values: dict[str, Any], fault: Fault) -> Damage:
    known = TASK.get(fault.number or 0)
    field = known.name if known else None
    if fault.kind is FaultKind.TRUNCATED and _begins_like_a_token(raw, values, fault):
        return _cut_inside(raw, field, fault)
    answer: ServerAnswer | None = NOT_DESERIALIZED
    if fault.number == _NUMBERS["component_ref"] and fault.kind is not FaultKind.TRUNCATED:
        answer = COMPONENT_REF_UNREADABLE
    elif fault.kind is FaultKind.MISMATCH:
        answer = None
    reason = f"at byte {fault.offset} of {len(raw)}, {fault.reason}"
    return Damage(DamageKind.NOT_A_TOKEN, reason, fault.offset, field, server_answer=answer)


def _begins_like_a_token(raw: bytes, values: dict[str, Any], fault: Fault) -> bool:
    if fault.missing > _MAX_MISSING:
        return False
    if "namespace_id" in values:
        return is_uuid(values["namespace_id"])
    begins = raw[: len(_BEGINNING)]
    return _BEGINNING.startswith(begins) and bool(_UUID_BEGINNING.fullmatch(raw[len(begins) :]))


def _cut_inside(raw: bytes, field: str | None, fault: Fault) -> Damage:
    where = f"inside {field}" if field else f"inside field {fault.number}"
    if fault.number is None:
        where = "inside the tag of a field"
    reason = (
        f"it is truncated at byte {len(raw)}, {where}, "
        f"which begins at byte {fault.offset}; at least {_bytes(fault.missing)} missing"
    )
    if len(raw) == PREVIEW_BYTES:
        reason += (
            "; these are the 15 bytes that the logs show as the token preview, "
            "which is the same for every token of the namespace"
        )
    return Damage(DamageKind.TRUNCATED, reason, len(raw), field, fault.missing)


def _bytes(count: int) -> str:
    return "1 byte is" if count == 1 else f"{count} bytes are"


def _gap(token: TaskToken) -> Damage | None:
    """Whether a cut between two fields left a valid message without what every token has."""
    missing = _first_missing(token)
    if (
        missing is None
        or token.unknown_fields
        or _bad_id(token)
        or not _ends_before(token, missing)
    ):
        return None
    field, answer = missing
    reason = (
        f"it is truncated at byte {len(token.raw)}, between two fields, without {field}; "
        "or it belongs to another kind of task"
    )
    return Damage(DamageKind.TRUNCATED, reason, len(token.raw), field, 1, answer)


def _ends_before(token: TaskToken, missing: Missing) -> bool:
    # Servers write fields in the order of their numbers.
    last = max(number for number, known in TASK.items() if getattr(token, known.name))
    return last < _NUMBERS[missing.field]


def _first_missing(token: TaskToken) -> Missing | None:
    if token.component_ref:
        return None
    if not token.workflow_id:
        # Of a standalone activity's token, these come before the reference, and 2 to 4 are absent.
        begun = token.attempt or token.activity_id or token.activity_type
        standalone = begun and not token.scheduled_event_id
        return Missing("component_ref" if standalone else "workflow_id", BUSINESS_ID_NOT_SET)
    if token.scheduled_event_id:
        return None if token.attempt else Missing("attempt", NOT_PENDING)
    # With an activity id it is a whole token, though an unfenced one: the server takes it.
    return None if token.activity_id else Missing("scheduled_event_id", ACTIVITY_ID_EMPTY)


def _bad_id(token: TaskToken) -> Damage | None:
    if not token.namespace_id:
        return _not_a_token("it has no namespace_id", "namespace_id", NAMESPACE_NOT_SET)
    if not is_uuid(token.namespace_id):
        return _not_a_token("namespace_id is not a UUID", "namespace_id", NAMESPACE_NOT_FOUND)
    if token.run_id and not is_uuid(token.run_id):
        return _not_a_token("run_id is not a UUID", "run_id", RUN_ID_INVALID)
    return None


def _implausible(token: TaskToken) -> Damage | None:
    missing = _first_missing(token)
    if missing is not None:
        return _not_a_token(f"it has no {missing.field}", *missing)
    if token.scheduled_event_id < 0 or token.attempt < 0:
        return _not_a_token("an event id or an attempt is negative", None, NOT_PENDING)
    return None


def _not_a_token(reason: str, field: str | None, answer: ServerAnswer) -> Damage:
    return Damage(
        DamageKind.NOT_A_TOKEN,
        f"it is a protobuf message, but {reason}",
        field=field,
        server_answer=answer,
    )


def _of_text(raw: bytes) -> Damage | None:
    """Whether the bytes are text: base64 of a token, above all, which is stored by mistake."""
    if not _TEXT.fullmatch(raw):
        return None
    for layer in base64_text(raw):
        token, inner = _judged(layer.inside)
        kinds = {DamageKind.TRUNCATED, DamageKind.BASE64_TEXT}
        if token is not None or (inner is not None and inner.kind in kinds):
            size = len(layer.inside)
            what = "a token" if inner is None else f"no whole token either: {inner.reason}"
            reason = f"it is {len(raw)} bytes of base64 text, whose {size} decoded bytes are {what}"
            return Damage(DamageKind.BASE64_TEXT, reason)
    return Damage(
        DamageKind.NOT_A_TOKEN, f"it is text of {len(raw)} bytes without a token in it", 0
    )
