"""Between which values an expression can be, with the reason: so that it shows what cannot be.

The reasons are facts of the catalogue (the top bucket of a histogram, the longest life of an
activity) and of arithmetic (a part is at most the whole). Where nothing is known, any value can be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import inf, isfinite

from promql_parser import display_duration

from stigmer_ops.monitoring.lint.known import KnownSeries
from stigmer_ops.monitoring.lint.promql.inference import Inference
from stigmer_ops.monitoring.lint.promql.shares import is_share
from stigmer_ops.monitoring.lint.promql.syntax import (
    COMPARISONS,
    SELECTING,
    Aggregation,
    Binary,
    Call,
    Expr,
    Negation,
    Number,
    Range,
    Selector,
    Subquery,
    is_scalar,
    selectors,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval of values, both ends included; empty if `low` is above `high`.

    Attributes:
        low: The least value.
        high: The greatest value.
        because: Why it is no more than `high`; empty where that is not worth saying.
        of_age: Whether the limit is that of a life.
    """

    low: float = -inf
    high: float = inf
    because: str = ""
    of_age: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is no value."""
        return self.low > self.high

    @property
    def one(self) -> float | None:
        """The only value, where there is only one."""
        return self.low if self.low == self.high else None

    def hull(self, other: Bounds) -> Bounds:
        """The least interval that holds both."""
        if self.empty or other.empty:
            return other if self.empty else self
        upper = self if self.high >= other.high else other
        return replace(upper, low=min(self.low, other.low))

    def __str__(self) -> str:
        if self.one is not None:
            return f"always {self.low:g}"
        if not isfinite(self.high):
            return f"at least {self.low:g}"
        if not isfinite(self.low):
            return f"at most {self.high:g}"
        return f"between {self.low:g} and {self.high:g}"


ANY = Bounds()
NOT_NEGATIVE = Bounds(0)
EMPTY = Bounds(1, 0)
_ONE = Bounds(1, 1)
_SHARE = Bounds(0, 1)

_NOT_NEGATIVE_FUNCTIONS = frozenset(
    {
        *("rate", "irate", "increase", "changes", "resets", "count_over_time", "time", "timestamp"),
        *(
            "stddev_over_time",
            "stdvar_over_time",
            "mad_over_time",
            "histogram_count",
            "abs",
            "sqrt",
        ),
        *("exp", "day_of_month", "day_of_year", "hour", "minute", "month", "year", "days_in_month"),
    }
)
_SAME_VALUE_FUNCTIONS = frozenset(
    {
        *("avg_over_time", "min_over_time", "max_over_time", "last_over_time", "scalar", "vector"),
        *("label_replace", "label_join", "sort", "sort_desc", "first_over_time"),
    }
)
_ONE_FUNCTIONS = frozenset({"absent", "absent_over_time", "present_over_time"})


@dataclass
class Limits:
    """Finds bounds, with what `inference` knows of metrics and recordings."""

    inference: Inference
    _seen: dict[int, tuple[Expr, Bounds]] = field(default_factory=dict, init=False)

    def of(self, expr: Expr, depth: int = 0) -> Bounds:
        """The values that the series of an expression can have; empty if it returns none."""
        seen = self._seen.get(id(expr))
        if seen is None:
            seen = (expr, self._bounds(expr, depth))
            if depth == 0:
                self._seen[id(expr)] = seen
        return seen[1]

    def _bounds(self, expr: Expr, depth: int) -> Bounds:
        match expr:
            case Number():
                return Bounds(expr.value, expr.value)
            case Range(selector=Selector() as selector) | (Selector() as selector):
                return self._selected(selector, depth)
            case Subquery():
                return self.of(expr.inner, depth)
            case Negation():
                return _negative(self.of(expr.inner, depth))
            case Call():
                return self._called(expr, depth)
            case Aggregation():
                return self._aggregated(expr, depth)
            case Binary():
                return self._binary(expr, depth)
            case _:
                return ANY

    def _selected(self, selector: Selector, depth: int) -> Bounds:
        known = self.inference.series(selector.name)
        rules = self.inference.recordings.get(selector.name, ())
        if rules and selector.name not in self.inference.known.series and depth < 10:
            found = EMPTY
            for rule in rules:
                found = found.hull(self.of(rule.expr, depth + 1))
            # The rule may find nothing now and something later: only values are bounded here.
            return ANY if found.empty else found
        too_old = _too_old(known, selector)
        if too_old:
            return Bounds(0, 0, too_old, of_age=True)
        because = f"{known.name} is at most {known.high:g}" if isfinite(known.high) else ""
        return Bounds(known.low, known.high, because)

    def _called(self, call: Call, depth: int) -> Bounds:
        if call.function in _ONE_FUNCTIONS:
            return _ONE
        if call.function in _SAME_VALUE_FUNCTIONS and call.arguments:
            return self.of(call.arguments[0], depth)
        if call.function == "quantile_over_time":
            return self.of(call.arguments[-1], depth)
        if call.function == "histogram_quantile":
            return self._quantile(call)
        if call.function in ("clamp_max", "clamp_min", "clamp"):
            return self._clamped(call, depth)
        if call.function == "sum_over_time":
            return NOT_NEGATIVE if self.of(call.arguments[0], depth).low >= 0 else ANY
        return NOT_NEGATIVE if call.function in _NOT_NEGATIVE_FUNCTIONS else ANY

    def _quantile(self, call: Call) -> Bounds:
        tops: dict[str, tuple[float, ...]] = {}

        def visit(found: Expr) -> None:
            if isinstance(found, Selector):
                buckets = self.inference.series(found.name).buckets
                if buckets or found.name.endswith("_bucket"):
                    tops[found.name] = buckets

        self.inference.expanded(call.arguments[-1], visit)
        buckets = [bounds for bounds in tops.values() if bounds]
        if not buckets or len(buckets) != len([name for name in tops if ":" not in name]):
            return ANY
        top = max(bounds[-1] for bounds in buckets)
        low = 0.0 if all(bounds[0] > 0 for bounds in buckets) else -inf
        name = next(name for name, bounds in tops.items() if bounds and bounds[-1] == top)
        return Bounds(low, top, f"{top:g} is the highest bucket of {name}")

    def _clamped(self, call: Call, depth: int) -> Bounds:
        inner = self.of(call.arguments[0], depth)
        limits = [self.of(argument, depth).one for argument in call.arguments[1:]]
        if inner.empty or any(limit is None for limit in limits):
            return inner
        values = [limit for limit in limits if limit is not None]
        low = values[0] if call.function != "clamp_max" else -inf
        high = values[-1] if call.function != "clamp_min" else inf
        because = (
            f"{call.function} makes it at most {high:g}" if high < inner.high else inner.because
        )
        return Bounds(max(inner.low, low), min(max(inner.high, low), high), because)

    def _aggregated(self, aggregation: Aggregation, depth: int) -> Bounds:
        inner = self.of(aggregation.inner, depth)
        if inner.empty:
            return EMPTY
        match aggregation.operator:
            case "max" | "min" | "avg" | "quantile":
                return inner
            case "count" | "count_values":
                return Bounds(1)
            case "group":
                return _ONE
            case "stddev" | "stdvar":
                return NOT_NEGATIVE
            case "sum":
                return Bounds(
                    inner.low if inner.low >= 0 else -inf,
                    inner.high if inner.high <= 0 else inf,
                    inner.because if inner.high <= 0 else "",
                    inner.of_age and inner.high <= 0,
                )
            case operator if operator in SELECTING:
                return inner
            case _:
                return ANY

    def _binary(self, binary: Binary, depth: int) -> Bounds:
        if binary.operator in COMPARISONS:
            if binary.returns_bool:
                return _SHARE
            left, right = self.sides(binary, depth)
            if is_scalar(binary.left) and not is_scalar(binary.right):
                return narrowed(turned(binary.operator), right, left)
            return narrowed(binary.operator, left, right)
        left, right = self.of(binary.left, depth), self.of(binary.right, depth)
        match binary.operator:
            case "and":
                return EMPTY if right.empty else left
            case "unless":
                return left
            case "or":
                return left.hull(right)
        if left.empty or right.empty:
            return EMPTY
        return self._computed(binary, left, right)

    def sides(self, comparison: Binary, depth: int = 0) -> tuple[Bounds, Bounds]:
        """The bounds of both sides of a comparison."""
        return self.of(comparison.left, depth), self.of(comparison.right, depth)

    def _computed(self, binary: Binary, left: Bounds, right: Bounds) -> Bounds:
        match binary.operator:
            case "/" if self._is_share(binary):
                return Bounds(0, 1, "a part is at most the whole")
            case "-" if self._is_age(binary):
                return self._age(binary)
            case "+":
                return _sum(left, right)
            case "-":
                return _sum(left, Bounds(-right.high, -right.low))
            case "*":
                return _product(left, right)
            case "/" if right.one:
                factor = 1 / right.one
                return _product(left, Bounds(factor, factor))
            case "/" | "^" | "%" if left.low >= 0 and right.low >= 0:
                return NOT_NEGATIVE
            case _:
                return ANY

    def _is_share(self, binary: Binary) -> bool:
        return is_share(binary) and self.of(binary.left).low >= 0

    def _is_age(self, binary: Binary) -> bool:
        return isinstance(binary.left, Call) and binary.left.function == "time"

    def _age(self, binary: Binary) -> Bounds:
        """Of `time() - x`: as old as what x is the time of can become."""
        series = [self.inference.series(selector.name) for selector in selectors(binary.right)]
        ages = [known.maximum_age for known in series if known.maximum_age is not None]
        if not series or len(ages) != len(series):
            return ANY
        oldest = max(ages)
        known = next(known for known in series if known.maximum_age == oldest)
        seconds = oldest.total_seconds()
        return Bounds(0, seconds, _end_of(known, oldest), of_age=True)


def turned(operator: str) -> str:
    """The comparison with its sides exchanged."""
    return operator.translate(str.maketrans("<>", "><"))


def narrowed(operator: str, left: Bounds, right: Bounds) -> Bounds:
    """What is left of `left` where the comparison with `right` holds."""
    if left.empty or right.empty or not _POSSIBLE[operator](left, right):
        return EMPTY
    match operator:
        case ">" | ">=":
            return replace(left, low=max(left.low, right.low))
        case "<" | "<=":
            return replace(left, high=min(left.high, right.high), because="", of_age=False)
        case "==":
            return replace(left, low=max(left.low, right.low), high=min(left.high, right.high))
        case _:
            return left


_POSSIBLE: dict[str, Callable[[Bounds, Bounds], bool]] = {
    ">": lambda left, right: left.high > right.low,
    ">=": lambda left, right: left.high >= right.low,
    "<": lambda left, right: left.low < right.high,
    "<=": lambda left, right: left.low <= right.high,
    "==": lambda left, right: left.low <= right.high and right.low <= left.high,
    "!=": lambda left, right: left.one is None or left.one != right.one,
}
_CERTAIN: dict[str, Callable[[Bounds, Bounds], bool]] = {
    ">": lambda left, right: left.low > right.high,
    ">=": lambda left, right: left.low >= right.high,
    "<": lambda left, right: left.high < right.low,
    "<=": lambda left, right: left.high <= right.low,
    "==": lambda left, right: left.one is not None and left.one == right.one,
    "!=": lambda left, right: left.high < right.low or left.low > right.high,
}


def always(operator: str, left: Bounds, right: Bounds) -> bool:
    """Whether the comparison holds for whatever values there are."""
    return not (left.empty or right.empty) and _CERTAIN[operator](left, right)


def _too_old(known: KnownSeries, selector: Selector) -> str:
    """Why a selector of an age that nothing reaches finds nothing but zeros; empty if it may."""
    if known.maximum_age is None:
        return ""
    for label, ages in known.ages.items():
        chosen = [
            age
            for value, age in ages.items()
            if all(matcher.accepts(value) for matcher in selector.matchers_of(label))
        ]
        if chosen and min(chosen) >= known.maximum_age:
            return _end_of(known, known.maximum_age)
    return ""


def _end_of(known: KnownSeries, age: timedelta) -> str:
    return f"{known.what} ends after {display_duration(age)} ({age.total_seconds():g} s)"


def _negative(bounds: Bounds) -> Bounds:
    return EMPTY if bounds.empty else Bounds(-bounds.high, -bounds.low)


def _sum(left: Bounds, right: Bounds) -> Bounds:
    because = left.because or right.because
    return Bounds(left.low + right.low, left.high + right.high, because, left.of_age)


def _product(left: Bounds, right: Bounds) -> Bounds:
    ends = [_times(a, b) for a in (left.low, left.high) for b in (right.low, right.high)]
    return Bounds(min(ends), max(ends), left.because or right.because, left.of_age)


def _times(a: float, b: float) -> float:
    """0 times infinity is 0 here: the infinite end is never reached."""
    return 0.0 if 0 in (a, b) else a * b
