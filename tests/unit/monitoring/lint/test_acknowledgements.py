"""Findings that are accepted: by a comment for a time, or by the baseline file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.lint import baseline
from stigmer_ops.monitoring.lint.model import Finding, Report, Severity
from stigmer_ops.monitoring.lint.project import project_of
from stigmer_ops.monitoring.lint.run import Options, lint
from stigmer_ops.monitoring.lint.sources.files import source_of
from support.lint_examples import TODAY

RULES = """\
{file}
groups:
{group}
- name: g
  rules:
{above}
  - alert: Example {inside}
    expr: a_total > 1 {line}
    for: 5m
    labels: {{severity: warning}}
    annotations: {{summary: x, description: x, runbook_url: x}}
  - alert: Other
    expr: a_total > 1
    for: 5m
    labels: {{severity: warning}}
    annotations: {{summary: x, description: x, runbook_url: x}}
"""
PLACES = ("file", "group", "above", "inside", "line")


def report_on(comments: Mapping[str, str], known: Mapping[str, int] | None = None) -> Report:
    text = RULES.format(**{place: comments.get(place, "") for place in PLACES})
    options = Options(TODAY, select=("counter-without-rate", "ack"))
    if known is not None:
        options = replace(options, baseline=Counter(known))
    return lint(project_of([source_of("rules.yaml", text)]), options)


def ack(
    until: str = "2026-12-31", reason: str = "it is reset", id: str = "counter-without-rate"
) -> str:
    return f"# ack {id} until={until} reason={reason}"


@pytest.mark.parametrize(
    ("place", "accepted"),
    [("above", 1), ("inside", 1), ("line", 1), ("group", 2), ("file", 2)],
)
def test_comment_holds_for_what_it_stands_in_or_above(place: str, accepted: int) -> None:
    report = report_on({place: ack()})
    assert len(report.acknowledged) == accepted
    assert len(report.findings) == 2 - accepted


def test_comment_of_several_lines_is_read() -> None:
    report = report_on({"above": f"  # looked at\n  {ack()}\n  # twice"})
    assert len(report.acknowledged) == 1


def test_several_ids_are_acknowledged_at_once() -> None:
    report = report_on({"above": ack(id="counter-without-rate,for-missing")})
    assert len(report.acknowledged) == 1


def test_acknowledgement_ends_after_its_day() -> None:
    assert len(report_on({"above": ack(until="2026-11-24")}).acknowledged) == 1
    report = report_on({"above": ack(until="2026-11-23")})
    assert report.acknowledged == ()
    assert [f.rule for f in report.findings] == [
        "ack-expired",
        "counter-without-rate",
        "counter-without-rate",
    ]


@pytest.mark.parametrize(
    ("comment", "error"),
    [
        (ack(id="counter-with-rate"), "there is no lint rule counter-with-rate"),
        ("# ack counter-without-rate", "it has no end"),
        ("# ack counter-without-rate until=2026-12-31", "it has no reason"),
        (ack(until="soon"), "soon is no date"),
        (ack(until="2026-02-30"), "2026-02-30 is no date"),
        ("# ack this, please", "not of the form"),
    ],
)
def test_acknowledgement_that_holds_for_nothing_is_an_error(comment: str, error: str) -> None:
    report = report_on({"above": comment})
    assert report.acknowledged == ()
    [finding] = [f for f in report.findings if f.rule == "ack-invalid"]
    assert error in finding.message
    assert finding.severity is Severity.ERROR


def test_comment_that_acknowledges_nothing_is_found_in_a_full_run() -> None:
    text = RULES.format(**dict.fromkeys(PLACES, "")).replace("a_total", "a") + ack() + "\n"
    report = lint(project_of([source_of("rules.yaml", text)]), Options(TODAY))
    assert "ack-unused" in {f.rule for f in report.findings}
    assert [f.rule for f in report_on({"above": ack(id="for-missing")}).findings] == [
        "counter-without-rate",
        "counter-without-rate",
    ]


def test_comment_in_markdown() -> None:
    page = "# A\n\n[x](gone.md)\n\n<!-- ack page-link-dead until=2027-01-01 reason=comes soon -->\n"
    report = lint(project_of([source_of("A.md", page)]), Options(TODAY, select=("page-link-dead",)))
    assert [f.rule for f in report.acknowledged] == ["page-link-dead"]
    assert report.findings == ()


def test_baseline_passes_over_what_it_holds_and_tells_what_is_gone() -> None:
    first = report_on({})
    marks = Counter(map(baseline.fingerprint, first.findings))
    again = report_on({}, marks)
    assert again.findings == ()
    assert len(again.known) == 2
    assert again.fixed == 0
    fewer = report_on({}, {**marks, "0123456789abcdef": 1})
    assert fewer.fixed == 1


def test_fingerprint_does_not_move_with_lines_or_numbers() -> None:
    finding = Finding("a-b", Severity.ERROR, "x.yaml", 1, 1, "5 of 7", object="g/r")
    assert baseline.fingerprint(replace(finding, line=9, column=3, message="6 of 7")) == (
        baseline.fingerprint(finding)
    )
    for other in (
        replace(finding, path="y.yaml"),
        replace(finding, rule="a-c"),
        replace(finding, object="g/s"),
        replace(finding, message="of"),
    ):
        assert baseline.fingerprint(other) != baseline.fingerprint(finding)


def test_baseline_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    findings = report_on({}).findings
    path.write_text(baseline.written(findings))
    assert baseline.read(path) == Counter(map(baseline.fingerprint, findings))
    assert json.loads(path.read_text())["findings"][0]["rule"] == "counter-without-rate"


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2, "findings": []}', '{"version": 1}'])
def test_what_is_no_baseline_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(InputError):
        baseline.read(path)


def test_missing_baseline_says_how_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        baseline.read(tmp_path / "none.json")
    assert "--write-baseline" in raised.value.next_step
