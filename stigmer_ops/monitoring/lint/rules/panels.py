"""Panels and their queries.

Ids that end in -rule are those of grafana/dashboard-linter, and mean the same; where that one looks
at text, these look at the parsed expression, so that `x_total{job="a"}` does not escape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import (
    Check,
    Example,
    LintRule,
    Problem,
    Severity,
)
from stigmer_ops.monitoring.lint.promql.syntax import Call, Range
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.rules.grafana_units import UNITS
from stigmer_ops.monitoring.lint.rules.metrics import raw_counters
from stigmer_ops.monitoring.lint.rules.syntax import syntax_problems
from stigmer_ops.monitoring.lint.sources.dashboards import Panel, Target
from stigmer_ops.monitoring.lint.sources.grafana_variables import IN_MATCHER, RATE_INTERVAL
from stigmer_ops.monitoring.lint.sources.tree import Mapping

_WITH_UNIT = frozenset({"stat", "singlestat", "graph", "table", "timeseries", "gauge"})
_WITH_TARGETS = frozenset(
    {"stat", "singlestat", "graph", "table", "timeseries", "gauge", "bargauge", "heatmap"}
)
_RETIRED = frozenset({"graph", "singlestat", "table-old", "grafana-piechart-panel"})
_DURATION_IN_LOGQL = re.compile(r"\[\s*\d+(?:ms|[smhdwy])[^]]*\]")
_STREAM_SELECTOR = re.compile(r"\{[^{}]*\}")


def _datasource(panel: Panel, _context: Context) -> Iterator[Problem]:
    if panel.kind not in _WITH_TARGETS or panel.data_source.uid in (
        "-- Mixed --",
        "-- Dashboard --",
    ):
        return
    names = {variable.key for variable in panel.dashboard.data_source_variables}
    wanted = {form for name in names for form in (f"${name}", f"${{{name}}}", f"[[{name}]]")}
    used = panel.data_source.uid or next((t.data_source.uid for t in panel.targets), "")
    if used not in wanted:
        yield Problem(
            f"the panel's data source is {used or 'the default'}, not the dashboard's variable",
            panel.node.place_of("datasource"),
            "uid: ${datasource}",
        )


def _title_description(panel: Panel, _context: Context) -> Iterator[Problem]:
    if not panel.draws:
        return
    for key in ("title", "description"):
        if not panel.node.text(key).strip():
            yield Problem(f"the panel has no {key}", panel.node.place_of(key))


def _units(panel: Panel, _context: Context) -> Iterator[Problem]:
    if panel.kind not in _WITH_UNIT:
        return
    unit = _unit_of(panel.field_config)
    if not unit:
        yield Problem("the panel has no unit", panel.place, "fieldConfig.defaults.unit: s")
    elif unit not in UNITS and ":" not in unit:
        place = panel.field_config.mapping("defaults").place_of("unit")
        yield Problem(f"Grafana has no unit {unit!r}", place)


def _unit_of(field_config: Mapping) -> str:
    """The unit of all fields, else that of an override; mappings of values need none."""
    defaults = field_config.mapping("defaults")
    if defaults.text("unit"):
        return defaults.text("unit")
    if defaults.items("mappings"):
        return "none"
    for override in field_config.mappings("overrides"):
        for item in override.mappings("properties"):
            if item.text("id") == "unit":
                return item.text("value")
    return ""


def _no_targets(panel: Panel, _context: Context) -> Iterator[Problem]:
    if panel.kind in _WITH_TARGETS and not panel.targets and "libraryPanel" not in panel.node:
        yield Problem("the panel has no query", panel.place)


def _retired(panel: Panel, _context: Context) -> Iterator[Problem]:
    if panel.kind in _RETIRED:
        yield Problem(
            f"panels of the type {panel.kind} no longer load: Grafana 12 has no AngularJS",
            panel.node.place_of("type"),
            {"graph": "timeseries", "singlestat": "stat"}.get(panel.kind, "table"),
        )


def _promql(target: Target, context: Context) -> Iterator[Problem]:
    expression = target.expression
    if expression is not None and not expression.too_deep:
        yield from syntax_problems(expression, context)


def _rate_interval(target: Target, context: Context) -> Iterator[Problem]:
    expression = target.expression
    for visited in expression.nodes if expression else ():
        node = visited.node
        if not isinstance(node, Range) or node.length == RATE_INTERVAL or not visited.parents:
            continue
        call = visited.parents[-1]
        if not isinstance(call, Call) or call.function not in ("rate", "irate"):
            continue
        if (node.selector.name, node.length) not in context.project.ranges_of_alerts:
            yield Problem(
                f"{call.function}() over a fixed range: too short for a coarse graph, and too long "
                "for a fine one",
                target.place,
                "[$__rate_interval]",
            )


def _required_matcher(label: str) -> Check[Target]:
    def check(target: Target, context: Context) -> Iterator[Problem]:
        if not any(variable.key == label for variable in target.panel.dashboard.variables):
            return  # template-job-rule has said that the variable is missing
        expression = target.expression
        for selector in expression.selectors if expression else ():
            chosen = [m for m in selector.matchers_of(label) if m.operator == "=~"]
            narrowed = any(IN_MATCHER in matcher.value for matcher in chosen)
            if not narrowed and label in context.inference.labels_of(selector.name).may:
                yield Problem(
                    f"{selector.name or 'the selector'} is not narrowed by the variable {label}",
                    target.place,
                    f'{label}=~"${label}"',
                )

    return check


def _raw_counter(target: Target, context: Context) -> Iterator[Problem]:
    for selector, use in raw_counters(target.expression, context) if target.expression else ():
        yield Problem(
            f"the counter {selector.name} is drawn {use}: a line that only rises, and falls to 0 "
            "with every restart",
            target.place,
            f"rate({selector.name}[$__rate_interval])",
        )


def _logql(target: Target, _context: Context) -> Iterator[Problem]:
    if target.data_source_kind != "loki" or target.expr is None or target.hidden:
        return
    text = re.sub(r"\"(?:[^\"\\]|\\.)*\"|`[^`]*`", '""', target.expr.text)
    opened = {bracket: text.count(bracket) for bracket in "()[]{}"}
    if any(opened[a] != opened[b] for a, b in ("()", "[]", "{}")):
        yield Problem("the LogQL query has brackets that are not closed", target.place)
    elif text.count('"') % 2 or text.count("`") % 2:
        yield Problem("the LogQL query has a string that is not closed", target.place)
    elif not _STREAM_SELECTOR.search(text):
        yield Problem("the LogQL query selects no stream", target.place, '{app="example"}')


def _logql_auto(target: Target, _context: Context) -> Iterator[Problem]:
    if target.data_source_kind != "loki" or target.expr is None or target.hidden:
        return
    if _DURATION_IN_LOGQL.search(target.expr.text) and "$__auto" not in target.expr.text:
        yield Problem("the LogQL query has a fixed range", target.place, "[$__auto]")


def _target(expr: str, kind: str = "prometheus") -> Example:
    quoted = expr.replace("'", "''")
    return ex.panel(
        f"targets:\n- refId: A\n  datasource: {{type: {kind}, uid: '${{datasource}}'}}\n"
        f"  expr: '{quoted}'\n"
    )


def _narrowed(label: str, expr: str) -> Example:
    variable = f"{{type: query, name: {label}, query: 'label_values(up, {label})'}}"
    return ex.dashboard(
        f"templating: {{list: [{variable}]}}\n"
        f"panels: [{{id: 1, type: stat, title: Up, targets: [{{refId: A, expr: '{expr}'}}]}}]\n",
    )


RULES = (
    LintRule(
        "panel-datasource-rule",
        Severity.WARNING,
        "A panel does not use the dashboard's data source variable.",
        "It shows nothing, or another installation, in any Grafana but the one that it was drawn "
        "in.",
        Panel,
        _datasource,
        ex.panel("datasource: {type: prometheus, uid: P1809F7CD0C75ACF3}\n"),
        ex.panel("datasource: {type: prometheus, uid: '${datasource}'}\n"),
    ),
    LintRule(
        "panel-title-description-rule",
        Severity.WARNING,
        "A panel has no title or no description.",
        "The description says what is shown, and what bad looks like.",
        Panel,
        _title_description,
        ex.panel("description: ''\n"),
        ex.panel("description: Requests a second. Bad is a fall to 0.\n"),
    ),
    LintRule(
        "panel-units-rule",
        Severity.WARNING,
        "A panel has no unit, or one that Grafana does not know.",
        "0.25 is a quarter of a second, of all requests, or of a request a second.",
        Panel,
        _units,
        ex.panel("fieldConfig: {defaults: {unit: seconds}}\n"),
        ex.panel("fieldConfig: {defaults: {unit: s}}\n"),
    ),
    LintRule(
        "panel-no-targets-rule",
        Severity.WARNING,
        "A panel has no query.",
        "It shows nothing, and whoever added it meant it to.",
        Panel,
        _no_targets,
        ex.panel("targets: []\n"),
        ex.panel("targets: [{expr: up, refId: A}]\n"),
    ),
    LintRule(
        "panel-type-retired",
        Severity.WARNING,
        "A panel's type is gone from Grafana.",
        "Grafana 12 has no AngularJS: panels of the types graph and singlestat are migrated at "
        "load if they can be, and otherwise do not appear.",
        Panel,
        _retired,
        ex.panel("type: graph\n"),
        ex.panel("type: timeseries\n"),
    ),
    LintRule(
        "target-promql-rule",
        Severity.ERROR,
        "The query of a panel does not parse.",
        "Variables are filled in before, as Grafana does. See promql-syntax for who decides.",
        Target,
        _promql,
        _target("sum(rate(requests_total[$__rate_interval])"),
        _target("sum(rate(requests_total[$__rate_interval]))"),
        judged=True,
    ),
    LintRule(
        "target-rate-interval-rule",
        Severity.WARNING,
        "A panel takes a rate over a fixed range.",
        "$__rate_interval is at least four scrapes, and at least one step of the graph, so that "
        "nothing falls between two points. A range that an alert on the same metric has is right: "
        "the panel shows what the alert sees.",
        Target,
        _rate_interval,
        _target("sum(rate(requests_total[5m]))"),
        _target("sum(rate(requests_total[$__rate_interval]))"),
    ),
    LintRule(
        "target-job-rule",
        Severity.WARNING,
        "A query is not narrowed by the variable job.",
        "Who chooses a job expects that all panels follow. Looked for where the dashboard has the "
        "variable; that it has none is said once, by template-job-rule.",
        Target,
        _required_matcher("job"),
        _narrowed("job", "up"),
        _narrowed("job", 'up{job=~"$job"}'),
    ),
    LintRule(
        "target-instance-rule",
        Severity.WARNING,
        "A query is not narrowed by the variable instance.",
        "As target-job-rule, of the variable instance.",
        Target,
        _required_matcher("instance"),
        _narrowed("instance", "up"),
        _narrowed("instance", 'up{instance=~"$instance"}'),
    ),
    LintRule(
        "target-counter-agg-rule",
        Severity.WARNING,
        "A panel draws the value of a counter.",
        "As counter-without-rate, of panels. The type comes from the catalogue, or from the suffix "
        "_total.",
        Target,
        _raw_counter,
        _target('requests_total{job="app"}'),
        _target('rate(requests_total{job="app"}[$__rate_interval])'),
    ),
    LintRule(
        "target-logql-rule",
        Severity.ERROR,
        "A Loki query cannot be right.",
        "There is no LogQL parser here: brackets and strings must be closed, and a stream must be "
        "selected.",
        Target,
        _logql,
        _target('{app="example"', "loki"),
        _target('{app="example"}', "loki"),
    ),
    LintRule(
        "target-logql-auto-rule",
        Severity.WARNING,
        "A Loki query has a fixed range.",
        "$__auto follows the step of the graph.",
        Target,
        _logql_auto,
        _target('sum(rate({app="example"}[5m]))', "loki"),
        _target('sum(rate({app="example"}[$__auto]))', "loki"),
    ),
)
