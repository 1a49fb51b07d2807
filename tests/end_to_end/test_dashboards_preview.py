"""`dashboards preview` as it is typed, against a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Emitter
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.settings import Settings
from support.command_line import Finished, stigmer_ops
from support.exposition import served
from support.prometheus import running_prometheus, wait_for_series

SETTINGS = Settings()
CATALOGUE = catalogue(SETTINGS)
NUMBERS = [panel.number for panel in CATALOGUE.dashboard.panels]
AT_ONCE = {
    "groups": [
        {
            "name": "at-once",
            "rules": [
                {
                    "alert": "StigmerTestAlert",
                    "expr": 'up{job="stigmer-ops"} == 1',
                    "labels": {"severity": "critical"},
                }
            ],
        }
    ]
}
"""An alert that fires without having to last, unlike all of ours."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that has scraped an exporter and a Temporal server for some seconds."""
    rules = {**rule_files(CATALOGUE, SETTINGS), "at-once.yaml": yaml.safe_dump(AT_ONCE)}
    with (
        served(Emitter.EXPORTER) as exporter,
        served(Emitter.TEMPORAL_SERVER) as temporal,
        running_prometheus(
            tmp_path_factory.mktemp("prometheus"),
            {"stigmer-ops": exporter, "temporal": temporal},
            rules,
        ) as url,
    ):
        wait_for_series(url, 'ALERTS{alertstate="firing"}')
        begun = [recording.series.name for recording in CATALOGUE.recordings]
        for series in (*begun, 'up{job="stigmer-ops"}', 'up{job="temporal"}'):
            # Panels are drawn at whole steps: what began just now is in none of them yet.
            wait_for_series(url, f"{series} offset 3s")
        yield url


async def preview(url: str, *arguments: str, **variables: str) -> Finished:
    return await stigmer_ops(
        *("dashboards", "preview", *arguments),
        *("--prometheus", url, "--from", "now-60s", "--scrape-interval", "1s"),
        variables=variables,
    )


async def test_every_panel_of_the_generated_dashboard_has_data(prometheus: str) -> None:
    finished = await preview(prometheus, "-o", "json")
    panels = finished.json["panels"]
    assert [panel["id"] for panel in panels] == NUMBERS
    lacking = [
        panel["title"]
        for panel in panels
        if panel["problem"] or not any(series["points"] for series in panel["series"])
    ]
    assert lacking == []
    assert finished.code == 0
    assert finished.err == ""
    (success,) = (panel for panel in panels if panel["id"] == 1)
    assert {series["name"] for series in success["series"]} == {
        f"{service} orders" for service in ("go", "java", "unknown")
    }
    assert success["series"][0]["last"] == pytest.approx(0.95, abs=1e-6)


async def test_a_variable_narrows_what_is_shown(prometheus: str) -> None:
    finished = await preview(prometheus, "-o", "json", "--var", "service=go|java")
    success = finished.json["panels"][0]
    assert [series["name"] for series in success["series"]] == ["go orders", "java orders"]
    assert 'service=~"go|java"' in success["queries"][0]


async def test_the_terminal_shows_every_panel(prometheus: str) -> None:
    finished = await preview(prometheus)
    for panel in CATALOGUE.dashboard.panels:
        assert panel.title in finished.out
    assert re.search(r"go orders +[▁▂▃▄▅▆▇█]+ +95%", finished.out)
    assert "\x1b" not in finished.out


async def test_the_page_holds_everything_and_needs_nothing(prometheus: str, tmp_path: Path) -> None:
    file = tmp_path / "preview.html"
    finished = await preview(prometheus, "--html", str(file), "--theme", "dark")
    assert finished.out == f"written {file}\n"
    text = file.read_text(encoding="utf-8")
    assert text.startswith('<!doctype html>\n<html lang="en" data-theme="dark">')
    assert text.count("<article") == len(NUMBERS)
    assert not re.findall(r"(?:src|href)=|@import|url\(|<script|<link", text)
    assert "StigmerTestAlert critical" in text
    assert text.count("No data") == 0
    assert "threshold 500 ms" in text
    assert len(text) < 3_000_000


async def test_the_picture_shows_the_whole_page(prometheus: str, tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    file = tmp_path / "preview.png"
    finished = await preview(prometheus, "--png", str(file), "-o", "json")
    assert finished.json["written"] == [str(file)]
    content = file.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert width == 1920
    assert 5000 < height < 12_000
    assert len(content) > 200_000


async def test_without_chromium_a_page_is_offered(prometheus: str, tmp_path: Path) -> None:
    finished = await preview(prometheus, "--png", str(tmp_path / "x.png"), PATH="/nonexistent")
    assert finished.code == 3
    assert "there is no Chromium" in finished.err
    assert "--html" in finished.err


def stranger(**panel: Any) -> dict[str, Any]:
    place = {"x": 0, "y": 0, "w": 24, "h": 8}
    return {"id": 1, "type": "timeseries", "title": "Panel", "gridPos": place, **panel}


@pytest.fixture
def dashboard(tmp_path: Path) -> Path:
    targets = {
        "good": [{"expr": 'up{job=~"$job"}', "legendFormat": "{{job}}"}],
        "unnamed": [{"expr": "up"}],
        "refused": [{"expr": "rate(up"}],
        "hidden": [{"expr": "rate(up", "hide": True}, {"expr": "vector(1)"}],
        "foreign": [{"rawSql": "select 1"}],
    }
    panels = [
        stranger(id=index, title=name, targets=each)
        for index, (name, each) in enumerate(targets.items(), 1)
    ]
    panels.append(stranger(id=9, type="table", title="Table of $job"))
    variable = {
        "name": "job",
        "type": "query",
        "current": {"value": "temporal", "text": "temporal"},
    }
    document = {"title": "Theirs", "panels": panels, "templating": {"list": [variable]}}
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps(document))
    return file


async def test_a_strangers_dashboard_is_drawn_and_what_is_refused_is_a_finding(
    prometheus: str, dashboard: Path
) -> None:
    finished = await preview(prometheus, str(dashboard), "-o", "json")
    panels = {panel["title"]: panel for panel in finished.json["panels"]}
    assert [series["name"] for series in panels["good"]["series"]] == ["temporal"]
    assert len(panels["unnamed"]["series"]) == 2
    assert panels["unnamed"]["series"][0]["name"].startswith('up{instance="127.0.0.1:')
    assert panels["hidden"]["problem"] is None
    assert panels["foreign"]["problem"] == "no query for Prometheus"
    assert panels["Table of temporal"]["problem"].startswith("a preview cannot draw panels of type")
    assert "parse error" in panels["refused"]["problem"]
    assert finished.err.startswith("panel 3 (refused): Prometheus cannot evaluate it")
    assert finished.code == 1


async def test_panels_without_data_are_named(prometheus: str) -> None:
    finished = await preview(prometheus, STIGMER_OPS_MONITORING_EXPORTER_SELECTOR='job="elsewhere"')
    assert finished.code == 0
    assert finished.err.startswith("no data: Age of the values, Pending by task queue")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "yesterday"), "'yesterday' is not a time"),
        (("--from", "now", "--to", "now-1h"), "now is not before now-1h"),
        (("--var", "queue=x"), "no variable queue: datasource, namespace, service, task_queue"),
        (("--var", "namespace"), "--var takes NAME=VALUE"),
        (("/nonexistent.json",), "cannot read /nonexistent.json"),
        (("--html", "/nonexistent/x.html"), "cannot write /nonexistent/x.html"),
    ],
)
async def test_wrong_usage(prometheus: str, arguments: tuple[str, ...], message: str) -> None:
    finished = await stigmer_ops("dashboards", "preview", "--prometheus", prometheus, *arguments)
    assert message in finished.err
    assert finished.code == 2


async def test_prometheus_is_down(tmp_path: Path) -> None:
    file = tmp_path / "x.html"
    finished = await preview("http://127.0.0.1:9", "--html", str(file))
    assert finished.code == 3
    assert "cannot reach Prometheus at http://127.0.0.1:9" in finished.err
    assert not file.exists()
