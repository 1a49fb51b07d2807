"""How rules are grouped, and whether they get in the way of each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import (
    LintRule,
    Problem,
    Severity,
)
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.rules.duplicates import may_overlap
from stigmer_ops.monitoring.lint.sources.rule_files import Group, Rule

_LARGEST_GROUP = 40
_LOOKBACK = timedelta(minutes=5)


def _group_size(group: Group, _context: Context) -> Iterator[Problem]:
    if len(group.rules) > _LARGEST_GROUP:
        yield Problem(
            f"the group has {len(group.rules)} rules, which are evaluated one after another",
            group.node.place_of("name"),
            f"split it, so that groups have at most {_LARGEST_GROUP}",
        )


def _group_interval(group: Group, _context: Context) -> Iterator[Problem]:
    if group.interval is not None and group.interval > _LOOKBACK:
        yield Problem(
            "between evaluations what the group records is stale for anyone who selects it: "
            "the interval is longer than the lookback of 5m",
            group.node.place_of("interval"),
        )


def _for_interval(rule: Rule, _context: Context) -> Iterator[Problem]:
    interval = rule.group.interval
    if rule.for_ and interval is not None and rule.for_ < interval:
        yield Problem(
            f"for is shorter than the group's interval of {rule.group.node.text('interval')}: it "
            "fires at the second evaluation whatever it says",
            rule.place_of("for"),
        )


def _same_name(group: Group, context: Context) -> Iterator[Problem]:
    for rule in group.rules:
        for other in context.project.same_name(rule):
            if other.label_texts == rule.label_texts and may_overlap(rule, other):
                kind = "alert" if rule.is_alert else "recording"
                yield Problem(
                    f"the {kind} {rule.key} is there before, with the same labels: "
                    f"{other.path}:{other.place.line}",
                    rule.place_of("alert", "record") if rule.is_alert else rule.place_of("record"),
                    "name it differently, or give it a label that tells the two apart",
                )
                break


def _used_before_recorded(group: Group, _context: Context) -> Iterator[Problem]:
    records = {rule.key: rule for rule in group.rules if not rule.is_alert}
    for rule in group.rules:
        names = {s.name for s in rule.expression.selectors} if rule.expression else set()
        for name in sorted(names & records.keys()):
            if records[name].number > rule.number and rule.expression:
                yield Problem(
                    f"{name} is recorded further down in the group, so that what is seen here is "
                    "one evaluation old",
                    rule.expression.place_of(name),
                    "put the recording first",
                )


RULES = (
    LintRule(
        "group-large",
        Severity.INFO,
        "A group has very many rules.",
        "The rules of a group are evaluated one after another; when that takes longer than the "
        "interval, evaluations are missed.",
        Group,
        _group_size,
        ex.rules(
            "groups:\n- name: g\n  rules:\n"
            + "".join(f"  - {{record: 'job:up:min{n}', expr: min(up)}}\n" for n in range(41))
        ),
        ex.rules("groups:\n- name: g\n  rules:\n  - {record: 'job:up:min', expr: min(up)}\n"),
    ),
    LintRule(
        "interval-over-lookback",
        Severity.WARNING,
        "A group is evaluated less often than every five minutes.",
        "An instant selector sees samples of the last five minutes. What the group records is gone "
        "for the rest of the interval, and alerts on it resolve and fire again.",
        Group,
        _group_interval,
        ex.rules("groups:\n- name: g\n  interval: 10m\n  rules: []\n"),
        ex.rules("groups:\n- name: g\n  interval: 5m\n  rules: []\n"),
    ),
    LintRule(
        "for-below-interval",
        Severity.WARNING,
        "An alert's `for` is shorter than the interval of its group.",
        "The condition is looked at once an interval; a shorter `for` says something that cannot "
        "be.",
        Rule,
        _for_interval,
        ex.rules(
            "groups:\n- name: g\n  interval: 2m\n  rules:\n"
            "  - {alert: Down, expr: up == 0, for: 30s}\n"
        ),
        ex.rules(
            "groups:\n- name: g\n  interval: 30s\n  rules:\n"
            "  - {alert: Down, expr: up == 0, for: 2m}\n"
        ),
    ),
    LintRule(
        "duplicate-rule",
        Severity.ERROR,
        "A rule has the name and the labels of another.",
        "Two alerts of the same name and labels are one to Alertmanager: when one resolves the "
        "other is resolved too. Two recordings write the same series, and the later one wins or is "
        "refused. This is looked for across all files, which promtool does not. Recordings whose "
        "matchers cannot select the same series are no duplicates.",
        Group,
        _same_name,
        ex.rules(
            "groups:\n- name: g\n  rules:\n"
            "  - {alert: Down, expr: up == 0}\n  - {alert: Down, expr: up < 1}\n"
        ),
        ex.rules(
            "groups:\n- name: g\n  rules:\n"
            "  - {alert: Down, expr: up == 0, labels: {severity: warning}}\n"
            "  - {alert: Down, expr: sum(up) == 0, labels: {severity: critical}}\n"
        ),
    ),
    LintRule(
        "recorded-later",
        Severity.WARNING,
        "A rule uses what is recorded further down in its group.",
        "The rules of a group are evaluated from the top. What comes later is seen one interval "
        "late, and not at all after a restart.",
        Group,
        _used_before_recorded,
        ex.rules(
            "groups:\n- name: g\n  rules:\n"
            "  - {record: 'all:up:min', expr: 'min(job:up:min)'}\n"
            "  - {record: 'job:up:min', expr: min by (job) (up)}\n"
        ),
        ex.rules(
            "groups:\n- name: g\n  rules:\n"
            "  - {record: 'job:up:min', expr: min by (job) (up)}\n"
            "  - {record: 'all:up:min', expr: 'min(job:up:min)'}\n"
        ),
    ),
)
