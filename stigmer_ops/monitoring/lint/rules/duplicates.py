"""Whether two rules can be about the same series."""

from __future__ import annotations

import re

from stigmer_ops.monitoring.lint.promql.syntax import Expr, Matcher, Selector, children
from stigmer_ops.monitoring.lint.sources.rule_files import Rule

_LITERAL = re.compile(r"[\w:/ -]*")


def may_overlap(one: Rule, other: Rule) -> bool:
    """Whether two rules can return the same series: not where their matchers exclude each other."""
    left, right = one.expression, other.expression
    if left is None or right is None or left.root is None or right.root is None:
        return True
    return not _exclude(left.root, right.root)


def _exclude(left: Expr, right: Expr) -> bool:
    """Whether some selector at the same place can select the same series in both."""
    if type(left) is not type(right):
        return False
    if isinstance(left, Selector) and isinstance(right, Selector):
        return left.name == right.name and any(
            _disjoint(one, other)
            for one in left.matchers
            for other in right.matchers
            if one.label == other.label
        )
    pairs = zip(children(left), children(right), strict=False)
    return any(_exclude(one, other) for one, other in pairs)


def _disjoint(one: Matcher, other: Matcher) -> bool:
    """Whether no value of the label matches both."""
    if one.operator == "=":
        return not other.accepts(one.value)
    if other.operator == "=":
        return not one.accepts(other.value)
    if one.operator == "=~" and other.operator == "=~":
        left, right = _prefixes(one.value), _prefixes(other.value)
        return all(not a.startswith(b) and not b.startswith(a) for a in left for b in right)
    complementary = {one.operator, other.operator} == {"=~", "!~"}
    return complementary and one.value == other.value


def _prefixes(regex: str) -> list[str]:
    """How the values that match may begin: the literal start of each alternative."""
    if re.search(r"[()\[\]]", regex):
        return [""]
    return [match[0] for match in map(_LITERAL.match, regex.split("|")) if match]
