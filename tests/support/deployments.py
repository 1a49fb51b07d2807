"""`deploy` as tests type it, and the deployments that a recording kubectl has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.command_line import Finished, stigmer_ops
from support.kubectl import RecordingKubectl

FAST = {
    # Five minutes are three seconds.
    "STIGMER_OPS_MONITORING_TIME_SCALE": "0.01",
    "STIGMER_OPS_MONITORING_WINDOW": "4h",
    "STIGMER_OPS_THRESHOLDS_SMOKE_BUDGET": "30s",
}
QUICK = ("--every", "500ms")
UNASKED = ("--execute", "--yes", "--reason", "CHG-7 Stigmer 1.9")


def own_files(folder: Path) -> dict[str, str]:
    """Variables that keep a test's journals and audit trail in a folder, and its minutes short."""
    return {
        "STIGMER_OPS_AUDIT_PATH": str(folder / "audit.jsonl"),
        "STIGMER_OPS_PROCEDURES_PATH": str(folder / "procedures"),
        **FAST,
    }


async def deploy(variables: Mapping[str, str], *arguments: str) -> Finished:
    """Run `stigmer-ops deploy …`."""
    return await stigmer_ops("deploy", *arguments, variables=variables, timeout_seconds=180)


def limits(verdict: Mapping[str, Any]) -> dict[str, str]:
    """The state of each limit at the end."""
    return {limit["id"]: limit["state"] for limit in verdict["last"]["limits"]}


def released(cluster: RecordingKubectl, name: str) -> None:
    """A new image of a deployment, as somebody's pipeline sets it."""
    state = cluster.state
    state["deployments"][name]["images"].append({"app": "stigmer:2"})
    cluster.state = state
