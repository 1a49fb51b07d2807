"""Which rules build on which: a recorded name that an expression selects is an edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import promql_parser

from stigmer_ops.monitoring.promql_guard import guarded


def selected_names(expr: str) -> frozenset[str]:
    """The metric names that an expression selects.

    Raises:
        ValueError: It is no PromQL, or nested too deeply to be parsed.
    """
    found: set[str] = set()

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            visit(node.vector_selector)
        if isinstance(node, promql_parser.VectorSelector):
            found.update(_names(node))

    promql_parser.walk(promql_parser.parse(guarded(expr)), pre_visit=visit)
    return frozenset(found)


def _names(selector: promql_parser.VectorSelector) -> Iterable[str]:
    if selector.name:
        yield selector.name
    for matcher in selector.matchers.matchers:
        if matcher.name == "__name__" and matcher.op == promql_parser.MatchOp.Equal:
            yield matcher.value


def needed(names: Iterable[str], expressions: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """`names`, and every recorded name that they build on.

    Args:
        names: Of rules.
        expressions: Rule name to the expressions of the rules that have it.
    """
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            below = (selected_names(expr) for expr in expressions.get(name, ()))
            waiting += [other for others in below for other in others if other in expressions]
    return frozenset(found)


def built_on(name: str, expressions: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """`name`, and every rule that builds on it."""
    return frozenset(rule for rule in expressions if name in needed([rule], expressions))
