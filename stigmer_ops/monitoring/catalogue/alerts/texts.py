"""How labels, values and thresholds are written into the texts of alerts."""

from __future__ import annotations

from datetime import timedelta

from stigmer_ops.monitoring.catalogue.model import Unit
from stigmer_ops.monitoring.catalogue.promql import duration as promql_duration

_FILTERS = {
    Unit.RATIO: "humanizePercentage",
    Unit.SECONDS: "humanizeDuration",
    # An increase is extrapolated, and 1.07 activities would only puzzle people.
    Unit.COUNT: 'printf "%.0f"',
}


def of(label: str) -> str:
    """The value of a label of the alert's series."""
    return f"{{{{ $labels.{label} }}}}"


def value(unit: Unit) -> str:
    """The alert's value, as people read its unit."""
    return f"{{{{ $value | {_FILTERS[unit]} }}}}"


def limit(threshold: float, unit: Unit) -> str:
    """A threshold, as people read its unit: 50%, 12h, 100."""
    match unit:
        case Unit.RATIO:
            return f"{threshold * 100:.4g}%"
        case Unit.SECONDS:
            return promql_duration(timedelta(seconds=threshold))
        case _:
            return f"{threshold:g}"
