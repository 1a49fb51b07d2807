"""Parts and wholes: when a quotient is at most 1, and when it is nothing but 1."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

from stigmer_ops.monitoring.lint.promql.syntax import (
    RATES,
    Aggregation,
    Binary,
    Call,
    Expr,
    Matcher,
    Range,
    Selector,
    is_scalar,
    selectors,
)


def is_share(quotient: Binary) -> bool:
    """Whether the left operand is a part of the right one, if neither is ever negative."""
    return _is_part(quotient.left, quotient.right)


def _is_part(part: Expr, whole: Expr) -> bool:
    if isinstance(whole, Binary) and whole.operator == "+":
        return _is_part(part, whole.left) or _is_part(part, whole.right)
    match part, whole:
        case Selector(), Selector():
            same = replace(part, matchers=()) == replace(whole, matchers=())
            return same and bool(part.name) and set(whole.matchers) <= set(part.matchers)
        case Range(), Range():
            return part.length == whole.length and _is_part(part.selector, whole.selector)
        case Call(), Call():
            same = part.function == whole.function and part.function in RATES
            return same and _is_part(part.arguments[0], whole.arguments[0])
        case Aggregation(), Aggregation():
            adds = part.operator == whole.operator and part.operator in ("sum", "count", "max")
            return adds and _is_part(part.inner, whole.inner)
        case _:
            return part == whole and not is_scalar(part)


def differing_matchers(left: Expr, right: Expr) -> set[Matcher] | None:
    """Matchers that only one side has, where the sides are otherwise the same; else None."""
    pairs = list(zip_longest(selectors(left), selectors(right)))
    if not all(one and other and one.name and one.name == other.name for one, other in pairs):
        return None  # most quotients, and this is quickly seen
    if _bare(left) != _bare(right):
        return None
    return {matcher for pair in pairs for matcher in set(pair[0].matchers) ^ set(pair[1].matchers)}


def _bare(expr: Expr) -> Expr:
    """The expression without matchers and without the labels of its aggregations."""
    match expr:
        case Selector():
            return replace(expr, matchers=())
        case Range():
            return replace(expr, selector=replace(expr.selector, matchers=()))
        case Call():
            return replace(expr, arguments=tuple(map(_bare, expr.arguments)))
        case Aggregation():
            return replace(expr, inner=_bare(expr.inner), labels=(), without=False)
        case Binary():
            return replace(expr, left=_bare(expr.left), right=_bare(expr.right))
        case _:
            return expr
