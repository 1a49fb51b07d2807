"""What `diagnose` proposes works: typed as printed, it ends the waiting of its activity."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.handshake.verdicts import BY_ID, Action
from stigmer_ops.sandbox.faults import BY_ID as FAULTS
from stigmer_ops.sandbox.faults import FAULTS as ALL_FAULTS
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, stigmer_ops

SHARP = {
    "STIGMER_OPS_THRESHOLDS_SUSPECT_AFTER": "0s",
    "STIGMER_OPS_THRESHOLDS_HANDSHAKE_GRACE": "0s",
    "STIGMER_OPS_THRESHOLDS_NEAR_DEADLINE_SHARE": "0.001",
}
WRITTEN = (Action.FAIL, Action.REDELIVER, Action.EXTEND)
REPAIRED = [
    fault.id
    for fault in ALL_FAULTS
    if fault.verdict is not None and BY_ID[fault.verdict].action in WRITTEN
]


KNOWN_OUTCOME = (
    "stale-token",
    "token-double-encoded",
    "token-truncated",
    "workflow-edition-without-callback",
)
"""Faults that would be failed, but for what their executions found out."""


@pytest.fixture
def variables(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    audit = str(tmp_path / "audit.jsonl")
    return {**sandbox.environment(), **SHARP, "STIGMER_OPS_AUDIT_PATH": audit}


@pytest.fixture
async def struck(sandbox: Sandbox, request: pytest.FixtureRequest) -> Handshake:
    handshake = await sandbox.start_handshake(request.param)
    await sandbox.settle(handshake)
    return handshake


def named(handshake: Handshake) -> tuple[str, ...]:
    if not handshake.workflow_id:
        return ("--standalone", "-a", handshake.activity_ids[0])
    return ("-w", handshake.workflow_id, "-a", handshake.activity_ids[0])


async def diagnosis(handshake: Handshake, variables: dict[str, str]) -> Any:
    done = await stigmer_ops("diagnose", *named(handshake), "-o", "json", variables=variables)
    (item,) = done.json["items"]
    return item


async def shown(handshake: Handshake, variables: dict[str, str]) -> Finished:
    return await stigmer_ops("pending", "show", *named(handshake), variables=variables)


@pytest.mark.parametrize("struck", REPAIRED, indirect=True, ids=REPAIRED)
async def test_proposed_command_ends_the_waiting(
    struck: Handshake, variables: dict[str, str]
) -> None:
    item = await diagnosis(struck, variables)
    fault = struck.faults[struck.activity_ids[0]]
    assert item["verdict"] == FAULTS[fault].verdict
    if fault in KNOWN_OUTCOME:
        assert item["action"] == Action.REDELIVER
    program, *arguments = shlex.split(item["commands"][-1].replace("INC-…", "INC-7"))
    assert program == "stigmer-ops"
    done = await stigmer_ops(*arguments, "--yes", "-o", "json", variables=variables)
    assert done.code == 0, done.err
    after = await shown(struck, variables)
    if BY_ID[item["verdict"]].action is Action.EXTEND:
        assert after.code == 0
        assert done.json["timeouts"]["deadline"] > done.json["timeouts"]["deadline_before"]
    else:
        assert after.code == 1
        assert done.json["proof"]["identity"].startswith("stigmer-ops:")


@pytest.mark.parametrize("struck", ["callback-fails"], indirect=True)
async def test_redelivered_result_is_what_the_callback_would_have_delivered(
    sandbox: Sandbox, struck: Handshake, variables: dict[str, str]
) -> None:
    done = await stigmer_ops(
        "activity", "redeliver", *named(struck), "--reason", "INC-1", "--yes", variables=variables
    )
    assert done.code == 0, done.err
    result = await sandbox.client.get_workflow_handle(struck.workflow_id).result()
    assert result["metadata"]["id"] == struck.executions()[0].metadata.id
    healthy = await sandbox.start_handshake("healthy")
    expected = await sandbox.client.get_workflow_handle(healthy.workflow_id).result()
    assert sorted(result) == sorted(expected)


@pytest.mark.parametrize("struck", ["callback-decode-error"], indirect=True)
async def test_redelivered_failure_is_the_agents_own(
    sandbox: Sandbox, struck: Handshake, variables: dict[str, str]
) -> None:
    blind = {name: value for name, value in variables.items() if "STIGMER_ADDRESS" not in name}
    planned = await stigmer_ops(
        "activity",
        "redeliver",
        *named(struck),
        "--dry-run",
        "--show-payloads",
        "-o",
        "json",
        variables=blind,
    )
    assert planned.code == 0, planned.err
    assert "ExecuteGraphton" in planned.json["delivered_from"]
    with_service = await stigmer_ops(
        "activity",
        "redeliver",
        *named(struck),
        "--reason",
        "INC-1",
        "--yes",
        "--show-payloads",
        "-o",
        "json",
        variables=variables,
    )
    assert with_service.code == 0, with_service.err
    assert "Stigmer service" in with_service.json["delivered_from"]
    assert with_service.json["failure"]["message"] == struck.executions()[0].status.error


@pytest.mark.parametrize("struck", ["callback-fails-java"], indirect=True)
async def test_java_result_keeps_its_encoding(struck: Handshake, variables: dict[str, str]) -> None:
    done = await stigmer_ops(
        "activity",
        "redeliver",
        *named(struck),
        "--dry-run",
        "-o",
        "json",
        variables=variables,
    )
    assert done.code == 0, done.err
    assert done.json["result"]["encoding"] == "json/protobuf"


@pytest.mark.parametrize("struck", ["callback-fails"], indirect=True)
async def test_shown_result_holds_no_token(struck: Handshake, variables: dict[str, str]) -> None:
    done = await stigmer_ops(
        "activity",
        "redeliver",
        *named(struck),
        "--dry-run",
        "--show-payloads",
        "-o",
        "json",
        variables=variables,
    )
    shown_result = json.loads(done.json["result"]["json"])
    assert shown_result["spec"]["callback_token"] == "(task token)"


@pytest.mark.parametrize(
    ("struck", "said"),
    [
        ("still-running", "is still running"),
        ("token-not-passed", "no execution is known to hold"),
        ("stigmer-workflow-terminated", "cannot be learnt"),
    ],
    indirect=["struck"],
)
async def test_redelivery_is_refused_where_there_is_nothing_true_to_deliver(
    struck: Handshake, variables: dict[str, str], said: str
) -> None:
    done = await stigmer_ops(
        "activity", "redeliver", *named(struck), "--reason", "INC-1", "--yes", variables=variables
    )
    assert done.code == 4, done.out
    assert said in done.err
    assert "nothing was sent" in done.err
    assert (await shown(struck, variables)).code == 0


@pytest.mark.parametrize("struck", ["token-not-passed"], indirect=True)
async def test_execution_without_the_token_can_be_named(
    sandbox: Sandbox, struck: Handshake, variables: dict[str, str]
) -> None:
    execution_id = struck.executions()[0].metadata.id
    done = await stigmer_ops(
        "activity",
        "redeliver",
        *named(struck),
        "--execution-id",
        execution_id,
        "--reason",
        "INC-1",
        "--yes",
        variables=variables,
    )
    assert done.code == 0, done.err
    result = await sandbox.client.get_workflow_handle(struck.workflow_id).result()
    assert result["metadata"]["id"] == execution_id
