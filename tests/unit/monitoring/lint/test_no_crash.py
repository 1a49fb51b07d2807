"""Whatever a file holds, the linter ends with findings, never with a traceback."""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stigmer_ops.monitoring.lint.known import Known, KnownSeries
from stigmer_ops.monitoring.lint.model import Report
from stigmer_ops.monitoring.lint.project import project_of
from stigmer_ops.monitoring.lint.run import Options, lint
from stigmer_ops.monitoring.lint.sources.files import source_of

OPTIONS = Options(date(2026, 11, 24), Known({"up": KnownSeries("up")}, ("app_",)))
ANY_SIZE = settings(suppress_health_check=[HealthCheck.too_slow])

KEYS = st.sampled_from(
    [
        *("groups", "name", "rules", "alert", "record", "expr", "for", "labels", "annotations"),
        *("interval", "summary", "description", "severity", "runbook_url", "kind", "spec"),
        *("tests", "rule_files", "input_series", "series", "values", "alert_rule_test"),
        *("alertname", "eval_time", "exp_alerts", "promql_expr_test", "items", "<<"),
        *("panels", "title", "targets", "templating", "list", "datasource", "uid", "type", "id"),
        *("elements", "layout", "fieldConfig", "defaults", "overrides", "variables", "query"),
        *("dashboard", "rows", "dashboard_url", "data", "queries", "vizConfig", "$x", ""),
    ]
)
EXPRESSIONS = st.sampled_from(
    [
        *("up", "up == 0", "rate(x_total[5m])", "a / b", 'a{x=~"("}', "sum by (a) (b) / c", "(("),
        *(
            "histogram_quantile(2, x_bucket)",
            "absent(up)",
            "x[5m]",
            "label_replace(x, 'a', '', '', '')",
        ),
        *("time() - x > 1 and time() - x < 0", "{__name__=~'.+'}", "NaN / 0", "x offset -5m", "-x"),
        *("x == bool 1", "count_values('a', x)", 'topk($n, x{a="$b"})', "x[$__rate_interval]"),
        *(
            "$labels.x {{ $value }}",
            '{{ range query "x" }}',
            "PrometheusRule",
            "PrometheusRuleList",
        ),
        *(
            "/d/abc?viewPanel=3",
            "5m",
            "0x3",
            "1e999",
            "inf",
            "\x00",
            "\ud7ff",
            "\u06f5m",
            "[[",
            "]]",
        ),
        *("dashboard.grafana.app/v2", "# ack severity-missing until=2030-01-01 reason=x", "# ack"),
    ]
)
SCALARS = st.one_of(
    EXPRESSIONS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=25,
)


def report_on(*texts: tuple[str, str]) -> Report:
    return lint(project_of(source_of(path, text) for path, text in texts), OPTIONS)


def rules(value: Any) -> dict[str, Any]:
    return {"groups": [{"name": "g", "rules": [value]}]}


@ANY_SIZE
@given(DOCUMENTS)
def test_any_yaml_ends_in_a_report(document: object) -> None:
    text = yaml.safe_dump(document, allow_unicode=True)
    assert report_on(("a.yaml", text)).counts.files == 1


@ANY_SIZE
@given(st.dictionaries(KEYS, DOCUMENTS, max_size=8))
def test_any_rule_ends_in_a_report(rule: object) -> None:
    text = yaml.safe_dump(rules(rule), allow_unicode=True)
    assert report_on(("a.yaml", text)).counts.rules == 1


@ANY_SIZE
@given(st.dictionaries(KEYS, DOCUMENTS, max_size=8), st.dictionaries(KEYS, DOCUMENTS, max_size=8))
def test_any_test_file_beside_any_rule_ends_in_a_report(test: object, rule: object) -> None:
    tests = yaml.safe_dump({"tests": [test], "rule_files": ["a.yaml"]}, allow_unicode=True)
    alert = yaml.safe_dump(rules(rule), allow_unicode=True)
    assert report_on(("t.yaml", tests), ("a.yaml", alert)).counts.test_files == 1


@ANY_SIZE
@given(st.dictionaries(KEYS, DOCUMENTS, max_size=8))
def test_any_dashboard_ends_in_a_report(keys: dict[str, object]) -> None:
    dashboard = {"title": "x", "panels": [keys], **keys}
    assert report_on(("d.json", json.dumps(dashboard))).counts.files == 1


@ANY_SIZE
@given(st.text())
@example("- ? [a]\n  : b\n? {x: y}\n: z")
@example("&a [*a]")
@example("a: &x {<<: *x}")
@example("groups: !!binary xx")
@example("%TAG ! foo\n---\ngroups: []")
def test_any_text_ends_in_a_report(text: str) -> None:
    for path in ("a.yaml", "a.json", "a.md"):
        assert report_on((path, text)).counts.files == 1


@ANY_SIZE
@given(st.text(alphabet="abx_:(){}[]=~!\"'`\\,.+-*/%^<>@ 05mdhsoffsetbyndrul\n#$", max_size=60))
def test_any_expression_ends_in_a_report(text: str) -> None:
    alert = yaml.safe_dump(rules({"alert": "A", "expr": text}))
    panel = json.dumps({"title": "x", "panels": [{"targets": [{"expr": text}]}]})
    assert report_on(("a.yaml", alert), ("d.json", panel)).counts.alerts == 1


@ANY_SIZE
@given(st.text(alphabet='{}$.labvue |"`()-:=/*rangifdqy\n', max_size=60))
def test_any_template_ends_in_a_report(text: str) -> None:
    alert = {"alert": "A", "expr": "up == 0", "annotations": {"description": text}}
    assert report_on(("a.yaml", yaml.safe_dump(rules(alert)))).counts.alerts == 1


@pytest.mark.parametrize(
    "expr",
    [
        "(" * 10_000 + "up" + ")" * 10_000,
        "-" * 100_000 + "up",
        " or ".join(["up"] * 50_000),
        "abs(" * 5_000 + "up" + ")" * 5_000,
        "up" + "[5m:1m]" * 10_000,
        "x" * 200_000,
        "{" * 100_000,
        "1" + "^1" * 20_000,
    ],
    ids=["parentheses", "minus", "or", "calls", "subqueries", "name", "braces", "powers"],
)
def test_what_ends_parsers_gets_a_finding(expr: str) -> None:
    report = report_on(("a.yaml", yaml.safe_dump(rules({"alert": "A", "expr": expr}))))
    assert {"promql-too-deep", "promql-syntax"} & {finding.rule for finding in report.findings}


def test_deepest_expressions_that_are_parsed_are_checked_to_the_end() -> None:
    deep = "abs(" * 59 + "up" + ")" * 59
    long = " + ".join([f"sum by (a) ({deep})"] * 2 + ["up"] * 140)
    report = report_on(("a.yaml", yaml.safe_dump(rules({"alert": "A", "expr": f"{long} > 1"}))))
    found = {finding.rule for finding in report.findings}
    assert not found & {"promql-too-deep", "promql-syntax"}
    assert not [finding for finding in report.findings if "gave up" in finding.message]


def test_recordings_that_build_on_each_other_in_a_circle_end() -> None:
    circle = [
        {"record": f"a:b:{number}", "expr": f"sum by (x) (a:b:{(number + 1) % 40}) / a:b:{number}"}
        for number in range(40)
    ]
    text = yaml.safe_dump({"groups": [{"name": "g", "rules": circle}]})
    assert report_on(("a.yaml", text)).counts.recordings == 40


def test_aliases_that_expand_without_end_get_a_finding() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    report = report_on(("a.yaml", "\n".join([*lines, "groups: *a8"])))
    assert [finding.rule for finding in report.findings] == ["file-syntax"]


def test_binary_and_broken_files_get_a_finding(tmp_path: Path) -> None:
    from stigmer_ops.monitoring.lint.sources.files import read_files

    (tmp_path / "latin.yaml").write_bytes(b"groups:\n- name: \xe9t\xe9\n")
    (tmp_path / "zero.yaml").write_bytes(b"groups: \x00")
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfgroups: []\n")
    report = lint(project_of(read_files(sorted(tmp_path.iterdir()))), OPTIONS)
    found = {Path(finding.path).name: finding for finding in report.findings}
    assert found["latin.yaml"].rule == "file-syntax"
    assert (found["latin.yaml"].line, found["latin.yaml"].column) == (2, 9)
    assert found["zero.yaml"].rule == "file-syntax"
    assert "bom.yaml" not in found


@pytest.mark.parametrize(
    "text",
    [
        '"' + '\\"' * 9_000,
        '"' * 19_999,
        "`" * 19_999,
        "x{a=~'(a+)+$',a='" + "a" * 60 + "!'}",
        "$" * 19_000,
        "x{" + "a='" * 6_000,
    ],
    ids=["escapes", "quotes", "backticks", "exponential", "dollars", "matchers"],
)
def test_hostile_expressions_take_no_time(text: str) -> None:
    began = time.process_time()
    alert = {"alert": "A", "expr": text, "annotations": {"description": "{{" + text}}
    panel = json.dumps({"title": "x", "panels": [{"targets": [{"expr": text}]}]})
    report_on(("a.yaml", yaml.safe_dump(rules(alert))), ("d.json", panel))
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "line",
    ["# ack " + " " * 50_000 + "x", "](" * 50_000, "# " + "#" * 50_000 + "x", "```x\n" * 20_000],
    ids=["acknowledgement", "links", "heading", "fences"],
)
def test_hostile_pages_take_no_time(line: str) -> None:
    began = time.process_time()
    report_on(("a.md", f"# A\n{line}\n"), ("a.yaml", f"groups: []\n{line}\n"))
    assert time.process_time() - began < 5
