"""Whether rules are of the form that Prometheus loads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import LintRule, Problem, Severity
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.rule_files import Rule, RuleFile, duration
from stigmer_ops.monitoring.lint.sources.tree import Mapping, Scalar, Sequence

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def _file_shape(file: RuleFile, _context: Context) -> Iterator[Problem]:
    for root in file.roots:
        value = root.get("groups")
        if "groups" in root and value is not None and not isinstance(value, Sequence):
            yield Problem("groups is no list", root.place_of("groups"))
        yield from _not_mappings(root, "groups", "a group")
        names: set[str] = set()
        for group in root.mappings("groups"):
            yield from _group_shape(group, names)


def _group_shape(group: Mapping, names: set[str]) -> Iterator[Problem]:
    name = group.text("name")
    if not name:
        yield Problem("a group has no name", group.place_of("name"))
    elif name in names:
        yield Problem(f"the group {name!r} is there twice in this file", group.place_of("name"))
    names.add(name)
    yield from _durations(group, ("interval", "query_offset"))
    if "rules" in group and group.get("rules") and not isinstance(group.get("rules"), Sequence):
        yield Problem("rules is no list", group.place_of("rules"))
    yield from _not_mappings(group, "rules", "a rule")


def _not_mappings(node: Mapping, key: str, what: str) -> Iterator[Problem]:
    for item in node.items(key):
        if not isinstance(item, Mapping):
            yield Problem(f"{what} is a mapping of fields", item.place)


def _rule_shape(rule: Rule, _context: Context) -> Iterator[Problem]:
    node = rule.node
    if "alert" in node and "record" in node:
        yield Problem("a rule is either an alert or a recording", node.place_of("record"))
    elif not rule.key:
        yield Problem("a rule has the field alert or record", rule.place)
    if not isinstance(node.get("expr"), Scalar) or not node.text("expr").strip():
        yield Problem("the rule has no expression", node.place_of("expr"))
    yield from _durations(node, ("for", "keep_firing_for"))
    yield from _maps(rule)
    if not rule.is_alert and "record" in node:
        yield from _recording_shape(rule)


def _recording_shape(rule: Rule) -> Iterator[Problem]:
    for field in ("for", "keep_firing_for", "annotations"):
        if field in rule.node:
            yield Problem(f"a recording rule has no {field}", rule.node.place_of(field))
    if rule.key and not _METRIC_NAME.fullmatch(rule.key):
        message = f"{rule.key!r} is no metric name"
        yield Problem(message, rule.node.place_of("record"), "letters, digits, _ and :")


def _durations(node: Mapping, fields: tuple[str, ...]) -> Iterator[Problem]:
    for field in fields:
        if node.get(field) is not None and duration(node.text(field)) is None:
            yield Problem(
                f"{field}: {node.text(field) or '(no text)'} is no duration",
                node.place_of(field),
                "such as 30s, 5m or 1h30m",
            )


def _maps(rule: Rule) -> Iterator[Problem]:
    for field in ("labels", "annotations"):
        value = rule.node.get(field)
        if value is not None and not isinstance(value, Mapping):
            yield Problem(f"{field} is no mapping", rule.node.place_of(field))
        for name, entry in rule.node.mapping(field).values.items():
            place = rule.place_of(field, name)
            if not isinstance(entry, Scalar):
                yield Problem(f"{field}: {name} is no text", place)
            elif not _LABEL_NAME.fullmatch(name):
                yield Problem(f"{name!r} is no name of a label or annotation", place)


def _reserved(rule: Rule, _context: Context) -> Iterator[Problem]:
    for name in rule.labels:
        if name == "__name__":
            message = "a rule may not set the label __name__"
            yield Problem(message, rule.place_of("labels", name))
        elif name == "alertname" and rule.is_alert:
            message = "the label alertname is replaced by the alert's name"
            yield Problem(message, rule.place_of("labels", name), severity=Severity.WARNING)


RULES = (
    LintRule(
        "malformed-file",
        Severity.ERROR,
        "A rule file or group is not of the form that Prometheus loads.",
        "Prometheus refuses the whole file, and keeps the rules that it had.",
        RuleFile,
        _file_shape,
        ex.rules("groups:\n- rules: []\n"),
        ex.rules("groups:\n- name: example\n  rules: []\n"),
    ),
    LintRule(
        "malformed-rule",
        Severity.ERROR,
        "A rule is not of the form that Prometheus loads.",
        "An alert or a recording, with an expression, durations such as 5m, and labels and "
        "annotations that are text. Prometheus refuses the whole file otherwise.",
        Rule,
        _rule_shape,
        ex.alert("for: 5 minutes\n"),
        ex.alert("for: 5m\n"),
    ),
    LintRule(
        "reserved-label",
        Severity.ERROR,
        "A rule sets a label that is not its own.",
        "`__name__` is refused; `alertname` is overwritten.",
        Rule,
        _reserved,
        ex.alert("labels: {severity: warning, __name__: x}\n"),
        ex.alert("labels: {severity: warning}\n"),
    ),
)
