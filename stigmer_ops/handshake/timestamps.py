"""Times as files keep them."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(time: datetime, timespec: str = "milliseconds") -> str:
    """A time as RFC 3339 has it, in UTC with a `Z`; `timespec` as of `datetime.isoformat`."""
    return time.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
