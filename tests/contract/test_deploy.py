"""The unit, the manifests and the scrape configuration fit the exporter, and each other."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from stigmer_ops.settings import Settings, leaves, variable_of
from stigmer_ops.settings_sources import NOT_SETTINGS
from support.commands import parse

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "stigmer-ops-exporter.service"
PORT = int(Settings().exporter.listen.rpartition(":")[2])
VARIABLES = {variable_of(path) for path, _ in leaves(Settings())} | NOT_SETTINGS


def documents(name: str) -> dict[str, Any]:
    """The objects of a manifest by kind."""
    text = (DEPLOY / "kubernetes" / name).read_text(encoding="utf-8")
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    return {**documents("exporter.yaml"), **documents("service-monitor.yaml")}


@pytest.fixture(scope="module")
def container(objects: dict[str, Any]) -> Any:
    (found,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return found


def job_of(selector: str) -> str:
    found = re.fullmatch(r'job="([^"]+)"', selector)
    assert found is not None
    return found[1]


# --- Kubernetes ----------------------------------------------------------------------------------


def test_container_runs_the_exporter_on_its_port(container: Any) -> None:
    assert parse(shlex.join(container["args"])) == "exporter"
    assert f"--listen=:{PORT}" in container["args"]
    (port,) = container["ports"]
    assert (port["name"], port["containerPort"]) == ("metrics", PORT)


def test_probes_ask_what_is_served(container: Any) -> None:
    asked = {
        name: container[name]["httpGet"]["path"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert asked == {
        "startupProbe": "/-/healthy",
        "livenessProbe": "/-/healthy",
        "readinessProbe": "/-/ready",
    }


def test_state_is_where_the_container_may_write(container: Any, objects: dict[str, Any]) -> None:
    (state,) = (one for one in container["args"] if one.startswith("--state-file="))
    (mount,) = container["volumeMounts"]
    assert Path(state.partition("=")[2]).parent == Path(mount["mountPath"])
    (volume,) = objects["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert volume["name"] == mount["name"]
    assert container["securityContext"]["readOnlyRootFilesystem"]


def test_selectors_find_the_pods(objects: dict[str, Any]) -> None:
    pods = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == pods
    assert objects["Service"]["spec"]["selector"] == pods
    service = objects["Service"]["metadata"]["labels"]
    assert objects["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == service


def test_annotations_and_monitor_scrape_the_port(objects: dict[str, Any]) -> None:
    annotations = objects["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(PORT)
    (endpoint,) = objects["ServiceMonitor"]["spec"]["endpoints"]
    (port,) = objects["Service"]["spec"]["ports"]
    assert endpoint["port"] == port["name"] == "metrics"
    assert endpoint["honorLabels"]


def test_monitor_names_the_job_that_the_rules_select(objects: dict[str, Any]) -> None:
    label = objects["ServiceMonitor"]["spec"]["jobLabel"]
    job = objects["Service"]["metadata"]["labels"][label]
    assert job == job_of(Settings().monitoring.exporter_selector)


def test_variables_exist(objects: dict[str, Any]) -> None:
    ours = {name for name in objects["ConfigMap"]["data"] if name.startswith("STIGMER_OPS_")}
    ours |= set(re.findall(r"STIGMER_OPS_\w+", UNIT.read_text(encoding="utf-8")))
    assert ours
    assert ours <= VARIABLES


def test_image_is_built_from_what_the_wheel_needs() -> None:
    text = (DEPLOY / "kubernetes" / "Dockerfile").read_text(encoding="utf-8")
    copied = {
        source
        for line in text.splitlines()
        if line.startswith("COPY ")
        for source in line.split()[1:-1]
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], *wheel["shared-data"]}
    assert {Path(path).parts[0] for path in needed} <= copied
    assert {project["project"]["readme"], "pyproject.toml"} <= copied
    assert all((ROOT / source).exists() for source in copied)


# --- Prometheus ----------------------------------------------------------------------------------


def test_prometheus_takes_the_scrape_configuration() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [promtool, "check", "config", str(DEPLOY / "prometheus" / "scrape.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_jobs_are_those_that_the_rules_select() -> None:
    text = (DEPLOY / "prometheus" / "scrape.yml").read_text(encoding="utf-8")
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}
    monitoring = Settings().monitoring
    exporter, temporal = job_of(monitoring.exporter_selector), job_of(monitoring.temporal_selector)
    assert set(jobs) == {exporter, temporal}
    assert jobs[exporter]["honor_labels"]
    assert jobs[exporter]["static_configs"][0]["targets"] == [Settings().exporter.listen]
    alternative = text.split("in the place of the first job:\n")[1]
    (other,) = yaml.safe_load(re.sub(r"^# ?", "", alternative, flags=re.MULTILINE))
    assert (other["job_name"], other["honor_labels"]) == (exporter, True)


# --- systemd -------------------------------------------------------------------------------------


def test_unit_runs_the_exporter() -> None:
    text = UNIT.read_text(encoding="utf-8")
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    program, *arguments = shlex.split(line)
    assert Path(program).name == "stigmer-ops"
    assert parse(shlex.join(arguments)) == "exporter"
    assert f":{PORT}" in arguments


def test_unit_is_well_formed(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign] # keys keep their case
    parsed.read_string(text)
    assert parsed.sections() == ["Unit", "Service", "Install"]
    assert parsed["Service"]["Restart"] == "on-failure"
    analyze = shutil.which("systemd-analyze")
    if analyze is not None:
        # It insists on a program that is there.
        there = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text, flags=re.MULTILINE)
        (tmp_path / UNIT.name).write_text(there, encoding="utf-8")
        command = [analyze, "verify", str(tmp_path / UNIT.name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
