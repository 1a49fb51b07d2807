"""What is written for a value, and in which colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stigmer_ops.monitoring.preview.dashboard_json import Defaults
from stigmer_ops.monitoring.preview.dashboard_json import Mapping as ValueMapping
from stigmer_ops.monitoring.preview.picture import DrawnPanel, Series
from stigmer_ops.monitoring.preview.units import formatted

NO_DATA = "No data"

_PALETTE = (
    *("green", "yellow", "light-blue", "orange", "red", "blue", "purple"),
    *("#705DA0", "#508642", "#CCA300", "#447EBC", "#C15C17", "#890F02", "#0A437C", "#6D1F62"),
    *("#584477", "#B7DBAB", "#F4D598", "#70DBED", "#F9BA8F", "#F29191", "#82B5D8", "#E5A8E2"),
)
"""Grafana's classic palette: the colour of the first series, of the second and so on."""


def text_of(value: float, defaults: Defaults) -> str:
    """`value` as the panel writes it: what it is mapped to, else the number with its unit."""
    for text in _mapped(value, defaults):
        return text
    return formatted(value, defaults.unit, defaults.decimals)


def colour_of(value: float, defaults: Defaults) -> str:
    """The colour of the step in which `value` is."""
    found = "text"
    for step, start in steps_of(defaults):
        if math.isnan(value) or value >= start:
            found = step
    return found


def series_colour(index: int, series: Series, defaults: Defaults) -> str:
    """The colour of a panel's series: by its place, its last value, or fixed."""
    match defaults.color.mode:
        case "thresholds":
            return colour_of(series.last, defaults)
        case "fixed" | "shades":
            return defaults.color.fixed_color or _PALETTE[0]
        case _:
            return _PALETTE[index % len(_PALETTE)]


def steps_of(defaults: Defaults, low: float = 0, high: float = 100) -> Iterator[tuple[str, float]]:
    """Colour and start of every step, the lowest first; percentages are of `low` to `high`."""
    for step in defaults.thresholds.steps:
        start = step.value
        if defaults.thresholds.mode == "percentage":
            start = low + start / 100 * (high - low)
        yield step.color, start


def reduced(series: Series, calc: str) -> float:
    """A series as one number; the last where the way is not known."""
    values = series.values
    reduce = _CALCULATIONS.get(calc)
    return reduce(values) if values and reduce else series.last


def in_legend_order(drawn: DrawnPanel) -> list[tuple[int, Series]]:
    """The series with their places in the panel, in the order of the legend."""
    entries = list(enumerate(drawn.series))
    options = drawn.options.legend
    calc = next((calc for calc in options.calcs if calculation_title(calc) == options.sort_by), "")
    if not calc:
        return entries
    sign = -1 if options.sort_desc else 1

    def key(entry: tuple[int, Series]) -> tuple[bool, float]:
        value = reduced(entry[1], calc)
        return math.isnan(value), 0.0 if math.isnan(value) else sign * value

    return sorted(entries, key=key)


def calculation_title(calc: str) -> str:
    """The heading of a calculated number."""
    return _TITLES.get(calc, calc)


_CALCULATIONS: Mapping[str, Callable[[tuple[float, ...]], float]] = {
    "max": max,
    "min": min,
    "mean": lambda values: sum(values) / len(values),
    "sum": sum,
    "first": lambda values: values[0],
    "firstNotNull": lambda values: values[0],
}
_TITLES = {
    "last": "Last",
    "lastNotNull": "Last *",
    "max": "Max",
    "min": "Min",
    "mean": "Mean",
    "sum": "Total",
    "first": "First",
    "firstNotNull": "First *",
}


def _mapped(value: float, defaults: Defaults) -> Iterator[str]:
    for mapping in defaults.mappings:
        result = _result(mapping, value)
        if isinstance(result, dict) and result.get("text"):
            yield str(result["text"])


def _result(mapping: ValueMapping, value: float) -> Any:  # noqa: ANN401 - foreign JSON
    options = mapping.options if isinstance(mapping.options, dict) else {}
    match mapping.type:
        case "value":
            return options.get(f"{value:.15g}")
        case "special" if math.isnan(value) and options.get("match") in ("nan", "null+nan"):
            return options.get("result")
        case "range" if _within(value, options.get("from"), options.get("to")):
            return options.get("result")
        case _:
            return None


def _within(value: float, low: object, high: object) -> bool:
    above = value >= low if isinstance(low, int | float) else True
    below = value <= high if isinstance(high, int | float) else True
    return above and below
