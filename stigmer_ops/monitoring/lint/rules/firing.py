"""Whether an alert can fire, and whether it can be quiet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from math import inf

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import (
    LintRule,
    Problem,
    Severity,
)
from stigmer_ops.monitoring.lint.promql.bounds import Bounds, always, narrowed, turned
from stigmer_ops.monitoring.lint.promql.syntax import (
    COMPARISONS,
    Aggregation,
    Binary,
    Call,
    Expr,
    Number,
    Selector,
    alternatives,
    children,
    conjuncts,
    is_scalar,
    selectors,
)
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.expression import Expression, Role
from stigmer_ops.monitoring.lint.sources.rule_files import Rule

_ABSENT = frozenset({"absent", "absent_over_time"})


def _unreachable(expression: Expression, context: Context) -> Iterator[Problem]:
    for binary, left, right in _comparisons(expression, context):
        if not narrowed(binary.operator, left, right).empty or left.of_age:
            continue
        if _is_literal(binary.left) and _is_literal(binary.right):
            continue
        yield Problem(
            f"the comparison {binary.operator} {_shown(right)} never holds: the value is "
            f"{left}{_because(left, right)}",
            expression.place_of_part(binary),
        )
    yield from _contradictions(expression, context)


def _too_old(expression: Expression, context: Context) -> Iterator[Problem]:
    for binary, left, right in _comparisons(expression, context):
        if left.of_age and narrowed(binary.operator, left, right).empty:
            yield Problem(
                f"nothing becomes that old: {left.because}, and the threshold is {_shown(right)}",
                expression.place_of_part(binary),
                "alert on an age below the timeout, or on the share of it that is used",
            )


def _comparisons(
    expression: Expression, context: Context
) -> Iterator[tuple[Binary, Bounds, Bounds]]:
    for visited in expression.nodes:
        node = visited.node
        if isinstance(node, Binary) and node.operator in COMPARISONS:
            if is_scalar(node.left) and not is_scalar(node.right):
                node = Binary(turned(node.operator), node.right, node.left, node.matching)
            left, right = context.limits.sides(node)
            if not left.empty and not right.empty:
                yield node, left, right


def _contradictions(expression: Expression, context: Context) -> Iterator[Problem]:
    """Conditions on the same value that exclude each other."""
    for alternative in alternatives(expression.root) if expression.root else ():
        values: dict[Expr, Bounds] = {}
        for part in conjuncts(alternative):
            if not (isinstance(part, Binary) and part.operator in COMPARISONS):
                continue
            threshold = context.limits.of(part.right)
            if threshold.one is None or part.operator == "!=":
                continue
            possible = context.limits.of(part.left)
            before = values.get(part.left, possible)
            after = narrowed(part.operator, before, threshold)
            alone = narrowed(part.operator, possible, threshold)
            if after.empty and not before.empty and not alone.empty:
                message = f"the conditions exclude each other: it would have to be {before}, and "
                yield Problem(
                    f"{message}{part.operator} {_shown(threshold)}", expression.place_of_part(part)
                )
            values[part.left] = after


def _always_met(expression: Expression, context: Context) -> Iterator[Problem]:
    if expression.role is not Role.ALERT or expression.root is None:
        return
    parts = {id(part) for one in alternatives(expression.root) for part in conjuncts(one)}
    for visited in expression.nodes:
        node = visited.node
        if id(node) not in parts or not isinstance(node, Binary) or node.returns_bool:
            continue
        if node.operator not in COMPARISONS or is_scalar(node.left):
            continue
        if any(_asks_whether(part) for part in (node.left, *children(node.left))):
            continue
        left, right = context.limits.sides(node)
        if always(node.operator, left, right) and right.one is not None:
            yield Problem(
                f"the comparison {node.operator} {_shown(right)} always holds: the value is {left}",
                expression.place_of_part(node),
            )


def _no_comparison(expression: Expression, context: Context) -> Iterator[Problem]:
    if expression.role is not Role.ALERT or expression.root is None:
        return
    for part in alternatives(expression.root):
        if not _is_condition(part, context, 0):
            yield Problem(
                "the expression has no condition: the alert fires for every series that there is, "
                "whatever its value",
                expression.place_of_part(part),
                "compare it with a threshold",
            )
            return


def _is_condition(expr: Expr, context: Context, depth: int) -> bool:
    """Whether an expression returns something only sometimes."""
    match expr:
        case Binary() if expr.operator in COMPARISONS:
            return not expr.returns_bool
        case Binary(operator="and" | "unless"):
            return True
        case Call() if expr.function in _ABSENT or _is_watchdog(expr):
            return True
        case Selector():
            return expr.name == "ALERTS" or _recorded_condition(expr.name, context, depth)
        case _:
            return any(_is_condition(part, context, depth) for part in children(expr))


def _recorded_condition(name: str, context: Context, depth: int) -> bool:
    rules = context.project.recordings.get(name, ()) if depth < 5 else ()
    return any(_is_condition(rule.expr, context, depth + 1) for rule in rules)


def _is_watchdog(call: Call) -> bool:
    """vector(1) always fires on purpose: it proves that alerts arrive."""
    return call.function == "vector" and isinstance(call.arguments[0], Number)


def _asks_whether(expr: Expr) -> bool:
    """Whether that there is a result says it all, so that `> 0` adds nothing and does no harm."""
    match expr:
        case Call():
            return expr.function in (*_ABSENT, "present_over_time")
        case Aggregation():
            return expr.operator in ("count", "group", "count_values")
        case Selector():
            return expr.name == "ALERTS"
        case _:
            return False


def _bool(expression: Expression, _context: Context) -> Iterator[Problem]:
    if expression.role is not Role.ALERT or expression.root is None:
        return
    for part in alternatives(expression.root):
        if isinstance(part, Binary) and part.operator in COMPARISONS and part.returns_bool:
            yield Problem(
                f"{part.operator} bool returns 0 or 1 for every series: the alert fires for all",
                expression.place_of_part(part),
                f"{part.operator} without bool",
            )


def _outlived(rule: Rule, context: Context) -> Iterator[Problem]:
    if rule.expression is None or rule.expression.root is None or not rule.for_:
        return
    life = context.lifetimes.of(rule.expression.root)
    if life is not None and rule.for_ >= life.length > timedelta(0):
        yield Problem(
            f"the condition cannot hold for {rule.node.text('for')}: {life.because}",
            rule.place_of("for"),
            "a shorter for, or a condition that begins earlier",
        )


def _is_literal(expr: Expr) -> bool:
    return next(selectors(expr), None) is None


def _shown(bounds: Bounds) -> str:
    return f"{bounds.one:g}" if bounds.one is not None else f"something {bounds}"


def _because(left: Bounds, right: Bounds) -> str:
    threshold = right.one
    because = f" ({left.because})" if left.because else ""
    percent = threshold is not None and left.high == 1 and 1 < threshold <= 100
    if percent and threshold is not None and threshold < inf:
        because += f"; as a share, {threshold:g} % is {threshold / 100:g}"
    return because


_LATENCY = """metrics:
- name: app_latency_seconds
  type: histogram
  labels: [job]
  buckets: [0.1, 1, 10, 60]
"""
_AGE = """metrics:
- name: app_oldest_timestamp_seconds
  type: gauge
  labels: [queue]
  maximum_age: 24h
"""

RULES = (
    LintRule(
        "threshold-unreachable",
        Severity.ERROR,
        "A comparison can never hold.",
        "What bounds the value is known: the highest finite bucket of a histogram, beyond which "
        "histogram_quantile() never goes; 1 for a share; the limits that the catalogue gives. An "
        "alert with this condition never fires. The finding shows the bound and where it comes "
        "from.",
        Expression,
        _unreachable,
        ex.expression(
            "histogram_quantile(0.99, sum by (le) (rate(app_latency_seconds_bucket[5m]))) > 120",
            _LATENCY,
        ),
        ex.expression(
            "histogram_quantile(0.99, sum by (le) (rate(app_latency_seconds_bucket[5m]))) > 30",
            _LATENCY,
        ),
    ),
    LintRule(
        "age-beyond-timeout",
        Severity.ERROR,
        "An alert waits for an age that nothing reaches.",
        "What the age is of ends before: an activity that times out after 24 hours is never older "
        "than 24 hours. Alert on an age well below the timeout, or on the share of the timeout "
        "that is used.",
        Expression,
        _too_old,
        ex.expression("time() - app_oldest_timestamp_seconds > 24 * 3600", _AGE),
        ex.expression("time() - app_oldest_timestamp_seconds > 12 * 3600", _AGE),
    ),
    LintRule(
        "for-outlives-series",
        Severity.ERROR,
        "An alert's `for` is longer than its condition can hold.",
        "A series ends, or the condition by its own logic: what is new within 15 minutes is not "
        "new after 15 minutes, and what is past 95 % of its time has only 5 % left. Pending, and "
        "gone before it fires.",
        Rule,
        _outlived,
        ex.alert("expr: app_errors unless app_errors offset 15m\nfor: 20m\n"),
        ex.alert("expr: app_errors unless app_errors offset 15m\nfor: 2m\n"),
    ),
    LintRule(
        "threshold-always-met",
        Severity.WARNING,
        "A comparison always holds.",
        "The alert fires for every series that there is.",
        Expression,
        _always_met,
        ex.expression("rate(http_requests_failed_total[5m]) >= 0"),
        ex.expression("rate(http_requests_failed_total[5m]) > 0"),
    ),
    LintRule(
        "no-condition",
        Severity.WARNING,
        "An alert's expression has no condition.",
        "Any series is reason enough to fire, whatever its value, 0 included. Comparisons, "
        "absent(), `and` and `unless` are conditions, also in the recording that is selected; so "
        "is vector(1), the watchdog that fires on purpose.",
        Expression,
        _no_comparison,
        ex.expression("sum by (job) (rate(http_requests_failed_total[5m]))"),
        ex.expression("sum by (job) (rate(http_requests_failed_total[5m])) > 1"),
    ),
    LintRule(
        "bool-comparison",
        Severity.ERROR,
        "An alert compares with bool.",
        "With bool a comparison returns 0 where it does not hold, instead of nothing; and 0 fires "
        "like any other value.",
        Expression,
        _bool,
        ex.expression("up == bool 0"),
        ex.expression("up == 0"),
    ),
)
