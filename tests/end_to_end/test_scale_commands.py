"""`scale recommend` as it is typed, against a real Temporal and a real Prometheus."""

from __future__ import annotations

from pathlib import Path

import yaml

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import Emitter, Metric
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import Settings
from support.command_line import stigmer_ops
from support.exposition import OPEN_LABELS, Labels, lively, served
from support.prometheus import running_prometheus, wait_for_series

SETTINGS = Settings()
SMALL = {
    "STIGMER_OPS_SCALING_PENDING_PER_POD": "1",
    "STIGMER_OPS_SCALING_MIN_REPLICAS": "1",
    "STIGMER_OPS_THRESHOLDS_BACKLOG": "2",
}
"""So that three handshakes are many."""


async def test_what_waits_long_enough_adds_replicas(isolated_sandbox: Sandbox) -> None:
    await isolated_sandbox.populate({"still-running": 3})
    variables = {**isolated_sandbox.environment(), **SMALL}
    early = await stigmer_ops("scale", "recommend", "-o", "json", variables=variables)
    assert (early.code, early.json["direction"]) == (0, "hold")
    assert early.json["current"] == early.json["replicas"] == 1
    assert early.json["pending"] == {
        "now": 3,
        "least_while_sustained": 0,
        "source": "ages",
    }
    soon = {**variables, "STIGMER_OPS_SCALING_SUSTAINED_FOR": "0s"}
    later = await stigmer_ops("scale", "recommend", "-o", "json", variables=soon)
    assert (later.json["direction"], later.json["replicas"]) == ("up", 3)
    assert later.json["commands"] == [
        "kubectl --namespace=default scale deployment/stigmer-server --replicas=3",
        "kubectl --namespace=default scale deployment/stigmer-service --replicas=3",
    ]
    shown = await stigmer_ops(
        *("scale", "recommend", "--replicas", "8", "--deployment", "stigmer-server"),
        variables=variables,
    )
    assert shown.out.splitlines() == [
        "replicas: 3 (now 8: take away 5)",
        "  - External activities that wait: 3; 1 a replica make 3.",
        "  $ kubectl --namespace=default scale deployment/stigmer-server --replicas=3",
    ]


async def test_nobody_polls_is_a_finding(isolated_sandbox: Sandbox) -> None:
    for role in ("stigmer", "callback"):
        await isolated_sandbox.stop_worker(role)
    gone = {"STIGMER_OPS_THRESHOLDS_POLLER_STALE_AFTER": "0s"}
    variables = {**isolated_sandbox.environment(), **gone}
    found = await stigmer_ops("scale", "recommend", variables=variables)
    assert found.code == 1
    assert "No worker polls Stigmer's task queues" in found.out
    assert "kubectl" not in found.out


async def test_prometheus_knows_since_when_so_much_has_waited(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    (namespace,) = OPEN_LABELS["namespace"]

    def waiting(metric: Metric, labels: Labels, elapsed: float) -> float:
        if metric.name == "stigmer_pending_external_activities":
            return 5.0 if (labels["service"], labels["age_bucket"]) == ("go", "0-1h") else 0.0
        return lively(metric, labels, elapsed)

    rules = rule_files(catalogue(SETTINGS), SETTINGS)
    total = f'namespace:stigmer_pending_external_activities:sum{{namespace="{namespace}"}}'
    async with Sandbox.start(
        server=sandbox.server, namespace=namespace, time_scale=sandbox.scale.factor
    ) as running:
        await running.populate({"still-running": 3})
        with (
            served(Emitter.EXPORTER, waiting) as exporter,
            running_prometheus(tmp_path, {"stigmer-ops": exporter}, rules) as url,
        ):
            variables = {
                **running.environment(),
                **SMALL,
                "STIGMER_OPS_MONITORING_PROMETHEUS": url,
            }
            new = await stigmer_ops("scale", "recommend", "-o", "json", variables=variables)
            assert (new.json["pending"]["source"], new.json["direction"]) == ("ages", "hold")
            assert "Prometheus has gaps" in new.err
            wait_for_series(url, f"{total} offset 5s")
            known = {**variables, "STIGMER_OPS_SCALING_SUSTAINED_FOR": "4s"}
            found = await stigmer_ops("scale", "recommend", "-o", "json", variables=known)
    assert found.json["pending"] == {
        "now": 3,
        "least_while_sustained": 5,
        "source": "prometheus",
    }
    assert (found.json["direction"], found.json["replicas"]) == ("up", 3)


async def test_manifest_needs_no_server_and_is_yaml_json_or_lines() -> None:
    nobody = {"TEMPORAL_ADDRESS": "127.0.0.1:1", "TEMPORAL_NAMESPACE": "orders"}
    whole = await stigmer_ops("scale", "recommend", "--manifest", variables=nobody)
    assert whole.code == 0
    documents = list(yaml.safe_load_all(whole.out))
    assert [one["metadata"]["name"] for one in documents] == ["stigmer-server", "stigmer-service"]
    assert whole.out.startswith("# The metric comes from prometheus-adapter")
    listed = await stigmer_ops("scale", "recommend", "--manifest", "-o", "json", variables=nobody)
    assert (listed.json["kind"], listed.json["items"]) == ("List", documents)
    lines = await stigmer_ops("scale", "recommend", "--manifest", "-o", "jsonl", variables=nobody)
    assert lines.lines == documents


async def test_nobody_listens_is_unavailable() -> None:
    found = await stigmer_ops("scale", "recommend", variables={"TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert (found.code, found.out) == (3, "")
    assert "cannot reach Temporal" in found.err
