"""`escalate` as it is typed, with systems up, broken and down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.rules import rule_files
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import Settings
from support.command_line import Finished, stigmer_ops
from support.prometheus import running_prometheus, wait_for_series

SETTINGS = Settings()


@pytest.fixture
def audit(tmp_path: Path) -> dict[str, str]:
    return {"STIGMER_OPS_AUDIT_PATH": str(tmp_path / "audit.jsonl")}


async def escalate(variables: Mapping[str, str], *arguments: str) -> Finished:
    return await stigmer_ops("escalate", *arguments, variables=variables)


def now(finished: Finished) -> list[str]:
    return [step["id"] for step in finished.json["steps"] if step["now"]]


async def test_stuck_activity_is_told_with_where_to_look(
    isolated_sandbox: Sandbox, audit: dict[str, str]
) -> None:
    (handshake,) = await isolated_sandbox.populate({"callback-fails": 1})
    variables = {
        **isolated_sandbox.environment(),
        **audit,
        "STIGMER_OPS_ESCALATION_TEMPORAL_UI": "https://ui/{namespace}/{workflow_id}",
        "STIGMER_OPS_ESCALATION_CHANNEL": "#orders-oncall",
    }
    found = await escalate(variables, "-o", "json")
    assert found.code == 0
    assert (found.json["wrong"], found.json["critical"]) == (True, True)
    assert found.json["stuck"] == {"callback-failed": 1}
    assert now(found) == ["runbook", "logs", "temporal-ui", "channel", "pager"]
    where = {step["id"]: step["where"] for step in found.json["steps"]}
    assert where["channel"] == ["#orders-oncall"]
    namespace = isolated_sandbox.namespace
    assert where["temporal-ui"] == [f"https://ui/{namespace}/{handshake.workflow_id}"]
    text = found.json["message"]
    assert f"workflow `{handshake.workflow_id}`" in text
    token = handshake.executions()[0].spec.callback_token
    assert token.hex() not in found.out
    message = await escalate(variables, "--message")
    assert message.out.splitlines()[1] == text.splitlines()[1]
    assert message.out.splitlines()[-1] == text.splitlines()[-1]
    page = await escalate(variables)
    assert "#orders-oncall" in page.out
    configured = {step["id"]: step["configured"] for step in found.json["steps"]}
    assert (configured["channel"], configured["pager"]) == (True, False)
    assert "a default, not configured: escalation.pager in the settings" in page.out
    assert "escalation.channel" not in page.out
    assert "to paste (alone with --message):" in page.out


async def test_it_works_while_temporal_is_down(audit: dict[str, str]) -> None:
    down = {"TEMPORAL_ADDRESS": "127.0.0.1:1", **audit}
    found = await escalate(down, "--lasting", "2h", "-o", "json")
    assert found.code == 0
    assert found.json["failed_checks"] == ["temporal-reachable"]
    assert now(found) == ["runbook", "channel", "pager", "lead"]
    assert "check temporal-reachable failed" in found.json["message"]
    assert "that wait" not in found.json["message"]
    steps = {step["id"]: step for step in found.json["steps"]}
    assert not steps["temporal-ui"]["known"]
    assert steps["temporal-ui"]["why"] == "what waits could not be read"
    page = await escalate(down)
    assert "no activity is stuck" not in page.out
    assert "unknown" in page.out


async def test_nothing_wrong_takes_no_step(
    isolated_sandbox: Sandbox, audit: dict[str, str]
) -> None:
    found = await escalate({**isolated_sandbox.environment(), **audit}, "-o", "json")
    assert (found.code, now(found), found.json["wrong"]) == (0, [], False)
    assert found.json["alerts"] is None


async def test_critical_alert_of_a_real_prometheus_pages(
    isolated_sandbox: Sandbox, audit: dict[str, str], tmp_path: Path
) -> None:
    rules = {
        name: text.replace("for: 5m", "for: 0s")
        for name, text in rule_files(catalogue(SETTINGS), SETTINGS).items()
    }
    (tmp_path / "prometheus").mkdir()
    with running_prometheus(tmp_path / "prometheus", {}, rules) as url:
        wait_for_series(url, 'ALERTS{alertname="StigmerExporterDown",alertstate="firing"}')
        variables = {
            **isolated_sandbox.environment(),
            **audit,
            "STIGMER_OPS_MONITORING_PROMETHEUS": url,
        }
        found = await escalate(variables, "-o", "json")
    assert found.json["alerts"] == ["StigmerExporterDown"]
    pager = next(step for step in found.json["steps"] if step["id"] == "pager")
    assert pager["now"]
    assert pager["why"] == "critical alerts fire: StigmerExporterDown"
    assert "alert StigmerExporterDown (critical) fires" in found.json["message"]
