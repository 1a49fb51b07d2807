"""Foreign text made safe to print, and times and durations as people read them."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta

from stigmer_ops.handshake.duration import (
    short_duration as short_duration,  # noqa: PLC0414 - one of the texts that render has
)

# Format characters that change what the eye sees: bidirectional overrides, zero-width and tags.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_USERINFO = re.compile(r"//[^/@\s]+@")
_ZERO_WIDTH_JOINER = "\N{ZERO WIDTH JOINER}"  # part of many emoji, and harmless


def visible(text: str) -> str:
    """`text` with every character that a terminal would obey or hide written as an escape.

    A workflow id may hold anything that a namespace member chose to put there, terminal escape
    sequences included.
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(
        char
        if char == _ZERO_WIDTH_JOINER or unicodedata.category(char) not in _HIDDEN_CATEGORIES
        else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )


def without_userinfo(text: str) -> str:
    """`text` without the user and password of the addresses in it."""
    return _USERINFO.sub("//", text)


def rfc3339(time: datetime | None) -> str | None:
    """A time as RFC 3339 in UTC with milliseconds, for machines; None stays None."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(duration: timedelta | None) -> float | None:
    """A duration in seconds, to the millisecond; None stays None."""
    return None if duration is None else round(duration.total_seconds(), 3)
