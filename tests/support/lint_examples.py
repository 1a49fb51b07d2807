"""The examples of the lint rules as files, and what the linter finds in them."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from stigmer_ops.monitoring.lint.external import read
from stigmer_ops.monitoring.lint.known import Known
from stigmer_ops.monitoring.lint.model import Example, ExampleKind, Report
from stigmer_ops.monitoring.lint.project import project_of
from stigmer_ops.monitoring.lint.run import Options, lint
from stigmer_ops.monitoring.lint.sources.files import read_files
from stigmer_ops.monitoring.promtool import Promtool

TODAY = date(2026, 11, 24)
PROMTOOL = Promtool.find()
"""One for all reports of a process, since it is asked for its version once."""

_ALERT = {
    "alert": "alert: ExampleDown",
    "expr": "expr: up == 0",
    "for": "for: 5m",
    "labels": "labels: {severity: warning}",
    "annotations": (
        "annotations:\n  summary: An example is down.\n"
        "  description: It is {{ $value | humanize }}.\n"
        "  runbook_url: https://runbooks.example.com/ExampleDown"
    ),
}
_PANEL: dict[str, Any] = {
    "id": 1,
    "type": "timeseries",
    "title": "Up",
    "description": "Targets that answer. Bad is 0.",
    "datasource": {"type": "prometheus", "uid": "${datasource}"},
    "fieldConfig": {"defaults": {"unit": "short"}},
    "targets": [{"refId": "A", "expr": "up"}],
}
_DASHBOARD: dict[str, Any] = {
    "uid": "example",
    "title": "Example",
    "editable": False,
    "schemaVersion": 39,
    "templating": {
        "list": [
            {
                "type": "datasource",
                "name": "datasource",
                "label": "Data source",
                "query": "prometheus",
            }
        ]
    },
    "panels": [_PANEL],
}


def alert(fragment: str) -> str:
    """A rule file with one alert, whose keys the fragment replaces."""
    given = set(re.findall(r"^(\w+):", fragment, re.MULTILINE))
    kept = [text for key, text in _ALERT.items() if key not in given]
    body = textwrap.indent("\n".join([*kept, fragment.strip("\n")]), "    ")
    return f"groups:\n- name: example\n  rules:\n  - # the example\n{body}\n"


def files(example: Example) -> dict[str, str]:
    """File name to text."""
    return _FILES[example.kind](example.text)


def _panel(text: str) -> dict[str, str]:
    return _dashboard(yaml.safe_dump({"panels": [{**_PANEL, **yaml.safe_load(text)}]}))


def _dashboard(text: str) -> dict[str, str]:
    return {"dashboard.json": json.dumps({**_DASHBOARD, **yaml.safe_load(text)}, indent=1)}


def _several(text: str) -> dict[str, str]:
    parts = re.split(r"^# file: (\S+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


_FILES: dict[ExampleKind, Callable[[str], dict[str, str]]] = {
    ExampleKind.EXPRESSION: lambda text: {
        "rules.yaml": alert(f"expr: |\n{textwrap.indent(text, '  ')}\n")
    },
    ExampleKind.ALERT: lambda text: {"rules.yaml": alert(text)},
    ExampleKind.RULES: lambda text: {"rules.yaml": text},
    ExampleKind.TEST: lambda text: {"rules.yaml": alert(""), "tests.yaml": text},
    ExampleKind.DASHBOARD: _dashboard,
    ExampleKind.PANEL: _panel,
    ExampleKind.PAGE: lambda text: {"rules.yaml": alert(""), "ExampleDown.md": text},
    ExampleKind.FILES: _several,
}


def report_on(
    folder: Path, texts: dict[str, str], *, known: Known | None = None, promtool: bool = True
) -> Report:
    """What the linter finds in these files, each of which is named to it."""
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    project = project_of(read_files([folder / name for name in texts]))
    return lint(project, Options(TODAY, known or Known(), promtool=PROMTOOL if promtool else None))


def report_on_example(folder: Path, example: Example, *, promtool: bool = True) -> Report:
    """What the linter finds in an example, with its facts."""
    known = Known()
    if example.facts:
        (folder / "facts.yaml").write_text(example.facts)
        known = read(folder / "facts.yaml")
    return report_on(folder, files(example), known=known, promtool=promtool)
