"""From PromQL text to expressions, through promql-parser.

It does not know all that Prometheus 2 knows: `holt_winters` is added here. What it must not be
given is kept from it by `promql_guard`.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

import promql_parser as parser

from stigmer_ops.monitoring.lint.promql.syntax import (
    Aggregation,
    Binary,
    Call,
    Expr,
    Matcher,
    Matching,
    Negation,
    Number,
    Range,
    Selector,
    Subquery,
    Text,
)
from stigmer_ops.monitoring.promql_guard import PromQLError, guarded


@lru_cache(maxsize=4096)
def parse(text: str) -> Expr:
    """The expression that `text` is.

    Raises:
        TooDeepError: It was not parsed, because parsing it could end the process.
        PromQLError: It is no PromQL.
    """
    prepared = guarded(text)
    _know_older_functions()
    try:
        return _converted(parser.parse(prepared))
    except ValueError as error:
        raise PromQLError(_told(str(error))) from error


@lru_cache(maxsize=1)
def _know_older_functions() -> None:
    """`double_exponential_smoothing` was called `holt_winters` until Prometheus 3."""
    kinds = parser.ValueType
    taken = [kinds.Matrix, kinds.Scalar, kinds.Scalar]
    parser.register_extra_functions([parser.Function("holt_winters", taken, kinds.Vector)])


def _told(message: str) -> str:
    return " ".join(message.split()) or "it is no PromQL"


def _converted(node: parser.Expr) -> Expr:
    match node:
        case parser.ParenExpr():
            return _converted(node.expr)
        case parser.UnaryExpr():
            return Negation(_converted(node.expr))
        case parser.Call():
            return _call(node)
        case parser.AggregateExpr():
            return _aggregation(node)
        case parser.BinaryExpr():
            left, right = _converted(node.lhs), _converted(node.rhs)
            returns_bool = node.modifier is not None and node.modifier.return_bool
            return Binary(str(node.op), left, right, _matching(node.modifier), returns_bool)
        case parser.SubqueryExpr():
            offset = node.offset or timedelta(0)
            return Subquery(_converted(node.expr), node.range or timedelta(0), node.step, offset)
        case _:
            return _leaf(node)


def _leaf(node: parser.Expr) -> Expr:
    match node:
        case parser.VectorSelector():
            return _selector(node)
        case parser.MatrixSelector():
            return Range(_selector(node.vector_selector), node.range)
        case parser.NumberLiteral():
            return Number(node.val)
        case parser.StringLiteral():
            return Text(node.val)
    raise PromQLError(f"it holds what is not known here: {type(node).__name__}")


_OPERATORS = (
    (parser.MatchOp.Equal, "="),
    (parser.MatchOp.NotEqual, "!="),
    (parser.MatchOp.Re, "=~"),
    (parser.MatchOp.NotRe, "!~"),
)


def _selector(node: parser.VectorSelector) -> Selector:
    if node.matchers.or_matchers:
        raise PromQLError('label matchers are separated by commas; "or" is not known to Prometheus')
    matchers = [
        Matcher(matcher.name, _operator(matcher.op), matcher.value)
        for matcher in node.matchers.matchers
    ]
    name = node.name or next(
        (m.value for m in matchers if m.label == "__name__" and m.operator == "="), ""
    )
    others = tuple(m for m in matchers if m.label != "__name__" or m.operator != "=")
    fixed_at = str(node.at.type) + str(node.at.at or "") if node.at else ""
    return Selector(name, others, node.offset or timedelta(0), fixed_at)


def _operator(operator: parser.MatchOp) -> str:
    return next(text for known, text in _OPERATORS if known == operator)


def _call(node: parser.Call) -> Call:
    returns_scalar = node.func.return_type == parser.ValueType.Scalar
    return Call(node.func.name, tuple(map(_converted, node.args)), returns_scalar)


def _aggregation(node: parser.AggregateExpr) -> Aggregation:
    modifier = node.modifier
    return Aggregation(
        str(node.op),
        _converted(node.expr),
        tuple(modifier.labels) if modifier else (),
        without=modifier is not None and modifier.type == parser.AggModifierType.Without,
        parameter=None if node.param is None else _converted(node.param),
    )


def _matching(modifier: parser.BinModifier | None) -> Matching:
    if modifier is None:
        return Matching()
    cardinality = parser.VectorMatchCardinality
    group = ""
    if modifier.card == cardinality.ManyToOne:
        group = "left"
    elif modifier.card == cardinality.OneToMany:
        group = "right"
    found = modifier.matching
    return Matching(
        tuple(found.labels) if found else None,
        on=found is not None and found.type == parser.LabelModifierType.Include,
        group=group,
        include=tuple(modifier.group_labels or ()),
    )
