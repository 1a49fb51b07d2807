"""`worker check` and `worker list`, as an on-call engineer and a script use them."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from typing import Any

import pytest

from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.probe import PROBE_TYPE
from support.command_line import Finished, environment, stigmer_ops
from support.gateway import gateway_to, refusing
from support.terminal import at_terminal
from support.workers import new_queue, polling, until, worker

QUEUES = [queue.name for queue in Settings().task_queues.by_role().values()]


async def run(sandbox: Sandbox, *arguments: str, **variables: str) -> Finished:
    return await stigmer_ops("worker", *arguments, variables={**sandbox.environment(), **variables})


async def left_behind(sandbox: Sandbox) -> list[Any]:
    client = sandbox.client
    return [
        *[item async for item in client.list_activities(f'ActivityType="{PROBE_TYPE}"')],
        *[item async for item in client.list_workflows(f'WorkflowType="{PROBE_TYPE}"')],
    ]


def verdicts(finished: Finished) -> dict[str, str]:
    return {one["task_queue"]: one["verdict"] for one in finished.json["task_queues"]}


async def all_polled(sandbox: Sandbox) -> bool:
    return (await run(sandbox, "check", "--passive", "-o", "json")).code == 0


@pytest.fixture(scope="module")
async def polled_sandbox(sandbox: Sandbox) -> Sandbox:
    """The shared sandbox, when the server lists all its workers."""
    await until(lambda: all_polled(sandbox))
    return sandbox


# --- worker check --------------------------------------------------------------------------------


async def test_check_of_a_healthy_system_is_a_table_and_exit_0(polled_sandbox: Sandbox) -> None:
    finished = await run(polled_sandbox, "check")
    assert finished.code == 0
    assert finished.err == ""
    heading, *rows = finished.out.splitlines()
    assert heading.split() == ["TASK", "QUEUE", "VERDICT", "ACTIVITY", "WORKFLOW", "BACKLOG"]
    assert [row.split()[:2] for row in rows[: len(QUEUES)]] == [
        [name, "healthy"] for name in QUEUES
    ]
    assert rows[-1] == (
        "default: the probe started 5 standalone activities and deleted all of them"
    )


async def test_check_json_is_stable(polled_sandbox: Sandbox) -> None:
    finished = await run(polled_sandbox, "check", "--role", "agent_execution_runner", "-o", "json")
    body = finished.json
    assert list(body) == [
        *("schema_version", "kind", "healthy", "checked_at", "probes", "task_queues")
    ]
    assert (body["kind"], body["healthy"]) == ("WorkerCheck", True)
    assert body["probes"] == [
        {
            "namespace": "default",
            "method": "standalone-activity",
            "reason": None,
            "started": 1,
            "deleted": 1,
            "left_behind": [],
        }
    ]
    (queue,) = body["task_queues"]
    assert list(queue) == [
        *("task_queue", "namespace", "roles", "verdict", "title", "severity", "findings"),
        *("expected_activity_types", "probed", "answers", "silent"),
        *("activity", "workflow", "heartbeats"),
    ]
    assert queue["roles"] == ["agent_execution_runner"]
    assert queue["answers"] == [
        {
            "identity": "agent-runner@sandbox",
            "answer": "registered-types",
            "activity_types": ["CleanupSandbox", "EnsureThread", "ExecuteGraphton"],
            "activity_types_complete": True,
            "detail": None,
        }
    ]
    assert queue["activity"]["pollers"][0]["state"] == "live"
    assert set(queue["activity"]["backlog"]) == {
        *("count", "age_seconds", "add_rate", "dispatch_rate")
    }


async def test_check_jsonl_is_a_line_a_queue(sandbox: Sandbox) -> None:
    finished = await run(sandbox, "check", "--passive", "-o", "jsonl")
    assert [(line["kind"], line["task_queue"]) for line in finished.lines] == [
        ("TaskQueueCheck", name) for name in QUEUES
    ]


async def test_check_of_a_missing_type_exits_1_and_says_what_to_do(sandbox: Sandbox) -> None:
    queue = new_queue()
    types = ("--activity-type", "ChargeCard", "--activity-type", "Refund")
    async with worker(sandbox.client, queue, "1@orders-7d9c", "Refund"):
        finished = await run(sandbox, "check", "--task-queue", queue, *types)
    assert finished.code == 1
    assert "1@orders-7d9c lacks ChargeCard; it has Refund" in finished.out
    again = f"$ stigmer-ops worker check --task-queue {queue} -n default --activity-type ChargeCard"
    assert again in finished.out
    assert "see: stigmer-ops runbook show worker-not-registered" in finished.out


async def test_check_by_a_workflow_finds_the_same_and_leaves_nothing(sandbox: Sandbox) -> None:
    queue = new_queue()
    async with worker(sandbox.client, queue, "runner", "Refund"):
        finished = await run(
            *(sandbox, "check", "-t", queue, "--activity-type", "ChargeCard"),
            *("--probe", "workflow", "-o", "json"),
        )
    assert finished.code == 1
    assert verdicts(finished) == {queue: "activity-types-missing"}
    (probe,) = finished.json["probes"]
    assert (probe["method"], probe["started"], probe["deleted"]) == ("workflow", 1, 1)
    assert await left_behind(sandbox) == []


@pytest.mark.parametrize(
    ("arguments", "variables", "reason"),
    [
        (["--passive"], {}, "as was asked for"),
        (["--probe", "workflow"], {"STIGMER_OPS_READ_ONLY": "true"}, "read-only mode"),
    ],
)
async def test_check_that_may_send_nothing_says_so(
    polled_sandbox: Sandbox, arguments: list[str], variables: dict[str, str], reason: str
) -> None:
    queue = ("--role", "agent_execution_runner")
    finished = await run(polled_sandbox, "check", *queue, *arguments, **variables)
    assert finished.code == 0
    assert f"the workers were not probed ({reason})" in finished.out
    assert "not-probed" in finished.out


async def test_check_with_a_lower_threshold_finds_the_poller_stale(sandbox: Sandbox) -> None:
    queue = new_queue()
    arguments = ("check", "-t", queue, "--passive", "-o", "json")
    async with polling(sandbox.client, queue, "gone"):
        pass
    before = await run(sandbox, *arguments)
    after = await run(sandbox, *arguments, STIGMER_OPS_THRESHOLDS_POLLER_STALE_AFTER="100ms")
    assert (before.code, verdicts(before)) == (0, {queue: "not-probed"})
    assert (after.code, verdicts(after)) == (1, {queue: "only-stale-pollers"})


async def test_check_that_may_not_ask_exits_3(sandbox: Sandbox) -> None:
    queue = new_queue()
    async with (
        worker(sandbox.client, queue, "runner", "Refund"),
        gateway_to(sandbox.address, intercept=refusing("StartActivityExecution")) as gateway,
    ):
        finished = await run(sandbox, "check", "-t", queue, "--address", gateway.address)
    assert finished.code == 3
    assert "the probe failed: PERMISSION_DENIED: refused by the gateway" in finished.out


async def test_check_asks_each_namespace(two_namespaces_sandbox: Sandbox) -> None:
    sandbox = two_namespaces_sandbox
    await until(lambda: all_polled(sandbox))
    finished = await run(sandbox, "check", "-o", "json")
    namespaces = {one["task_queue"]: one["namespace"] for one in finished.json["task_queues"]}
    assert namespaces.pop("zigflow_execution") == sandbox.namespace
    assert set(namespaces.values()) == {sandbox.stigmer_namespace}
    assert {one["namespace"]: one["started"] for one in finished.json["probes"]} == {
        sandbox.namespace: 1,
        sandbox.stigmer_namespace: 4,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--role", "agent_runner"], "agent_runner"),
        (["--passive", "--probe", "workflow"], "contradict"),
    ],
)
async def test_check_refuses_what_makes_no_sense(arguments: list[str], said: str) -> None:
    finished = await stigmer_ops("worker", "check", *arguments)
    assert finished.code == 2
    assert said in finished.err
    assert finished.out == ""


async def test_check_that_is_interrupted_leaves_nothing(sandbox: Sandbox) -> None:
    queue = new_queue()
    async with polling(sandbox.client, queue, "hangs"):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stigmer_ops", "worker", "check", "-t", queue),
            env=environment(sandbox.environment()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

        async def started() -> bool:
            return len(await left_behind(sandbox)) == 1

        await until(started)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 130
    assert (out, err) == (b"", b"interrupted\n")
    assert await left_behind(sandbox) == []


async def test_check_fits_a_narrow_terminal_and_obeys_no_foreign_escape(sandbox: Sandbox) -> None:
    queue = new_queue()
    arguments = ("worker", "check", "-t", queue, "--activity-type", "ChargeCard")
    narrow = {**sandbox.environment(), "COLUMNS": "80", "NO_COLOR": "1"}
    async with (
        worker(sandbox.client, queue, "evil\x1b]0;title\x07", "Refund"),
        at_terminal(*arguments, variables=narrow) as terminal,
    ):
        assert await terminal.code() == 1
    screen = re.sub(r"\x1b\[[0-9;]*m", "", terminal.screen)
    assert "\x07" not in screen
    assert "evil\\x1b]0;title\\x07 lacks ChargeCard; it has Refund" in screen
    prose = [line for line in screen.splitlines() if not line.lstrip().startswith("$")]
    assert max(map(len, prose)) <= 80


# --- worker list ---------------------------------------------------------------------------------


async def test_list_is_a_line_a_poller(sandbox: Sandbox) -> None:
    queue = new_queue()
    async with (
        worker(sandbox.client, queue, "1@orders-a", "Refund"),
        worker(sandbox.client, queue, "1@orders-b", "Refund"),
    ):
        finished = await run(sandbox, "list", "-t", queue, "-t", "nobody-polls-this")
    assert finished.code == 0
    heading, *rows = finished.out.splitlines()
    assert heading.split()[:7] == ["TASK", "QUEUE", "TASKS", "IDENTITY", "STATE", "SEEN", "SLOTS"]
    assert [row.split()[:4] for row in rows] == [
        [queue, "activity", "1@orders-a", "live"],
        [queue, "activity", "1@orders-b", "live"],
        ["nobody-polls-this", "-", "-", "not"],
    ]


async def test_list_json_has_pollers_backlogs_and_heartbeats(sandbox: Sandbox) -> None:
    queue = new_queue()
    async with worker(sandbox.client, queue, "1@orders-a", "Refund", max_concurrent_activities=7):

        async def heartbeats() -> bool:
            looked = await run(sandbox, "list", "-t", queue, "-o", "json")
            return bool(looked.json["task_queues"][0]["heartbeats"])

        await until(heartbeats)
        finished = await run(sandbox, "list", "-t", queue, "-o", "json")
    assert finished.json["kind"] == "WorkerList"
    (one,) = finished.json["task_queues"]
    assert list(one) == [
        *("task_queue", "namespace", "roles", "activity", "workflow", "heartbeats")
    ]
    assert [poller["identity"] for poller in one["activity"]["pollers"]] == ["1@orders-a"]
    assert one["workflow"]["pollers"] == []
    (beat,) = one["heartbeats"]
    assert beat["identity"] == "1@orders-a"
    assert beat["status"] == "RUNNING"
    assert beat["activity_slots"] == {"used": 0, "available": 7}
    assert beat["sdk_name"] == "temporal-python"
    assert beat["polls"] == ["activity"]
