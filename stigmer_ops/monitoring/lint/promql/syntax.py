"""Expressions as values: small, comparable, and walked with their parents.

promql-parser's own nodes compare by identity and are read across the border to Rust each time.
Parentheses are left out: the tree says what they said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
SELECTING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
"""Aggregations that return some of their series as they are."""
RATES = frozenset({"rate", "increase", "irate"})
"""Functions that turn a counter into what happened, across restarts of what counts."""
_MAY_TAKE_FOR_EVER = re.compile(r"\)[*+{]")
"""A repeated group: Prometheus' own engine is linear in time, Python's is not."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A label matcher; `operator` is one of = != =~ !~."""

    label: str
    operator: str
    value: str

    def accepts(self, value: str) -> bool:
        """Whether a label of this value matches; a label that is absent is empty."""
        if self.operator in ("=", "!="):
            return (value == self.value) == (self.operator == "=")
        if _MAY_TAKE_FOR_EVER.search(self.value):
            return True
        try:
            matched = re.fullmatch(self.value, value, re.DOTALL) is not None
        except re.error:
            return True  # RE2 knows things that Python does not
        return matched == (self.operator == "=~")

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{self.value}"'


@dataclass(frozen=True, slots=True)
class Selector:
    """A vector selector; `name` is empty where no metric is named."""

    name: str
    matchers: tuple[Matcher, ...] = ()
    offset: timedelta = timedelta(0)
    fixed_at: str = ""

    def matchers_of(self, label: str) -> list[Matcher]:
        """Its matchers of one label."""
        return [matcher for matcher in self.matchers if matcher.label == label]

    def __str__(self) -> str:
        inside = ",".join(map(str, self.matchers))
        return f"{self.name}{{{inside}}}" if inside or not self.name else self.name


@dataclass(frozen=True, slots=True)
class Range:
    """A selector over a length of time."""

    selector: Selector
    length: timedelta


@dataclass(frozen=True, slots=True)
class Subquery:
    """An expression that is evaluated again and again over a length of time."""

    inner: Expr
    length: timedelta
    step: timedelta | None
    offset: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Call:
    """A function call."""

    function: str
    arguments: tuple[Expr, ...]
    returns_scalar: bool = False


@dataclass(frozen=True, slots=True)
class Aggregation:
    """An aggregation; without `by` and `without` it leaves no label."""

    operator: str
    inner: Expr
    labels: tuple[str, ...] = ()
    without: bool = False
    parameter: Expr | None = None


@dataclass(frozen=True, slots=True)
class Matching:
    """How the series of two vectors are paired.

    Attributes:
        labels: Those of on() or ignoring(); None where neither is written.
        on: Whether it is on().
        group: "left" or "right" for the side that has many series for one of the other.
        include: Labels that are taken over from the other side.
    """

    labels: tuple[str, ...] | None = None
    on: bool = False
    group: str = ""
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands; `returns_bool` is that of a comparison."""

    operator: str
    left: Expr
    right: Expr
    matching: Matching = Matching()
    returns_bool: bool = False


@dataclass(frozen=True, slots=True)
class Negation:
    """A minus sign before an expression."""

    inner: Expr


@dataclass(frozen=True, slots=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    value: str


Expr = Selector | Range | Subquery | Call | Aggregation | Binary | Negation | Number | Text


@dataclass(frozen=True, slots=True)
class Visited:
    """A node, and what it is part of, from the root downwards."""

    node: Expr
    parents: tuple[Expr, ...] = field(default=())


def children(expr: Expr) -> tuple[Expr, ...]:
    """The parts of an expression, from left to right."""
    match expr:
        case Range():
            return (expr.selector,)
        case Subquery() | Negation():
            return (expr.inner,)
        case Call():
            return expr.arguments
        case Aggregation():
            return (expr.inner,) if expr.parameter is None else (expr.parameter, expr.inner)
        case Binary():
            return (expr.left, expr.right)
        case _:
            return ()


def walk(expr: Expr) -> Iterator[Visited]:
    """Every node, parents first."""
    waiting = [Visited(expr)]
    while waiting:
        visited = waiting.pop()
        yield visited
        parents = (*visited.parents, visited.node)
        waiting.extend(Visited(child, parents) for child in reversed(children(visited.node)))


def selectors(expr: Expr) -> Iterator[Selector]:
    """Every selector."""
    return (visited.node for visited in walk(expr) if isinstance(visited.node, Selector))


def is_scalar(expr: Expr) -> bool:
    """Whether it is a number, not a vector."""
    match expr:
        case Number():
            return True
        case Call():
            return expr.returns_scalar
        case Negation():
            return is_scalar(expr.inner)
        case Binary():
            return is_scalar(expr.left) and is_scalar(expr.right)
        case _:
            return False


def conjuncts(expr: Expr) -> list[Expr]:
    """The operands of `and` at the top; of `unless`, the left one."""
    if isinstance(expr, Binary) and expr.operator == "and":
        return [*conjuncts(expr.left), *conjuncts(expr.right)]
    if isinstance(expr, Binary) and expr.operator == "unless":
        return conjuncts(expr.left)
    return [expr]


def alternatives(expr: Expr) -> list[Expr]:
    """The operands of `or` at the top."""
    if isinstance(expr, Binary) and expr.operator == "or":
        return [*alternatives(expr.left), *alternatives(expr.right)]
    return [expr]
