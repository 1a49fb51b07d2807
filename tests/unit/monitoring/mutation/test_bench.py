"""For a mutant only those tests are run that its rule concerns, with the rules that they need."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stigmer_ops.monitoring.mutation.bench import TESTS, Bench
from stigmer_ops.monitoring.mutation.mutants import Mutant
from stigmer_ops.monitoring.rule_tests.suite import RuleTestFile, read_tests

RULES = """\
groups:
- name: records
  rules:
  - {record: 'a:sum', expr: sum(a)}
  - {record: 'b:sum', expr: sum(b)}
- name: alerts
  rules:
  - {alert: High, expr: 'a:sum > 1'}
  - {alert: Other, expr: 'b:sum > 1'}
"""
TEST = """\
rule_files: [rules.yaml]
evaluation_interval: 30s
group_eval_order: [records, alerts]
tests:
- name: both
  input_series: [{series: a, values: 1x3}]
  alert_rule_test:
  - {eval_time: 1m, alertname: High}
  - {eval_time: 2m, alertname: Other}
  promql_expr_test:
  - {eval_time: 3m, expr: 'count(ALERTS{alertname="High"})'}
  - {eval_time: 3m, expr: 'b:sum'}
  - {eval_time: 3m, expr: 'sum('}
- name: record
  promql_expr_test: [{eval_time: 10m, expr: 'a:sum + 1'}]
- name: unrelated
  promql_expr_test: [{eval_time: 1m, expr: 'b:sum'}]
"""


@pytest.fixture
def file(tmp_path: Path) -> RuleTestFile:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "test.yaml").write_text(TEST)
    return read_tests(tmp_path / "test.yaml")


def bench(file: RuleTestFile, name: str) -> Bench:
    return Bench(next(rule for rule in file.rules if rule.name == name), file)


def test_tests_of_an_alert_are_those_that_name_it(file: RuleTestFile) -> None:
    (trial,) = bench(file, "High").trials
    assert trial.test["alert_rule_test"] == [{"eval_time": "1m", "alertname": "High"}]
    assert trial.test["promql_expr_test"] == [
        {"eval_time": "3m", "expr": 'count(ALERTS{alertname="High"})'}
    ]


def test_tests_of_a_recording_are_also_those_of_what_builds_on_it(file: RuleTestFile) -> None:
    names = [trial.test["name"] for trial in bench(file, "a:sum").trials]
    assert names == ["both", "record"]


def test_only_needed_rules_are_evaluated_and_one_of_them_is_mutated(file: RuleTestFile) -> None:
    chosen = bench(file, "High")
    mutant = Mutant("High", "", {**chosen.rule.source, "expr": "a:sum > 10"})
    files = chosen.trials[0].files(mutant)
    rules = yaml.safe_load(files["rules-0.yaml"])
    assert [rule for group in rules["groups"] for rule in group["rules"]] == [
        {"record": "a:sum", "expr": "sum(a)"},
        {"alert": "High", "expr": "a:sum > 10"},
    ]
    document = yaml.safe_load(files[TESTS])
    assert document["group_eval_order"] == ["records", "alerts"]
    assert document["evaluation_interval"] == "30s"
    record = bench(file, "a:sum").trials[1].files(None)
    assert yaml.safe_load(record[TESTS])["group_eval_order"] == ["records"]


def test_tests_with_series_and_few_evaluations_promise_most(file: RuleTestFile) -> None:
    promises = [trial.promise for trial in bench(file, "a:sum").trials]
    assert promises == [(True, -6), (False, -20)]
    assert promises[0] > promises[1]
