"""From PromQL text to expressions, through promql-parser.

promql-parser ends the process on 10,000 parentheses, and needs seconds for a few thousand
operators; both are refused here before it sees them. It does not know what Prometheus 2 knows
beyond it: `holt_winters` and strings in backticks.
"""

from __future__ import annotations

import json
import re
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

MAXIMUM_LENGTH = 20_000
"""The longest expressions of public rule sets have three thousand characters."""
MAXIMUM_DEPTH = 60
"""Of brackets in each other."""
MAXIMUM_OPERATORS = 150
"""Of one expression; each may be one level of the tree."""

_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<raw>`[^`]*`)
    |(?P<unclosed>["'`].*)
    |(?P<comment>\#[^\n]*)
    |(?P<word>[A-Za-z_:][\w:]*)
    |(?P<number>(?:\d|\.\d)[\w.]*(?:(?<=[eE])[+-]\d+)?)
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<operator>=~|!~|!=|==|<=|>=|[-+*/%^<>=])
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_WORD_OPERATORS = frozenset({"and", "or", "unless", "atan2"})
_OPERATOR_PARTS = (*_WORD_OPERATORS, *"-+*/%^<>=!")


class PromQLError(Exception):
    """It is no PromQL, as far as can be told without Prometheus."""


class TooDeepError(PromQLError):
    """It is nested so deeply that parsers fail on it."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Expr:
    """The expression that `text` is.

    Raises:
        TooDeepError: It was not parsed, because parsing it could end the process.
        PromQLError: It is no PromQL.
    """
    prepared = _prepared(text)
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


def _prepared(text: str) -> str:
    """`text` for promql-parser, unless its nesting forbids it."""
    if len(text) > MAXIMUM_LENGTH:
        raise TooDeepError(f"it has {len(text)} characters, more than {MAXIMUM_LENGTH}")
    if _is_harmless(text):
        return text
    tokens = list(_TOKEN.finditer(text))
    depth, operators = _nesting(tokens)
    if depth > MAXIMUM_DEPTH:
        raise TooDeepError(f"it is nested {depth} deep, more than {MAXIMUM_DEPTH}")
    if operators > MAXIMUM_OPERATORS:
        raise TooDeepError(f"it has {operators} operators, more than {MAXIMUM_OPERATORS}")
    return "".join(
        json.dumps(token[0][1:-1]) if token.lastgroup == "raw" else token[0] for token in tokens
    )


def _nesting(tokens: list[re.Match[str]]) -> tuple[int, int]:
    """How deep brackets are in each other, and how many operators there are outside of matchers."""
    depth = deepest = operators = 0
    in_matchers = False
    for token in tokens:
        kind, part = token.lastgroup, token[0]
        if kind == "open":
            depth += 1
            deepest = max(deepest, depth)
            in_matchers = part == "{"
        elif kind == "close":
            depth -= 1
            in_matchers = False
        elif not in_matchers:
            operators += kind == "operator" or part in _WORD_OPERATORS
    return deepest, operators


def _is_harmless(text: str) -> bool:
    """Whether it is so short of brackets and operators that they need not be told apart."""
    operators = sum(map(text.count, _OPERATOR_PARTS))
    brackets = sum(map(text.count, "([{"))
    return operators <= MAXIMUM_OPERATORS and brackets <= MAXIMUM_DEPTH and "`" not in text


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
