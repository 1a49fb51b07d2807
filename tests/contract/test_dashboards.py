"""What the committed dashboard promises to those who link to it, load it and read it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Panel
from stigmer_ops.monitoring.dashboards.files import dashboard_files
from stigmer_ops.monitoring.dashboards.schema import DashboardSchema
from stigmer_ops.settings import Settings
from support.command_line import environment

ROOT = Path(__file__).parent.parent.parent
SETTINGS = Settings()
CATALOGUE = catalogue(SETTINGS)
FILE = ROOT / "dashboards" / "stigmer-external-activities.json"
PANELS = {panel["id"]: panel for panel in json.loads(FILE.read_text(encoding="utf-8"))["panels"]}

NUMBERS = {
    "success-ratio": 1,
    "pending-total": 2,
    "critical-alerts": 3,
    "scan-age": 4,
    "completion-rate": 5,
    "completion-duration": 6,
    "failure-ratio": 7,
    "error-budget-burn": 8,
    "pending-by-age": 9,
    "pending-by-task-queue": 10,
    "oldest-age": 11,
    "timeout-used": 12,
    "time-to-deadline": 13,
    "unsafe-settings": 14,
    "errors-by-type": 15,
    "error-ratio": 16,
    "timed-out": 17,
    "timeouts": 18,
    "attempt-timeouts": 19,
    "pollers": 20,
    "registered": 21,
    "queue-backlog": 22,
    "queue-backlog-age": 23,
    "exporters-up": 24,
    "scan-duration": 25,
    "rpc-rate": 26,
    "rpc-error-ratio": 27,
    "unreadable": 28,
}
"""Links in notifications hold these numbers: a new panel gets a new one, and none is used again."""


def test_committed_files_equal_a_fresh_rendering() -> None:
    wanted = dashboard_files(CATALOGUE, SETTINGS, DashboardSchema.CLASSIC)
    found = {path.name: path.read_text(encoding="utf-8") for path in FILE.parent.iterdir()}
    assert found == wanted, "stigmer-ops dashboards generate"


def test_numbers_of_panels_never_change() -> None:
    assert {panel.id: panel.number for panel in CATALOGUE.dashboard.panels} == NUMBERS
    assert CATALOGUE.dashboard.uid == "stigmer-external-activities"


@pytest.mark.parametrize("panel", list(CATALOGUE.dashboard.panels), ids=lambda panel: panel.id)
def test_panel_says_what_bad_looks_like_and_names_its_alerts_and_their_pages(panel: Panel) -> None:
    found = PANELS[panel.number]
    assert "Bad: " in found["description"]
    for alert in CATALOGUE.alerts_of(panel):
        assert f"[{alert.name}](" in found["description"]
        url = SETTINGS.monitoring.runbook_url.replace("{alert}", alert.name)
        assert url in [link["url"] for link in found["links"]]


@pytest.mark.parametrize("alert", CATALOGUE.alerts, ids=lambda alert: alert.name)
def test_alert_has_a_panel_that_measures_in_its_unit(alert: Any) -> None:
    assert CATALOGUE.panel(alert.panel).unit is alert.unit


@pytest.mark.parametrize("panel", list(CATALOGUE.dashboard.panels), ids=lambda panel: panel.id)
def test_queries_parse_and_use_what_the_catalogue_has(panel: Panel) -> None:
    for target in panel.targets:
        filled = target.expr.replace("$__rate_interval", "5m")
        promql_parser.parse(re.sub(r"\$\w+", ".+", filled))
        names = set(re.findall(r"[a-zA-Z_:][\w:]*(?=[{\[])", filled)) - {"by"}
        assert names <= CATALOGUE.series.keys()
        legend = set(re.findall(r"\{\{(\w+)\}\}", target.legend))
        labels = {label for name in names for label in CATALOGUE.series[name].label_names}
        assert legend <= labels


@pytest.mark.parametrize(
    "arguments",
    [["generate", "--check"], ["--help"], ["preview", "--help"], ["generate", "--help"]],
)
def test_generating_loads_no_client_library(arguments: list[str]) -> None:
    heavy = ("temporalio", "pandas", "numpy", "grpc", "requests", "prometheus_api_client")
    program = (
        "import sys\n"
        f"sys.argv = ['stigmer-ops', 'dashboards', *{arguments!r}]\n"
        "from stigmer_ops.cli.main import main\n"
        "print('exit', int(main()), file=sys.stderr)\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=environment(),
    )
    assert done.stderr.splitlines()[-2:] == ["exit 0", "[]"]
