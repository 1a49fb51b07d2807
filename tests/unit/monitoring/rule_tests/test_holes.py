"""What promtool passes over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.rule_tests.holes import Coverage, coverage, holes
from stigmer_ops.monitoring.rule_tests.suite import read_tests, rules_of

RULES = """\
groups:
- name: g
  rules:
  - {record: 'a:sum', expr: sum(a)}
  - {alert: High, expr: 'a:sum > 1'}
  - {alert: Low, expr: 'a:sum < 1'}
"""
TEST = """\
rule_files: [rules.yaml]
group_eval_order: [g]
tests:
- alert_rule_test:
  - {eval_time: 1m, alertname: High, exp_alerts: [{exp_labels: {}}]}
  - {eval_time: 2m, alertname: High, exp_alerts: []}
  - {eval_time: 2m, alertname: Low}
"""


@pytest.fixture
def test_file(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    path = tmp_path / "test.yaml"
    path.write_text(TEST)
    return path


def found(path: Path, old: str = "", new: str = "") -> list[tuple[str, str]]:
    path.write_text(TEST.replace(old, new) if old else TEST)
    return [(hole.kind, hole.message) for hole in holes(read_tests(path))]


def test_sound_file_has_no_holes(test_file: Path) -> None:
    assert found(test_file) == []


@pytest.mark.parametrize(
    ("old", "new", "hole"),
    [
        (
            "alertname: Low",
            "alertname: Hihg",
            ("alert-unknown", "alertname: there is no alert Hihg; did you mean High?"),
        ),
        (
            "group_eval_order: [g]",
            "group_eval_order: [g, other]",
            ("group-unknown", "group_eval_order: there is no group other"),
        ),
        (
            "[rules.yaml]",
            "[rules.yaml, gone-*.yaml]",
            ("rule-file-missing", "rule_files: gone-*.yaml does not exist"),
        ),
    ],
)
def test_each_kind_of_hole_is_found(
    test_file: Path, old: str, new: str, hole: tuple[str, str]
) -> None:
    assert found(test_file, old, new) == [hole]


def test_file_that_tests_nothing_is_a_hole(test_file: Path) -> None:
    test_file.write_text("rule_files: [rules.yaml]\ntests:\n- {name: later}\n")
    assert [hole.kind for hole in holes(read_tests(test_file))] == ["no-tests"]


def test_expression_tests_are_tests(test_file: Path) -> None:
    test_file.write_text("tests:\n- promql_expr_test: [{expr: vector(1)}]\n")
    assert list(holes(read_tests(test_file))) == []


def test_alert_is_covered_when_it_is_tested_to_fire_and_to_be_quiet(test_file: Path) -> None:
    rules = test_file.parent / "rules.yaml"
    assert coverage([read_tests(test_file)]) == [
        Coverage("High", rules, fires=True, quiet=True),
        Coverage("Low", rules, fires=False, quiet=True),
    ]


def test_rules_are_found_through_patterns_above_and_beside(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    (tmp_path / "rules" / "a.yaml").write_text(RULES)
    absolute = tmp_path / "rules" / "b.yaml"
    absolute.write_text(RULES)
    path = tmp_path / "tests" / "deep" / "test.yaml"
    path.write_text(f"rule_files: ['../../rules/*.yaml', {absolute}]\n")
    file = read_tests(path)
    assert [len(paths) for paths in file.rule_files.values()] == [2, 1]
    assert len(file.rules) == 6


@pytest.mark.parametrize("text", ["", "3", "[1]", "groups: 3", "groups: [3]", "a: [", "\t"])
def test_rule_files_of_another_form_have_no_rules(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    assert list(rules_of(path)) == []


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone\.yaml"):
        read_tests(tmp_path / "gone.yaml")
