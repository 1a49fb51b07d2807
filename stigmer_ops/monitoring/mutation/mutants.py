"""Ways in which a rule could be wrong, each made once at each place where it is possible.

An operator is a function from a node of an expression to the texts that could stand in its place.
Adding one is a function and a row in `OPERATORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import promql_parser as p

from stigmer_ops.monitoring.catalogue.promql import duration

_FINEST = timedelta(minutes=1)
"""Between evaluations; a shorter `for` cannot be told from this one."""

Alternatives = Iterator[tuple[str, str]]
"""Of a node: what is changed, in words, and the text that stands in its place."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule that is wrong in one way.

    Attributes:
        rule: Its name.
        change: What is wrong, in words; unique for the rule, and the same in every run.
        source: The rule as a rule file has it.
    """

    rule: str
    change: str
    source: Mapping[str, Any]


def mutants(name: str, source: Mapping[str, Any]) -> Iterator[Mutant]:
    """Every mutant of a rule.

    Raises:
        ValueError: Its expression is no PromQL.
    """
    for change, expr in _expressions(p.parse(str(source["expr"]))):
        yield Mutant(name, change, {**source, "expr": expr})
    for key in ("for", "keep_firing_for"):
        if key in source:
            for change, value in _durations(str(source[key])):
                changed = {**source, key: value}
                kept = {other: text for other, text in changed.items() if text is not None}
                yield Mutant(name, f"{key}: {change}", kept)


def _durations(text: str) -> Iterator[tuple[str, str | None]]:
    length = p.parse_duration(text)
    yield f"{text} is gone", None
    for changed in (length * 2, length / 2):
        if changed >= _FINEST:
            yield f"{text} becomes {duration(changed)}", duration(changed)


def _expressions(expr: p.Expr) -> Iterator[tuple[str, str]]:
    changes: dict[str, int] = {}
    for place, node in enumerate(_nodes(expr)):
        for change, text in _alternatives(node):
            changes[change] = changes.get(change, 0) + 1
            times = f" (no. {changes[change]})" if changes[change] > 1 else ""
            yield change + times, _replaced(expr, place, text)


def _nodes(expr: p.Expr) -> list[p.Expr]:
    """In the order in which `transform` visits them."""
    found: list[p.Expr] = []
    p.transform(expr, post_visit=found.append)
    return found


def _replaced(expr: p.Expr, place: int, text: str) -> str:
    visited = 0

    def visit(_node: p.Expr) -> p.Expr | None:
        nonlocal visited
        visited += 1
        return p.parse(text) if visited == place + 1 else None

    return p.transform(expr, post_visit=visit).prettify()


def _alternatives(node: p.Expr) -> Alternatives:
    for operator in OPERATORS:
        yield from operator(node)


_OPPOSITES = {
    ">": (">=", "<"),
    "<": ("<=", ">"),
    ">=": (">", "<="),
    "<=": ("<", ">="),
    "==": ("!=",),
    "!=": ("==",),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "%": ("*",),
    "and": ("or", "unless"),
    "or": ("and",),
    "unless": ("and",),
}


def _other_operator(node: p.Expr) -> Alternatives:
    if isinstance(node, p.BinaryExpr):
        left, right = node.lhs.prettify(), node.rhs.prettify()
        modifier = f" {node.modifier}" if node.modifier else ""
        for other in _OPPOSITES.get(str(node.op), ()):
            # In parentheses, so that another precedence does not change the rest.
            yield f"{node.op} becomes {other}", f"({left} {other}{modifier} {right})"


def _one_side(node: p.Expr) -> Alternatives:
    if isinstance(node, p.BinaryExpr) and str(node.op) in ("and", "or", "unless"):
        yield f"'{node.op}' and its right side are gone", f"({node.lhs.prettify()})"
        if str(node.op) == "or":
            yield "'or' and its left side are gone", f"({node.rhs.prettify()})"


def _other_threshold(node: p.Expr) -> Alternatives:
    """Numbers that something is compared with or computed from."""
    if not isinstance(node, p.BinaryExpr):
        return
    for number, before, after in (
        (node.rhs, f"{node.lhs.prettify()} {node.op} {node.modifier or ''} ", ""),
        (node.lhs, "", f" {node.op} {node.modifier or ''} {node.rhs.prettify()}"),
    ):
        if isinstance(number, p.NumberLiteral):
            for other in _numbers(number.val):
                yield f"{number.val:g} becomes {other:.12g}", f"({before}{other:.12g}{after})"


def _numbers(value: float) -> tuple[float, ...]:
    return (1,) if value == 0 else (value * 10, value / 10)


def _other_quantile(node: p.Expr) -> Alternatives:
    if isinstance(node, p.Call) and node.func.name == "histogram_quantile":
        quantile, buckets = node.args
        if isinstance(quantile, p.NumberLiteral):
            other = 0.5 if quantile.val != 0.5 else 0.95
            text = f"histogram_quantile({other}, {buckets.prettify()})"
            yield f"quantile {quantile.val:g} becomes {other:g}", text


_AGGREGATIONS = {
    "sum": ("max",),
    "max": ("sum", "min"),
    "min": ("max",),
    "avg": ("sum",),
    "count": ("sum",),
}


def _other_aggregation(node: p.Expr) -> Alternatives:
    if isinstance(node, p.AggregateExpr) and node.param is None:
        modifier = f" {node.modifier}" if node.modifier else ""
        for other in _AGGREGATIONS.get(str(node.op), ()):
            yield f"{node.op} becomes {other}", f"{other}{modifier} ({node.expr.prettify()})"


def _other_grouping(node: p.Expr) -> Alternatives:
    if not isinstance(node, p.AggregateExpr) or node.modifier is None or node.param is not None:
        return
    kind = "by" if node.modifier.type == p.AggModifierType.By else "without"
    for label in node.modifier.labels:
        rest = ", ".join(other for other in node.modifier.labels if other != label)
        yield f"{kind} loses {label}", f"{node.op} {kind} ({rest}) ({node.expr.prettify()})"


_REVERSED = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}


def _other_matchers(node: p.Expr) -> Alternatives:
    if not isinstance(node, p.VectorSelector):
        return
    matchers = node.matchers.matchers
    for index, matcher in enumerate(matchers):
        others = [str(other) for place, other in enumerate(matchers) if place != index]
        yield f"{matcher} is gone", _selector(node, others)
        operator = str(matcher).removeprefix(matcher.name).split('"')[0]
        reverse = (
            f"{matcher.name}{_REVERSED[operator]}{str(matcher)[len(matcher.name + operator) :]}"
        )
        yield f"{matcher} becomes {reverse}", _selector(node, [*others, reverse])


def _selector(node: p.VectorSelector, matchers: list[str]) -> str:
    text = node.prettify()
    tail = text[text.index("}") + 1 :] if "}" in text else ""
    return f"{node.name or ''}{{{','.join(matchers)}}}{tail}"


def _other_window(node: p.Expr) -> Alternatives:
    if isinstance(node, p.MatrixSelector):
        window = f"[{duration(node.range)}]"
        before, _, offset = node.prettify().rpartition(window)
        for factor in (2, 0.5):
            other = f"[{duration(node.range * factor)}]"
            yield f"{window} becomes {other}", f"{before}{other}{offset}"


def _other_offset(node: p.Expr) -> Alternatives:
    if isinstance(node, p.VectorSelector) and node.offset:
        before = node.prettify().rpartition(" offset ")[0]
        old = duration(node.offset)
        yield f"offset {old} is gone", before
        for factor in (2, 0.5):
            other = duration(node.offset * factor)
            yield f"offset {old} becomes {other}", f"{before} offset {other}"


_FUNCTIONS = {"rate": "increase", "increase": "rate"}


def _other_function(node: p.Expr) -> Alternatives:
    if isinstance(node, p.Call) and node.func.name in _FUNCTIONS:
        other = _FUNCTIONS[node.func.name]
        yield f"{node.func.name} becomes {other}", f"{other}({node.args[0].prettify()})"


OPERATORS: tuple[Callable[[p.Expr], Alternatives], ...] = (
    _other_operator,
    _one_side,
    _other_threshold,
    _other_quantile,
    _other_aggregation,
    _other_grouping,
    _other_matchers,
    _other_window,
    _other_offset,
    _other_function,
)
