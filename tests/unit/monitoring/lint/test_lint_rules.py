"""Findings in detail: the witness in the message, the place, and what must stay quiet."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.lint.builtin import known_of
from stigmer_ops.monitoring.lint.known import Known
from stigmer_ops.monitoring.lint.model import Finding, Severity
from stigmer_ops.settings import Settings
from support.lint_examples import alert, report_on

CORPUS = Path(__file__).parent / "corpus"
SETTINGS = Settings()
OWN = known_of(catalogue(SETTINGS), SETTINGS)


def findings(folder: Path, fragment: str, known: Known = OWN) -> list[Finding]:
    report = report_on(folder, {"rules.yaml": alert(fragment)}, known=known)
    return [finding for finding in report.findings if finding.severity is not Severity.INFO]


def only(found: list[Finding], rule: str) -> Finding:
    assert [finding.rule for finding in found] == [rule]
    return found[0]


ORIGINAL_RATIO = (
    'rate(stigmer_external_activity_completions_total{status="failure"}[5m])\n'
    "/ rate(stigmer_external_activity_completions_total[5m]) > 0.5"
)


@pytest.mark.parametrize(
    ("expr", "rule", "witness"),
    [
        (ORIGINAL_RATIO, "divides-by-itself", "status included"),
        (
            'stigmer_pending_external_activities{age_bucket="24h+"} > 0',
            "age-beyond-timeout",
            "an external activity ends after 1d (86400 s), and the threshold is 0",
        ),
        (
            "time() - stigmer_pending_external_activity_oldest_timestamp_seconds > 90000",
            "age-beyond-timeout",
            "an external activity ends after 1d (86400 s), and the threshold is 90000",
        ),
        (
            "histogram_quantile(0.99, sum by (le) (rate("
            "stigmer_external_activity_completion_duration_seconds_bucket[5m]))) > 500",
            "threshold-unreachable",
            "between 0 and 180 (180 is the highest bucket of "
            "stigmer_external_activity_completion_duration_seconds_bucket)",
        ),
        (
            "stigmer_pending_external_activity_timeout_used_ratio > 95",
            "threshold-unreachable",
            "as a share, 95 % is 0.95",
        ),
        (
            'increase(stigmer_external_activity_errors_total{error_type="server_error"}[5m]) > 0',
            "label-value-unknown",
            "client_error, timeout, token_empty, unknown",
        ),
        (
            'rate(stigmer_external_activity_errors_total{error_type=~"timeout|server"}[5m]) > 0',
            "label-value-unknown",
            "never 'server'",
        ),
        (
            'increase(stigmer_external_activity_errors_total{kind="timeout"}[5m]) > 0',
            "label-unknown",
            "it has error_type, namespace, service",
        ),
        (
            "increase(stigmer_external_activity_error_total[5m]) > 0",
            "metric-unknown",
            "nothing emits stigmer_external_activity_error_total",
        ),
        (
            "stigmer_external_activity_completion_duration_seconds > 1",
            "metric-unknown",
            "nothing emits",
        ),
        (
            "stigmer_external_activity_errors_total > 10",
            "counter-without-rate",
            "starts over with whatever counts",
        ),
        (
            "activity_timeout > 10",
            "counter-without-rate",
            "activity_timeout",
        ),
        (
            "rate(stigmer_pending_external_activities[5m]) > 1",
            "rate-of-gauge",
            "takes each fall for a restart",
        ),
        (
            "delta(stigmer_external_activity_errors_total[5m]) > 1",
            "counter-without-rate",
            "in delta(), which is for gauges",
        ),
        (
            "sum by (queue) (stigmer_pending_external_activities) > 1",
            "label-dropped",
            "by(queue)",
        ),
        (
            "sum by (service) (rate(stigmer_external_activity_completions_total[5m]))\n"
            "/ sum(rate(stigmer_external_activity_completions_total[5m])) > 0.5",
            "sides-never-match",
            "every series on the left has service, and none on the right has "
            "(left: service; right: no label)",
        ),
        (
            'stigmer_pending_external_activities{service="go"}\n'
            '> stigmer_pending_external_activities{service="java"}',
            "sides-never-match",
            "service is 'go' on the left and 'java' on the right",
        ),
        ("up > 5 and up < 1", "threshold-unreachable", "between 0 and 1"),
        ("x > 5 and x < 3", "threshold-unreachable", "exclude each other"),
        ("100 < x < 10", "threshold-unreachable", "at least 100"),
        ("rate(sum(a_total)[5m:30s]) > 1", "rate-of-sum", "starts over the sum falls"),
        (
            "rate(stigmer_external_activity_errors_total[5m]) * 100 > 5",
            "rate-as-percentage",
            "not divided by anything",
        ),
    ],
)
def test_witness(expr: str, rule: str, witness: str, tmp_path: Path) -> None:
    fragment = f"expr: |\n{textwrap.indent(expr, '  ')}\n"
    finding = only(findings(tmp_path, fragment), rule)
    assert witness in finding.message


def test_for_outlives_what_is_left_of_a_timeout(tmp_path: Path) -> None:
    fragment = (
        "expr: max by (task_queue) (stigmer_pending_external_activity_timeout_used_ratio) > 0.95\n"
        "for: 2h\n"
    )
    finding = only(findings(tmp_path, fragment), "for-outlives-series")
    assert "an external activity ends after 1d, and is above 0.95 for only the last 1h12m" in (
        finding.message
    )


@pytest.mark.parametrize(
    "expr",
    [
        "count by (job) (app_total) > 3",
        "app_total unless app_total offset 15m",
        "x > 1 and on (job) app_total",
        "changes(app_total[5m]) > 3",
        "absent(app_total)",
        "sum by (job) (rate(app_total[5m])) > 1 unless on (job) app_total",
        "timestamp(app_total) < time() - 300",
        'sum by (job) (rate(a_total{s="1"}[5m])) / sum by (job) (rate(a_total[5m])) > 0.5',
        "histogram_quantile(0.9, sum by (job, le) (rate(x_bucket[5m]))) > 1000",
        "up == 0",
        "up < 1",
        "count(up == 0) > 0",
        "ALERTS > 0",
        "time() - x > 10 and time() - x < 3600",
        'stigmer_pending_external_activities{age_bucket=~"12-24h|24h\\\\+"} > 0',
        'stigmer_pending_external_activities{pod="a",cluster="b"} > 0',
        'activity_timeout{operation="x"} offset 1h unless activity_timeout{operation="x"}',
        "sum(a) / sum(b) > 5",
        "(a / b) > 0.9",
        "label_replace(absent(a), 'm', 'a', '', '') or label_replace(absent(b), 'm', 'b', '', '')",
        "sum(rate(node_cpu_seconds_total[2m])) * 100 > 90",
        "x{a='1'} / ignoring (a) group_right () y > 2",
        "node_load1 / count without (cpu, mode) (node_cpu_seconds_total{mode='idle'}) > 2",
    ],
)
def test_what_is_right_is_quiet(expr: str, tmp_path: Path) -> None:
    fragment = f"expr: |\n{textwrap.indent(expr, '  ')}\n"
    assert findings(tmp_path, fragment) == []


@pytest.mark.parametrize("promtool", [True, False])
def test_rule_sets_of_others_have_no_error(promtool: bool, tmp_path: Path) -> None:
    texts = {path.name: path.read_text() for path in CORPUS.iterdir()}
    report = report_on(tmp_path, texts, promtool=promtool)
    assert report.counts.rules >= 70
    loud = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    assert [(Path(f.path).name, f.rule, f.severity) for f in loud] == [
        ("node.yaml", "runbook-url-missing", Severity.WARNING)  # that mixin has no pages
    ]


RULES = """\
# a comment
groups:
- name: places
  rules:
  - alert: First
    expr: |
      up == 0
        or
      rate(
        a_total[10s]
      ) > 1
    for: "5 m"
    labels:
      severity: warning
      value: "{{ $value }}"
    annotations:
      summary: >-
        Something
      description: "{{ $labels.gone }} {{ nope }}"
      runbook_url: https://example.com
  - {alert: second one, expr: "sum(b)", labels: {severity: loud}}
  - record: third
    expr: sum by (job) (up
"""


@pytest.mark.parametrize(
    ("rule", "line", "column"),
    [
        ("range-short", 10, 9),
        ("malformed-rule", 12, 5),
        ("value-in-label", 15, 7),
        ("template-syntax", 19, 7),
        ("alert-name", 21, 6),
        ("severity-unusual", 21, 50),
        ("no-condition", 21, 36),
        ("description-missing", 21, 5),
        ("record-name", 22, 5),
        ("promql-syntax", 23, 5),
    ],
)
@pytest.mark.parametrize("promtool", [True, False])
def test_places(rule: str, line: int, column: int, promtool: bool, tmp_path: Path) -> None:
    report = report_on(tmp_path, {"rules.yaml": RULES}, promtool=promtool)
    places = [(f.line, f.column) for f in report.findings if f.rule == rule]
    assert (line, column) in places


def test_without_promtool_the_report_says_who_judged(tmp_path: Path) -> None:
    report = report_on(tmp_path, {"rules.yaml": alert("")}, promtool=False)
    assert report.syntax_judge == "promql-parser, because promtool is not on PATH"
    assert report_on(tmp_path, {"rules.yaml": alert("")}).syntax_judge.startswith("promtool 2.")


def test_what_only_promtool_takes_is_said_to_be_unchecked(tmp_path: Path) -> None:
    # Prometheus 2 has at_modifier with a millisecond fraction that promql-parser reads otherwise.
    report = report_on(tmp_path, {"rules.yaml": alert('expr: \'{"up", a="b"} == 0\'\n')})
    assert {f.rule for f in report.findings} >= {"promql-syntax"}


def test_promtool_says_what_nothing_else_finds(tmp_path: Path) -> None:
    fragment = "annotations: {summary: x, description: '{{ if }}x{{ end }}'}\n"
    report = report_on(tmp_path, {"rules.yaml": alert(fragment)})
    [finding] = [f for f in report.findings if f.rule == "promtool-refuses"]
    assert "missing value for if" in finding.message


def test_promtool_says_where_in_the_expression(tmp_path: Path) -> None:
    broken = "expr: |\n  up == 0\n    and rate(x[5m]\n"
    [finding] = [
        f
        for f in report_on(tmp_path, {"rules.yaml": alert(broken)}).findings
        if f.rule == "promql-syntax"
    ]
    lines = (tmp_path / "rules.yaml").read_text().split("\n")
    assert lines[finding.line - 1].lstrip().startswith("and rate(x[5m]")
    assert finding.column > lines[finding.line - 1].index("rate")


def test_expressions_of_operator_resources_and_panels_are_judged_too(tmp_path: Path) -> None:
    broken = 'x{a="b" or c="d"} > 1'
    manifest = (
        "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: a}\nspec:\n"
        + textwrap.indent(alert(f"expr: '{broken}'\n"), "  ")
    )
    dashboard = '{"title": "x", "panels": [{"type": "stat", "targets": [{"expr": "sum(("}]}]}'
    texts = {"rule.yaml": manifest, "x.json": dashboard, "page.md": "```promql\nrate(x)\n```\n"}
    report = report_on(tmp_path, texts)
    found = {f.rule: f for f in report.findings if "syntax" in f.rule or "promql" in f.rule}
    assert found["target-promql-rule"].message == "unclosed left parenthesis"
    pages = [f for f in report.findings if f.rule == "promql-syntax"]
    assert [Path(f.path).name for f in pages] == ["page.md", "rule.yaml"]


def test_a_list_of_resources_is_read(tmp_path: Path) -> None:
    resource = (
        "- apiVersion: monitoring.coreos.com/v1\n  kind: PrometheusRule\n  spec:\n"
        + textwrap.indent(alert(""), "    ")
    )
    text = "kind: List\nitems:\n" + resource * 2
    assert report_on(tmp_path, {"list.yaml": text}).counts.alerts == 2


def test_duplicates_are_found_across_files(tmp_path: Path) -> None:
    report = report_on(tmp_path, {"a.yaml": alert(""), "b.yaml": alert("")})
    [finding] = [f for f in report.findings if f.rule == "duplicate-rule"]
    assert finding.path.endswith("b.yaml")
    assert finding.message.endswith("a.yaml:5")


def test_a_rule_with_a_condition_in_its_recording_has_one(tmp_path: Path) -> None:
    text = (
        "groups:\n- name: g\n  rules:\n  - {record: 'job:down:count', expr: count(up == 0)}\n"
        "  - {alert: Down, expr: 'job:down:count', for: 5m}\n"
    )
    found = {f.rule for f in report_on(tmp_path, {"rules.yaml": text}).findings}
    assert "no-condition" not in found


def test_rate_of_a_recorded_sum_is_seen_through_the_recording(tmp_path: Path) -> None:
    text = (
        "groups:\n- name: g\n  rules:\n  - {record: 'job:a:sum', expr: sum by (job) (a_total)}\n"
        "  - {record: 'job:a:rate5m', expr: 'rate(job:a:sum[5m])'}\n"
    )
    [finding] = report_on(tmp_path, {"rules.yaml": text}).findings
    assert (finding.rule, finding.line) == ("rate-of-sum", 5)


def test_test_files_load_rules_that_were_not_named(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text(alert(""))
    test = (
        "rule_files: [rules/*.yaml]\ntests:\n- interval: 1m\n"
        "  input_series: [{series: up, values: 1x60}]\n"
        "  alert_rule_test: [{alertname: ExampleDow, eval_time: 5m, exp_alerts: []}]\n"
    )
    report = report_on(tmp_path, {"tests.yaml": test})
    [finding] = report.findings
    assert finding.rule == "test-alert-unknown"
    assert finding.hint == "did you mean ExampleDown?"
    assert finding.line == 5


def test_schema_v2_is_checked_as_the_classic_one_is(tmp_path: Path) -> None:
    element = (
        '{"kind": "Panel", "spec": {"id": 1, "title": "T", "description": "d", "data": {"kind": '
        '"QueryGroup", "spec": {"queries": [{"kind": "PanelQuery", "spec": {"query": {"group": '
        '"prometheus", "datasource": {"name": "${datasource}"}, "spec": {"expr": "sum(("}}}}]}}, '
        '"vizConfig": {"group": "timeseries", "spec": {"fieldConfig": {"defaults": {}}}}}}'
    )
    text = (
        '{"apiVersion": "dashboard.grafana.app/v2", "metadata": {"name": "uid"}, "spec": {"title": '
        '"x", "editable": false, "layout": {}, "variables": [{"kind": "DatasourceVariable", "spec":'
        ' {"name": "datasource", "label": "Data source", "pluginId": "prometheus"}}], "elements": '
        '{"a": ' + element + "}}}"
    )
    report = report_on(tmp_path, {"d.json": text})
    loud = {f.rule for f in report.findings if f.severity is not Severity.INFO}
    assert loud == {"target-promql-rule", "panel-units-rule"}
    assert (report.counts.dashboards, report.counts.panels) == (1, 1)


def test_own_rules_and_dashboard_are_clean() -> None:
    from stigmer_ops.monitoring.lint.project import project_of
    from stigmer_ops.monitoring.lint.run import Options, lint
    from stigmer_ops.monitoring.lint.sources.files import read_files
    from stigmer_ops.monitoring.promtool import Promtool
    from support.lint_examples import TODAY

    root = Path(__file__).parents[4]
    project = project_of(read_files([root / "alerts", root / "dashboards"]))
    report = lint(project, Options(TODAY, OWN, promtool=Promtool.find()))
    loud = [str(f) for f in report.findings if f.severity is not Severity.INFO]
    assert loud == []
    assert report.counts.alerts >= 25
    assert report.counts.panels >= 30


def test_labels_that_the_rule_adds_are_not_in_its_templates(tmp_path: Path) -> None:
    annotations = "annotations: {summary: x, runbook_url: x, description: '{{ $labels.%s }}'}\n"
    closed = f"expr: sum by (job) (up) == 0\n{annotations % 'severity'}"
    assert only(findings(tmp_path, closed), "label-not-in-result").severity is Severity.ERROR
    for label in ("severity", "alertname"):
        finding = only(findings(tmp_path, annotations % label), "label-not-in-result")
        assert finding.severity is Severity.WARNING
        assert "what the rule adds is not in $labels" in finding.message
    assert findings(tmp_path, annotations % "job") == []
    assert findings(tmp_path, 'expr: up{severity="x"} == 0\n' + annotations % "severity") == []


def test_quantiles_of_native_histograms_need_no_le(tmp_path: Path) -> None:
    native = "expr: histogram_quantile(0.9, sum by (job) (rate(latency_seconds[5m]))) > 1\n"
    assert findings(tmp_path, native) == []


def test_fields_of_newer_versions_are_said_once_and_expressions_judged(tmp_path: Path) -> None:
    text = alert("expr: sum(up\n").replace("name: example", "name: example\n  query_offset: 1m")
    report = report_on(tmp_path, {"rules.yaml": text})
    told = {f.rule: f.severity for f in report.findings}
    assert told == {"unknown-field": Severity.WARNING, "promql-syntax": Severity.ERROR}


def test_queries_for_other_data_sources_are_left_alone(tmp_path: Path) -> None:
    variables = [
        {"type": "datasource", "name": "datasource", "query": "prometheus"},
        {"type": "datasource", "name": "logs", "query": "loki"},
    ]
    targets = [{"expr": 'sum(rate({app="a"} |= "b" [5m]))'}]
    panels = [
        {"id": number, "type": "timeseries", "datasource": source, "targets": targets}
        for number, source in enumerate(("Loki prod", {"uid": "${logs}"}, {"type": "loki"}))
    ]
    dashboard = {"title": "x", "templating": {"list": variables}, "panels": panels}
    text = json.dumps(dashboard)
    report = report_on(tmp_path, {"d.json": text})
    found = {f.rule for f in report.findings}
    assert "target-promql-rule" not in found
    assert "target-logql-auto-rule" in found


def test_pages_are_read_as_markdown(tmp_path: Path) -> None:
    page = (
        "# ExampleDown #\n\n## Meaning\n\n```console\n## Impact\n[x](gone.md)\n```\n\n"
        '## Diagnosis ##\n[here](rules.yaml#x) [there](gone.md "title") [web](https://x/y.md)\n'
        "```promql\nsum(up)\n```\n```promql\nsum(\n```\n"
    )
    report = report_on(tmp_path, {"rules.yaml": alert(""), "ExampleDown.md": page})
    told = {f.rule: (f.line, f.column, f.message) for f in report.findings}
    assert told == {
        "page-link-dead": (11, 30, "gone.md does not exist"),
        "page-section-missing": (1, 1, "the page has no section Impact, Mitigation"),
        "promql-syntax": (16, 5, "unclosed left parenthesis"),
    }
