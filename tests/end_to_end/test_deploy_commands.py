"""`deploy preflight` and `deploy verify` against a real server, with a kubectl that records."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Emitter, Metric, MetricKind
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import Monitoring, Settings
from support.command_line import Finished, killed_at, stigmer_ops
from support.exposition import OPEN_LABELS, Labels, lively, served
from support.kubectl import RecordingKubectl
from support.patient_handshakes import populate
from support.prometheus import running_prometheus, wait_for_series
from support.terminal import at_terminal
from support.workers import worker

FAST = {
    # Five minutes are three seconds.
    "STIGMER_OPS_MONITORING_TIME_SCALE": "0.01",
    "STIGMER_OPS_MONITORING_WINDOW": "4h",
    "STIGMER_OPS_THRESHOLDS_SMOKE_BUDGET": "30s",
}
QUICK = ("--every", "500ms")
UNASKED = ("--execute", "--yes", "--reason", "CHG-7 Stigmer 1.9")


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """Files of this test alone."""
    return {
        "STIGMER_OPS_AUDIT_PATH": str(tmp_path / "audit.jsonl"),
        "STIGMER_OPS_PROCEDURES_PATH": str(tmp_path / "procedures"),
        **FAST,
    }


@pytest.fixture
def cluster(tmp_path: Path) -> RecordingKubectl:
    return RecordingKubectl(tmp_path / "kubectl")


async def deploy(variables: Mapping[str, str], *arguments: str) -> Finished:
    return await stigmer_ops("deploy", *arguments, variables=variables, timeout_seconds=180)


def limits(verdict: Mapping[str, Any]) -> dict[str, str]:
    return {limit["id"]: limit["state"] for limit in verdict["last"]["limits"]}


def released(cluster: RecordingKubectl, name: str) -> None:
    """A new image of a deployment, as somebody's pipeline sets it."""
    state = cluster.state
    state["deployments"][name]["images"].append({"app": "stigmer:2"})
    cluster.state = state


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


async def test_new_workers_without_the_callback_are_caught_and_roll_back(
    isolated_sandbox: Sandbox, own: dict[str, str]
) -> None:
    variables = {**isolated_sandbox.environment(), **own}
    await isolated_sandbox.stop_worker("callback")
    client = isolated_sandbox.stigmer_client
    async with worker(client, names.AGENT_QUEUE, "1@new-pod", "stigmer/other"):
        short = await deploy(variables, "verify", "--no-smoke", "--for", "0s", *QUICK, "-o", "json")
        done = await deploy(
            variables, "verify", "--no-smoke", "--for", "170s", *QUICK, "-o", "json"
        )
    assert short.code == 1
    assert (short.json["triggered"], limits(short.json)["workers"]) == ([], "broken")
    assert done.code == 1
    assert done.json["triggered"] == ["rollback-callback-missing"]
    reason = next(one for one in done.json["reasons"] if "rolls back" in one)
    assert "1@new-pod lacks stigmer/system/complete-external-activity" in reason
    assert done.json["rollback"]["wanted"] is True
    assert done.json["rollback"]["executed"] is False
    assert done.json["rollback"]["commands"][0] == (
        "kubectl --namespace=default rollout undo deployment/stigmer-server"
    )


async def _failing(sandbox: Sandbox) -> None:
    """Callbacks that fail, for as long as somebody looks, and no faster than the machine can."""
    while True:
        await populate(sandbox, {"callback-fails": 3})


async def test_failing_callbacks_roll_back_exactly_what_was_deployed(
    isolated_sandbox: Sandbox, own: dict[str, str], cluster: RecordingKubectl, tmp_path: Path
) -> None:
    variables = {
        **isolated_sandbox.environment(),
        **own,
        **cluster.variables,
        "STIGMER_OPS_KUBERNETES_ROLLOUT_TIMEOUT": "10s",
    }
    path = str(tmp_path / "before.json")
    before = await deploy(variables, "preflight", "--snapshot", path, "--execute")
    assert before.code == 0, before.out
    released(cluster, "stigmer-server")
    failing = asyncio.create_task(_failing(isolated_sandbox))
    arguments = ("verify", "--no-smoke", "--for", "170s", *QUICK, "--snapshot", path, *UNASKED)
    try:
        done = await deploy(variables, *arguments, "-o", "jsonl")
    finally:
        failing.cancel()
        await asyncio.gather(failing, return_exceptions=True)
    verdict = done.lines[-1]
    assert done.code == 1, done.err
    assert set(verdict["triggered"]) & {"rollback-error-rate", "rollback-completion-failures"}
    assert verdict["last"]["failure_ratio"] == 1
    writes = [call for call in cluster.calls if not call.startswith("get ")]
    assert writes == [
        "rollout undo deployment/stigmer-server --to-revision=1",
        "rollout status deployment/stigmer-server --timeout=10s",
    ]
    assert cluster.state["deployments"]["stigmer-server"]["images"][-1] == {"app": "stigmer:1"}
    states = {step["step"]: step["state"] for step in verdict["rollback"]["steps"]}
    assert states == {
        "revisions": "done",
        "roll-back-stigmer-server": "done",
        "roll-back-stigmer-service": "skipped",
    }
    assert verdict["rollback"]["executed"] is True
    records = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    told = [record["command"] for record in records if record["command"].startswith("deploy")]
    assert set(told) == {
        "deploy verify roll-back-stigmer-server",
        "deploy verify roll-back-stigmer-service",
    }


async def test_rollback_that_kubectl_refuses_is_partly_done_and_printed(
    isolated_sandbox: Sandbox, own: dict[str, str], cluster: RecordingKubectl
) -> None:
    variables = {**isolated_sandbox.environment(), **own, **cluster.variables}
    cluster.set(unreachable=True)
    await isolated_sandbox.stop_worker("callback")
    client = isolated_sandbox.stigmer_client
    async with worker(client, names.AGENT_QUEUE, "1@new-pod", "stigmer/other"):
        done = await deploy(variables, "verify", "--no-smoke", "--for", "170s", *QUICK, *UNASKED)
    assert done.code == 5, done.out + done.err
    assert "ROLL BACK" in done.out
    assert "was refused" in done.err
    assert "the same command again carries it on. What is left:" in done.err
    assert "rollout undo deployment/stigmer-server" in done.err


DEPLOYED = ("stigmer-server", "stigmer-service")
ROLLBACK_PLACES = {
    "TaskBegun roll-back-stigmer-server": [],
    "TaskNoted roll-back-stigmer-server": [],
    "TaskEnded roll-back-stigmer-server": ["stigmer-server"],
    "TaskNoted roll-back-stigmer-service": ["stigmer-server"],
}
"""Where the rollback is killed, and what has been rolled back by then."""


async def test_rollback_that_was_cut_off_is_carried_on_and_nothing_is_undone_twice(
    isolated_sandbox: Sandbox, own: dict[str, str], cluster: RecordingKubectl
) -> None:
    variables = {**isolated_sandbox.environment(), **own, **cluster.variables}
    verify = ("deploy", "verify", "--no-smoke", *QUICK, *UNASKED, "-o", "json")
    await isolated_sandbox.stop_worker("callback")
    async with worker(isolated_sandbox.stigmer_client, names.AGENT_QUEUE, "1@new-pod", "other"):
        for place, before in ROLLBACK_PLACES.items():
            for name in DEPLOYED:
                released(cluster, name)
            await killed_at(place, *verify, "--for", "170s", variables=variables)
            assert rolled_back(cluster) == before
            known = len(cluster.calls)

            shown = await deploy(variables, *verify[1:], "--dry-run")
            done = await deploy(variables, *verify[1:])

            assert (shown.code, shown.json["kind"]) == (0, "DeploymentRollbackPlan")
            assert (done.code, done.json["kind"]) == (1, "DeploymentRollback"), done.err
            assert {step["state"] for step in done.json["steps"]} == {"done"}
            assert rolled_back(cluster) == [*DEPLOYED]
            undone = [call for call in cluster.calls[known:] if "undo" in call]
            assert len(undone) == len(DEPLOYED) - len(before)


async def test_rollback_that_was_cut_off_before_another_deployment_is_not_carried_on(
    isolated_sandbox: Sandbox, own: dict[str, str], cluster: RecordingKubectl
) -> None:
    variables = {**isolated_sandbox.environment(), **own, **cluster.variables}
    verify = ("deploy", "verify", "--no-smoke", *QUICK, *UNASKED, "-o", "json")
    async with worker(isolated_sandbox.stigmer_client, names.AGENT_QUEUE, "1@new-pod", "other"):
        for name in DEPLOYED:
            released(cluster, name)
        place = "TaskEnded roll-back-stigmer-server"
        await killed_at(place, *verify, "--for", "170s", variables=variables)
    for name in DEPLOYED:
        released(cluster, name)
    writes = [call for call in cluster.calls if "undo" in call]

    done = await deploy(variables, *verify[1:], "--for", "0s")

    assert done.json["kind"] == "DeploymentVerdict", done.err
    assert [call for call in cluster.calls if "undo" in call] == writes


def rolled_back(cluster: RecordingKubectl) -> list[str]:
    """The deployments whose image is the first one."""
    deployments = cluster.state["deployments"]
    return [name for name in DEPLOYED if deployments[name]["images"][-1] == {"app": "stigmer:1"}]


async def test_rollback_that_could_not_be_run_is_refused_before_the_watch(
    isolated_sandbox: Sandbox, own: dict[str, str], tmp_path: Path
) -> None:
    variables = {**isolated_sandbox.environment(), **own, "PATH": str(tmp_path)}
    done = await deploy(variables, "verify", *UNASKED)
    assert (done.code, done.out) == (3, "")
    assert "kubectl is not on PATH" in done.err
    assert not (tmp_path / "audit.jsonl").exists()


async def test_unasked_rollback_needs_a_reason_and_a_yes(own: dict[str, str]) -> None:
    without_reason = await deploy(own, "verify", "--execute", "--yes")
    assert without_reason.code == 2
    without_yes = await deploy(own, "verify", "--execute", "--reason", "CHG-7")
    assert without_yes.code == 4
    assert "add --yes" in without_yes.err


async def test_dry_run_shows_the_rollback_and_asks_nobody(own: dict[str, str]) -> None:
    nobody = {**own, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    done = await deploy(nobody, "verify", "--dry-run", "--deployment", "stigmer-server")
    assert done.code == 0
    assert done.out.splitlines()[-2:] == [
        "  kubectl --namespace=default rollout undo deployment/stigmer-server",
        "  kubectl --namespace=default rollout status deployment/stigmer-server --timeout=600s",
    ]


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
