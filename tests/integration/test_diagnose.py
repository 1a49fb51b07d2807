"""Every fault on a real server earns its verdict, and only that one."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stigmer_ops.handshake.verdicts import BY_ID, VERDICTS
from stigmer_ops.sandbox.faults import FAULTS
from stigmer_ops.sandbox.handshake import Handshake
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, stigmer_ops
from support.gateway import gateway_to
from support.patient_handshakes import LATE, populate

DIAGNOSED = tuple(fault for fault in FAULTS if fault.verdict is not None)
SOON_OVER = "near-deadline"
EACH = 5
"""Handshakes of each fault in the mixed population: 200 activities and more in all."""

SHARP = {
    "STIGMER_OPS_THRESHOLDS_HANDSHAKE_GRACE": "0s",
    "STIGMER_OPS_THRESHOLDS_SUSPECT_AFTER": "1s",
    "STIGMER_OPS_THRESHOLDS_NEAR_DEADLINE_SHARE": "0.06",
}
"""Thresholds for activities that are seconds old; their timeouts are 24 minutes, or one."""


async def diagnose(sandbox: Sandbox, *options: str, **variables: str) -> Finished:
    return await stigmer_ops(
        "diagnose",
        *options,
        "-o",
        "json",
        "--rps",
        "0",
        variables={**sandbox.environment(), **SHARP, **variables},
        timeout_seconds=100,
    )


async def mixed_population(sandbox: Sandbox) -> list[Handshake]:
    """Every fault several times; those whose time runs out come last."""
    counts = {fault.id: EACH for fault in DIAGNOSED if fault.id != SOON_OVER}
    counts["healthy"] = EACH
    late = {fault: counts.pop(fault) for fault in [*counts] if fault.startswith(LATE)}
    handshakes = await populate(sandbox, late)
    handshakes += await sandbox.populate(counts)
    handshakes += await sandbox.populate({SOON_OVER: EACH})
    await asyncio.sleep(4)  # until 6 % of their minute has passed
    return handshakes


def confusion(handshakes: list[Handshake], document: Any) -> Counter[tuple[str, str]]:
    """How often each verdict was given to each fault's activities; "-" is none."""
    given = {
        (item["activity"]["workflow_id"] or "", item["activity"]["activity_id"]): item["verdict"]
        for item in document["items"]
    }
    assert len(given) == len(document["items"])
    return Counter(
        (fault_id, given.pop((handshake.workflow_id, activity_id), "-"))
        for handshake in handshakes
        for activity_id, fault_id in handshake.faults.items()
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("two_namespaces", [False, True], ids=["one", "two"])
async def test_mixed_population_is_classified_without_error(
    sandbox: Sandbox, two_namespaces: bool
) -> None:
    async with sandbox.isolated(two_namespaces=two_namespaces) as crowded:
        handshakes = await mixed_population(crowded)
        done = await diagnose(crowded)
    assert done.code == 1, done.err
    expected = {(fault.id, fault.verdict or "-"): EACH for fault in DIAGNOSED}
    assert confusion(handshakes, done.json) == Counter({**expected, ("healthy", "-"): EACH})
    assert sum(done.json["counts"].values()) == EACH * len(DIAGNOSED)
    for item in done.json["items"]:
        assert item["evidence"]
        assert item["commands"]


def test_every_verdict_has_a_fault() -> None:
    produced = {fault.verdict for fault in DIAGNOSED}
    # What cannot be told is produced by a server that cannot be read: the test below.
    assert produced | {"unknown"} == {verdict.id for verdict in VERDICTS}


async def test_what_cannot_be_read_is_unknown(sandbox: Sandbox) -> None:
    import grpc

    async def no_histories(method: str, _: bytes) -> grpc.StatusCode | None:
        reverse = method == "GetWorkflowExecutionHistoryReverse"
        return grpc.StatusCode.PERMISSION_DENIED if reverse else None

    async with (
        sandbox.isolated() as quiet,
        gateway_to(quiet.address, intercept=no_histories) as gateway,
    ):
        await quiet.populate({"stigmer-workflow-terminated": 1})
        done = await diagnose(quiet, TEMPORAL_ADDRESS=gateway.address)
    (item,) = done.json["items"]
    assert item["verdict"] == "unknown"
    assert "refused by the gateway" in item["evidence"][0]["fact"]
    assert done.code == 0
    assert not BY_ID["unknown"].stuck


async def test_named_workflow_that_waits_for_nothing_is_told_as_such(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake("healthy")
    await sandbox.settle(handshake)
    told = f"nothing is pending: workflow {handshake.workflow_id} is COMPLETED"
    record = await diagnose(sandbox, "-w", handshake.workflow_id)
    assert (record.code, record.json["items"], record.json["notes"]) == (0, [], [told])
    page = await stigmer_ops(
        "diagnose", "-w", handshake.workflow_id, variables=sandbox.environment()
    )
    assert f"note: {told}" in page.err


async def test_named_activity_is_diagnosed_alone(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake(["token-not-passed", "still-running"])
    await sandbox.settle(handshake)
    one = await diagnose(sandbox, "-w", handshake.workflow_id, "-a", handshake.activity_ids[0])
    assert [item["verdict"] for item in one.json["items"]] == ["token-not-passed"]
    both = await diagnose(sandbox, "-w", handshake.workflow_id)
    assert sorted(both.json["counts"]) == ["running", "token-not-passed"]
    none = await diagnose(sandbox, "-w", handshake.workflow_id, "-a", "999")
    assert none.code == 4
    assert "never scheduled an activity with the id 999" in none.err
    nobody = await diagnose(sandbox, "-w", "no-such-workflow")
    assert (nobody.code, "there is no workflow no-such-workflow" in nobody.err) == (2, True)
    alone = await diagnose(sandbox, "--standalone", "-a", "no-such-activity")
    assert (alone.code, "there is no standalone activity" in alone.err) == (4, True)


async def test_only_the_verdicts_that_were_asked_for_are_told_and_planned(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    handshake = await sandbox.start_handshake(["token-not-passed", "still-running"])
    await sandbox.settle(handshake)
    only = ("-w", handshake.workflow_id, "--verdict")
    plan = tmp_path / "plan.jsonl"
    stuck = await diagnose(sandbox, *only, "token-not-passed", "--plan-out", str(plan))
    assert (stuck.code, list(stuck.json["counts"])) == (1, ["token-not-passed"])
    _header, *rows = map(json.loads, plan.read_text().splitlines())
    assert [row["verdict"] for row in rows] == ["token-not-passed"]
    well = await diagnose(sandbox, *only, "running")
    assert (well.code, list(well.json["counts"])) == (0, ["running"])
    unknown = await diagnose(sandbox, *only, "token-not-pased")
    assert unknown.code == 2
    assert json.loads(unknown.err)["next"] == "--verdict token-not-passed"


async def test_calls_grow_with_the_population_and_not_with_its_square(sandbox: Sandbox) -> None:
    async with sandbox.isolated() as quiet:
        await quiet.populate({"still-running": 12})
        done = await diagnose(quiet, "--stats", STIGMER_OPS_THRESHOLDS_SUSPECT_AFTER="5m")
    calls = done.json["stats"]["calls"]
    assert calls["describe_workflow_execution"] == 12
    assert calls["get_workflow_execution_history"] == 12
    fixed = 30  # pages, partitions of queues and their workers, however many activities
    assert sum(calls.values()) <= 2 * 12 + fixed


async def test_execution_that_is_encrypted_is_reported_not_guessed(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake("still-running")
    await sandbox.settle(handshake)
    async with sandbox.isolated() as quiet:
        await quiet.stigmer_client.start_workflow(
            "stigmer/agent-execution/invoke",
            b"\x00not an execution",
            id="stigmer/agent-execution/invoke/aex-strange",
            task_queue="nobody",
        )
        await quiet.populate({"token-not-passed": 1})
        done = await diagnose(quiet)
    assert done.code == 3
    (item,) = done.json["items"]
    assert (item["verdict"], item["confidence"]) == ("token-not-passed", "possible")
    assert done.json["unreadable"][0]["workflow_id"].endswith("aex-strange")
