"""What an execution's callback token says of the activity that waits, damaged or not."""

from __future__ import annotations

from typing import Any

from stigmer_ops.handshake.execution import Claim, TokenState
from stigmer_ops.handshake.token.damage import Damage, DamageKind
from stigmer_ops.handshake.token.decode import damage_of
from stigmer_ops.handshake.token.layers import base64_text
from stigmer_ops.handshake.token.task import TASK, fingerprint
from stigmer_ops.handshake.token.wire import Fault, Message

_WORKFLOW_ID_FIELD = 2

_STATES = {
    DamageKind.EMPTY: TokenState.ABSENT,
    DamageKind.TRUNCATED: TokenState.TRUNCATED,
    DamageKind.BASE64_TEXT: TokenState.DOUBLE_ENCODED,
    DamageKind.NOT_A_TOKEN: TokenState.MALFORMED,
}


def claim_of(raw: bytes) -> Claim:
    """Read a callback token as an execution stores it; never raises, whatever the bytes.

    Of a token that was encoded twice, the inner one is read; of a truncated one, whatever fields
    are whole, and the beginning of the workflow id if the cut is inside it.
    """
    damage = damage_of(raw)
    if damage is None:
        return _claim(TokenState.WHOLE, raw, "", raw)
    state = _STATES[damage.kind]
    return _claim(state, raw, damage.reason, _inside(raw, damage))


def _inside(raw: bytes, damage: Damage) -> bytes:
    if damage.kind is not DamageKind.BASE64_TEXT:
        return raw
    return next((layer.inside for layer in base64_text(raw)), raw)


def _claim(state: TokenState, raw: bytes, detail: str, readable: bytes) -> Claim:
    message = Message(TASK)
    partial = ""
    try:
        message.read(readable)
    except Fault as fault:
        if fault.number == _WORKFLOW_ID_FIELD and state is TokenState.TRUNCATED:
            partial = _partial_text(readable[fault.offset :])
    values = message.values
    reference = values.get("component_ref")
    return Claim(
        state=state,
        detail=detail,
        fingerprint=fingerprint(raw) if raw else "",
        namespace_id=_text(values, "namespace_id"),
        workflow_id=_text(values, "workflow_id"),
        run_id=reference.run_id if reference else _text(values, "run_id"),
        activity_id=reference.business_id if reference else _text(values, "activity_id"),
        scheduled_event_id=values.get("scheduled_event_id", 0),
        attempt=values.get("attempt", 0),
        partial_workflow_id=partial,
    )


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name, "")
    return value if isinstance(value, str) else ""


def _partial_text(field: bytes) -> str:
    """The text of a length-delimited field whose end is missing: after a tag and a length."""
    length_end = 1
    while length_end < len(field) and field[length_end] & 0x80:
        length_end += 1
    return field[length_end + 1 :].decode("utf-8", "ignore")
