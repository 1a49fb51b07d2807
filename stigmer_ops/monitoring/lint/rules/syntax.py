"""Whether expressions and templates parse."""

from __future__ import annotations

from collections.abc import Iterator

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.judge import EXPRESSION_REFUSED
from stigmer_ops.monitoring.lint.model import LintRule, Problem, Severity
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.expression import Expression, Role
from stigmer_ops.monitoring.lint.sources.rule_files import Rule, RuleFile
from stigmer_ops.monitoring.lint.templates import template


def _promql(expression: Expression, context: Context) -> Iterator[Problem]:
    if expression.too_deep:
        return
    if expression.role is Role.PANEL:
        return
    yield from syntax_problems(expression, context)


def syntax_problems(expression: Expression, context: Context) -> Iterator[Problem]:
    """What the judge says of an expression: promtool if there is one, else promql-parser."""
    verdict = context.judge.verdict(expression)
    if verdict is None:
        if expression.root is None:
            yield Problem(str(expression.error), expression.place)
    elif verdict.refused:
        yield Problem(verdict.refused, verdict.place or expression.place)
    elif expression.root is None:
        yield Problem(
            f"promtool takes this expression, but promql-parser does not ({expression.error}), so "
            "nothing else of it was checked",
            expression.place,
            severity=Severity.INFO,
        )


def _too_deep(expression: Expression, _context: Context) -> Iterator[Problem]:
    if expression.too_deep:
        yield Problem(f"{expression.error}, so that it was not parsed", expression.place)


def _templates(rule: Rule, _context: Context) -> Iterator[Problem]:
    if not rule.is_alert:
        return
    for field, entries in (("labels", rule.labels), ("annotations", rule.annotations)):
        for name, value in entries.items():
            for error in template(value.text).errors:
                yield Problem(f"{name}: {error}", rule.place_of(field, name))


def _refused(file: RuleFile, context: Context) -> Iterator[Problem]:
    for problem in context.judge.problems_of(file.path):
        if problem.message.startswith(EXPRESSION_REFUSED) and problem.rule is not None:
            continue
        place, span = context.judge.place_of(file, problem)
        if not context.has_error(file.path, span):
            where = f"{problem.name}: " if problem.name else ""
            yield Problem(f"{where}{problem.message}", place)


RULES = (
    LintRule(
        "promql-syntax",
        Severity.ERROR,
        "An expression does not parse.",
        "promtool decides where it is installed, and otherwise promql-parser, which knows some "
        "syntax of Prometheus 3 that Prometheus 2 refuses; the summary says which of them it was. "
        "Where promtool takes what promql-parser does not, a finding of severity info says that "
        "the other checks passed over the expression.",
        Expression,
        _promql,
        ex.expression("sum(rate(http_requests_total[5m]) > 0"),
        ex.expression("sum(rate(http_requests_total[5m])) > 0"),
        judged=True,
    ),
    LintRule(
        "promql-too-deep",
        Severity.ERROR,
        "An expression is too long or too deeply nested to be parsed.",
        "Parsers recurse: ten thousand parentheses end the process that meets them. Such an "
        "expression is not parsed at all, and nothing else of it is checked.",
        Expression,
        _too_deep,
        ex.expression("(" * 61 + "up" + ")" * 61 + " == 0"),
        ex.expression("((up)) == 0"),
    ),
    LintRule(
        "template-syntax",
        Severity.ERROR,
        "The template of a label or annotation does not parse.",
        "Prometheus refuses the file if the template does not parse or names a function that there "
        "is not; and with some mistakes it sends the error in the place of the text.",
        Rule,
        _templates,
        ex.alert("annotations: {summary: Down., description: '{{ $label.job }}'}\n"),
        ex.alert("annotations: {summary: Down., description: '{{ $labels.job }}'}\n"),
    ),
    LintRule(
        "promtool-refuses",
        Severity.ERROR,
        "promtool refuses the file for another reason.",
        "Whatever promtool finds that no other rule has found already, in its own words.",
        RuleFile,
        _refused,
        judged=True,
    ),
)
