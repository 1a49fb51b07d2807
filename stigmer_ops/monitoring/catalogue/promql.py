"""How expressions are composed: selectors that know their series, and a few operations on them.

Everything here returns PromQL text. A selector of a label that its series does not have, or of a
value that does not occur, is refused when the catalogue is built.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import promql_parser

from stigmer_ops.monitoring.catalogue.model import Emitter, Series
from stigmer_ops.settings import Settings

SHORTEST_RANGE = timedelta(seconds=5)
"""The least that the scale of a sandbox makes of a range: a rate needs some scrapes."""


@dataclass(frozen=True, slots=True)
class Match:
    """A label matcher that is more than equality."""

    operator: str
    value: str


def one_of(values: Sequence[str]) -> Match:
    """Any of these values, exactly."""
    if len(values) == 1:
        return Match("=", values[0])
    return Match("=~", pattern_of(values))


def pattern_of(values: Iterable[str]) -> str:
    """The regular expression, in Prometheus' syntax, that matches exactly these values."""
    return "|".join(re.sub(r"([^\w/: -])", r"\\\1", value) for value in values)


def other_than(value: str) -> Match:
    """Any value but this."""
    return Match("!=", value)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where expressions are to be evaluated.

    Attributes:
        settings: Selectors, windows and thresholds.
        variables: In dashboards: label to variable, as in `{"namespace": "$namespace"}`; every
            selector of a series that has the label gets the variable as a matcher.
    """

    settings: Settings
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def window(self) -> timedelta:
        """Over how long rates and ratios are computed."""
        return self.settings.monitoring.window

    def lasts(self, length: timedelta) -> timedelta:
        """How long a nominal range is where the rules run: the same, except in a sandbox."""
        return max(scaled(length, self.settings), min(length, SHORTEST_RANGE))

    def rate(self, selector: str, window: timedelta | str) -> str:
        """Increase a second, averaged over `window` (text for Grafana's $__rate_interval)."""
        return f"rate({self._ranged(selector, window)})"

    def increase(self, selector: str, window: timedelta) -> str:
        """Increase over `window`."""
        return f"increase({self._ranged(selector, window)})"

    def select(self, series: Series, **matchers: str | Match) -> str:
        """A vector selector of `series`.

        Raises:
            ValueError: The series has no such label, or the label no such value.
        """
        chosen = {name: _match(series, name, value) for name, value in matchers.items()}
        for name, variable in self.variables.items():
            if name in series.label_names:
                chosen.setdefault(name, Match("=~", variable))
        own = [f"{name}{match.operator}{json.dumps(match.value)}" for name, match in chosen.items()]
        parts = [part for part in (self._selector_of(series.emitter), *own) if part]
        return f"{series.name}{{{','.join(parts)}}}" if parts else series.name

    def over(self, aggregation: str, labels: Sequence[str], expr: str) -> str:
        """`aggregation by (labels)`, which also keeps the labels that tell installations apart."""
        kept = (*self.settings.monitoring.installation_labels, *labels)
        return (
            f"{aggregation} by ({', '.join(kept)}) ({expr})" if kept else f"{aggregation}({expr})"
        )

    def _ranged(self, selector: str, window: timedelta | str) -> str:
        length = window if isinstance(window, str) else duration(self.lasts(window))
        return f"{selector}[{length}]"

    def _selector_of(self, emitter: Emitter) -> str:
        monitoring = self.settings.monitoring
        match emitter:
            case Emitter.EXPORTER | Emitter.SCRAPE:
                return monitoring.exporter_selector
            case Emitter.TEMPORAL_SERVER:
                return monitoring.temporal_selector
            case Emitter.PROMETHEUS | Emitter.RULES:
                return ""


def _match(series: Series, name: str, value: str | Match) -> Match:
    label = next((label for label in series.labels if label.name == name), None)
    if label is None:
        raise ValueError(f"{series.name} has no label {name}")
    if isinstance(value, Match):
        return value
    if label.values is not None and value not in label.values:
        raise ValueError(f"{name} of {series.name} is never {value!r}")
    return Match("=", value)


def scaled(length: timedelta, settings: Settings) -> timedelta:
    """A nominal time as it is where the rules run, to the millisecond, as Prometheus counts."""
    return timedelta(milliseconds=round(length * settings.monitoring.time_scale / _MILLISECOND))


_MILLISECOND = timedelta(milliseconds=1)


def duration(length: timedelta) -> str:
    """A length of time as PromQL and rule files write it: 5m, 1h30m, 3d."""
    return promql_parser.display_duration(length)
