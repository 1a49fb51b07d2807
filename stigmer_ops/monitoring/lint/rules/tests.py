"""Whether rule tests test what they seem to, and whether every alert has some."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import timedelta

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import LintRule, Problem, Severity
from stigmer_ops.monitoring.lint.promql.reading import parse
from stigmer_ops.monitoring.lint.promql.syntax import Selector, selectors
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.rule_files import Rule, duration
from stigmer_ops.monitoring.lint.sources.series import samples_in
from stigmer_ops.monitoring.lint.sources.test_files import RuleTest, TestFile
from stigmer_ops.monitoring.lint.sources.tree import Mapping
from stigmer_ops.monitoring.promql_guard import PromQLError

_LOOKBACK = timedelta(minutes=5)


def _missing_rule_file(file: TestFile, _context: Context) -> Iterator[Problem]:
    if not file.rule_files:
        yield Problem("the test loads no rule file", file.root.place_of("rule_files"))
    for entry, found in file.rule_files:
        if not found:
            yield Problem(
                f"there is no rule file {entry.text}: promtool warns, and passes",
                entry.place,
                "the path is relative to the test file",
            )


def _unknown_alert(file: TestFile, context: Context) -> Iterator[Problem]:
    known = {rule.key for rule in context.project.rules_of(file) if rule.is_alert}
    if not any(found for _, found in file.rule_files):
        return
    for expected in file.expectations:
        if expected.alert and expected.alert not in known:
            near = difflib.get_close_matches(expected.alert, sorted(known), 1)
            yield Problem(
                f"none of the rule files has an alert {expected.alert}: that it does not fire "
                "proves nothing",
                expected.node.place_of("alertname"),
                f"did you mean {near[0]}?" if near else "",
            )


def _nothing_tested(file: TestFile, _context: Context) -> Iterator[Problem]:
    for test in file.tests:
        node = test.node
        if not node.items("alert_rule_test") and not node.items("promql_expr_test"):
            yield Problem("the test expects nothing", node.place)
    if not file.tests:
        yield Problem("the file has no test", file.root.place_of("tests"))


def _unused_series(file: TestFile, context: Context) -> Iterator[Problem]:
    rules = context.project.rules_of(file)
    if not rules:
        return
    used = {s.name for rule in rules if rule.expression for s in rule.expression.selectors}
    for test in file.tests:
        asked = {
            selector.name
            for node in test.node.mappings("promql_expr_test")
            for selector in _selectors(node.text("expr"))
        }
        for series in test.node.mappings("input_series"):
            for selector in _selectors(series.text("series")):
                if selector.name and selector.name not in used | asked:
                    near = difflib.get_close_matches(selector.name, sorted(used), 1)
                    yield Problem(
                        f"no rule or expression of this test selects {selector.name}",
                        series.place_of("series"),
                        f"did you mean {near[0]}?" if near else "",
                    )


def _after_the_data(file: TestFile, _context: Context) -> Iterator[Problem]:
    default = duration(file.root.text("evaluation_interval")) or timedelta(minutes=1)
    for test in file.tests:
        end = _end_of_data(test, default)
        if end is None:
            continue
        for expected in test.expectations:
            time = duration(expected.node.text("eval_time"))
            if time is not None and not expected.fires and time > end + _LOOKBACK:
                yield Problem(
                    f"that {expected.alert or 'it'} is quiet at {expected.node.text('eval_time')} "
                    f"proves nothing: the last sample is at {end.total_seconds() / 60:g}m, and "
                    "is forgotten five minutes later",
                    expected.node.place_of("eval_time"),
                    "make the series longer, such as 0x120",
                )


def _end_of_data(test: RuleTest, default: timedelta) -> timedelta | None:
    """The time of the last sample of any series; None if there is none, or it cannot be told."""
    interval = duration(test.node.text("interval")) or default
    counts = [samples_in(node.text("values")) for node in test.node.mappings("input_series")]
    known = [count for count in counts if count is not None]
    if not known or len(known) != len(counts) or max(known) == 0:
        return None
    return interval * (max(known) - 1)


def _untested(rule: Rule, context: Context) -> Iterator[Problem]:
    if not rule.is_alert or not rule.key or not context.project.test_files:
        return
    tested = context.project.tested.get(rule.key, set())
    lacking = [
        name for fires, name in ((True, "fires"), (False, "stays quiet")) if fires not in tested
    ]
    if lacking:
        yield Problem(
            f"no test shows that {rule.key} {' or that it '.join(lacking)}",
            rule.place_of("alert"),
            "alert_rule_test with exp_alerts, and one with exp_alerts: []",
        )


def _selectors(text: str) -> list[Selector]:
    try:
        return list(selectors(parse(text)))
    except PromQLError:
        return []


def _shape(file: TestFile, _context: Context) -> Iterator[Problem]:
    for test in file.tests:
        for node in test.node.mappings("alert_rule_test"):
            yield from _lacking(node, ("alertname", "eval_time"))
        for node in test.node.mappings("promql_expr_test"):
            yield from _lacking(node, ("expr",))
            if node.text("expr"):
                try:
                    parse(node.text("expr"))
                except PromQLError as error:
                    yield Problem(f"the expression does not parse: {error}", node.place_of("expr"))
        for node in test.node.mappings("input_series"):
            yield from _lacking(node, ("series", "values"))


def _lacking(node: Mapping, fields: tuple[str, ...]) -> Iterator[Problem]:
    for field in fields:
        if field not in node:
            yield Problem(f"{field} is missing", node.place)


_SERIES = "  input_series:\n  - {series: 'up{job=\"app\"}', values: '0x60'}\n"
_GOOD = (
    "rule_files: [rules.yaml]\ntests:\n- interval: 1m\n" + _SERIES + "  alert_rule_test:\n"
    "  - {alertname: ExampleDown, eval_time: 1m, exp_alerts: []}\n"
    "  - alertname: ExampleDown\n    eval_time: 10m\n"
    "    exp_alerts: [{exp_labels: {severity: warning, job: app}}]\n"
)

RULES = (
    LintRule(
        "test-malformed",
        Severity.ERROR,
        "A rule test lacks a field, or its expression does not parse.",
        "promtool stops at it, or takes the missing time for 0.",
        TestFile,
        _shape,
        ex.rule_test(_GOOD.replace(", eval_time: 1m", "")),
        ex.rule_test(_GOOD),
    ),
    LintRule(
        "test-rule-file-missing",
        Severity.ERROR,
        "A test loads a rule file that does not exist.",
        "promtool prints a warning and exits 0: every test that something does not fire passes.",
        TestFile,
        _missing_rule_file,
        ex.rule_test(_GOOD.replace("rules.yaml", "rule.yaml")),
        ex.rule_test(_GOOD),
    ),
    LintRule(
        "test-alert-unknown",
        Severity.ERROR,
        "A test names an alert that there is not.",
        "promtool passes a test that an alert which does not exist does not fire: after a rename "
        "the tests go on passing.",
        TestFile,
        _unknown_alert,
        ex.rule_test(_GOOD.replace("ExampleDown, eval", "ExampleIsDown, eval")),
        ex.rule_test(_GOOD),
    ),
    LintRule(
        "test-empty",
        Severity.WARNING,
        "A test expects nothing.",
        "It passes whatever the rules say.",
        TestFile,
        _nothing_tested,
        ex.rule_test("rule_files: [rules.yaml]\ntests:\n- interval: 1m\n" + _SERIES),
        ex.rule_test(_GOOD),
    ),
    LintRule(
        "test-series-unused",
        Severity.WARNING,
        "A test feeds a series that nothing selects.",
        "Its name is wrong, or the rule has changed: that the alert is quiet then means that it "
        "has no data.",
        TestFile,
        _unused_series,
        ex.rule_test(_GOOD.replace("'up{", "'upp{")),
        ex.rule_test(_GOOD),
    ),
    LintRule(
        "test-after-data",
        Severity.WARNING,
        "A test looks when all series have ended.",
        "Five minutes after the last sample there is nothing to see, and every alert is quiet.",
        TestFile,
        _after_the_data,
        ex.rule_test(_GOOD.replace("0x60", "0x3").replace("eval_time: 1m", "eval_time: 30m")),
        ex.rule_test(_GOOD),
    ),
    LintRule(
        "alert-untested",
        Severity.ERROR,
        "An alert has no test in which it fires, or none in which it stays quiet.",
        "Looked for where rule tests are among what is linted. One half proves nothing: an "
        "expression that is always empty passes every quiet test, and one that always holds every "
        "firing one.",
        Rule,
        _untested,
        ex.rule_test(
            "rule_files: [rules.yaml]\ntests:\n- promql_expr_test: [{expr: up, eval_time: 1m}]\n"
        ),
        ex.rule_test(_GOOD),
    ),
)
