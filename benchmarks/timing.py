"""What the benchmarks share."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence


def median(seconds: Sequence[float]) -> float:
    """The median: the machine is shared, and its outliers say nothing of us."""
    return statistics.median(seconds)


def environment() -> dict[str, str]:
    """This environment, without what would make the command slower or point elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TEMPORAL_", "STIGMER_OPS_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
