"""Dashboards as a whole: variables, and whether they can be kept in a repository.

Ids that end in -rule are those of grafana/dashboard-linter, and mean the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import (
    Check,
    Example,
    ExampleKind,
    LintRule,
    Problem,
    Severity,
)
from stigmer_ops.monitoring.lint.promql.reading import parse
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.dashboards import Dashboard, Variable
from stigmer_ops.monitoring.lint.sources.grafana_variables import any_used, filled_in, used_in
from stigmer_ops.monitoring.lint.sources.tree import Scalar
from stigmer_ops.monitoring.promql_guard import PromQLError

_VARIABLE_QUERY = re.compile(
    r"(label_names|label_values|metrics|query_result)\s*\((.*)\)\s*", re.DOTALL
)
_GLOBALS = re.compile(r"__\w+|timeFilter")
_MAXIMUM_UID = 40


def _is_prometheus(dashboard: Dashboard) -> bool:
    return dashboard.data_source_kind in ("prometheus", "")


def _datasource(dashboard: Dashboard, _context: Context) -> Iterator[Problem]:
    variables = dashboard.data_source_variables
    if not variables:
        yield Problem(
            "the dashboard has no variable for its data source: it works in one Grafana only",
            dashboard.root.place_of("templating"),
            'a variable "datasource" of the type datasource',
        )
    for variable in variables:
        query = variable.query.lower()
        names = {f"{query}_datasource"} | ({"datasource"} if len(variables) == 1 else set())
        labels = {f"{query} data source"} | ({"data source"} if len(variables) == 1 else set())
        if variable.key not in names:
            message = f"the data source variable is called {variable.key}"
            yield Problem(message, variable.node.place_of("name"), " or ".join(sorted(names)))
        elif variable.label.lower() not in labels:
            message = f"the data source variable is labelled {variable.label!r}"
            yield Problem(message, variable.node.place_of("label"), "Data source")


def _required_variable(name: str) -> Check[Dashboard]:
    def check(dashboard: Dashboard, _context: Context) -> Iterator[Problem]:
        if not dashboard.data_source_variables or not _is_prometheus(dashboard):
            return
        found = next((v for v in dashboard.variables if v.key == name), None)
        if found is None:
            place = dashboard.root.place_of("templating")
            yield Problem(f"the dashboard has no variable {name}", place)
            return
        yield from _as_it_should_be(found, name)

    return check


def _as_it_should_be(variable: Variable, name: str) -> Iterator[Problem]:
    if variable.kind != "query":
        message = f"the variable {name} is not filled by a query"
        yield Problem(message, variable.node.place_of("type"))
    if variable.label.lower() != name:
        message = f"the variable {name} is labelled {variable.label!r}"
        yield Problem(message, variable.node.place_of("label"), name.capitalize())
    if not variable.multi:
        message = f"of the variable {name} only one value can be chosen"
        yield Problem(message, variable.node.place_of("multi"), "multi: true")
    if variable.all_value != ".+":
        message = f"All of the variable {name} is {variable.all_value or 'a list of all values'!r}"
        yield Problem(message, variable.node.place_of("allValue"), "allValue: .+")


def _variable_query(dashboard: Dashboard, _context: Context) -> Iterator[Problem]:
    for variable in dashboard.variables:
        if variable.kind != "query" or variable.data_source.kind not in ("prometheus", ""):
            continue
        match = _VARIABLE_QUERY.fullmatch(variable.query.strip())
        if match is None:
            hint = "label_values(metric, label), label_names(), metrics() or query_result()"
            message = f"the query of the variable {variable.key} is none of Prometheus'"
            yield Problem(message, variable.node.place_of("query"), hint)
        elif (error := _error_in(match[1], match[2])) is not None:
            message = f"the query of the variable {variable.key} does not parse: {error}"
            yield Problem(message, variable.node.place_of("query"))


def _error_in(function: str, argument: str) -> PromQLError | None:
    if function == "label_values":
        series, _, label = argument.rpartition(",")
        argument = series if re.fullmatch(r"\s*[\w$]+\s*", label) else argument
    if function in ("label_names", "metrics") or not argument.strip():
        return None
    try:
        parse(filled_in(argument))
    except PromQLError as error:
        return error
    return None


def _reload(dashboard: Dashboard, _context: Context) -> Iterator[Problem]:
    for variable in dashboard.variables:
        if variable.kind == "query" and variable.refresh not in ("2", "onTimeRangeChanged"):
            yield Problem(
                f"the variable {variable.key} is not filled anew when the time range changes",
                variable.node.place_of("refresh"),
                "refresh: 2",
            )


def _uneditable(dashboard: Dashboard, _context: Context) -> Iterator[Problem]:
    editable = dashboard.root.scalar("editable")
    if editable is None or editable.is_true:
        yield Problem(
            "the dashboard can be edited in Grafana, where the next deployment overwrites it",
            dashboard.root.place_of("editable"),
            "editable: false",
        )


def _uid(dashboard: Dashboard, _context: Context) -> Iterator[Problem]:
    place = dashboard.root.place_of("uid")
    if not dashboard.uid:
        yield Problem("the dashboard has no uid: links to it break with each import", place)
    elif len(dashboard.uid) > _MAXIMUM_UID:
        message = f"the uid has {len(dashboard.uid)} characters: Grafana takes {_MAXIMUM_UID}"
        yield Problem(message, place)


def _same_uid(dashboard: Dashboard, context: Context) -> Iterator[Problem]:
    for other in context.project.dashboards:
        if other is dashboard:
            return
        if dashboard.uid and other.uid == dashboard.uid:
            yield Problem(
                f"{other.path} has the same uid {dashboard.uid}: the one that is loaded later "
                "replaces the other",
                dashboard.root.place_of("uid"),
            )


def _panel_ids(dashboard: Dashboard, _context: Context) -> Iterator[Problem]:
    counts = Counter(panel.node.text("id") for panel in dashboard.panels)
    for panel in dashboard.panels:
        found = panel.node.text("id")
        if not found and panel.draws:
            message = "the panel has no id: a link to it leads elsewhere after each import"
            yield Problem(message, panel.place)
        elif found and counts[found] > 1 and panel.draws:
            yield Problem(f"the panel id {found} is there twice", panel.node.place_of("id"))


def _undefined(dashboard: Dashboard, _context: Context) -> Iterator[Problem]:
    known = {variable.key for variable in dashboard.variables}
    for target in dashboard.targets:
        for name in used_in(target.expr.text) if target.expr else ():
            if name not in known and not _GLOBALS.fullmatch(name) and not target.hidden:
                message = f"the dashboard has no variable {name}"
                yield Problem(f"{target.panel.title}: {message}", target.place)


def _unused(dashboard: Dashboard, _context: Context) -> Iterator[Problem]:
    used = any_used(node.text for node in dashboard.texts if "$" in node.text or "[[" in node.text)
    repeats = {node.text for node in _repeats(dashboard)}
    for variable in dashboard.variables:
        if variable.key not in used | repeats and variable.kind not in ("adhoc", "datasource"):
            message = f"nothing uses the variable {variable.key}"
            yield Problem(message, variable.node.place_of("name"))


def _repeats(dashboard: Dashboard) -> Iterator[Scalar]:
    for panel in dashboard.panels:
        value = panel.node.scalar("repeat")
        if value is not None:
            yield value


_DATASOURCE = "  - {type: datasource, name: datasource, label: Data source, query: prometheus}\n"


def _query_variable(name: str, **changes: str) -> str:
    keys = {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "query": f"'label_values(up, {name})'",
        "refresh": "2",
        "multi": "true",
        "includeAll": "true",
        "allValue": ".+",
        **changes,
    }
    return "  - {" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}\n"


def _templating(*variables: str) -> Example:
    return ex.dashboard("templating:\n  list:\n" + _DATASOURCE + "".join(variables))


RULES = (
    LintRule(
        "template-datasource-rule",
        Severity.WARNING,
        "A dashboard has no variable for its data source.",
        "Every Grafana has its own data sources. A variable of the type datasource, called "
        "datasource and labelled Data source, or prometheus_datasource where there are several, "
        "lets the same file work in each.",
        Dashboard,
        _datasource,
        ex.dashboard("templating: {list: []}\n"),
        _templating(),
    ),
    LintRule(
        "template-job-rule",
        Severity.INFO,
        "A dashboard cannot be narrowed to a job.",
        "dashboard-linter wants a variable job, multi-valued, filled by a query, with .+ for All. "
        "Dashboards of one system choose by other labels with equal right.",
        Dashboard,
        _required_variable("job"),
        _templating(),
        _templating(_query_variable("job")),
    ),
    LintRule(
        "template-instance-rule",
        Severity.INFO,
        "A dashboard cannot be narrowed to an instance.",
        "As template-job-rule, of the variable instance.",
        Dashboard,
        _required_variable("instance"),
        _templating(),
        _templating(_query_variable("instance")),
    ),
    LintRule(
        "template-label-promql-rule",
        Severity.ERROR,
        "The query of a variable does not parse.",
        "The variable stays empty, and with it every panel that uses it.",
        Dashboard,
        _variable_query,
        _templating(_query_variable("job", query="'label_values(up{, job)'")),
        _templating(_query_variable("job")),
    ),
    LintRule(
        "template-on-time-change-reload-rule",
        Severity.WARNING,
        "A variable is not filled anew when the time range changes.",
        "What existed last week cannot be chosen when one looks at last week.",
        Dashboard,
        _reload,
        _templating(_query_variable("job", refresh="1")),
        _templating(_query_variable("job")),
    ),
    LintRule(
        "uneditable-dashboard",
        Severity.WARNING,
        "A dashboard that is kept in a repository can be edited in Grafana.",
        "What is changed there is lost with the next deployment.",
        Dashboard,
        _uneditable,
        ex.dashboard("editable: true\n"),
        ex.dashboard("editable: false\n"),
    ),
    LintRule(
        "dashboard-uid",
        Severity.WARNING,
        "A dashboard has no uid of its own.",
        "Grafana then makes one up at each import, and links from alerts break. It has at most 40 "
        "characters.",
        Dashboard,
        _uid,
        ex.dashboard("uid: ''\n"),
        ex.dashboard("uid: example\n"),
    ),
    LintRule(
        "dashboard-uid-repeated",
        Severity.ERROR,
        "Two dashboards have the same uid.",
        "Grafana keeps the one that it loads last.",
        Dashboard,
        _same_uid,
        Example(
            ExampleKind.FILES,
            '# file: a.json\n{"uid": "x", "title": "A", "panels": []}\n'
            '# file: b.json\n{"uid": "x", "title": "B", "panels": []}\n',
        ),
        Example(
            ExampleKind.FILES,
            '# file: a.json\n{"uid": "x", "title": "A", "panels": []}\n'
            '# file: b.json\n{"uid": "y", "title": "B", "panels": []}\n',
        ),
    ),
    LintRule(
        "panel-id",
        Severity.WARNING,
        "A panel has no id, or that of another.",
        "Links with viewPanel lead to it by its id.",
        Dashboard,
        _panel_ids,
        ex.panel("id: null\n"),
        ex.panel("id: 7\n"),
    ),
    LintRule(
        "variable-undefined",
        Severity.ERROR,
        "A query uses a variable that the dashboard does not have.",
        "Grafana sends the text as it is, and the query matches nothing or does not parse.",
        Dashboard,
        _undefined,
        ex.panel("targets: [{expr: 'up{job=\"$jobs\"}', refId: A}]\n"),
        ex.panel("targets: [{expr: up, refId: A}]\n"),
    ),
    LintRule(
        "variable-unused",
        Severity.INFO,
        "A variable of a dashboard is used nowhere.",
        "Who chooses a value expects that the panels follow.",
        Dashboard,
        _unused,
        _templating(_query_variable("unused")),
        _templating(),
    ),
)
