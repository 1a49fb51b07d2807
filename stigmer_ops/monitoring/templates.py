"""The templates of alerts as Prometheus renders them: labels, the value, and their filters.

Only what the catalogue uses is known here. promtool compares the results with its own in every run
of the generated rule tests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

_ACTION = re.compile(r"\{\{ (\$labels\.(?P<label>\w+)|\$value)( \| (?P<filter>\w+))? \}\}")


def rendered(template: str, labels: Mapping[str, str], value: float) -> str:
    """`template` for an alert with these labels and this value.

    A label that the alert does not have is empty, as in Prometheus.
    """

    def replace(action: re.Match[str]) -> str:
        name = action["filter"]
        if action["label"]:
            text = labels.get(action["label"], "")
            return quote_plus(text) if name == "urlquery" else text
        return _FILTERS[name](value)

    return _ACTION.sub(replace, template)


def humanize(value: float) -> str:
    """With an SI prefix: 1.5k, 101, 250m."""
    scaled, prefix = _with_prefix(value, "kMGTPEZY")
    return f"{scaled:.4g}{prefix}"


def humanize_percentage(value: float) -> str:
    """As a percentage: 12.5%."""
    return f"{value * 100:.4g}%"


def humanize_duration(value: float) -> str:
    """In days to seconds, or with an SI prefix below a second: 12h 1m 0s, 55s, 600ms."""
    if not math.isfinite(value) or abs(value) < 60:
        scaled, prefix = _with_prefix(value, "")
        return f"{scaled:.4g}{prefix}s" if math.isfinite(value) else f"{value:.4g}"
    left = int(abs(value))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return ("-" if value < 0 else "") + " ".join(parts)


_FILTERS: Mapping[str, Callable[[float], str]] = {
    "humanize": humanize,
    "humanizePercentage": humanize_percentage,
    "humanizeDuration": humanize_duration,
}


def _with_prefix(value: float, large: str) -> tuple[float, str]:
    if value == 0 or not math.isfinite(value):
        return value, ""
    prefix = ""
    if abs(value) >= 1:
        for next_prefix in large:
            if abs(value) < 1000:
                break
            value, prefix = value / 1000, next_prefix
        return value, prefix
    for next_prefix in "munpfazy":
        if abs(value) >= 1:
            break
        value, prefix = value * 1000, next_prefix
    return value, prefix
