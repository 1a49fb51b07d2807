"""Passwords of HTTP basic authentication (RFC 7617), checked against bcrypt hashes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections.abc import Mapping

import bcrypt

_LONGEST = 72
"""Bytes of a password that bcrypt looks at."""
_NOBODY = "$2b$10$1RH49s9I7J3umAVDbE/Sjuso1jECTW92IKGyaUhrLt6Wvm7kb5Zly"
"""The hash of a random password: an unknown name takes as long as a wrong password."""
_REMEMBERED = 100


class Passwords:
    """Checks what clients send, one at a time: bcrypt is slow by design, and the CPU is shared.

    A pair that was right is remembered by a digest, so that a scraper pays once.
    """

    def __init__(self) -> None:
        self._checking = threading.Lock()
        self._right: set[bytes] = set()

    def admit(self, authorization: str | None, users: Mapping[str, str]) -> bool:
        """Whether a request may be answered.

        Args:
            authorization: Its Authorization header.
            users: Names and bcrypt hashes; where there are none, everybody may.
        """
        if not users:
            return True
        given = _credentials(authorization)
        if given is None:
            return False
        name, password = given
        hashed = users.get(name, _NOBODY)
        digest = hashlib.sha256(b"\0".join((name.encode(), hashed.encode(), password))).digest()
        if digest in self._right:
            return True
        with self._checking:
            right = bcrypt.checkpw(password[:_LONGEST], hashed.encode()) and name in users
        if right:
            if len(self._right) >= _REMEMBERED:
                self._right.clear()
            self._right.add(digest)
        return right


def _credentials(authorization: str | None) -> tuple[str, bytes] | None:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(encoded.strip(), validate=True)
        name, found, password = pair.partition(b":")
        return (name.decode(), password) if found else None
    except (binascii.Error, ValueError):
        return None
