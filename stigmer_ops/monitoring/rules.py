"""The catalogue's rules as files: for Prometheus itself, and for its Kubernetes operator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import promql_parser
import yaml

from stigmer_ops.monitoring.catalogue.model import Alert, Catalogue, Recording
from stigmer_ops.monitoring.catalogue.promql import duration
from stigmer_ops.monitoring.rule_format import RuleFormat
from stigmer_ops.settings import Settings

COMMAND = "stigmer-ops alerts generate"
HEADER = f"# Written by `{COMMAND}`; edit the catalogue or the settings instead."

Rule = dict[str, Any]
_EXPRESSION_WIDTH = 88
_LABEL_OF_TEMPLATE = re.compile(r"\$labels\.(\w+)")


def rule_files(
    catalogue: Catalogue, settings: Settings, format: RuleFormat = RuleFormat.PROMETHEUS
) -> dict[str, str]:
    """File name to text, a file for each group; the same bytes for the same catalogue."""
    return {
        f"{name}.yaml": HEADER + "\n" + dumped(_document(name, rules, format))
        for name, rules in groups(catalogue, settings).items()
    }


def groups(catalogue: Catalogue, settings: Settings) -> dict[str, list[Rule]]:
    """Group name to rules, as rule files have them."""
    found: dict[str, list[Rule]] = {}
    for recording in catalogue.recordings:
        found.setdefault(recording.group, []).append(recording_rule(recording))
    for alert in catalogue.alerts:
        found.setdefault(alert.group, []).append(alerting_rule(alert, catalogue, settings))
    return found


def recording_rule(recording: Recording) -> Rule:
    """A recording rule as a rule file has it."""
    return {"record": recording.series.name, "expr": laid_out(recording.expr)}


def alerting_rule(alert: Alert, catalogue: Catalogue, settings: Settings) -> Rule:
    """An alerting rule as a rule file has it, with all its annotations."""
    rule: Rule = {"alert": alert.name, "expr": laid_out(alert.expr), "for": duration(alert.for_)}
    if alert.keep_firing_for is not None:
        rule["keep_firing_for"] = duration(alert.keep_firing_for)
    rule["labels"] = {"severity": alert.severity.value}
    rule["annotations"] = {
        "summary": alert.summary,
        "description": f"{alert.description}\nNext: {alert.next_command}",
        "runbook_url": settings.monitoring.runbook_url.replace("{alert}", alert.name),
        "dashboard_url": dashboard_url(alert, catalogue, settings),
    }
    return rule


def dashboard_url(alert: Alert, catalogue: Catalogue, settings: Settings) -> str:
    """Where the alert's panel is, with the dashboard's variables set to the alert's labels."""
    dashboard = catalogue.dashboard
    url = settings.monitoring.dashboard_url.replace("{uid}", dashboard.uid).replace(
        "{panel}", str(catalogue.panel(alert.panel).number)
    )
    known = set(_LABEL_OF_TEMPLATE.findall(alert.description))
    for variable in dashboard.variables:
        label = variable.label.name
        if label in known:
            url += "&" if "?" in url else "?"
            url += f"var-{variable.name}={{{{ $labels.{label} | urlquery }}}}"
    return url


def laid_out(expr: str) -> str:
    """An expression as people read it: operands of a long one on lines of their own.

    Raises:
        ValueError: It is no PromQL.
    """
    return "\n".join(_lines(promql_parser.parse(expr)))


def _lines(expr: promql_parser.Expr) -> list[str]:
    lines: list[str] = expr.prettify().splitlines()
    fits = len(lines) == 1 and len(lines[0]) <= _EXPRESSION_WIDTH
    if fits or not isinstance(expr, promql_parser.BinaryExpr):
        return lines
    # prettify indents the operands, and YAML would want an indentation indicator for that.
    operator = f"{expr.op} {expr.modifier or ''}".strip()
    left, right = _lines(expr.lhs), _lines(expr.rhs)
    if isinstance(expr.rhs, promql_parser.NumberLiteral):
        return [*left[:-1], f"{left[-1]} {operator} {right[0]}"]
    return [*left, operator, *right]


def _document(name: str, rules: list[Rule], format: RuleFormat) -> Mapping[str, Any]:
    content = {"groups": [{"name": name, "rules": rules}]}
    if format is RuleFormat.PROMETHEUS:
        return content
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/name": "stigmer-ops",
                "app.kubernetes.io/component": "alerts",
            },
        },
        "spec": content,
    }


class _Dumper(yaml.SafeDumper):
    """Long text as blocks, so that expressions are read and compared line by line."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Dumper.add_representer(str, _text_node)


def dumped(document: Mapping[str, Any]) -> str:
    """YAML with long text in blocks, the same for the same document."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000
    )
    return text
