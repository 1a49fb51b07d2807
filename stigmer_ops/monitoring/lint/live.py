"""A running Prometheus, as the lint rules ask it: everything once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

from stigmer_ops.monitoring.lint.known import Kind, Known, KnownSeries
from stigmer_ops.monitoring.lint.sources.rule_files import duration
from stigmer_ops.monitoring.loaded_rules import LoadedRule
from stigmer_ops.monitoring.prometheus import Prometheus, QueryError

_TYPES = {"counter": Kind.COUNTER, "gauge": Kind.GAUGE}
_PAST = timedelta(days=1)
_STEP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Past:
    """What an alert would have done in the last day.

    Attributes:
        times: How often it would have begun to fire.
        share: For which part of the time any of its series would have fired.
        error: Why that cannot be told; empty if it can.
    """

    times: int = 0
    share: float = 0.0
    error: str = ""


class Live:
    """Answers of one Prometheus.

    Args:
        prometheus: Whom to ask.
        now: The end of the past.
    """

    def __init__(self, prometheus: Prometheus, now: datetime) -> None:
        self.prometheus = prometheus
        self._now = now
        self.has_series = lru_cache(maxsize=None)(self._has_series)

    @cached_property
    def known(self) -> Known:
        """The types of the metrics that it scrapes."""
        metadata: Mapping[str, Any] = self.prometheus.data("metadata")
        found: dict[str, KnownSeries] = {}
        for name, entries in metadata.items():
            kinds = {str(entry.get("type")) for entry in entries}
            kind = kinds.pop() if len(kinds) == 1 else ""
            if kind in _TYPES:
                found[name] = KnownSeries(name, _TYPES[kind])
            elif kind == "histogram":
                for suffix in ("_bucket", "_count", "_sum"):
                    found[name + suffix] = KnownSeries(name + suffix, Kind.COUNTER)
        return Known(found)

    @cached_property
    def retention(self) -> timedelta | None:
        """How long it keeps samples; None where only their size limits them."""
        told = str(self.prometheus.data("status/runtimeinfo").get("storageRetention", ""))
        return duration(told.split(" ", 1)[0])

    @cached_property
    def rules(self) -> Mapping[tuple[str, str], list[LoadedRule]]:
        """Group and name of every rule that it has loaded, with what it says of it."""
        found: dict[tuple[str, str], list[LoadedRule]] = {}
        for rule in self.prometheus.rules():
            found.setdefault((rule.group, rule.name), []).append(rule)
        return found

    def _has_series(self, selector: str) -> bool:
        return bool(self.prometheus.query(f"count({selector})", self._now))

    def past(self, expr: str, hold: timedelta) -> Past:
        """What an alert with this expression and `for` would have done in the last day."""
        try:
            lines = self.prometheus.query_range(expr, self._now - _PAST, self._now, _STEP)
        except QueryError as error:
            return Past(error=error.happened)
        needed = int(hold / _STEP) + 1
        times, firing = 0, set[float]()
        for line in lines:
            for run in _runs([time for time, _ in line.points]):
                if len(run) >= needed:
                    times += 1
                    firing.update(run[needed - 1 :])
        return Past(times, len(firing) / (_PAST / _STEP))


def _runs(times: list[float]) -> list[list[float]]:
    """Times that follow each other without a gap."""
    found: list[list[float]] = []
    for time in times:
        if found and time - found[-1][-1] <= _STEP.total_seconds() * 1.5:
            found[-1].append(time)
        else:
            found.append([time])
    return found
