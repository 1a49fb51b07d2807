"""`pending` as it is typed, on a real server."""

from __future__ import annotations

import asyncio
import json
import sys

import grpc
import pytest
from temporalio.client import Client

from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, environment, stigmer_ops
from support.gateway import gateway_to
from support.hand_worker import HandWorker
from support.pending import (
    HOSTILE,
    Waiting,
    every_state_listed,
    listed,
    many_listed,
    new_client,
    pending,
    pointed_at,
    schedule_all,
)
from support.terminal import at_terminal

TERMINAL_CONTROLS = ("\x1b", "\x9b", "\u202e", "\r")


@pytest.fixture(scope="module")
async def waiting(sandbox: Sandbox) -> Waiting:
    return await every_state_listed(sandbox)


@pytest.fixture(scope="module")
async def many(sandbox: Sandbox) -> Client:
    return await many_listed(sandbox)


@pytest.fixture(scope="module")
async def hostile(sandbox: Sandbox) -> Client:
    client = await new_client(sandbox)
    workers = [HandWorker(client, workflow_id=text, workflow_type=text) for text in HOSTILE]
    for worker, text in zip(workers, HOSTILE, strict=True):
        await schedule_all(worker, {text: text})
    await listed(client, len(HOSTILE))
    return client


# --- list ----------------------------------------------------------------------------------------


async def test_list_in_a_pipe_has_one_row_an_activity_and_every_column(waiting: Waiting) -> None:
    result = await pending(waiting.client, "list")
    heading, *rows = result.out.splitlines()

    assert result.code == 0, result.err
    headings = "WORKFLOW ACTIVITY TYPE STATE ATTEMPT AGE LEFT QUEUE LAST FAILURE"
    assert " ".join(heading.split()) == headings
    assert len(rows) == 11  # "several" has two of this type
    row = next(row for row in rows if row.startswith(waiting.id_of("backing-off")))
    assert row.split()[1:5] == ["1", "CallAgentActivity", "SCHEDULED", "2"]
    assert row.rstrip().endswith("AgentFailed: the agent gave up")
    assert not any(row.startswith(waiting.id_of("closed")) for row in rows)


async def test_list_as_json_tells_everything_of_an_activity(waiting: Waiting) -> None:
    result = await pending(waiting.client, "list", "-o", "json", "--all-types", "--stats")
    document = result.json
    records = document["activities"]
    retried = next(
        record for record in records if record["workflow_id"] == waiting.id_of("retried")
    )

    assert result.code == 0, result.err
    assert document["kind"] == "PendingActivities"
    assert document["complete"] is True
    assert document["workflows_read"] == 9
    assert document["standalone_read"] == 1
    assert document["selected"] == len(records) == 12
    assert document["stats"]["calls"]["DescribeWorkflowExecution"] == 9
    assert retried["run_id"] == waiting.workers["retried"].run_id
    assert retried["activity_id"] == "1"
    assert retried["state"] == "STARTED"
    assert retried["attempt"] == 2
    assert retried["maximum_attempts"] == 3
    assert retried["task_queue"] == waiting.workers["retried"].queue
    assert retried["waiting_since"] < retried["scheduled_time"]
    assert retried["deadline_timeout"] == "START_TO_CLOSE"
    assert 0 < retried["time_left_seconds"] <= 3600
    assert retried["last_failure"] == {
        "message": "the agent gave up",
        "type": "AgentFailed",
        "encoded": False,
    }
    assert retried["last_worker_identity"] == "hand-worker"
    alone = next(record for record in records if record["standalone"])
    assert alone["workflow_id"] is None
    assert alone["activity_id"] == waiting.id_of("standalone")


async def test_list_as_json_lines_streams_the_same_activities(waiting: Waiting) -> None:
    streamed, ordered = await asyncio.gather(
        pending(waiting.client, "list", "-o", "jsonl", "--stats"),
        pending(waiting.client, "list", "-o", "jsonl", "--sort", "workflow"),
    )

    def ids(result: Finished) -> list[str]:
        return [
            f"{line['workflow_id'] or ''}/{line['activity_id']}"
            for line in result.lines
            if line["kind"] == "PendingActivity"
        ]

    assert ids(ordered) == sorted(ids(streamed))
    assert streamed.lines[-1]["kind"] == "ScanStats"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            "--state PAUSE_REQUESTED --state cancel_requested",
            {"pause-requested", "cancel-requested"},
        ),
        (
            "--attempt 1 --workflow-type LateWorkflow --older-than 0s --expires-within 12m "
            "--activity-type CallAgentActivity --activity-type Other",
            {"never-started"},
        ),
    ],
    ids=("states", "all-filters"),
)
async def test_filter_on_the_command_line(
    waiting: Waiting, arguments: str, expected: set[str]
) -> None:
    result = await pending(waiting.client, "list", "-o", "json", *arguments.split())
    assert result.code == 0, result.err
    found = {waiting.name_of(record["workflow_id"]) for record in result.json["activities"]}
    assert found == expected


async def test_activity_types_come_from_the_settings(waiting: Waiting) -> None:
    result = await pending(
        waiting.client, "list", STIGMER_OPS_EXTERNAL_ACTIVITY_TYPES="SendEmail,Other"
    )
    assert [row.split()[1:3] for row in result.out.splitlines()[1:]] == [["other", "SendEmail"]]


async def test_table_shows_a_hundred_and_says_how_many_more(many: Client) -> None:
    result = await pending(many, "list", "--rps", "0")
    assert len(result.out.splitlines()) == 1 + 100
    assert result.err == "20 more are pending; --limit 0 shows all\n"


async def test_limit_sort_and_reverse(many: Client) -> None:
    result = await pending(
        many, "list", "--sort", "workflow", "--reverse", "--limit", "3", "-o", "jsonl"
    )
    assert [line["workflow_id"] for line in result.lines] == [
        "order-000119", "order-000118", "order-000117",
    ]  # fmt: skip


async def test_hostile_ids_are_harmless_on_screen_and_intact_in_json(hostile: Client) -> None:
    table, document = await asyncio.gather(
        pending(hostile, "list", "--all-types", "-o", "wide"),
        pending(hostile, "list", "--all-types", "-o", "json", "--sort", "workflow"),
    )

    assert table.code == 0, table.err
    assert not any(control in table.out for control in TERMINAL_CONTROLS)
    assert len(table.out.splitlines()) == 1 + len(HOSTILE)
    for shown in ("[red]markup[/red]", "\\x1b[2J\\x1b[31mansi", "new\\nline", "rtl \\u202etxet"):
        assert shown in table.out
    records = document.json["activities"]
    assert [record["workflow_id"] for record in records] == sorted(HOSTILE)
    assert not any(control in document.out for control in TERMINAL_CONTROLS)
    assert all(record["activity_type"] == record["workflow_id"] for record in records)


async def test_empty_namespace_is_no_error(sandbox: Sandbox) -> None:
    result = await pending(await new_client(sandbox), "list", "--older-than", "99999999h")
    assert (result.code, result.out) == (0, "")
    assert result.err == "no such activity is pending; read 0 running workflows\n"


async def test_unreadable_workflow_makes_exit_3_and_the_rest_is_written(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    ids = await start_waiting(client, 3)
    await listed(client, 3)

    async def intercept(method: str, request: bytes) -> grpc.StatusCode | None:
        refused = method == "DescribeWorkflowExecution" and ids[0].encode() in request
        return grpc.StatusCode.PERMISSION_DENIED if refused else None

    async with gateway_to(sandbox.address, intercept=intercept) as gateway:
        variables = pointed_at(client, gateway.address)
        table, lines, summary = await asyncio.gather(
            stigmer_ops("pending", "list", variables=variables),
            stigmer_ops("pending", "list", "-o", "jsonl", variables=variables),
            stigmer_ops("pending", "summary", "-o", "json", variables=variables),
        )

    assert {table.code, lines.code, summary.code} == {3}
    assert [row.split()[0] for row in sorted(table.out.splitlines()[1:])] == ids[1:]
    assert f"could not read {ids[0]} (run " in table.err
    assert "PERMISSION_DENIED" in table.err
    assert sorted(line["kind"] for line in lines.lines) == [
        "PendingActivity", "PendingActivity", "Unreadable",
    ]  # fmt: skip
    assert (summary.json["complete"], summary.json["count"]) == (False, 2)
    assert [item["workflow_id"] for item in summary.json["unreadable"]] == [ids[0]]


async def test_scan_that_breaks_off_writes_what_it_has_and_says_so(sandbox: Sandbox) -> None:
    client = await new_client(sandbox)
    await start_waiting(client, 30)
    await listed(client, 30)
    described = 0

    async def intercept(method: str, _request: bytes) -> grpc.StatusCode | None:
        nonlocal described
        described += method == "DescribeWorkflowExecution"
        return grpc.StatusCode.PERMISSION_DENIED if described > 5 else None

    async with gateway_to(sandbox.address, intercept=intercept) as gateway:
        result = await stigmer_ops(
            *("pending", "list", "--concurrency", "1", "-o", "json"),
            variables=pointed_at(client, gateway.address),
        )

    assert result.code == 3
    assert len(result.json["activities"]) == 5
    assert result.json["complete"] is False
    assert json.loads(result.err.splitlines()[-1])["reference"] == "denied"


async def test_no_server_is_exit_3_with_the_address() -> None:
    result = await stigmer_ops("pending", "list", variables={"TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert (result.code, result.out) == (3, "")
    assert "cannot reach Temporal at 127.0.0.1:1" in result.err
    assert "Traceback" not in result.err


async def test_unknown_namespace_is_exit_3(sandbox: Sandbox) -> None:
    result = await stigmer_ops(
        *("pending", "summary", "-n", "nowhere"), variables={"TEMPORAL_ADDRESS": sandbox.address}
    )
    assert result.code == 3
    assert "Namespace nowhere is not found" in result.err


async def test_reader_that_leaves_early_causes_no_noise(many: Client) -> None:
    script = f"'{sys.executable}' -m stigmer_ops pending list -o jsonl | head -1"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-o", "pipefail", "-c", script),
        env=environment(pointed_at(many)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert len(out.splitlines()) == 1


async def test_long_scan_shows_its_progress_on_a_terminal_only(many: Client) -> None:
    async with at_terminal(
        *("pending", "list", "--rps", "60", "--limit", "1"), variables=pointed_at(many)
    ) as terminal:
        await terminal.until("reading workflows")
        await terminal.until("/120")
        await terminal.until("119 more are pending")
        assert await terminal.code() == 0


# --- summary -------------------------------------------------------------------------------------


async def test_summary_counts_each_activity_once_in_every_dimension(waiting: Waiting) -> None:
    table, document = await asyncio.gather(
        pending(waiting.client, "summary", "--all-types"),
        pending(waiting.client, "summary", "--all-types", "-o", "json"),
    )
    counted = document.json

    assert counted["count"] == 12
    assert list(counted["by_age"]) == ["0-1h", "1-4h", "4-12h", "12-24h", "24h+"]
    assert counted["by_age"]["0-1h"]["count"] == 12
    assert counted["by_age"]["24h+"] == {"count": 0, "oldest": None, "nearest_deadline": None}
    assert counted["by_activity_type"]["SendEmail"]["count"] == 1
    for dimension in ("by_age", "by_activity_type", "by_task_queue", "by_state"):
        assert sum(group["count"] for group in counted[dimension].values()) == 12
    assert counted["nearest_deadline"]["workflow_id"] == waiting.id_of("never-started")
    assert counted["oldest"]["age_seconds"] > 0
    assert table.out.startswith("12 pending, oldest ")
    assert [line.split()[0] for line in table.out.splitlines() if "h" in line.split(" ")[0]] == (
        ["0-1h", "1-4h", "4-12h", "12-24h", "24h+"]
    )


# --- show ----------------------------------------------------------------------------------------


async def test_show_tells_an_activity_in_full(waiting: Waiting) -> None:
    worker = waiting.workers["retried"]
    arguments = ("show", "-w", worker.workflow_id, "-a", "1")
    stale_after = "STIGMER_OPS_THRESHOLDS_POLLER_STALE_AFTER"
    page, document = await asyncio.gather(
        pending(waiting.client, *arguments, **{stale_after: "0s"}),
        pending(waiting.client, *arguments, "-o", "json", **{stale_after: "1h"}),
    )
    told = document.json

    assert (page.code, document.code) == (0, 0), page.err
    assert told["pending"] is True
    assert told["scheduled_event_id"] == 5
    assert told["first_scheduled_time"] < told["scheduled_time"]
    assert told["timeouts"]["start_to_close_seconds"] == 3600
    assert list(told["deadlines"]) == ["start_to_close"]
    assert told["retry_policy"]["maximum_attempts"] == 3
    assert told["retry_policy"]["initial_interval_seconds"] == 1.5
    assert told["failures"] == [
        {"message": "the agent gave up", "type": "AgentFailed", "encoded": False}
    ]
    assert told["worker"]["identity"] == "hand-worker"
    assert told["worker"]["poller"] == "live"
    assert f"-w {worker.workflow_id} -r {worker.run_id} -a 1" in told["next"][0]
    assert "hand-worker, stale, last polled" in page.out
    assert "the agent gave up" in page.out
    assert "next: stigmer-ops diagnose " in page.out


async def test_show_tells_who_paused_it_and_why(waiting: Waiting) -> None:
    result = await pending(
        waiting.client, "show", "-w", waiting.id_of("paused"), "-a", "1", "-o", "json"
    )
    pause = result.json["pause"]
    assert (pause["identity"], pause["reason"]) == ("alice", "INC-7")
    assert result.json["last_started_time"] is None


async def test_show_of_a_standalone_activity(waiting: Waiting) -> None:
    result = await pending(
        waiting.client, "show", "--standalone", "-a", waiting.id_of("standalone"), "-o", "json"
    )
    assert result.code == 0, result.err
    assert result.json["standalone"] is True
    assert result.json["deadlines"]["start_to_close"]["time_left_seconds"] > 0


async def test_show_of_a_workflow_lists_what_it_waits_for(waiting: Waiting) -> None:
    result = await pending(waiting.client, "show", "-w", waiting.id_of("several"), "-o", "json")
    assert sorted(item["activity_id"] for item in result.json["activities"]) == ["a", "b", "other"]
    assert result.json["status"] == "RUNNING"


async def test_show_of_what_is_not_pending_says_what_it_is_now(waiting: Waiting) -> None:
    done = HandWorker(waiting.client)
    await done.complete(await done.started(), identity="bob@bastion")
    closed = waiting.workers["closed"]
    completed, terminated, nowhere = await asyncio.gather(
        pending(waiting.client, "show", "-w", done.workflow_id, "-a", "1", "-o", "json"),
        pending(waiting.client, "show", "-w", closed.workflow_id, "-a", "1"),
        pending(waiting.client, "show", "-w", "no-such-workflow"),
    )
    await done.terminate()

    assert {completed.code, terminated.code, nowhere.code} == {1}
    ended = completed.json["evidence"]["ended"]
    assert completed.json["pending"] is False
    assert (ended["outcome"], ended["identity"]) == ("COMPLETED", "bob@bastion")
    assert ended["event_id"] == 7
    assert "TERMINATED" in terminated.out
    assert terminated.out.startswith("not pending: ")
    assert "there is no such workflow" in nowhere.err
