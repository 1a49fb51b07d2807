"""What logs leave out is read from a real Temporal, with tokens whole, damaged and absent."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from stigmer_ops.diagnosis.links import TemporalLinks
from stigmer_ops.errors import DeniedError
from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.execution import TokenState
from stigmer_ops.handshake.token import fingerprint
from stigmer_ops.sandbox.handshake import Handshake, Kind
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.frontend import Frontend, Pace
from support.command_line import Finished, stigmer_ops

BRIEFLY = {"runs_for": timedelta(seconds=10)}


def links(sandbox: Sandbox) -> tuple[TemporalLinks, Frontend]:
    frontend = Frontend(sandbox.stigmer_client, Pace(rps=0))
    return TemporalLinks(frontend), frontend


async def execution_of(sandbox: Sandbox, handshake: Handshake) -> str:
    await sandbox.settle(handshake)
    return handshake.executions()[0].metadata.id


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("healthy", TokenState.WHOLE),
        ("workflow-edition-without-callback", TokenState.WHOLE),
        ("token-double-encoded", TokenState.DOUBLE_ENCODED),
        ("token-truncated", TokenState.TRUNCATED),
        ("token-not-passed", TokenState.ABSENT),
    ],
)
async def test_an_execution_is_traced_to_its_activity(
    sandbox: Sandbox, fault: str, state: TokenState
) -> None:
    handshake = await sandbox.start_handshake(fault, script=BRIEFLY)
    execution_id = await execution_of(sandbox, handshake)

    claims = await links(sandbox)[0].claims([execution_id])

    assert claims[execution_id].state is state
    if state in (TokenState.WHOLE, TokenState.DOUBLE_ENCODED):
        assert claims[execution_id].key == ActivityKey(
            handshake.workflow_id, handshake.run_id, handshake.activity_ids[0]
        )


async def test_a_standalone_activity_is_found_without_a_workflow(sandbox: Sandbox) -> None:
    handshake = await sandbox.start_handshake("healthy", kind=Kind.STANDALONE, script=BRIEFLY)
    execution_id = await execution_of(sandbox, handshake)

    claims = await links(sandbox)[0].claims([execution_id])

    assert claims[execution_id].key == ActivityKey("", handshake.run_id, handshake.activity_ids[0])


async def test_executions_that_temporal_does_not_know_are_left_out(sandbox: Sandbox) -> None:
    source, frontend = links(sandbox)

    assert await source.claims(["aex_unknown", "x" * 2000, "no such\nid"]) == {}
    assert set(frontend.calls) == {"describe_namespace", "get_workflow_execution_history"}


async def test_a_namespace_that_does_not_exist_is_no_absence_of_executions(
    sandbox: Sandbox,
) -> None:
    from temporalio.client import Client

    elsewhere = await Client.connect(sandbox.address, namespace="no-such-namespace")

    with pytest.raises(DeniedError, match="no-such-namespace"):
        await TemporalLinks(Frontend(elsewhere, Pace())).claims(["aex_1"])


def log_without_links(handshake: Handshake, execution_id: str) -> str:
    """Zigflow names the activity, Stigmer the execution, and no line both."""
    extracted = (
        '{"level":"info","time":1769076672,"message":"Extracted Temporal task token for async '
        f'completion","workflow_id":"{handshake.workflow_id}",'
        f'"activity_id":"{handshake.activity_ids[0]}"}}'
    )
    received = (
        '{"level":"info","time":1769076673,"message":"Callback token present - workflow will '
        f'complete external activity on finish","execution_id":"{execution_id}"}}'
    )
    return f"{extracted}\n{received}\n"


async def correlate(sandbox: Sandbox, log: Path, *options: str) -> Finished:
    return await stigmer_ops(
        "logs", "correlate", str(log), "-o", "json", *options, variables=sandbox.environment()
    )


@pytest.mark.parametrize("two_namespaces", [False, True])
async def test_the_command_joins_what_only_temporal_knows(
    sandbox: Sandbox, tmp_path: Path, two_namespaces: bool
) -> None:
    async with sandbox.isolated(two_namespaces=two_namespaces) as isolated:
        handshake = await isolated.start_handshake("healthy", script=BRIEFLY)
        execution_id = await execution_of(isolated, handshake)
        log = tmp_path / "both.log"
        log.write_text(log_without_links(handshake, execution_id))

        apart = await correlate(isolated, log, "--offline")
        joined = await correlate(isolated, log)
        [token] = {execution.spec.callback_token for execution in handshake.executions()}

    assert len(apart.json["handshakes"]) == 2
    [found] = joined.json["handshakes"]
    assert joined.code == 1
    assert found["execution_ids"] == [execution_id]
    assert {activity["workflow_id"] for activity in found["activities"]} == {handshake.workflow_id}
    assert found["token_fingerprints"] == [fingerprint(token)]
    assert found["verdict"] == "stopped"
    assert found["expected"]["id"] == "workflow-started"


async def test_a_token_finds_the_execution_that_holds_it(sandbox: Sandbox, tmp_path: Path) -> None:
    handshakes = [await sandbox.start_handshake("healthy", script=BRIEFLY) for _ in range(2)]
    executions = [await execution_of(sandbox, handshake) for handshake in handshakes]
    log = tmp_path / "both.log"
    log.write_text(
        "".join(itertools.starmap(log_without_links, zip(handshakes, executions, strict=True)))
    )
    token = tmp_path / "token"
    token.write_bytes(handshakes[1].executions()[0].spec.callback_token)

    finished = await correlate(sandbox, log, "--token-file", str(token))

    [found] = finished.json["handshakes"]
    assert found["execution_ids"] == [executions[1]]
    assert [entry["line"] for entry in found["timeline"]] == [3, 4]


async def test_nothing_is_asked_where_the_logs_tell_all(sandbox: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    log.write_text(
        "2026/01/22 10:11:12 INFO  Returning activity.ErrResultPending WorkflowID order-1 "
        "RunID run-1 ActivityID 5 execution_id aex_1\n"
    )
    nowhere = {**sandbox.environment(), "TEMPORAL_ADDRESS": "127.0.0.1:1"}

    finished = await stigmer_ops("logs", "correlate", str(log), "-o", "json", variables=nowhere)

    assert finished.code == 1
    assert finished.err == ""
