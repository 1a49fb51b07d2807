"""Rollbacks of `deploy verify`: what is undone, in which order, and carried on if cut off."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import killed_at
from support.deployments import QUICK, UNASKED, deploy, limits, own_files, released
from support.kubectl import RecordingKubectl
from support.patient_handshakes import populate
from support.workers import worker


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    return own_files(tmp_path)


@pytest.fixture
def cluster(tmp_path: Path) -> RecordingKubectl:
    return RecordingKubectl(tmp_path / "kubectl")


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
