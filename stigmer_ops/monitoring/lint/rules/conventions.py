"""What every alert should say of itself, and how rules are named and grouped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import (
    Check,
    LintRule,
    Problem,
    Severity,
)
from stigmer_ops.monitoring.lint.promql.syntax import RATES, Binary, Call
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.expression import Expression
from stigmer_ops.monitoring.lint.sources.rule_files import Rule, RuleFile
from stigmer_ops.monitoring.lint.templates import template

_SEVERITIES = ("critical", "warning", "info", "none", "page", "ticket")
_CAMEL_CASE = re.compile(r"[A-Z][A-Za-z0-9]*")
_LONGEST_NAME = 63
"""Alert names become label values of silences, tickets and resources; Kubernetes ends there."""


def _alert_only(rule: Rule) -> bool:
    return rule.is_alert and bool(rule.key)


def _severity(rule: Rule, _context: Context) -> Iterator[Problem]:
    if not _alert_only(rule):
        return
    value = rule.labels.get("severity")
    if value is None or not value.text:
        hint = "severity: critical pages, warning opens a ticket, info is only shown"
        yield Problem("the alert has no severity", rule.place_of("labels"), hint)


def _severity_value(rule: Rule, _context: Context) -> Iterator[Problem]:
    value = rule.label_texts.get("severity", "")
    if _alert_only(rule) and value and "{{" not in value and value not in _SEVERITIES:
        place = rule.place_of("labels", "severity")
        hint = "critical, warning or info; routes look for these"
        yield Problem(f"the severity {value!r} is not one of the usual", place, hint)


def _missing(annotation: str, hint: str) -> Check[Rule]:
    def check(rule: Rule, _context: Context) -> Iterator[Problem]:
        value = rule.annotations.get(annotation)
        if _alert_only(rule) and (value is None or not value.text.strip()):
            yield Problem(f"the alert has no {annotation}", rule.place_of("annotations"), hint)

    return check


def _runbook_url(file: RuleFile, _context: Context) -> Iterator[Problem]:
    alerts = [rule for rule in file.rules if _alert_only(rule)]
    lacking = [rule for rule in alerts if not _text_of(rule, "runbook_url").strip()]
    if len(lacking) == len(alerts) > 1 and not any("runbook" in r.annotations for r in alerts):
        # A set of rules that has no pages at all is not wrong, only poorer.
        message = f"none of the {len(alerts)} alerts has a runbook_url"
        yield Problem(message, alerts[0].place_of("annotations"), severity=Severity.WARNING)
        return
    for rule in lacking:
        known_as = "it is called runbook_url, not runbook" if "runbook" in rule.annotations else ""
        yield Problem(
            f"the alert {rule.key} has no runbook_url",
            rule.place_of("annotations"),
            known_as or "the address of the alert's page",
        )


def _text_of(rule: Rule, annotation: str) -> str:
    value = rule.annotations.get(annotation)
    return value.text if value else ""


def _alert_name(rule: Rule, _context: Context) -> Iterator[Problem]:
    if not _alert_only(rule):
        return
    if not _CAMEL_CASE.fullmatch(rule.key):
        message = f"the alert's name {rule.key!r} is not in CamelCase"
        # What others have called so for years is no mistake; a name of several words is.
        severity = Severity.INFO if rule.key.isidentifier() else None
        yield Problem(message, rule.place_of("alert"), severity=severity)
    elif len(rule.key) > _LONGEST_NAME:
        message = f"the alert's name has {len(rule.key)} characters, more than {_LONGEST_NAME}"
        yield Problem(message, rule.place_of("alert"))


def _record_name(rule: Rule, _context: Context) -> Iterator[Problem]:
    if rule.is_alert or not rule.key:
        return
    place = rule.place_of("record")
    if ":" not in rule.key:
        yield Problem(
            f"the recorded series {rule.key!r} has no colon, as if it were scraped",
            place,
            "level:metric:operations, such as job:http_requests:rate5m",
        )
    elif rule.key.startswith(":") and rule.key.count(":") < 2:
        yield Problem(f"the recorded series {rule.key!r} has no level", place)


def _summary_static(rule: Rule, _context: Context) -> Iterator[Problem]:
    value = rule.annotations.get("summary")
    if _alert_only(rule) and value is not None and "{{" in value.text:
        hint = "put labels and values into the description"
        place = rule.place_of("annotations", "summary")
        yield Problem("the summary differs between the instances of one alert", place, hint)


def _description_templated(rule: Rule, context: Context) -> Iterator[Problem]:
    value, expression = rule.annotations.get("description"), rule.expression
    if not _alert_only(rule) or value is None or expression is None or expression.root is None:
        return
    labels = context.inference.labels(expression.root)
    varying = labels.drop(labels.values)
    if varying.may.names and not varying.may.all_but and "{{" not in value.text:
        yield Problem(
            f"the description does not say which {context.inference.listed(varying)} it is",
            rule.place_of("annotations", "description"),
            "{{ $labels.NAME }}",
        )


def _value_raw(rule: Rule, _context: Context) -> Iterator[Problem]:
    expression = rule.expression
    if not rule.is_alert or expression is None or not _is_fraction(expression):
        return
    for name, value in rule.annotations.items():
        found = template(value.text)
        if found.shows_value and not found.formats_value:
            yield Problem(
                f"{name} shows the value with all its digits",
                rule.place_of("annotations", name),
                "{{ $value | humanize }}, humanizePercentage or humanizeDuration",
            )


def _is_fraction(expression: Expression) -> bool:
    """Whether its value has digits behind the point that nobody reads."""
    return any(
        (isinstance(v.node, Binary) and v.node.operator == "/")
        or (isinstance(v.node, Call) and v.node.function in (*RATES, "deriv", "histogram_quantile"))
        for v in expression.nodes
    )


def _value_in_label(rule: Rule, _context: Context) -> Iterator[Problem]:
    for name, value in rule.labels.items():
        if rule.is_alert and template(value.text).shows_value:
            yield Problem(
                f"the label {name} holds the value: whenever it changes, this is another alert, "
                "which waits its whole `for` again",
                rule.place_of("labels", name),
                "put it into an annotation",
            )


def _for_missing(rule: Rule, _context: Context) -> Iterator[Problem]:
    expression = rule.expression
    if not _alert_only(rule) or rule.for_ or expression is None or expression.root is None:
        return
    if not expression.selectors or rule.label_texts.get("severity") == "none":
        return  # a watchdog, or an alert that inhibits others
    place = rule.place_of("for") if "for" in rule.node else rule.place_of("alert")
    yield Problem("the alert has no for: one bad sample makes it fire", place, "for: 5m")


_GOOD_ANNOTATIONS = (
    "annotations:\n  summary: A target is down.\n  description: '{{ $labels.instance }} is down.'\n"
    "  runbook_url: https://runbooks.example.com/ExampleDown\n"
)

RULES = (
    LintRule(
        "severity-missing",
        Severity.ERROR,
        "An alert has no severity.",
        "Routes of Alertmanager decide by it who is told. Without one the alert goes wherever the "
        "default route leads: to nobody, or to everybody.",
        Rule,
        _severity,
        ex.alert("labels: {team: platform}\n"),
        ex.alert("labels: {team: platform, severity: critical}\n"),
    ),
    LintRule(
        "severity-unusual",
        Severity.WARNING,
        "An alert has a severity that routes do not know.",
        "The field uses critical, warning and info, none for a watchdog, or page and ticket. "
        "Another word falls through to the default route.",
        Rule,
        _severity_value,
        ex.alert("labels: {severity: urgent}\n"),
        ex.alert("labels: {severity: critical}\n"),
    ),
    LintRule(
        "summary-missing",
        Severity.ERROR,
        "An alert has no summary.",
        "It is the headline of every notification.",
        Rule,
        _missing("summary", "one static sentence: what is wrong"),
        ex.alert("annotations: {description: x, runbook_url: 'https://example.com/x'}\n"),
        ex.alert(_GOOD_ANNOTATIONS),
    ),
    LintRule(
        "description-missing",
        Severity.ERROR,
        "An alert has no description.",
        "It says which instance, by how much, and what to do first.",
        Rule,
        _missing("description", "what is the case for this one series"),
        ex.alert("annotations: {summary: Down., runbook_url: 'https://example.com/x'}\n"),
        ex.alert(_GOOD_ANNOTATIONS),
    ),
    LintRule(
        "runbook-url-missing",
        Severity.ERROR,
        "An alert has no runbook_url.",
        "Who is woken by it should be one click from what it means and what to do. Where no alert "
        "of a file has one, that is said once, as a warning: the set has no runbook.",
        RuleFile,
        _runbook_url,
        ex.alert("annotations: {summary: Down., description: x, runbook: 'https://example.com'}\n"),
        ex.alert(_GOOD_ANNOTATIONS),
    ),
    LintRule(
        "alert-name",
        Severity.WARNING,
        "An alert's name is not as alerts are named.",
        "Alerts are named in CamelCase, as what is wrong; names are typed into silences and "
        "routes, and some receivers cut them off after 63 characters.",
        Rule,
        _alert_name,
        ex.alert("alert: example is down\n"),
        ex.alert("alert: ExampleDown\n"),
    ),
    LintRule(
        "record-name",
        Severity.WARNING,
        "A recorded series is not named level:metric:operations.",
        "The colon tells who reads it that a rule makes it, and the level which labels are left. "
        "A scraped metric never has one.",
        Rule,
        _record_name,
        ex.rules("groups:\n- name: g\n  rules:\n  - {record: errors, expr: sum(errors_total)}\n"),
        ex.rules(
            "groups:\n- name: g\n  rules:\n  - {record: 'job:up:min', expr: min by (job) (up)}\n"
        ),
    ),
    LintRule(
        "summary-templated",
        Severity.INFO,
        "A summary holds labels or values.",
        "Notifications group alerts, and a group has one headline: a static sentence fits all of "
        "them.",
        Rule,
        _summary_static,
        ex.alert("annotations: {summary: '{{ $labels.instance }} is down.', description: x}\n"),
        ex.alert("annotations: {summary: A target is down., description: x}\n"),
    ),
    LintRule(
        "description-static",
        Severity.INFO,
        "A description does not say which series it is about.",
        "The expression returns a series for each instance, and the text is the same for all.",
        Rule,
        _description_templated,
        ex.alert(
            "expr: min by (job) (up) == 0\n"
            "annotations: {summary: Down., description: A job is down.}\n"
        ),
        ex.alert(
            "expr: min by (job) (up) == 0\n"
            "annotations: {summary: Down., description: '{{ $labels.job }} is down.'}\n"
        ),
    ),
    LintRule(
        "value-raw",
        Severity.INFO,
        "An annotation shows a computed value with all its digits.",
        "Of a rate or a ratio, 0.0833333333333333 says less than 8.333%.",
        Rule,
        _value_raw,
        ex.alert(
            "expr: rate(errors_total[5m]) > 1\n"
            "annotations: {summary: Errors., description: '{{ $value }} a second.'}\n"
        ),
        ex.alert(
            "expr: rate(errors_total[5m]) > 1\n"
            "annotations: {summary: Errors., description: '{{ $value | humanize }} a second.'}\n"
        ),
    ),
    LintRule(
        "value-in-label",
        Severity.ERROR,
        "A label of an alert holds its value.",
        "An alert is told from others by its labels. When the value changes it becomes another "
        "one, which starts over as pending: it may never fire, and never be silenced.",
        Rule,
        _value_in_label,
        ex.alert("labels: {severity: warning, value: '{{ $value }}'}\n"),
        ex.alert("labels: {severity: warning}\n"),
    ),
    LintRule(
        "for-missing",
        Severity.INFO,
        "An alert fires on a single sample.",
        "A target that misses one scrape, or a spike of a second, wakes somebody. Say `for` where "
        "the condition can pass by itself.",
        Rule,
        _for_missing,
        ex.alert("for: 0s\n"),
        ex.alert("for: 5m\n"),
    ),
)
