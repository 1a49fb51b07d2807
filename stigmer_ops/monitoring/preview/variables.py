"""Grafana's variables in queries and titles, filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from stigmer_ops.monitoring.preview.dashboard_json import Dashboard, Variable
from stigmer_ops.monitoring.preview.window import TimeRange

ALL = "$__all"
_REFERENCE = re.compile(r"\$\{(\w+)(?::[^}]*)?\}|\$(\w+)|\[\[(\w+)(?::[^\]]*)?\]\]")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen of a variable: as people read it, and as queries need it."""

    label: str
    text: str
    value: str


def choices(dashboard: Dashboard, given: Mapping[str, str]) -> dict[str, Choice]:
    """What is chosen of each variable: what is given, else what the dashboard was saved with."""
    return {
        variable.name: _choice(variable, given.get(variable.name))
        for variable in dashboard.templating.list
        if variable.type != "datasource"
    }


def _choice(variable: Variable, given: str | None) -> Choice:
    label = variable.label or variable.name
    if given is not None:
        return Choice(label, given, given)
    values = _saved(variable)
    if ALL in values or not values:
        return Choice(label, "All", variable.all_value or ".*")
    value = values[0] if len(values) == 1 else f"({'|'.join(re.escape(v) for v in values)})"
    return Choice(label, " + ".join(values), value)


def _saved(variable: Variable) -> list[str]:
    current = variable.current if isinstance(variable.current, dict) else {}
    value = current.get("value")
    if value is None and variable.type in ("constant", "textbox"):
        value = variable.query
    values = value if isinstance(value, list) else [value]
    return [str(each) for each in values if each not in (None, "")]


def built_in(range_: TimeRange) -> dict[str, str]:
    """The variables that Grafana sets itself, for queries."""
    seconds = round(range_.length.total_seconds())
    return {
        "__interval": _duration(range_.step),
        "__interval_ms": str(round(range_.step.total_seconds() * 1000)),
        "__rate_interval": _duration(range_.rate_interval),
        "__range": f"{seconds}s",
        "__range_s": str(seconds),
        "__range_ms": str(seconds * 1000),
        "__from": str(round(range_.start.timestamp() * 1000)),
        "__to": str(round(range_.end.timestamp() * 1000)),
    }


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """`text` with the values of the variables that are known; others stay as they are."""

    def value(reference: re.Match[str]) -> str:
        name = next(group for group in reference.groups() if group)
        return values.get(name, reference[0])

    return _REFERENCE.sub(value, text)


def _duration(length: timedelta) -> str:
    return f"{length.total_seconds():g}s"
