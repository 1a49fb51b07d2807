"""What only a running Prometheus can tell: asked with --prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import LintRule, Problem, Severity
from stigmer_ops.monitoring.lint.promql.reading import parse
from stigmer_ops.monitoring.lint.promql.syntax import (
    Binary,
    Call,
    Expr,
    Range,
    Selector,
    Subquery,
    Visited,
    selectors,
)
from stigmer_ops.monitoring.lint.sources.expression import Expression, Role
from stigmer_ops.monitoring.lint.sources.grafana_variables import IN_MATCHER
from stigmer_ops.monitoring.lint.sources.rule_files import Rule
from stigmer_ops.monitoring.promql_guard import PromQLError

_NOISY_TIMES = 20
_NOISY_SHARE = 0.5


def _absent(expression: Expression, context: Context) -> Iterator[Problem]:
    if context.live is None or expression.role is Role.PAGE:
        return
    asked: set[Selector] = set()
    for visited in expression.nodes:
        selector = visited.node
        if not isinstance(selector, Selector) or not selector.name or _may_be_absent(visited):
            continue
        plain = _without_variables(selector)
        if plain in asked or context.inference.is_recorded(selector.name):
            continue
        asked.add(plain)
        why = _why_absent(plain, context)
        if why:
            yield Problem(why, expression.place_of(selector.name))


def _may_be_absent(visited: Visited) -> bool:
    """Whether that there is no series is what is asked, or provided for."""
    below: Expr = visited.node
    for parent in reversed(visited.parents):
        if isinstance(parent, Call) and parent.function.startswith("absent"):
            return True
        if isinstance(parent, Binary) and below is _optional_side(parent):
            return True
        below = parent
    return False


def _optional_side(binary: Binary) -> Expr | None:
    """The operand that need not return anything: `x or vector(0)`, `y unless x`."""
    if binary.operator == "unless":
        return binary.right
    falls_back = binary.operator == "or" and next(selectors(binary.right), None) is None
    return binary.left if falls_back else None


def _without_variables(selector: Selector) -> Selector:
    kept = tuple(m for m in selector.matchers if IN_MATCHER not in m.value)
    return replace(selector, matchers=kept, offset=timedelta(0), fixed_at="")


def _why_absent(selector: Selector, context: Context) -> str:
    assert context.live is not None
    if context.live.has_series(str(selector)):
        return ""
    if not context.live.has_series(selector.name):
        return f"Prometheus has no series of {selector.name} now"
    for matcher in selector.matchers:
        others = tuple(other for other in selector.matchers if other is not matcher)
        if context.live.has_series(str(replace(selector, matchers=others))):
            return f"Prometheus has series of {selector.name} now, but none with {matcher}"
    return f"Prometheus has series of {selector.name} now, but none like {selector}"


def _retention(expression: Expression, context: Context) -> Iterator[Problem]:
    kept = context.live.retention if context.live else None
    if kept is None:
        return
    for visited in expression.nodes:
        node = visited.node
        reach = timedelta(0)
        if isinstance(node, Range):
            reach = node.length + node.selector.offset
        elif isinstance(node, Subquery):
            reach = node.length + node.offset
        elif isinstance(node, Selector):
            reach = node.offset
        if reach > kept:
            yield Problem(
                f"it looks {reach.total_seconds() / 86400:g} days back, and Prometheus keeps "
                f"samples for {kept.total_seconds() / 86400:g} days",
                expression.place_of_part(node),
            )


def _not_loaded(rule: Rule, context: Context) -> Iterator[Problem]:
    expression = rule.expression
    if context.live is None or expression is None or not rule.key:
        return
    loaded = context.live.rules.get((rule.group.key, rule.key), [])
    place = rule.place_of("alert" if rule.is_alert else "record")
    if not loaded:
        yield Problem(f"Prometheus has not loaded {rule.key} of the group {rule.group.key}", place)
    elif expression.root is not None and not any(
        _same(expression, str(e.definition["expr"])) for e in loaded
    ):
        yield Problem(f"Prometheus has another expression for {rule.key}", expression.place)


def _same(expression: Expression, query: str) -> bool:
    try:
        return parse(query) == expression.root
    except PromQLError:
        return query == expression.text


def _failing(rule: Rule, context: Context) -> Iterator[Problem]:
    if context.live is None or not rule.key:
        return
    for loaded in context.live.rules.get((rule.group.key, rule.key), []):
        if loaded.problem:
            message = f"Prometheus fails to evaluate {rule.key}: {loaded.problem}"
            yield Problem(message, rule.place_of("expr"))
            return


def _past(rule: Rule, context: Context) -> Iterator[Problem]:
    expression = rule.expression
    if context.live is None or not rule.is_alert or not expression or expression.root is None:
        return
    past = context.live.past(expression.text, rule.for_ or timedelta(0))
    if past.error:
        yield Problem(past.error, rule.place_of("expr"), severity=Severity.ERROR)
    elif past.times:
        noisy = past.times > _NOISY_TIMES or past.share > _NOISY_SHARE
        yield Problem(
            f"in the last 24 hours it would have begun to fire {past.times} times, and fired for "
            f"{past.share:.0%} of the time",
            rule.place_of("alert"),
            severity=Severity.WARNING if noisy else None,
        )


RULES = (
    LintRule(
        "series-absent",
        Severity.WARNING,
        "Prometheus has no series that a selector asks for.",
        "Nothing emits the metric, a label or a value is wrong, or nothing has happened yet that "
        "would be counted: some counters begin with the first event. Selectors inside absent(), "
        "and those that `or vector(0)` provides for, are not asked.",
        Expression,
        _absent,
        online=True,
    ),
    LintRule(
        "retention-exceeded",
        Severity.WARNING,
        "An expression looks further back than Prometheus keeps samples.",
        "The range or offset is longer than the retention: the result is of less time than it "
        "says, or empty.",
        Expression,
        _retention,
        online=True,
    ),
    LintRule(
        "rule-not-loaded",
        Severity.WARNING,
        "Prometheus does not have a rule, or has another version of it.",
        "The files that were linted are not those that this Prometheus runs.",
        Rule,
        _not_loaded,
        online=True,
    ),
    LintRule(
        "rule-failing",
        Severity.ERROR,
        "Prometheus fails to evaluate a rule.",
        "The message is that of its last evaluation, such as many-to-many matching. The alert "
        "cannot fire while that lasts.",
        Rule,
        _failing,
        online=True,
    ),
    LintRule(
        "alert-history",
        Severity.INFO,
        "An alert would have fired in the last day.",
        "Its expression, evaluated for each minute of the last 24 hours, held for as long as "
        "`for`. More than 20 times, or more than half of the time, is a warning. If it cannot be "
        "evaluated that is an error.",
        Rule,
        _past,
        online=True,
    ),
)
