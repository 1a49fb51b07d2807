"""The task token: read it from any form, decode it, name its damage, build a fenced one.

Pure and quick to import: no I/O, no clock, no protobuf runtime.
"""

from stigmer_ops.handshake.token.damage import (
    Damage,
    DamageKind,
    ServerAnswer,
    TokenDamagedError,
)
from stigmer_ops.handshake.token.decode import damage_of, decode
from stigmer_ops.handshake.token.forms import FoundToken, read_form
from stigmer_ops.handshake.token.task import (
    PREVIEW_BYTES,
    ComponentRef,
    TaskToken,
    Timestamp,
    VectorClock,
    encode,
    fingerprint,
    synthesise,
    synthesise_standalone,
)
from stigmer_ops.handshake.token.wire import UnknownField, WireType

__all__ = [
    "PREVIEW_BYTES",
    "ComponentRef",
    "Damage",
    "DamageKind",
    "FoundToken",
    "ServerAnswer",
    "TaskToken",
    "Timestamp",
    "TokenDamagedError",
    "UnknownField",
    "VectorClock",
    "WireType",
    "damage_of",
    "decode",
    "encode",
    "fingerprint",
    "read_form",
    "synthesise",
    "synthesise_standalone",
]
