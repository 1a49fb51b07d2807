"""`dashboards lint` as it is typed; what each rule finds is tested with the linter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.dashboards.files import dashboard_files
from stigmer_ops.monitoring.dashboards.schema import DashboardSchema
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.settings import Settings
from support.command_line import Finished, stigmer_ops

JSON = "stigmer-external-activities.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the generated dashboard and rules."""
    settings = Settings()
    everything = catalogue(settings)
    files = {
        "dashboards": dashboard_files(everything, settings, DashboardSchema.CLASSIC),
        "alerts": rule_files(everything, settings),
    }
    for name, texts in files.items():
        (tmp_path / name).mkdir()
        for file, text in texts.items():
            (tmp_path / name / file).write_text(text)
    return tmp_path


def changed(folder: Path, panel: dict[str, Any], **dashboard: Any) -> None:
    """Change the dashboard, and its first panel that is not a heading."""
    file = folder / "dashboards" / JSON
    document = json.loads(file.read_text())
    document |= dashboard
    document["panels"][1] |= panel
    file.write_text(json.dumps(document, indent=2))


async def lint(folder: Path, *arguments: str) -> Finished:
    return await stigmer_ops(
        "dashboards",
        "lint",
        *arguments,
        str(folder / "dashboards"),
        str(folder / "alerts"),
        "--format",
        "json",
    )


def rules_of(finished: Finished, severity: str) -> set[str]:
    return {
        finding["rule"] for finding in finished.json["findings"] if finding["severity"] == severity
    }


async def test_the_generated_dashboard_is_without_errors(folder: Path) -> None:
    finished = await lint(folder)
    assert rules_of(finished, "error") == set()
    assert finished.code == 0


@pytest.mark.parametrize(
    ("panel", "dashboard", "rule"),
    [
        ({"targets": [{"refId": "A", "expr": "rate(up"}]}, {}, "target-promql-rule"),
        ({"targets": [{"refId": "A", "expr": "stigmer_nothing"}]}, {}, "metric-unknown"),
        ({"title": "", "description": ""}, {}, "panel-title-description-rule"),
        ({"id": 2}, {}, "panel-id"),
        ({}, {"uid": "another"}, "dashboard-missing"),
    ],
)
async def test_what_is_broken_is_a_finding(
    folder: Path, panel: dict[str, Any], dashboard: dict[str, Any], rule: str
) -> None:
    changed(folder, panel, **dashboard)
    finished = await lint(folder)
    found = {finding["rule"] for finding in finished.json["findings"]}
    assert rule in found
    assert finished.code == 1 or rule not in rules_of(finished, "error")


async def test_what_is_ignored_is_no_finding(folder: Path) -> None:
    changed(folder, {"id": 2})
    finished = await lint(folder, "--ignore", "panel-id", "--ignore", "dashboard-missing")
    assert rules_of(finished, "error") == set()
    assert finished.code == 0


async def test_rules_of_alerts_are_left_to_alerts_lint(folder: Path) -> None:
    file = folder / "alerts" / "stigmer-workers.yaml"
    file.write_text(file.read_text().replace("severity: critical", "team: ours"))
    finished = await lint(folder)
    assert rules_of(finished, "error") == set()


async def test_nothing_to_lint_is_wrong_usage(tmp_path: Path) -> None:
    finished = await stigmer_ops("dashboards", "lint", str(tmp_path))
    assert finished.code == 2
    assert "nothing to lint" in finished.err
