"""`plan create | show | diff` as people use them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from temporalio.client import Client

from stigmer_ops.errors import ExitCode
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.plan_file import open_plan
from stigmer_ops.sandbox.sandbox import Sandbox
from support.awaiting import Awaiting, awaiting
from support.command_line import Finished, stigmer_ops
from support.hand_worker import HandWorker, unique
from support.pending import listed


@pytest.fixture
async def population(sandbox: Sandbox) -> AsyncIterator[Awaiting]:
    client = await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())
    async with awaiting(client) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.jsonl"


async def create(population: Awaiting, path: Path, *options: str) -> Finished:
    return await stigmer_ops(
        *("plan", "create", "--out", str(path), *options),
        variables={
            "TEMPORAL_ADDRESS": population.client.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": population.client.namespace,
        },
    )


async def test_plan_of_what_is_pending_is_fenced_to_it(population: Awaiting, path: Path) -> None:
    names = await population.start(unique("order") for _ in range(3))
    await population.retry(names[0])
    idle = HandWorker(population.client)
    await idle.start_workflow()
    await idle.schedule()
    await listed(population.client, 4)

    made = await create(
        population, path, "--action", "complete", "--result", '{"a": 1}', "-o", "json"
    )

    assert made.code == ExitCode.OK, made.err
    assert made.json["counts"]["complete"] == 3
    assert f"activity 1 of {idle.workflow_id} has not started" in made.err
    with open_plan(path) as plan:
        rows = {each.row.workflow_id: each.row for each in plan.rows()}
        assert not plan.edited
        assert plan.header.namespace == population.client.namespace
    assert rows.keys() == set(names)
    assert [rows[name].attempt for name in names] == [2, 1, 1]
    assert {row.scheduled_event_id for row in rows.values()} == {5}
    assert {row.result for row in rows.values()} == {'{"a":1}'}
    again = await create(population, path, "--action", "skip")
    assert again.code == ExitCode.USAGE
    assert "never overwritten" in again.err


async def test_filters_select(population: Awaiting, path: Path) -> None:
    names = await population.start(unique("order") for _ in range(2))
    await population.retry(names[1])
    await listed(population.client, 2)
    made = await create(population, path, "--action", "extend", "--by", "2h", "--attempt", "2+")
    assert made.code == ExitCode.OK, made.err
    with open_plan(path) as plan:
        (only,) = [each.row for each in plan.rows()]
    assert (only.workflow_id, only.action) == (names[1], Action.EXTEND)
    assert only.extend_by_seconds == 7200


async def test_what_has_no_deadline_is_left_out_of_an_extension(
    population: Awaiting, path: Path
) -> None:
    unlimited = HandWorker(population.client)
    await unlimited.start_workflow()
    await unlimited.schedule()
    await listed(population.client, 1)
    made = await create(population, path, "--action", "extend", "--by", "2h")
    assert made.code == ExitCode.OK, made.err
    assert f"left out: activity 1 of {unlimited.workflow_id} cannot be extended" in made.err
    with open_plan(path) as plan:
        assert plan.tally.rows == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--action", "fail"), "--message is needed for fail"),
        (("--action", "extend"), "--by is needed for extend"),
        (("--action", "complete", "--message", "m"), "--message does not belong to complete"),
        (("--action", "complete", "--result", "{"), "not JSON"),
    ],
)
async def test_options_that_do_not_fit_the_action_are_refused(
    population: Awaiting, path: Path, options: tuple[str, ...], said: str
) -> None:
    refused = await create(population, path, *options)
    assert refused.code == ExitCode.USAGE
    assert said in refused.err
    assert not path.exists()  # noqa: ASYNC240 - a test may block


HEADER = {"schema_version": 1, "kind": "Plan", "namespace": "orders"}
ROW = {
    "action": "complete",
    "workflow_id": "order-1",
    "run_id": "01936c5e-1a53-7000-8000-000000000001",
    "activity_id": "5",
    "attempt": 1,
}


def write_lines(path: Path, *records: object) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


async def test_show_asks_no_server_and_counts(tmp_path: Path, path: Path) -> None:
    write_lines(path, HEADER, ROW, {**ROW, "workflow_id": "order-2", "action": "skip"})
    shown = await stigmer_ops("plan", "show", str(path), "-o", "json")
    assert shown.code == ExitCode.OK, shown.err
    assert shown.json["edited"]
    assert (shown.json["counts"]["complete"], shown.json["counts"]["skip"]) == (1, 1)
    assert [row["line"] for row in shown.json["sample"]] == [2, 3]
    same = tmp_path / "plan.yaml"
    same.write_text(
        yaml.safe_dump(
            {**HEADER, "rows": [ROW, {**ROW, "workflow_id": "order-2", "action": "skip"}]}
        )
    )
    as_yaml = await stigmer_ops("plan", "show", str(same), "-o", "json")
    assert as_yaml.json["sha256"] == shown.json["sha256"]


async def test_everything_wrong_is_told_with_its_line(path: Path) -> None:
    write_lines(
        path,
        HEADER,
        {**ROW, "attemp": 2},
        ROW,
        {**ROW, "attempt": 2},
        {**ROW, "workflow_id": "order-3", "message": "m"},
        {**ROW, "workflow_id": "order-4", "result": "x" * (2 * 1024 * 1024)},
    )
    shown = await stigmer_ops("plan", "show", str(path))
    assert shown.code == ExitCode.USAGE
    assert f"{path}:2: unknown key 'attemp'; did you mean attempt?" in shown.err
    assert f"{path}:4: names the activity of line 3 again" in shown.err
    assert f"{path}:5: message does not belong to a complete row" in shown.err
    assert f"{path}:6: result has 2097154 bytes; the namespace allows 2097152" in shown.err


async def test_diff_tells_what_changed(tmp_path: Path, path: Path) -> None:
    second, third = {**ROW, "workflow_id": "order-2"}, {**ROW, "workflow_id": "order-3"}
    other = tmp_path / "other.jsonl"
    write_lines(path, HEADER, ROW, second)
    write_lines(other, HEADER, third, {**ROW, "action": "skip"})
    found = await stigmer_ops("plan", "diff", str(path), str(other), "-o", "json")
    same = await stigmer_ops("plan", "diff", str(path), str(path))
    assert (found.code, same.code) == (ExitCode.FINDINGS, ExitCode.OK)
    assert [row["workflow_id"] for row in found.json["added"]] == ["order-3"]
    assert [row["workflow_id"] for row in found.json["removed"]] == ["order-2"]
    assert found.json["changed"][0]["fields"] == ["action"]
    assert "the plans are the same" in same.out
