"""Whole task tokens in log lines: found, to be joined by what they say, and taken out.

The services log only the beginning of a token, but errors, dumped requests and debug output may
hold all of it. Every token begins with its namespace's id: tag and length (bytes 0A 24) and a UUID.
That beginning is looked for in the notations in which bytes get into logs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.token.damage import TokenDamagedError
from stigmer_ops.handshake.token.decode import decode
from stigmer_ops.handshake.token.layers import base64_text, decimal_list, hexadecimal
from stigmer_ops.handshake.token.task import fingerprint

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def _base64(text: str) -> bytes:
    return next((layer.inside for layer in base64_text(text.encode())), b"")


def _twice_base64(text: str) -> bytes:
    return _base64(_base64(text).decode("ascii", "replace"))


def _hexadecimal(text: str) -> bytes:
    return next((layer.inside for layer in hexadecimal(text.encode())), b"")


def _decimals(text: str) -> bytes:
    return next((layer.inside for layer in decimal_list(text.encode())), b"")


def _unreadable(_: str) -> bytes:
    return b""


@dataclass(frozen=True, slots=True)
class _Notation:
    """How bytes are written.

    Attributes:
        hints: One of these is in every text that the pattern matches; far quicker to look for.
        pattern: A token from its beginning on, longer than the 20 characters of a preview.
        read: The way back to bytes.
    """

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    read: Callable[[str], bytes]


_NOTATIONS = (
    _Notation(("CiQ",), re.compile(r"CiQ[A-Za-z0-9+/_-]{20,}={0,2}"), _base64),
    _Notation(("Q2lR",), re.compile(r"Q2lR[A-Za-z0-9+/_-]{28,}={0,2}"), _twice_base64),
    _Notation(("0a24", "0A24"), re.compile(r"0[aA]24[0-9a-fA-F]{40,}"), _hexadecimal),
    _Notation(("10 36", "10, 36"), re.compile(r"\[?10,? 36(?:,? -?\d{1,3}){20,}\]?"), _decimals),
    # Protobuf's text format and Python's repr.
    _Notation(("$",), re.compile(rf"(?:\n|\\n|\\012|\\x0a)\${_UUID}[^\"'\s]*"), _unreadable),
)
_HINTS = [(hint, notation) for notation in _NOTATIONS for hint in notation.hints]
# Not known for a token, but who can tell what the dump of a request holds.
_LONG_RUN = re.compile(r"[A-Za-z0-9+/=_-]{120,}")
# Whatever this long is a token's beginning shows of nothing but its namespace's id.
_HARMLESS_LENGTH = 48


@dataclass(frozen=True, slots=True)
class TokenFound:
    """What may be said of a token: which attempt of which activity, and its fingerprint.

    Attributes:
        fingerprint: As `stigmer-ops token fingerprint` prints it, "" if it cannot be read here.
        activity: The activity; None if the token is damaged or cannot be read.
        attempt: The attempt, 0 where the activity is None.
    """

    fingerprint: str
    activity: ActivityKey | None
    attempt: int


def first_token(text: str) -> TokenFound | None:
    """A token in `text`, None if there is none."""
    for notation in _hinted(text):
        match = notation.pattern.search(text)
        if match:
            return _found(notation.read(match[0]))
    return None


def without_tokens(text: str) -> str:
    """`text` with every token in it replaced by its fingerprint, and long base64 taken out."""
    if len(text) <= _HARMLESS_LENGTH:
        return text
    for notation in _hinted(text):
        text = notation.pattern.sub(partial(_replacement, notation), text)
    return _LONG_RUN.sub(lambda match: f"<{len(match[0])} characters>", text)


def _hinted(text: str) -> list[_Notation]:
    return [notation for hint, notation in _HINTS if hint in text]


def _replacement(notation: _Notation, match: re.Match[str]) -> str:
    return f"<token {_found(notation.read(match[0])).fingerprint or 'in bytes'}>"


def _found(raw: bytes) -> TokenFound:
    if not raw:
        return TokenFound("", None, 0)
    try:
        token = decode(raw)
    except TokenDamagedError:
        return TokenFound(fingerprint(raw), None, 0)
    component = token.component_ref
    activity = ActivityKey(
        token.workflow_id,
        token.run_id or (component.run_id if component else ""),
        token.activity_id or (component.business_id if component else ""),
    )
    return TokenFound(token.fingerprint, activity, token.attempt)
