"""Who wrote, as the workflow's history keeps it: operator, host and the reason's ticket.

Temporal stores the `identity` of a request verbatim in the event that the request causes. It is
the only trace of an operator in the history, and what a write is recognised by afterwards.
"""

from __future__ import annotations

import re

PREFIX = "stigmer-ops:"

LIMIT = 1000
"""Bytes of an identity; the frontend answers `Identity length exceeds limit.` to more."""

_TICKET = re.compile(r"(?<![A-Za-z0-9_])(?:[A-Z][A-Z0-9]+-\d+|#\d+)(?![A-Za-z0-9_])")


def ticket_in(reason: str) -> str:
    """The first ticket that a reason names (INC-123, #42); empty if it names none."""
    found = _TICKET.search(reason)
    return found.group() if found else ""


def identity_of(operator: str, host: str, reason: str) -> str:
    """The identity under which `operator` writes from `host`, cut to `LIMIT` bytes."""
    whole = f"{PREFIX}{operator}@{host} {ticket_in(reason)}".rstrip()
    return whole.encode()[:LIMIT].decode(errors="ignore")


def is_ours(identity: str) -> bool:
    """Whether an event was caused by this tool, by whichever operator."""
    return identity.startswith(PREFIX)
