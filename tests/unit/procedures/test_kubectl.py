"""kubectl: what is shown is what is run, and what it refuses is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stigmer_ops.errors import CapabilityError
from stigmer_ops.procedures.kubectl import Kubectl, KubectlError
from stigmer_ops.procedures.runner.journal import StepRecord, open_journal
from stigmer_ops.settings import Kubernetes
from support.kubectl import CONTEXT, NAMESPACE, RecordingKubectl

HERE = Kubernetes(context=CONTEXT, namespace=NAMESPACE, rollout_timeout=timedelta(minutes=5))


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordingKubectl:
    recording = RecordingKubectl(tmp_path / "kubectl")
    for name, value in recording.variables.items():
        monkeypatch.setenv(name, value)
    return recording


def test_commands_are_shown_as_they_can_be_pasted() -> None:
    kubectl = Kubectl(Kubernetes(context="eu 1", namespace="stigmer"))
    shown = [
        str(kubectl.scale("stigmer-server", 0)),
        str(kubectl.rollout_status("stigmer-server")),
        str(kubectl.set_image("stigmer-server", "app", "stigmer:2")),
        str(Kubectl(Kubernetes()).rollout_undo("stigmer-server")),
    ]
    head = "kubectl '--context=eu 1' --namespace=stigmer"
    assert shown == [
        f"{head} scale deployment/stigmer-server --replicas=0",
        f"{head} rollout status deployment/stigmer-server --timeout=600s",
        f"{head} set image deployment/stigmer-server app=stigmer:2",
        "kubectl --namespace=default rollout undo deployment/stigmer-server",
    ]


async def test_every_command_is_one_that_kubectl_takes(cluster: RecordingKubectl) -> None:
    kubectl = Kubectl(HERE, execute=True)
    assert await kubectl.replicas("stigmer-service") == 2
    for command in (
        kubectl.scale("stigmer-server", 5),
        kubectl.rollout_status("stigmer-server"),
        kubectl.rollout_restart("stigmer-server"),
        kubectl.set_image("stigmer-server", "app", "stigmer:2"),
        kubectl.rollout_undo("stigmer-server"),
    ):
        assert "stigmer-server" in await kubectl.run(command)
    assert cluster.replicas["stigmer-server"] == 5
    assert cluster.state["deployments"]["stigmer-server"]["images"][-1] == {"app": "stigmer:1"}


async def test_what_kubectl_refuses_is_told_in_its_words(cluster: RecordingKubectl) -> None:
    kubectl = Kubectl(HERE, execute=True)
    with pytest.raises(KubectlError, match=r'deployments\.apps "gone" not found'):
        await kubectl.run(kubectl.scale("gone", 0))
    with pytest.raises(KubectlError, match="unable to find container"):
        await kubectl.run(kubectl.set_image("stigmer-server", "sidecar", "x:1"))
    cluster.set(unreachable=True)
    with pytest.raises(KubectlError, match="was refused"):
        await kubectl.replicas("stigmer-server")


async def test_without_kubectl_commands_wait_to_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    kubectl = Kubectl(HERE, execute=True)
    with open_journal(tmp_path / "0001") as journal:
        record = StepRecord(journal, "scale-down", lambda: datetime.now(UTC))
        result = await kubectl.run_or_wait([kubectl.scale("stigmer-server", 0)], record)
    assert result is not None
    assert result.detail.startswith("kubectl is not on PATH")
    assert result.lines == (str(kubectl.scale("stigmer-server", 0)),)
    with pytest.raises(CapabilityError, match="kubectl is not on PATH"):
        await kubectl.run(kubectl.scale("stigmer-server", 0))


async def test_without_execute_nothing_is_run(cluster: RecordingKubectl, tmp_path: Path) -> None:
    kubectl = Kubectl(HERE)
    with open_journal(tmp_path / "0001") as journal:
        record = StepRecord(journal, "scale-down", lambda: datetime.now(UTC))
        result = await kubectl.run_or_wait([kubectl.scale("stigmer-server", 0)], record)
    assert result is not None
    assert result.state.value == "waiting"
    assert cluster.calls == []
