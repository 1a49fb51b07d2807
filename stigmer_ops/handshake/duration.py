"""Durations as people read them."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def short_duration(duration: timedelta | None) -> str:
    """A duration in its two largest units: 3d4h, 4h12m, 35s; "-" where there is none."""
    if duration is None:
        return "-"
    left = int(abs(duration.total_seconds()))
    sign = "-" if duration < timedelta(0) and left else ""
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
        if len(parts) == 2:
            break
    return sign + ("".join(parts) or "0s")
