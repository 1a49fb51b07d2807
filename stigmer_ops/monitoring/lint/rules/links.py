"""Whether alerts, pages, dashboards and panels that refer to each other are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from stigmer_ops.monitoring.lint.context import Context
from stigmer_ops.monitoring.lint.model import (
    LintRule,
    Place,
    Problem,
    Severity,
)
from stigmer_ops.monitoring.lint.rules import examples as ex
from stigmer_ops.monitoring.lint.sources.dashboards import Dashboard
from stigmer_ops.monitoring.lint.sources.pages import Page
from stigmer_ops.monitoring.lint.sources.rule_files import Rule

_SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
_DASHBOARD = re.compile(r"/d(?:-solo)?/([^/?#]+)")


def _page_missing(rule: Rule, context: Context) -> Iterator[Problem]:
    project = context.project
    if not rule.is_alert or not rule.key or not project.alert_page_folders:
        return
    if not project.pages_of(rule):
        folder = min(project.alert_page_folders)
        yield Problem(
            f"there is no runbook page for {rule.key}",
            rule.place_of("annotations", "runbook_url"),
            f"write {folder / f'{rule.key}.md'}",
        )


def _orphan(page: Page, context: Context) -> Iterator[Problem]:
    project = context.project
    if Path(page.path).parent not in project.alert_page_folders or page.stem.lower() == "readme":
        return
    if not any(name.lower() == page.stem.lower() for name in project.alerts):
        yield Problem(f"no alert that was read is called {page.stem}", Place(1))


def _section_missing(page: Page, context: Context) -> Iterator[Problem]:
    if not any(name.lower() == page.stem.lower() for name in context.project.alerts):
        return
    found = {heading.text.lower() for heading in page.headings}
    lacking = [section for section in _SECTIONS if section.lower() not in found]
    if lacking:
        yield Problem(f"the page has no section {', '.join(lacking)}", Place(1))


def _dead_link(page: Page, _context: Context) -> Iterator[Problem]:
    for link in page.links:
        path = unquote(link.target.partition("#")[0])
        if not path or "://" in path or path.startswith(("/", "mailto:", "<")) or "\0" in path:
            continue
        if not (Path(page.path).parent / path).exists():
            yield Problem(f"{path} does not exist", link.place)


def _dashboard_missing(rule: Rule, context: Context) -> Iterator[Problem]:
    if not rule.is_alert or not context.project.dashboards:
        return
    uid, panel, name = _dashboard_of(rule)
    if not uid or "{{" in uid:
        return
    place = rule.place_of("annotations", name)
    found = context.project.dashboards_by_uid.get(uid)
    if found is None:
        known = ", ".join(sorted(context.project.dashboards_by_uid)) or "none with a uid"
        yield Problem(f"no dashboard that was read has the uid {uid}", place, f"there is {known}")
    elif panel and panel not in _panel_ids(found):
        yield Problem(f"the dashboard {uid} has no panel {panel}", place)


def _dashboard_of(rule: Rule) -> tuple[str, str, str]:
    """The uid and panel id that an alert refers to, and the annotation that does."""
    if "__dashboardUid__" in rule.annotations:
        uid = rule.annotations["__dashboardUid__"].text
        panel = rule.annotations.get("__panelId__")
        return uid, panel.text if panel else "", "__dashboardUid__"
    for name in ("dashboard_url", "dashboard", "grafana_url"):
        value = rule.annotations.get(name)
        match = _DASHBOARD.search(value.text) if value else None
        if value and match:
            return match[1], _panel_of(value.text), name
    return "", "", ""


def _panel_of(url: str) -> str:
    try:
        query = parse_qs(urlsplit(url.replace("{{", "").replace("}}", "")).query)
    except ValueError:
        return ""
    panel = next((query[name][0] for name in ("viewPanel", "panelId") if name in query), "")
    return panel.removeprefix("panel-")


def _panel_ids(found: Dashboard) -> set[str]:
    return {panel.node.text("id") for panel in found.panels}


def _alert_without_panel(rule: Rule, context: Context) -> Iterator[Problem]:
    if not rule.is_alert or not rule.key or not context.project.dashboards:
        return
    linking = any("dashboard_url" in other.annotations for other in context.project.rules)
    if linking and not _dashboard_of(rule)[0]:
        yield Problem(
            "the alert has no dashboard_url, and others have",
            rule.place_of("annotations"),
            "the panel that shows the value: …/d/UID?viewPanel=ID",
        )


_PAGE = "# ExampleDown\n\n## Meaning\n\n## Impact\n\n## Diagnosis\n\n## Mitigation\n"


def _alerts(*names: str, annotations: str = "{summary: x}") -> str:
    rules = "".join(
        f"  - {{alert: {n}, expr: up == 0, annotations: {annotations}}}\n" for n in names
    )
    return f"groups:\n- name: g\n  rules:\n{rules}"


def _linking(uid: str) -> str:
    return _alerts("ExampleDown", annotations=f"{{dashboard_url: 'https://grafana/d/{uid}'}}")


_DASHBOARD_FILE = '{"uid": "example", "title": "Example", "panels": []}\n'


RULES = (
    LintRule(
        "page-missing",
        Severity.ERROR,
        "An alert has no runbook page.",
        "Looked for where pages named after alerts are among what is linted, by the last part of "
        "runbook_url and by the alert's name; a heading with the name in any page will do.",
        Rule,
        _page_missing,
        ex.files(rules_yaml=_alerts("ExampleDown", "ExampleSlow"), ExampleDown_md=_PAGE),
        ex.files(rules_yaml=_alerts("ExampleDown"), ExampleDown_md=_PAGE),
    ),
    LintRule(
        "page-orphan",
        Severity.WARNING,
        "A runbook page is named after no alert.",
        "The alert was renamed or removed, or its rules were not given. Whoever gets the renamed "
        "alert finds no page.",
        Page,
        _orphan,
        ex.files(rules_yaml=_alerts("ExampleDown"), ExampleDown_md=_PAGE, ExampleSlow_md=_PAGE),
        ex.files(rules_yaml=_alerts("ExampleDown"), ExampleDown_md=_PAGE),
    ),
    LintRule(
        "page-section-missing",
        Severity.WARNING,
        "A runbook page lacks one of the four sections.",
        "Meaning, Impact, Diagnosis, Mitigation: at three in the morning one looks for what one "
        "needs, and not for where it is.",
        Page,
        _section_missing,
        ex.page(_PAGE.replace("## Impact\n", "")),
        ex.page(_PAGE),
    ),
    LintRule(
        "page-link-dead",
        Severity.WARNING,
        "A page links to a file that does not exist.",
        "Links within the repository are followed; addresses on the web are not.",
        Page,
        _dead_link,
        ex.page(_PAGE + "\n[all pages](nowhere.md)\n"),
        ex.page(_PAGE + "\n[the rules](rules.yaml)\n"),
    ),
    LintRule(
        "dashboard-missing",
        Severity.ERROR,
        "An alert links to a dashboard or panel that there is not.",
        "Looked for where dashboards are among what is linted: the uid and the panel id in "
        "dashboard_url, or in Grafana's own annotations.",
        Rule,
        _dashboard_missing,
        ex.files(rules_yaml=_linking("other"), example_json=_DASHBOARD_FILE),
        ex.files(rules_yaml=_linking("example"), example_json=_DASHBOARD_FILE),
    ),
    LintRule(
        "alert-without-panel",
        Severity.WARNING,
        "An alert links to no panel.",
        "Where dashboards are linted and other alerts link to theirs: the graph of the value is "
        "the first thing that one wants to see.",
        Rule,
        _alert_without_panel,
        ex.files(
            rules_yaml=_linking("example") + "  - {alert: ExampleSlow, expr: x > 1}\n",
            example_json=_DASHBOARD_FILE,
        ),
        ex.files(rules_yaml=_linking("example"), example_json=_DASHBOARD_FILE),
    ),
)
