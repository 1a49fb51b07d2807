"""Whether files can be read, and whether they are of the form that their readers take."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import (
    LintRule,
    Place,
    Problem,
    Severity,
)
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.files import FileKind, SourceFile
from stigmer_ops.monitoring.lint.sources.rule_files import RuleFile
from stigmer_ops.monitoring.lint.sources.test_files import TestFile
from stigmer_ops.monitoring.lint.sources.tree import Mapping, nodes

_GROUP_FIELDS = ("name", "interval", "limit", "rules")
_RULE_FIELDS = ("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations")
_ELSEWHERE = {
    "labels": "Prometheus 3.5 and later",
    "query_offset": "Prometheus 2.53 and later",
    "partial_response_strategy": "Thanos",
    "source_tenants": "Mimir",
    "evaluation_delay": "Mimir",
    "align_evaluation_time_on_interval": "Mimir",
}
"""Fields of groups that not every Prometheus knows; it refuses the file then."""
_TEST_FILE_FIELDS = (
    *("rule_files", "evaluation_interval", "group_eval_order", "tests"),
    *("fuzzy_compare", "start_timestamp"),
)
_TEST_FIELDS = (
    *("name", "interval", "input_series", "alert_rule_test", "promql_expr_test"),
    *("external_labels", "external_url", "start_timestamp"),
)
_EXPECTATION_FIELDS = ("alertname", "eval_time", "exp_alerts")
_EXPRESSION_TEST_FIELDS = ("expr", "eval_time", "exp_samples")


def _syntax(source: SourceFile, _context: Context) -> Iterator[Problem]:
    if source.error is not None and (source.named or source.kind is not FileKind.OTHER):
        yield Problem(source.error.message, source.error.place)


def _repeated(source: SourceFile, _context: Context) -> Iterator[Problem]:
    if source.kind is FileKind.OTHER:
        return
    for document in source.documents:
        for node in nodes(document) if document.repeats else ():
            for key in node.repeated if isinstance(node, Mapping) else ():
                yield Problem(f"the key {key.text!r} is there twice", key.place)


def _unknown_kind(source: SourceFile, _context: Context) -> Iterator[Problem]:
    if source.named and source.kind is FileKind.OTHER and source.error is None:
        yield Problem(
            "is neither a rule file, nor a file of rule tests, a dashboard or a page",
            Place(1),
            "rule files have the key groups, tests the key tests, dashboards the key panels",
        )


def _ignored(file: RuleFile, _context: Context) -> Iterator[Problem]:
    for document in file.ignored:
        yield Problem(
            "Prometheus reads the first document only: the rules from here on are never loaded",
            document.place,
            "put its groups into the first document, or into a file of their own",
        )


def _stale(file: RuleFile | TestFile, context: Context) -> Iterator[Problem]:
    found = file.source.text
    wanted = _wanted(file, context)
    if not wanted or wanted == found or wanted.split("\n", 1)[0] != found.split("\n", 1)[0]:
        return  # the first line says who wrote it
    pairs = zip(found.split("\n"), wanted.split("\n"), strict=False)
    same = next((number for number, (one, other) in enumerate(pairs) if one != other), 0)
    yield Problem(
        "differs from what the catalogue and the settings make of it",
        Place(same + 1),
        "stigmer-ops alerts generate",
    )


def _wanted(file: RuleFile | TestFile, context: Context) -> str:
    """What a generated file of that name should be; empty if there is none."""
    if isinstance(file, RuleFile) and not file.native:
        return ""
    path = PurePath(file.path).as_posix()
    names = [name for name in context.generated if f"/{path}".endswith(f"/{name}")]
    return context.generated[max(names, key=len)] if names else ""


def _rule_fields(file: RuleFile, _context: Context) -> Iterator[Problem]:
    if file.native:
        for root in file.roots:
            yield from _unknown(root, ("groups",), "a rule file")
    for group in file.groups:
        yield from _unknown(group.node, _GROUP_FIELDS, "a group", _ELSEWHERE)
        for rule in group.rules:
            yield from _unknown(rule.node, _RULE_FIELDS, "a rule")


def _test_fields(file: TestFile, _context: Context) -> Iterator[Problem]:
    yield from _unknown(file.root, _TEST_FILE_FIELDS, "a test file")
    for test in file.tests:
        yield from _unknown(test.node, _TEST_FIELDS, "a test")
        for node in test.node.mappings("alert_rule_test"):
            yield from _unknown(node, _EXPECTATION_FIELDS, "an alert's test")
        for node in test.node.mappings("promql_expr_test"):
            yield from _unknown(node, _EXPRESSION_TEST_FIELDS, "an expression's test")


def _unknown(
    node: Mapping, known: Iterable[str], what: str, elsewhere: dict[str, str] | None = None
) -> Iterator[Problem]:
    for name, key in node.keys.items():
        if name in known:
            continue
        if elsewhere and name in elsewhere:
            message = f"{name!r} is a field of {what} only for {elsewhere[name]}"
            yield Problem(message, key.place, severity=Severity.WARNING)
            continue
        near = difflib.get_close_matches(name, list(known), 1)
        hint = f"did you mean {near[0]}?" if near else f"{what} has {', '.join(known)}"
        yield Problem(f"{name!r} is no field of {what}", key.place, hint)


RULES = (
    LintRule(
        "file-syntax",
        Severity.ERROR,
        "The file cannot be read.",
        "It is no YAML or JSON, no UTF-8, or so large when its aliases are written out that "
        "nothing can load it. Files that were not named, and that do not look like rules, tests "
        "or dashboards, are passed over.",
        SourceFile,
        _syntax,
        ex.rules("groups:\n- name: [example\n"),
        ex.rules("groups:\n- name: example\n  rules: []\n"),
    ),
    LintRule(
        "repeated-key",
        Severity.ERROR,
        "A key is there twice.",
        "YAML parsers differ: some take the last one, Prometheus refuses the file.",
        SourceFile,
        _repeated,
        ex.alert("expr: up == 0\nexpr: up < 1\n"),
        ex.alert("expr: up == 0\n"),
    ),
    LintRule(
        "unknown-file",
        Severity.WARNING,
        "A file that was named is nothing that is linted.",
        "What a file is, is told by its content. A file that is named on the command line is "
        "expected to be a rule file, a file of rule tests, a dashboard or a runbook page.",
        SourceFile,
        _unknown_kind,
        ex.rules("scrape_configs: []\n"),
        ex.rules("groups: []\n"),
    ),
    LintRule(
        "document-ignored",
        Severity.ERROR,
        "A rule file has a second YAML document.",
        "Prometheus, and promtool, read the first document of a rule file and pass over the rest "
        "without a word: its alerts do not exist.",
        RuleFile,
        _ignored,
        ex.rules("groups: []\n---\ngroups:\n- name: lost\n  rules: []\n"),
        ex.rules("groups:\n- name: found\n  rules: []\n"),
    ),
    LintRule(
        "unknown-field",
        Severity.ERROR,
        "A rule file has a field that Prometheus does not know.",
        "Prometheus refuses a rule file with any field that it does not know, and keeps the rules "
        "that it had. Fields that only some versions, Thanos or Mimir know are warnings.",
        RuleFile,
        _rule_fields,
        ex.alert("expr: up == 0\nannotation: {}\n"),
        ex.alert("expr: up == 0\n"),
    ),
    LintRule(
        "test-unknown-field",
        Severity.ERROR,
        "A test file has a field that promtool does not know.",
        "promtool refuses a test file with any field that it does not know.",
        TestFile,
        _test_fields,
        ex.rule_test("rule_files: [rules.yaml]\ntests:\n- inputs: []\n"),
        ex.rule_test("rule_files: [rules.yaml]\ntests:\n- input_series: []\n"),
    ),
    LintRule(
        "generated-stale",
        Severity.ERROR,
        "A generated rule file differs from what would be generated.",
        "The file says in its first line that `stigmer-ops alerts generate` wrote it, and it is "
        "not what that command would write now: it was edited by hand, or the catalogue or the "
        "settings have changed since.",
        RuleFile,
        _stale,
    ),
    LintRule(
        "generated-test-stale",
        Severity.ERROR,
        "A generated test file differs from what would be generated.",
        "As for generated-stale, of the rule tests that are generated with the rules.",
        TestFile,
        _stale,
    ),
)
