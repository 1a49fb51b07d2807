"""Labels of a scrape target that the selectors of the settings choose, and of one they do not."""

from __future__ import annotations

import re
from collections.abc import Mapping

import promql_parser

from stigmer_ops.monitoring.catalogue.model import Emitter
from stigmer_ops.settings import Settings

_PLAIN = re.compile(r"[\w/:. -]+")


def target_labels(settings: Settings, emitter: Emitter) -> dict[str, str]:
    """Labels that the selector chooses; none where there is no selector.

    Of a regular expression the first alternative is taken.
    """
    chosen = {}
    for matcher in _matchers(settings, emitter):
        value = matcher.value.split("|")[0]
        positive = matcher.op in (promql_parser.MatchOp.Equal, promql_parser.MatchOp.Re)
        if positive and _PLAIN.fullmatch(value):
            chosen[matcher.name] = value
    return chosen


def exact_labels(settings: Settings, emitter: Emitter) -> dict[str, str]:
    """The labels that absent() keeps: those that the selector gives exactly."""
    return {
        matcher.name: matcher.value
        for matcher in _matchers(settings, emitter)
        if matcher.op == promql_parser.MatchOp.Equal
    }


def strange_labels(chosen: Mapping[str, str]) -> dict[str, str]:
    """Labels of a target that is not chosen, where `chosen` are."""
    return {name: f"not-{value}" for name, value in chosen.items()}


def _matchers(settings: Settings, emitter: Emitter) -> list[promql_parser.Matcher]:
    monitoring = settings.monitoring
    selector = {
        Emitter.EXPORTER: monitoring.exporter_selector,
        Emitter.SCRAPE: monitoring.exporter_selector,
        Emitter.TEMPORAL_SERVER: monitoring.temporal_selector,
    }.get(emitter, "")
    parsed = promql_parser.parse(f"x{{{selector}}}")
    assert isinstance(parsed, promql_parser.VectorSelector)
    return parsed.matchers.matchers
