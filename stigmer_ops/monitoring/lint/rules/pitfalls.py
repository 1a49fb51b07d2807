"""What makes alerts fire at the wrong moment, or compute something else than is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import (
    LintRule,
    Problem,
    Severity,
)
from stigmer_ops.monitoring.lint.promql.syntax import (
    RATES,
    Aggregation,
    Binary,
    Call,
    Expr,
    Number,
    Selector,
    Visited,
    walk,
)
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.expression import Expression, Role
from stigmer_ops.monitoring.lint.sources.rule_files import Rule

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_ANCHORED = re.compile(r"^\^|(?<!\\)\$$")
_SHORTEST_ABSENCE = timedelta(minutes=2)


def _absent_without_for(rule: Rule, _context: Context) -> Iterator[Problem]:
    expression = rule.expression
    if not rule.is_alert or expression is None or (rule.for_ or timedelta(0)) >= _SHORTEST_ABSENCE:
        return
    for visited in expression.nodes:
        node = visited.node
        if isinstance(node, Call) and node.function == "absent":
            yield Problem(
                "absent() holds whenever Prometheus starts, and between two samples that are far "
                "apart",
                expression.place_of("absent"),
                "for: 5m",
            )
            return


def _ranking(expression: Expression, _context: Context) -> Iterator[Problem]:
    if expression.role is not Role.ALERT:
        return
    for visited in expression.nodes:
        node = visited.node
        if not isinstance(node, Aggregation) or node.operator not in ("topk", "bottomk", "limitk"):
            continue
        if not _adds_labels_only(visited):
            yield Problem(
                f"{node.operator}() returns other series from one evaluation to the next: alerts "
                "resolve and begin again, without anything having changed for the better",
                expression.place_of(node.operator),
            )


def _adds_labels_only(visited: Visited) -> bool:
    """Whether it is the one side of a match that lends labels: any of its series will do."""
    path = (*visited.parents, visited.node)
    for parent, below in pairwise(path):
        if isinstance(parent, Binary):
            one = {"left": parent.right, "right": parent.left}.get(parent.matching.group)
            if one is below:
                return True
    return False


def _ratio_without_for(rule: Rule, _context: Context) -> Iterator[Problem]:
    expression = rule.expression
    if not rule.is_alert or rule.for_ or expression is None:
        return
    for visited in expression.nodes:
        node = visited.node
        if (
            isinstance(node, Binary)
            and node.operator == "/"
            and isinstance(node.left, Aggregation)
            and isinstance(node.right, Aggregation)
        ):
            yield Problem(
                "the sides of a ratio are updated at different moments: it swings for one "
                "evaluation, and without for that fires",
                rule.place_of("alert"),
                "for: 5m",
            )
            return


def _rate_as_percentage(expression: Expression, _context: Context) -> Iterator[Problem]:
    for visited in expression.nodes:
        node = visited.node
        if not isinstance(node, Binary) or node.operator != "*":
            continue
        for factor, other in ((node.left, node.right), (node.right, node.left)):
            if factor == Number(100) and _is_mere_rate(other):
                yield Problem(
                    "a rate times 100 is no percentage: it is not divided by anything",
                    expression.place_of_part(other),
                    "divide it by the rate of everything that could have gone wrong",
                )


def _is_mere_rate(expr: Expr) -> bool:
    """Whether it holds rates and no quotient; seconds a second are a share already."""
    nodes = [visited.node for visited in walk(expr)]
    divided = any(isinstance(node, Binary) for node in nodes)
    rates = any(isinstance(node, Call) and node.function in RATES for node in nodes)
    seconds = any(isinstance(node, Selector) and "seconds" in node.name for node in nodes)
    return rates and not divided and not seconds


def _zero_divisor(expression: Expression, context: Context) -> Iterator[Problem]:
    for visited in expression.nodes:
        node = visited.node
        divides = isinstance(node, Binary) and node.operator in ("/", "%")
        if isinstance(node, Binary) and divides and context.limits.of(node.right).one == 0:
            yield Problem(
                "the divisor is always 0: the result is infinite, or no number",
                expression.place_of_part(node),
            )


def _quantile(expression: Expression, context: Context) -> Iterator[Problem]:
    for visited in expression.nodes:
        node = visited.node
        wanted: Expr | None = None
        if isinstance(node, Call) and node.function in ("histogram_quantile", "quantile_over_time"):
            wanted = node.arguments[0]
        elif isinstance(node, Aggregation) and node.operator == "quantile":
            wanted = node.parameter
        value = context.limits.of(wanted).one if wanted is not None else None
        if value is not None and not 0 <= value <= 1:
            yield Problem(
                f"the quantile {value:g} is not between 0 and 1: the result is infinite",
                expression.place_of_part(node),
                f"{value / 100:g}" if 1 < value <= 100 else "",
            )


def _regex(expression: Expression, _context: Context) -> Iterator[Problem]:
    if expression.role in (Role.PANEL, Role.PAGE):
        return
    for selector in expression.selectors:
        for matcher in selector.matchers:
            if matcher.operator not in ("=~", "!~"):
                continue
            if _PLAIN.fullmatch(matcher.value):
                hint = f"{matcher.label}{'=' if matcher.operator == '=~' else '!='}…"
                message = f"the regular expression {matcher.value!r} is plain text"
                yield Problem(message, expression.place_of(matcher.label), hint)
            elif _ANCHORED.search(matcher.value):
                message = (
                    f"{matcher.value!r} matches the whole value anyway: its anchor adds nothing"
                )
                yield Problem(message, expression.place_of(matcher.label))


RULES = (
    LintRule(
        "absent-without-for",
        Severity.WARNING,
        "absent() fires at once.",
        "Right after a start Prometheus has no samples yet, and absent() holds. Two minutes of "
        "`for` are the least.",
        Rule,
        _absent_without_for,
        ex.alert('expr: absent(up{job="app"})\nfor: 0s\n'),
        ex.alert('expr: absent(up{job="app"})\nfor: 5m\n'),
    ),
    LintRule(
        "ranking-in-alert",
        Severity.WARNING,
        "An alert uses topk() or bottomk().",
        "Which series are the first changes with every evaluation, and with it which alerts fire.",
        Expression,
        _ranking,
        ex.expression("topk(3, rate(http_requests_failed_total[5m])) > 1"),
        ex.expression("rate(http_requests_failed_total[5m]) > 1"),
    ),
    LintRule(
        "ratio-without-for",
        Severity.WARNING,
        "A ratio fires at once.",
        "Numerator and denominator come from scrapes at different moments; after a restart one is "
        "there before the other.",
        Rule,
        _ratio_without_for,
        ex.alert("expr: sum(a) / sum(b) > 0.5\nfor: 0s\n"),
        ex.alert("expr: sum(a) / sum(b) > 0.5\nfor: 5m\n"),
    ),
    LintRule(
        "rate-as-percentage",
        Severity.WARNING,
        "A rate is multiplied by 100 as if it were a ratio.",
        "Errors a second times 100 are no error rate in percent: at ten requests a second one "
        "error in ten reads 100, at a thousand it reads 10,000. A percentage has a denominator.",
        Expression,
        _rate_as_percentage,
        ex.expression("rate(errors_total[5m]) * 100 > 5"),
        ex.expression("sum(rate(errors_total[5m])) / sum(rate(requests_total[5m])) * 100 > 5"),
    ),
    LintRule(
        "zero-divisor",
        Severity.WARNING,
        "Something is divided by zero.",
        "The result is infinite or NaN. A NaN fails every comparison but !=, and makes the whole "
        "of a sum NaN.",
        Expression,
        _zero_divisor,
        ex.expression("errors / (requests * 0) > 1"),
        ex.expression("errors / (requests > 0) > 1"),
    ),
    LintRule(
        "quantile-outside-range",
        Severity.ERROR,
        "A quantile is not between 0 and 1.",
        "Above 1 the result is +Inf, below 0 -Inf: a percentile was written as percent.",
        Expression,
        _quantile,
        ex.expression("histogram_quantile(99, rate(latency_bucket[5m])) > 1"),
        ex.expression("histogram_quantile(0.99, rate(latency_bucket[5m])) > 1"),
    ),
    LintRule(
        "regex-needless",
        Severity.INFO,
        "A regular expression says no more than plain text.",
        "Matchers on equality are faster and say what is meant. Regular expressions match the "
        "whole value, so that ^ and $ add nothing.",
        Expression,
        _regex,
        ex.expression('up{job=~"node"} == 0'),
        ex.expression('up{job=~"node|app"} == 0'),
    ),
)
