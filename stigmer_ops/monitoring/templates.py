"""The templates of alerts as Prometheus renders them: labels, the value, and their filters.

Only what the catalogue uses is known here. promtool compares the results with its own in every run
of the generated rule tests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

_ACTION = re.compile(r"\{\{ (\$labels\.(?P<label>\w+)|\$value)( \| (?P<filter>[^}]+))? \}\}")


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


def humanize_percentage(value: float) -> str:
    """As a percentage: 12.5%."""
    return f"{value * 100:.4g}%"


def humanize_duration(value: float) -> str:
    """In days to seconds, or with an SI prefix below a second: 12h 1m 0s, 55s, 600ms."""
    if not math.isfinite(value):
        return f"{value:.4g}"
    if abs(value) < 60:
        return _seconds(value)
    left = int(abs(value))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return ("-" if value < 0 else "") + " ".join(parts)


_FILTERS: Mapping[str, Callable[[float], str]] = {
    'printf "%.0f"': lambda value: f"{value:.0f}",
    "humanizePercentage": humanize_percentage,
    "humanizeDuration": humanize_duration,
}


def _seconds(value: float) -> str:
    prefixes = iter("munpfazy")
    prefix = ""
    while 0 < abs(value) < 1 and (smaller := next(prefixes, None)):
        value, prefix = value * 1000, smaller
    return f"{value:.4g}{prefix}s"
