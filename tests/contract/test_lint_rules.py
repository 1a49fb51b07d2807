"""What every lint rule promises: an explanation, and examples that it tells apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stigmer_ops.monitoring.lint.model import AnyRule
from stigmer_ops.monitoring.lint.registry import RULES
from support.lint_examples import report_on_example

ROOT = Path(__file__).parent.parent.parent
WITHOUT_EXAMPLES = {
    "generated-stale",
    "generated-test-stale",
    "promtool-refuses",
    "ack-invalid",
    "ack-expired",
    "ack-unused",
}
"""Rules that no file by itself can show; tests of their own do."""
OF_DASHBOARD_LINTER = (
    "template-datasource-rule",
    "template-job-rule",
    "template-instance-rule",
    "template-label-promql-rule",
    "template-on-time-change-reload-rule",
    "panel-datasource-rule",
    "panel-title-description-rule",
    "panel-units-rule",
    "panel-no-targets-rule",
    "target-logql-rule",
    "target-logql-auto-rule",
    "target-promql-rule",
    "target-rate-interval-rule",
    "target-job-rule",
    "target-instance-rule",
    "target-counter-agg-rule",
    "uneditable-dashboard",
)


SHOWN = [rule for rule in RULES if rule.id not in WITHOUT_EXAMPLES and not rule.online]


@pytest.mark.parametrize("rule", SHOWN, ids=lambda rule: rule.id)
@pytest.mark.parametrize("promtool", [True, False], ids=["promtool", "alone"])
def test_rule_finds_its_bad_example_and_not_the_good_one(
    rule: AnyRule, promtool: bool, tmp_path: Path
) -> None:
    assert rule.bad is not None
    assert rule.good is not None
    (tmp_path / "bad").mkdir()
    (tmp_path / "good").mkdir()
    bad = report_on_example(tmp_path / "bad", rule.bad, promtool=promtool)
    good = report_on_example(tmp_path / "good", rule.good, promtool=promtool)
    assert rule.id in {finding.rule for finding in bad.findings}
    assert rule.id not in {finding.rule for finding in good.findings}


@pytest.mark.parametrize("rule", SHOWN, ids=lambda rule: rule.id)
def test_finding_is_on_a_line_of_its_file(rule: AnyRule, tmp_path: Path) -> None:
    assert rule.bad is not None
    for finding in report_on_example(tmp_path, rule.bad).findings:
        lines = Path(finding.path).read_text().split("\n")
        assert 1 <= finding.line <= len(lines)
        assert 1 <= finding.column <= len(lines[finding.line - 1]) + 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_explains_itself(rule: AnyRule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.id)
    assert re.fullmatch(r"[A-Za-z].*\.", rule.title)
    assert rule.explanation.endswith((".", "`."))
    assert len(rule.explanation) > 20
    assert (rule.bad is None) == (rule.good is None)
    assert rule.online or (rule.bad is None) == (rule.id in WITHOUT_EXAMPLES)


def test_ids_are_unique_and_none_begins_another() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))


def test_the_rules_of_dashboard_linter_are_all_there() -> None:
    assert set(OF_DASHBOARD_LINTER) <= {rule.id for rule in RULES}


def test_page_has_every_rule() -> None:
    page = (ROOT / "docs" / "lint.md").read_text()
    assert re.findall(r"^## ([a-z-]+)$", page, re.MULTILINE) == [rule.id for rule in RULES]
