"""What was counted so far: the counters and the histogram that callbacks make."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from typing import Any

from stigmer_ops.exporter.callbacks.news import CallbackEnd, ErrorType, Service
from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.execution import Claim
from stigmer_ops.monitoring.catalogue import metrics

Labels = tuple[str, str, str]
"""Label values in the catalogue's order: namespace, service, and status or error_type."""

REMEMBERED = 20_000
"""Handshakes of which it is remembered that they went wrong, the last ones."""

BOUNDS = metrics.COMPLETION_DURATION.buckets


@dataclass(slots=True)
class Durations:
    """A histogram: how many fell into each bucket and none before it, the last without bound."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum_seconds: float = 0.0

    def observe(self, duration: timedelta) -> None:
        """Count one; the upper bounds of buckets are inclusive."""
        seconds = duration.total_seconds()
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum_seconds += seconds

    @property
    def cumulative(self) -> list[tuple[str, int]]:
        """As Prometheus wants it: upper bound and count, "+Inf" last."""
        bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
        return list(zip(bounds, accumulate(self.counts), strict=True))


@dataclass(slots=True)
class Totals:
    """The counters, since the exporter first began with its state.

    Attributes:
        completions: Callbacks by namespace, service and status. A missing key is 0.
        durations: Their durations, by the same labels. A missing key is an empty histogram.
        errors: Handshakes that went wrong, by namespace, service and error type.
    """

    completions: Counter[Labels] = field(default_factory=Counter)
    durations: dict[Labels, Durations] = field(default_factory=dict)
    errors: Counter[Labels] = field(default_factory=Counter)
    _went_wrong: dict[str, None] = field(default_factory=dict)

    def count(self, end: CallbackEnd) -> None:
        """Count a callback, and its error if it has one."""
        if end.status is not None:
            labels = (end.namespace, end.service, end.status)
            self.completions[labels] += 1
            self.durations.setdefault(labels, Durations()).observe(end.duration)
        if end.error_type is not None:
            self.count_error(end.namespace, end.service, end.error_type, handshake_of(end.claim))

    def count_error(
        self,
        namespace: str,
        service: Service,
        error_type: ErrorType,
        handshake: ActivityKey | None,
    ) -> bool:
        """Count a handshake that went wrong, unless it was counted before.

        So an external activity that times out because its callback failed is one error, as is one
        whose callback came after its timeout.

        Args:
            namespace: Of the external activity.
            service: Edition of Stigmer.
            error_type: As the catalogue's label says.
            handshake: The external activity; None where it is not known.

        Returns:
            Whether it was counted.
        """
        if handshake is not None:
            name = _digest(namespace, handshake)
            if name in self._went_wrong:
                return False
            self._went_wrong[name] = None
            if len(self._went_wrong) > REMEMBERED:
                del self._went_wrong[next(iter(self._went_wrong))]
        self.errors[namespace, service, error_type] += 1
        return True

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; `from_json` is the inverse."""
        return {
            "completions": [[*labels, count] for labels, count in self.completions.items()],
            "durations": [
                [*labels, durations.counts, durations.sum_seconds]
                for labels, durations in self.durations.items()
            ],
            "bounds": list(BOUNDS),
            "errors": [[*labels, count] for labels, count in self.errors.items()],
            "went_wrong": list(self._went_wrong),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Totals:
        """Read what `to_json` wrote.

        Histograms with other bounds than today's begin anew, as a restarted process would: the
        counters, which do not depend on the bounds, go on.

        Raises:
            ValueError: It is something else (KeyError and TypeError likewise).
        """
        return cls(
            completions=_counter(plain["completions"]),
            durations=_histograms(plain["durations"]) if plain["bounds"] == list(BOUNDS) else {},
            errors=_counter(plain["errors"]),
            _went_wrong=dict.fromkeys(map(str, plain["went_wrong"])),
        )


def handshake_of(claim: Claim) -> ActivityKey | None:
    """The activity that a token names; None where it does not name one in full."""
    return claim.key if claim.run_id and claim.activity_id else None


def _digest(namespace: str, key: ActivityKey) -> str:
    text = "\0".join((namespace, key.workflow_id, key.run_id, key.activity_id))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _counter(rows: list[list[Any]]) -> Counter[Labels]:
    return Counter({_labels(row): _count(row[3]) for row in rows})


def _histograms(rows: list[list[Any]]) -> dict[Labels, Durations]:
    return {_labels(row): _durations(*row[3:]) for row in rows}


def _durations(counts: list[Any], sum_seconds: float) -> Durations:
    if len(counts) != len(BOUNDS) + 1:
        raise ValueError("a histogram with another number of buckets")
    return Durations(list(map(_count, counts)), float(sum_seconds))


def _count(value: str | int) -> int:
    if int(value) < 0:
        raise ValueError("a negative count")
    return int(value)


def _labels(row: list[Any]) -> Labels:
    namespace, service, third = (str(value) for value in row[:3])
    return namespace, service, third
