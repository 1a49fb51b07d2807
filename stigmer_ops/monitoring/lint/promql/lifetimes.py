"""How long a condition can hold for one series at most, where something ends it for certain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from promql_parser import display_duration

from stigmer_ops.monitoring.lint.promql.bounds import Limits
from stigmer_ops.monitoring.lint.promql.inference import Inference
from stigmer_ops.monitoring.lint.promql.syntax import (
    COMPARISONS,
    Aggregation,
    Binary,
    Call,
    Expr,
    Negation,
    Selector,
    conjuncts,
    selectors,
)


@dataclass(frozen=True, slots=True)
class Life:
    """A longest time, and why it ends."""

    length: timedelta
    because: str


@dataclass(frozen=True, slots=True)
class _Climb:
    """A value that rises to `top` within `within`, and whose series ends there."""

    top: float
    within: timedelta
    what: str


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Finds how long conditions last, with what is known of metrics."""

    limits: Limits

    @property
    def _inference(self) -> Inference:
        return self.limits.inference

    def of(self, expr: Expr) -> Life | None:
        """The longest life of a series of a condition; None if nothing is known to end it."""
        match expr:
            case Binary(operator="or"):
                left, right = self.of(expr.left), self.of(expr.right)
                return None if left is None or right is None else max(left, right, key=_length)
            case Binary(operator="and"):
                return _shorter(self._window(expr), self.of(expr.left), self.of(expr.right))
            case Binary(operator="unless"):
                return _shorter(_newness(expr), self.of(expr.left))
            case Binary() if expr.operator in COMPARISONS:
                return _shorter(self._climbing(expr), self.of(expr.left))
            case Negation():
                return self.of(expr.inner)
            case _:
                return None

    def _climbing(self, comparison: Binary) -> Life | None:
        """How long a rising value is above a threshold before its series ends."""
        threshold = self.limits.of(comparison.right).one
        climb = self._climb(comparison.left)
        if threshold is None or climb is None or comparison.operator not in (">", ">="):
            return None
        left = climb.within * max(0.0, 1 - threshold / climb.top)
        return Life(
            left,
            f"{climb.what} ends after {display_duration(climb.within)}, and is above "
            f"{threshold:g} for only the last {display_duration(left)}",
        )

    def _climb(self, expr: Expr) -> _Climb | None:
        match expr:
            case Aggregation(operator="max" | "min" | "avg"):
                return self._climb(expr.inner)
            case Selector():
                known = self._inference.series(expr.name)
                if known.fills_within is None:
                    return None
                return _Climb(known.high, known.fills_within, known.what)
            case Binary(operator="-", left=Call(function="time")):
                age = self.limits.of(expr)
                if not age.of_age:
                    return None
                within = timedelta(seconds=age.high)
                return _Climb(age.high, within, age.because.partition(" ends")[0])
            case Binary(operator="*" | "/"):
                return self._scaled(expr)
            case _:
                return None

    def _scaled(self, expr: Binary) -> _Climb | None:
        climb, factor = self._climb(expr.left), self.limits.of(expr.right).one
        if climb is None or not factor or factor < 0:
            return None
        top = climb.top * factor if expr.operator == "*" else climb.top / factor
        return replace(climb, top=top)

    def _window(self, expr: Binary) -> Life | None:
        """Of `time() - x > a and time() - x < b`: x does not move, so it is b - a."""
        ages: dict[Expr, dict[str, float]] = {}
        for part in conjuncts(expr):
            if not (isinstance(part, Binary) and part.operator in COMPARISONS):
                continue
            threshold = self.limits.of(part.right).one
            if threshold is not None and _is_age(part.left):
                ages.setdefault(part.left, {})[part.operator[0]] = threshold
        for limits in ages.values():
            if {"<", ">"} <= limits.keys():
                length = timedelta(seconds=max(0.0, limits["<"] - limits[">"]))
                return Life(
                    length, f"the two limits on the age are only {display_duration(length)} apart"
                )
        return None


def _is_age(expr: Expr) -> bool:
    return (
        isinstance(expr, Binary)
        and expr.operator == "-"
        and isinstance(expr.left, Call)
        and expr.left.function == "time"
    )


def _newness(expr: Binary) -> Life | None:
    """Of `x unless x offset d`: what appeared within d; of the reverse: what went within d."""
    left, right = (_without_offsets(side) for side in (expr.left, expr.right))
    if left != right:
        return None
    offsets = {selector.offset for selector in selectors(expr.right)} - {timedelta(0)}
    offsets |= {selector.offset for selector in selectors(expr.left)} - {timedelta(0)}
    if len(offsets) != 1:
        return None
    length = abs(offsets.pop())
    return Life(length, f"the series is compared with itself {display_duration(length)} before")


def _without_offsets(expr: Expr) -> Expr:
    match expr:
        case Selector():
            return replace(expr, offset=timedelta(0))
        case Aggregation():
            return replace(expr, inner=_without_offsets(expr.inner))
        case Call():
            return replace(expr, arguments=tuple(map(_without_offsets, expr.arguments)))
        case _:
            return expr


def _shorter(*lives: Life | None) -> Life | None:
    return min((life for life in lives if life is not None), key=_length, default=None)


def _length(life: Life) -> timedelta:
    return life.length
