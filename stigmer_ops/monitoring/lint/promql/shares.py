"""Parts and wholes: when a quotient is at most 1, and when it is nothing but 1."""

from __future__ import annotations

from dataclasses import replace

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
    if type(left) is not type(right) or _bare(left) != _bare(right):
        return None
    found: set[Matcher] = set()
    for one, other in zip(selectors(left), selectors(right), strict=True):
        if not one.name:
            return None
        found |= set(one.matchers) ^ set(other.matchers)
    return found


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
