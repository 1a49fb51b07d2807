"""`deploy preflight` and `deploy verify` against a real server, with a kubectl that records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Emitter, Metric, MetricKind
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import Monitoring, Settings
from support.deployments import QUICK, UNASKED, deploy, limits, own_files, released
from support.exposition import OPEN_LABELS, Labels, lively, served
from support.kubectl import RecordingKubectl
from support.prometheus import running_prometheus, wait_for_series
from support.terminal import at_terminal


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    return own_files(tmp_path)


@pytest.fixture
def cluster(tmp_path: Path) -> RecordingKubectl:
    return RecordingKubectl(tmp_path / "kubectl")


async def test_preflight_is_go_and_keeps_what_a_rollback_needs(
    isolated_sandbox: Sandbox, own: dict[str, str], cluster: RecordingKubectl, tmp_path: Path
) -> None:
    await isolated_sandbox.populate({"still-running": 2})
    released(cluster, "stigmer-service")
    variables = {
        **isolated_sandbox.environment(),
        **own,
        **cluster.variables,
        "STIGMER_OPS_KUBERNETES_ROLLOUT_TIMEOUT": "10s",
    }
    path = tmp_path / "before.json"
    done = await deploy(variables, "preflight", "--snapshot", str(path), "--execute", "-o", "json")
    assert (done.code, done.json["go"], done.json["reasons"]) == (0, True, [])
    kept = json.loads(path.read_text())
    assert kept["pending"] == kept["by_age"]["0-1h"] == 2
    assert kept["revisions"] == {"stigmer-server": 1, "stigmer-service": 2}
    assert {call.split()[0] for call in cluster.calls} == {"get"}


async def test_preflight_is_no_go_where_activities_are_stuck(
    isolated_sandbox: Sandbox, own: dict[str, str]
) -> None:
    await isolated_sandbox.populate({"callback-fails": 1})
    done = await deploy({**isolated_sandbox.environment(), **own}, "preflight")
    assert done.code == 1
    *_, head = [line for line in done.out.splitlines() if line in ("GO", "NO-GO")]
    assert head == "NO-GO"
    assert "  no-handshake-stuck: 1 x callback-failed" in done.out


async def test_healthy_deployment_passes_and_is_watched_to_the_end(
    isolated_sandbox: Sandbox, own: dict[str, str]
) -> None:
    await isolated_sandbox.populate({"still-running": 2})
    variables = {**isolated_sandbox.environment(), **own}
    watched = ("verify", "--for", "2s", *QUICK)
    done = await deploy(variables, *watched, "--may-be-quiet", "-o", "jsonl")
    assert done.code == 0, done.out + done.err
    *samples, verdict = done.lines
    assert {sample["kind"] for sample in samples} == {"DeploymentSample"}
    assert len(samples) == verdict["samples"] >= 2
    assert verdict["kind"] == "DeploymentVerdict"
    assert (verdict["passed"], verdict["source"]) == (True, "temporal")
    assert verdict["before"]["pending"] == verdict["last"]["pending"] == 2
    assert verdict["smoke"]["passed"] is True
    assert set(limits(verdict).values()) == {"holds"}
    assert verdict["rollback"] == {
        "wanted": False,
        "commands": [],
        "executed": False,
        "steps": [],
    }


async def test_nothing_that_ended_is_no_proof_that_it_is_well(
    isolated_sandbox: Sandbox, own: dict[str, str]
) -> None:
    variables = {**isolated_sandbox.environment(), **own}
    watched = ("verify", "--for", "1s", "--no-smoke", *QUICK)
    done = await deploy(variables, *watched)
    record = await deploy(variables, *watched, "-o", "json")
    assert (done.code, record.code) == (3, 3)
    assert "is well" not in done.out
    assert "nothing was seen by which to judge" in done.out
    assert "errors was not judged: nothing ended" in done.out
    assert "--may-be-quiet" in done.out
    assert record.json["passed"] is False
    assert record.json["unjudged"] == ["errors", "completion-p99"]
    assert "no data" in done.out
    unmeasured = [one["id"] for one in record.json["last"]["limits"] if not one["measured"]]
    assert unmeasured[:2] == ["errors", "completion-p99"]


async def test_nobody_listens_and_read_only(own: dict[str, str]) -> None:
    nobody = {**own, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    assert (await deploy(nobody, "verify")).code == 3
    assert (await deploy(nobody, "preflight")).code == 1
    read_only = {**nobody, "STIGMER_OPS_READ_ONLY": "1"}
    assert (await deploy(read_only, "verify", *UNASKED)).code == 4


async def test_workers_that_may_not_be_asked_are_not_known_to_be_well(
    isolated_sandbox: Sandbox, own: dict[str, str]
) -> None:
    variables = {**isolated_sandbox.environment(), **own, "STIGMER_OPS_READ_ONLY": "1"}
    refused = await deploy(variables, "verify", "--for", "0s")
    assert refused.code == 4
    done = await deploy(variables, "verify", "--no-smoke", "--for", "0s", "-o", "json")
    assert (done.code, limits(done.json)["workers"]) == (3, "unknown")
    assert done.json["reasons"][0].startswith("workers is not known: no worker of ")


def _slow(metric: Metric, labels: Labels, elapsed: float) -> float:
    """Nothing fails, and a tenth of the callbacks takes half a second."""
    if metric.kind is MetricKind.COUNTER and ("error_type" in labels or _fails(labels)):
        return 0.0
    return lively(metric, labels, elapsed)


def _bad(metric: Metric, labels: Labels, elapsed: float) -> float:
    """Four of five callbacks fail."""
    if metric.name == "stigmer_external_activity_completions_total":
        return elapsed * (4.0 if _fails(labels) else 1.0)
    return lively(metric, labels, elapsed)


def _fails(labels: Labels) -> bool:
    return labels.get("status") == "failure"


@pytest.mark.parametrize("shown", [_slow, _bad])
async def test_prometheus_tells_how_handshakes_end(
    sandbox: Sandbox, own: dict[str, str], tmp_path: Path, shown: Any
) -> None:
    (namespace,) = OPEN_LABELS["namespace"]
    # Where nothing is to fire, a busy machine that misses a scrape must not make anything fire.
    time_scale = 1.0 if shown is _slow else 0.01
    settings = Settings(monitoring=Monitoring(time_scale=time_scale))
    rules = rule_files(catalogue(settings), settings)
    folder = tmp_path / "prometheus"
    folder.mkdir()
    async with Sandbox.start(
        server=sandbox.server, namespace=namespace, time_scale=sandbox.scale.factor
    ) as running:
        with (
            served(Emitter.EXPORTER, shown) as exporter,
            running_prometheus(folder, {"stigmer-ops": exporter}, rules) as url,
        ):
            for name in ("duration-p99", "error-rate"):
                wait_for_series(url, catalogue(settings).query(name).expr)
            variables = {
                **running.environment(),
                **own,
                "STIGMER_OPS_MONITORING_TIME_SCALE": str(time_scale),
                "STIGMER_OPS_MONITORING_WINDOW": "5m",
                "STIGMER_OPS_MONITORING_PROMETHEUS": url,
            }
            length = "2s" if shown is _slow else "170s"
            done = await deploy(
                variables, "verify", "--no-smoke", "--for", length, *QUICK, "-o", "json"
            )
    verdict = done.json
    assert done.code == 1, done.out
    assert verdict["source"] == "prometheus"
    if shown is _slow:
        assert verdict["triggered"] == []
        assert [reason.partition(":")[0] for reason in verdict["reasons"]] == [
            "completion-p99 does not hold"
        ]
        assert verdict["last"]["completion_p99_seconds"] == pytest.approx(0.485, abs=0.02)
        assert verdict["last"]["critical_alerts"] == []
        return
    assert verdict["last"]["failure_ratio"] == pytest.approx(0.8, abs=0.01)
    assert set(verdict["triggered"]) & {
        "rollback-completion-failures",
        "rollback-error-rate",
        "rollback-critical-alert",
    }


async def test_critical_alert_stops_the_watch_at_once(
    isolated_sandbox: Sandbox, own: dict[str, str], tmp_path: Path
) -> None:
    settings = Settings(monitoring=Monitoring(time_scale=0.01))
    folder = tmp_path / "prometheus"
    folder.mkdir()
    path = str(tmp_path / "before.json")
    variables = {**isolated_sandbox.environment(), **own}
    taken = await deploy(variables, "preflight", "--snapshot", path)
    assert taken.code == 0, taken.out
    with running_prometheus(folder, {}, rule_files(catalogue(settings), settings)) as url:
        wait_for_series(url, 'ALERTS{alertname="StigmerExporterDown",alertstate="firing"}')
        arguments = ("verify", "--no-smoke", "--for", "170s", "--snapshot", path)
        done = await deploy(variables, *arguments, "--prometheus", url, "-o", "json")
        blind = await deploy(variables, "verify", "--no-smoke", "--prometheus", url)
    assert done.code == 1
    assert "rollback-critical-alert" in done.json["triggered"]
    assert done.json["samples"] == 1
    assert limits(done.json)["errors"] == "unknown"
    assert blind.code == 3
    assert "nobody can say what is pending now: no such series" in blind.err


async def test_person_sees_the_limits_and_ends_the_watch(
    isolated_sandbox: Sandbox, own: dict[str, str]
) -> None:
    variables = {**isolated_sandbox.environment(), **own}
    arguments = ("deploy", "verify", "--no-smoke", "--for", "5m", *QUICK)
    async with at_terminal(*arguments, variables=variables) as terminal:
        await terminal.until("errors below 1 %")
        await terminal.until("workers have what they shall, and agree")
        terminal.type("\x03")
        assert await terminal.code() == 130
    assert "interrupted" in terminal.screen
