"""Whether labels are still there where they are used, and whether operands can meet."""

from __future__ import annotations

from collections.abc import Iterator

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import (
    LintRule,
    Problem,
    Severity,
)
from stigmer_ops.monitoring.lint.promql.labels import Labels
from stigmer_ops.monitoring.lint.promql.pairing import needs_group, why_itself, why_unpaired
from stigmer_ops.monitoring.lint.promql.syntax import (
    SELECTING,
    Aggregation,
    Binary,
    Call,
    Expr,
    Selector,
    is_scalar,
)
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.expression import Expression
from stigmer_ops.monitoring.lint.sources.rule_files import Rule
from stigmer_ops.monitoring.lint.templates import template


def _unpaired(expression: Expression, context: Context) -> Iterator[Problem]:
    for binary in _paired(expression):
        if binary.operator == "or":
            continue
        why = why_unpaired(binary, context.inference)
        if why:
            effect = (
                "so that nothing is ever left out"
                if binary.operator == "unless"
                else "so that the result is always empty"
            )
            yield Problem(
                f"the sides of {binary.operator!r} never match: {why}, {effect}",
                expression.place_of_part(binary),
                "aggregate both sides by the same labels, or say on(…) or ignoring(…)",
            )


def _itself(expression: Expression, context: Context) -> Iterator[Problem]:
    for binary in _paired(expression):
        why = why_itself(binary, context.inference) if binary.operator == "/" else ""
        if why:
            yield Problem(
                f"each series is divided by itself, which is 1 whatever happens: {why}",
                expression.place_of_part(binary),
                "aggregate both sides by the labels that the ratio is for, as in "
                "sum by (service) (…) / sum by (service) (…)",
            )


def _needs_group(expression: Expression, context: Context) -> Iterator[Problem]:
    for binary in _paired(expression):
        if binary.operator in ("and", "or", "unless"):
            continue
        side, labels = needs_group(binary, context.inference)
        if side:
            yield Problem(
                f"the {side} side has series that differ in {', '.join(labels)} only, which is not "
                "among what they are matched by: Prometheus fails with many-to-one matching",
                expression.place_of_part(binary),
                f"group_{side}(), or aggregate {', '.join(labels)} away",
            )


def _paired(expression: Expression) -> Iterator[Binary]:
    """The operators between two vectors."""
    for visited in expression.nodes:
        node = visited.node
        if isinstance(node, Binary) and not is_scalar(node.left) and not is_scalar(node.right):
            yield node


def _dropped(expression: Expression, context: Context) -> Iterator[Problem]:
    for visited in expression.nodes:
        for label, inner, what in _asked(visited.node):
            if label == "le" and not _has_buckets(inner, context):
                continue
            labels = context.inference.labels(inner)
            if label in labels.may or label == "__name__":
                continue
            yield Problem(
                f"{what}({label}): what is inside has {context.inference.listed(labels)}, "
                f"and no {label}",
                expression.place_of(label),
            )


def _has_buckets(expr: Expr, context: Context) -> bool:
    """Whether a histogram is of the classic kind: a native one has no le."""
    names: list[str] = []

    def visit(found: Expr) -> None:
        if isinstance(found, Selector):
            names.append(found.name)

    context.inference.expanded(expr, visit)
    return any(name.endswith("_bucket") for name in names)


def _asked(node: Expr) -> Iterator[tuple[str, Expr, str]]:
    """The labels that an operation asks of what is inside."""
    if isinstance(node, Aggregation) and node.operator not in SELECTING and not node.without:
        yield from ((label, node.inner, "by") for label in node.labels)
    elif isinstance(node, Call) and node.function == "histogram_quantile":
        yield "le", node.arguments[-1], "histogram_quantile"
    elif isinstance(node, Binary):
        one = {"left": node.right, "right": node.left}.get(node.matching.group)
        if one is not None:
            for label in node.matching.include:
                yield label, one, f"group_{node.matching.group}"


def _not_in_result(rule: Rule, context: Context) -> Iterator[Problem]:
    if not rule.is_alert or rule.expression is None or rule.expression.root is None:
        return
    labels = context.inference.labels(rule.expression.root)
    for field, entries in (("annotations", rule.annotations), ("labels", rule.labels)):
        for name, value in entries.items():
            for label in template(value.text).labels:
                problem = _label_problem(label, labels, rule, context)
                if problem is not None:
                    told, severity = problem
                    yield Problem(
                        f"{name}: $labels.{label} {told}",
                        rule.place_of(field, name),
                        "keep the label in the aggregation, or leave it out of the text",
                        severity,
                    )


def _label_problem(
    label: str, labels: Labels, rule: Rule, context: Context
) -> tuple[str, Severity | None] | None:
    if label == "__name__":
        return None
    if label not in labels.may:
        return f"is always empty: the expression returns {context.inference.listed(labels)}", None
    of_rule = label in rule.labels or label == "alertname"
    if of_rule and label not in labels.must and not _selects_alerts(rule):
        return (
            "is empty unless the series itself has it: what the rule adds is not in $labels",
            Severity.WARNING,
        )
    return None


def _selects_alerts(rule: Rule) -> bool:
    expression = rule.expression
    return expression is not None and any(s.name == "ALERTS" for s in expression.selectors)


RULES = (
    LintRule(
        "sides-never-match",
        Severity.ERROR,
        "The two sides of an operator can never match.",
        "Series are paired if their labels are equal, or those of on(). If one side always has a "
        "label that the other never has, or another value of it, there is no pair: the result is "
        "empty, and an alert on it never fires. Prometheus says nothing. Who writes "
        "`by (service)` is believed that there is a service.",
        Expression,
        _unpaired,
        ex.expression(
            "sum by (service) (rate(errors_total[5m])) / sum(rate(requests_total[5m])) > 0.1"
        ),
        ex.expression(
            "sum by (service) (rate(errors_total[5m]))\n"
            "/ sum by (service) (rate(requests_total[5m])) > 0.1"
        ),
    ),
    LintRule(
        "divides-by-itself",
        Severity.ERROR,
        "A series is divided by itself.",
        "Without an aggregation series are paired label by label: the failures are divided by the "
        "failures, and the ratio is 1 at the first failure and absent before. Both sides must be "
        "aggregated to the labels that the ratio is for.",
        Expression,
        _itself,
        ex.expression('rate(jobs_total{status="failed"}[5m]) / rate(jobs_total[5m]) > 0.5'),
        ex.expression(
            'sum by (queue) (rate(jobs_total{status="failed"}[5m]))\n'
            "/ sum by (queue) (rate(jobs_total[5m])) > 0.5"
        ),
    ),
    LintRule(
        "matching-needs-group",
        Severity.WARNING,
        "Many series meet one, and the operator does not say so.",
        "With on() or ignoring() several series of one side may meet the same series of the other. "
        "Prometheus then fails the evaluation, unless group_left or group_right allows it.",
        Expression,
        _needs_group,
        ex.expression("sum by (pod, node) (load) / on (node) sum by (node) (capacity) > 1"),
        ex.expression(
            "sum by (pod, node) (load) / on (node) group_left () sum by (node) (capacity) > 1"
        ),
    ),
    LintRule(
        "label-dropped",
        Severity.ERROR,
        "A label is asked of an expression that does not have it any more.",
        "An aggregation, a matching or the catalogue says that it is gone: by() leaves out what "
        "it does not name, and histogram_quantile() finds nothing in buckets without `le`.",
        Expression,
        _dropped,
        ex.expression("histogram_quantile(0.99, sum by (job) (rate(latency_bucket[5m]))) > 1"),
        ex.expression("histogram_quantile(0.99, sum by (job, le) (rate(latency_bucket[5m]))) > 1"),
    ),
    LintRule(
        "label-not-in-result",
        Severity.ERROR,
        "A template asks for a label that the expression cannot return.",
        "`$labels` holds what the expression returns, without the labels that the rule adds and "
        'without alertname. Anything else is empty: the notification says "in " and no more.',
        Rule,
        _not_in_result,
        ex.alert(
            "expr: sum by (job) (up) == 0\n"
            "annotations: {summary: Down., description: '{{ $labels.instance }} is down.'}\n",
        ),
        ex.alert(
            "expr: sum by (job) (up) == 0\n"
            "annotations: {summary: Down., description: '{{ $labels.job }} is down.'}\n",
        ),
    ),
)
