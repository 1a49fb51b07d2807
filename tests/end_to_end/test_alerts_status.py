"""`alerts status` as it is typed, and the generated rules in a real Prometheus."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Alert
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.settings import Settings
from support.command_line import Finished, stigmer_ops
from support.prometheus import running_prometheus, wait_for_series

ROOT = Path(__file__).parent.parent.parent
ALERTMANAGER = ROOT / "alerts" / "alertmanager" / "alertmanager.yaml"
SETTINGS = Settings()
CATALOGUE = catalogue(SETTINGS)
RULES = rule_files(CATALOGUE, SETTINGS)
URL = "STIGMER_OPS_MONITORING_PROMETHEUS"
RECEIVERS = {"critical": "stigmer-oncall", "warning": "stigmer-tickets", "info": "shown-only"}


@contextmanager
def prometheus_with(directory: Path, rules: Mapping[str, str], alert: str) -> Iterator[str]:
    """One without an exporter, when `alert` is pending or firing."""
    directory.mkdir()
    with running_prometheus(directory, {}, rules) as url:
        wait_for_series(url, f'ALERTS{{alertname="{alert}"}}')
        yield url


async def status(url: str, *arguments: str) -> Finished:
    return await stigmer_ops("alerts", "status", *arguments, variables={URL: url})


async def test_generated_rules_load_without_warnings_and_are_ours(tmp_path: Path) -> None:
    with prometheus_with(tmp_path / "prometheus", RULES, "StigmerExporterDown") as url:
        found = await status(url, "-o", "json")
        table = await status(url)
        log = (tmp_path / "prometheus" / "log").read_text()
    assert [line for line in log.splitlines() if "level=warn" in line or "level=err" in line] == []
    assert found.json["rules"] == {
        "equal": True,
        "missing": [],
        "different": [],
        "surplus": [],
        "failing": [],
    }
    alerts = {alert["alert"]: alert for alert in found.json["alerts"]}
    assert set(alerts) == {"StigmerExporterDown", "StigmerMetricsMissing"}
    assert {alert["state"] for alert in alerts.values()} == {"pending"}
    assert alerts["StigmerExporterDown"]["page"] == "runbooks/alerts/StigmerExporterDown.md"
    assert (found.code, found.json["healthy"]) == (0, True)
    assert "stigmer-ops runbook show StigmerExporterDown" in table.out
    assert "the rules are those of `stigmer-ops alerts generate`" in table.out


async def test_what_fires_is_a_finding_and_so_are_other_rules(tmp_path: Path) -> None:
    at_once = {name: text.replace("for: 5m", "for: 0s") for name, text in RULES.items()}
    del at_once["stigmer-deployment.yaml"]
    with prometheus_with(tmp_path / "prometheus", at_once, "StigmerExporterDown") as url:
        found = await status(url, "-o", "json")
        table = await status(url)
    assert found.code == 1
    firing = [alert for alert in found.json["alerts"] if alert["state"] == "firing"]
    assert [(alert["alert"], alert["severity"]) for alert in firing] == [
        ("StigmerExporterDown", "critical")
    ]
    assert firing[0]["description"].startswith("Prometheus reaches no exporter")
    assert found.json["rules"]["missing"] == ["StigmerRollbackTriggered"]
    assert {"rule": "StigmerExporterDown", "parts": ["for"]} in found.json["rules"]["different"]
    assert "StigmerRollbackTriggered is not loaded" in table.out
    assert "StigmerExporterDown differs from the generated rule in for" in table.out


async def test_rules_of_other_settings_differ(tmp_path: Path) -> None:
    with prometheus_with(tmp_path / "prometheus", RULES, "StigmerExporterDown") as url:
        found = await stigmer_ops(
            *("alerts", "status", "-o", "json"),
            variables={URL: url, "STIGMER_OPS_MONITORING_THRESHOLDS_CRITICAL_AGE": "6h"},
        )
    assert found.code == 1
    assert found.json["rules"]["different"] == [
        {"rule": "StigmerExternalActivityStuck", "parts": ["expr"]}
    ]


@pytest.mark.parametrize(
    ("url", "code", "told"),
    [
        ("http://127.0.0.1:1", 3, "cannot reach Prometheus at http://127.0.0.1:1"),
        ("", 2, "no Prometheus is configured"),
    ],
)
async def test_prometheus_that_is_not_there_is_told(url: str, code: int, told: str) -> None:
    variables = {URL: url} if url else {}
    found = await stigmer_ops("alerts", "status", variables=variables)
    assert found.code == code
    assert told in found.err


async def amtool(*arguments: str) -> tuple[int, str]:
    executable = shutil.which("amtool")
    if executable is None:
        pytest.skip("amtool is not installed")
    process = await asyncio.create_subprocess_exec(
        executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_example_configuration_of_alertmanager_is_valid() -> None:
    code, out = await amtool("check-config", str(ALERTMANAGER))
    assert (code, "SUCCESS" in out) == (0, True)


@pytest.mark.parametrize("alert", CATALOGUE.alerts, ids=lambda alert: alert.name)
async def test_alert_reaches_the_receiver_of_its_severity(alert: Alert) -> None:
    code, out = await amtool(
        *("config", "routes", "test", f"--config.file={ALERTMANAGER}"),
        f"--verify.receivers={RECEIVERS[alert.severity]}",
        *(f"alertname={alert.name}", f"severity={alert.severity}", "namespace=orders"),
    )
    assert (code, out.splitlines()[-1:]) == (0, [RECEIVERS[alert.severity]])


async def test_alert_of_no_known_severity_is_not_lost() -> None:
    code, _ = await amtool(
        *("config", "routes", "test", f"--config.file={ALERTMANAGER}"),
        *("--verify.receivers=stigmer-tickets", "alertname=Other"),
    )
    assert code == 0


def test_inhibited_alerts_exist() -> None:
    named = set(re.findall(r"Stigmer\w+", ALERTMANAGER.read_text()))
    assert named <= {alert.name for alert in CATALOGUE.alerts}
