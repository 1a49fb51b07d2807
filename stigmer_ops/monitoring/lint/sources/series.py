"""The notation of values in rule tests: how many samples there are.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series
"""

from __future__ import annotations

import re

_ITEM = re.compile(
    r"(?:(?:_|stale|[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN)"
    r"(?:[+-](?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)?)(?:x(\d+))?",
    re.IGNORECASE,
)
_MOST = 1_000_000


def samples_in(values: str) -> int | None:
    """How many samples, gaps included, a series of these values has; None if it cannot be told.

    `1+2x3` is four samples: the first, and three more. `_x3` is three gaps.
    """
    count = 0
    for item in values.split():
        match = _ITEM.fullmatch(item)
        if match is None:
            return None
        repeats = int(match[1][:7]) if match[1] else None
        first = 0 if item.startswith("_") and repeats is not None else 1
        count += first + (repeats or 0)
    return min(count, _MOST)
