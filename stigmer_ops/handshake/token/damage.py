"""What can be wrong with a task token, named exactly, with the answer that Temporal gives to it.

The answers were measured on Temporal Server 1.32 (RespondActivityTaskCompleted, raw gRPC).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from stigmer_ops.errors import InputError


class ServerAnswer(NamedTuple):
    """A gRPC status: code name, and message ("..." stands for what varies)."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


TOKEN_NOT_SET = ServerAnswer("INVALID_ARGUMENT", "Task token not set on request.")
NOT_DESERIALIZED = ServerAnswer("INVALID_ARGUMENT", "Error deserializing task token.")
NAMESPACE_NOT_SET = ServerAnswer("INVALID_ARGUMENT", "Namespace not set on request.")
NAMESPACE_NOT_FOUND = ServerAnswer("NOT_FOUND", "Namespace ... is not found.")
DIFFERENT_NAMESPACE = ServerAnswer(
    "INVALID_ARGUMENT", "Operation requested with a token from a different namespace."
)
BUSINESS_ID_NOT_SET = ServerAnswer("INVALID_ARGUMENT", "Business ID is not set on request.")
ACTIVITY_ID_EMPTY = ServerAnswer("INVALID_ARGUMENT", "activityID cannot be empty")
RUN_ID_INVALID = ServerAnswer("INVALID_ARGUMENT", "RunId is not valid UUID.")
NOT_PENDING = ServerAnswer(
    "NOT_FOUND",
    "invalid activityID or activity already timed out or invoking workflow is completed",
)
COMPONENT_REF_UNREADABLE = ServerAnswer("UNKNOWN", "something went wrong, please retry (...)")


class DamageKind(Enum):
    """The ways in which bytes fail to be a usable token."""

    EMPTY = "empty"
    """There are no bytes: the token was never passed on."""
    TRUNCATED = "truncated"
    """The bytes are the beginning of a token."""
    BASE64_TEXT = "base64-text"
    """The bytes are base64 text: the token was encoded once too often."""
    NOT_A_TOKEN = "not-a-token"  # noqa: S105 - a name, not a secret
    """Something else altogether."""
    OTHER_NAMESPACE = "other-namespace"
    """A whole token, of another namespace than the one it is to be used in."""


_NEXT_STEP = {
    DamageKind.EMPTY: "See which activities wait, and complete one by its ids: "
    "stigmer-ops pending list",
    DamageKind.TRUNCATED: "Take the whole token from the input of the Stigmer workflow "
    "(spec.callbackToken), or complete by ids: stigmer-ops pending list",
    DamageKind.BASE64_TEXT: "Decode base64 once more; the holder of the stored bytes cannot use "
    "them, so complete the activity from here: stigmer-ops pending list",
    DamageKind.NOT_A_TOKEN: "Take the token from the input of the Stigmer workflow "
    "(spec.callbackToken); the accepted forms are in: stigmer-ops token decode --help",
    DamageKind.OTHER_NAMESPACE: "Connect to the namespace of the token (--namespace), "
    "or take another token.",
}


@dataclass(frozen=True, slots=True)
class Damage:
    """One finding about bytes that are not a usable token; it never holds any of them.

    Attributes:
        kind: What it is.
        reason: One sentence with offsets and lengths, counted in bytes from 0.
        offset: Where the reading stopped: for TRUNCATED the number of bytes there are, for
            NOT_A_TOKEN the beginning of the first wrong field; else None.
        field: Name of the field that is cut, missing or wrong, as in the server's proto file; None
            when there is none, or when its number is unknown.
        missing: How many bytes are missing, at the least (TRUNCATED); else 0.
        server_answer: What Temporal answers when these bytes are sent to it as a task token;
            None if that depends on more than the bytes.
    """

    kind: DamageKind
    reason: str
    offset: int | None = None
    field: str | None = None
    missing: int = 0
    server_answer: ServerAnswer | None = NOT_DESERIALIZED

    @property
    def next_step(self) -> str:
        """What an operator does next."""
        return _NEXT_STEP[self.kind]


class TokenDamagedError(InputError):
    """The input is not a usable task token.

    It is empty, truncated, encoded once too often, or something else. The message says which, at
    which byte, and in which form it was read; it never quotes the input, because whoever reads a
    token can complete the activity.

    Args:
        damage: What is wrong.
        layers: The forms that were peeled off before, outermost first.
    """

    reference = "token-damaged"

    def __init__(self, damage: Damage, layers: Sequence[str] = ()) -> None:
        read_as = f" (read as {' > '.join(layers)})" if layers else ""
        super().__init__(
            f"not a usable task token: {damage.reason}{read_as}",
            not_done="the token was not decoded, and nothing was sent to Temporal",
            next_step=damage.next_step,
        )
        self.damage = damage
        self.layers = tuple(layers)
