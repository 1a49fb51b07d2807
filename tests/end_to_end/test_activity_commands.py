"""`activity complete | fail | extend` as a person in a hurry and a script use them."""

from __future__ import annotations

import asyncio
import base64
import getpass
import json
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import RespondWorkflowTaskFailedRequest

from stigmer_ops.audit import Result
from stigmer_ops.errors import ExitCode
from stigmer_ops.sandbox.sandbox import Sandbox
from support.activity_writes import closing, finish, history
from support.audit import records
from support.codec import ENCODING, codec_server
from support.command_line import Finished, stigmer_ops
from support.gateway import gateway_to
from support.hand_worker import HandWorker
from support.terminal import at_terminal

REASON = ("--reason", "INC-7 the agent is gone")
WRITE = (*REASON, "--yes")


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit.jsonl"


@pytest.fixture
def variables(sandbox: Sandbox, trail: Path) -> dict[str, str]:
    return {**sandbox.environment(), "STIGMER_OPS_AUDIT_PATH": str(trail)}


Activity = Callable[..., Any]


@pytest.fixture
def activity(variables: dict[str, str]) -> Activity:
    async def run(*arguments: str, stdin: bytes | None = None, **more: str) -> Finished:
        return await stigmer_ops(
            "activity", *arguments, variables={**variables, **more}, stdin=stdin
        )

    return run


@pytest.fixture
async def worker(sandbox: Sandbox) -> AsyncIterator[HandWorker]:
    """A worker with one started activity, whose id is 1; its workflow goes on when it can."""
    worker = HandWorker(sandbox.client)
    await worker.started()
    going_on = asyncio.create_task(take_up(worker))
    yield worker
    going_on.cancel()
    await asyncio.gather(going_on, return_exceptions=True)


async def take_up(worker: HandWorker) -> None:
    await finish(worker, await worker.workflow_task())


def ids(worker: HandWorker) -> tuple[str, ...]:
    return ("--workflow-id", worker.workflow_id, "--activity-id", "1")


def content_of(trail: Path) -> str:
    return trail.read_text() if trail.exists() else ""


async def test_complete_ends_the_activity_and_proves_it(
    activity: Activity, worker: HandWorker, trail: Path
) -> None:
    done = await activity("complete", *ids(worker), *WRITE, "-o", "json")

    assert done.code == ExitCode.OK, done.err
    document = done.json
    completed = closing(await history(worker))
    identity = f"stigmer-ops:{getpass.getuser()}@{socket.gethostname()} INC-7"
    assert document["kind"] == "ActivityCompletion"
    assert document["fence"]["run_id"] == worker.run_id
    assert document["fence"]["by"] == "server"
    assert document["proof"]["event_id"] == 7
    assert document["proof"]["workflow"] == "resumed"
    assert document["proof"]["identity"] == completed.identity == identity
    assert json.loads(completed.result.payloads[0].data)["message"] == "manually completed"
    intent, outcome = records(trail)
    assert intent.outcome is None
    assert intent.intent.reason == REASON[1]
    assert intent.intent.target is not None
    assert intent.intent.target.attempt == 1
    assert outcome.outcome is not None
    assert (outcome.outcome.result, outcome.outcome.proof_event_id) == (Result.DONE, 7)


async def test_second_completion_is_told_of_the_first(
    activity: Activity, worker: HandWorker
) -> None:
    first = await activity("complete", *ids(worker), *WRITE)
    second = await activity("complete", *ids(worker), *WRITE)

    assert first.code == ExitCode.OK
    assert "completed: activity 1 of workflow" in first.out
    assert second.code == ExitCode.REFUSED
    assert "(event 7)" in second.err
    assert f"stigmer-ops:{getpass.getuser()}@" in second.err
    assert "not done: nothing was sent" in second.err


@pytest.mark.parametrize("way", ["variable", "pipe", "argument"])
async def test_token_is_taken_from_anywhere_and_shown_nowhere(
    activity: Activity, worker: HandWorker, trail: Path, way: str
) -> None:
    token = base64.b64encode(worker.token).decode()
    ways: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
        "variable": (("--token-env", "CALLBACK"), {"CALLBACK": token}),
        "pipe": (("--token-file", "-"), {"stdin": token.encode()}),
        "argument": ((token,), {}),
    }
    arguments, more = ways[way]

    done = await activity("complete", *arguments, *WRITE, "--debug", **more)

    assert done.code == ExitCode.OK, done.err
    assert ("warning: a token given as an argument" in done.err) is (way == "argument")
    written = done.out + done.err + content_of(trail)
    assert token not in written
    assert worker.token.hex() not in written
    assert records(trail)[0].intent.parameters.token_fingerprint is not None


@pytest.mark.parametrize("verb", ["complete", "fail", "extend"])
async def test_dry_run_shows_the_plan_and_writes_nothing(
    activity: Activity, worker: HandWorker, trail: Path, verb: str
) -> None:
    own = {"complete": (), "fail": ("--message", "gone"), "extend": ("--by", "2h")}[verb]
    before = await history(worker)

    shown = await activity(
        verb, *ids(worker), *own, "--dry-run", "-o", "json", STIGMER_OPS_READ_ONLY="1"
    )

    assert shown.code == ExitCode.OK, shown.err
    assert (shown.json["dry_run"], shown.json["exit_reason"]) == (True, "dry-run")
    assert shown.json["fence"]["scheduled_event_id"] == 5
    assert await history(worker) == before
    assert not content_of(trail)


@pytest.mark.parametrize(
    ("arguments", "variable", "code", "said"),
    [
        (REASON, {}, ExitCode.REFUSED, "nobody can be asked"),
        (WRITE, {"STIGMER_OPS_READ_ONLY": "1"}, ExitCode.REFUSED, "read-only mode is on"),
        ((*WRITE, "--result", "done"), {}, ExitCode.USAGE, "line 1, column 1"),
        ((*WRITE, "--address", "127.0.0.1:1"), {}, ExitCode.UNAVAILABLE, "127.0.0.1:1"),
        (WRITE, {"STIGMER_OPS_AUDIT_PATH": "/dev/null"}, ExitCode.REFUSED, "audit trail"),
    ],
)
async def test_what_must_not_be_written_is_not(
    activity: Activity,
    worker: HandWorker,
    arguments: tuple[str, ...],
    variable: dict[str, str],
    code: ExitCode,
    said: str,
) -> None:
    before = await history(worker)

    refused = await activity("complete", *ids(worker), *arguments, **variable)

    assert refused.code == code, refused.err
    assert said in refused.err
    assert "not done: " in refused.err or code is ExitCode.UNAVAILABLE
    assert refused.out == ""
    assert await history(worker) == before


async def test_result_comes_from_a_pipe_or_a_file(
    activity: Activity, worker: HandWorker, tmp_path: Path, trail: Path
) -> None:
    content = b'{"status": "completed", "order": 4711}\n'
    path = tmp_path / "result.json"
    path.write_bytes(content)

    shown = await activity(
        "complete", *ids(worker), "--result", f"@{path}", "--dry-run", "--show-payloads"
    )
    done = await activity(
        "complete", *ids(worker), "--result", "-", *WRITE, "--no-shape-check", stdin=content
    )

    assert '"order": 4711' in shown.out
    assert done.code == ExitCode.OK, done.err
    assert "4711" not in done.out + done.err
    (payload,) = closing(await history(worker)).result.payloads
    assert json.loads(payload.data) == {"status": "completed", "order": 4711}
    fingerprint = records(trail)[0].intent.parameters.result
    assert fingerprint is not None
    assert fingerprint.size_bytes == len(content)


async def test_result_that_is_too_large_is_refused_before_it_is_sent(
    activity: Activity, worker: HandWorker
) -> None:
    large = json.dumps("x" * 2 * 1024 * 1024).encode()

    refused = await activity("complete", *ids(worker), *WRITE, "--result", "-", stdin=large)

    assert refused.code == ExitCode.REFUSED
    assert "allows 2097152" in refused.err


async def test_result_goes_through_the_codec_server(activity: Activity, worker: HandWorker) -> None:
    async with codec_server(authorization="Bearer let-me-in") as server:
        done = await activity(
            "complete", *ids(worker), *WRITE, "--codec-endpoint", server.endpoint,
            "-o", "json", TEMPORAL_CODEC_AUTH="Bearer let-me-in",
        )  # fmt: skip

    assert done.code == ExitCode.OK, done.err
    assert done.json["result"]["encoding"] == ENCODING.decode()
    assert closing(await history(worker)).result.payloads[0].metadata["encoding"] == ENCODING
    assert "/encode" in [path for path, _ in server.requests]


async def test_fail_is_final_unless_said_otherwise(activity: Activity, worker: HandWorker) -> None:
    done = await activity(
        "fail", *ids(worker), "--message", "the agent is gone", "--type", "AgentGone", *WRITE,
        "-o", "json",
    )  # fmt: skip

    assert done.code == ExitCode.OK, done.err
    assert done.json["failure"] == {"type": "AgentGone", "retryable": False}
    failure = closing(await history(worker)).failure
    assert failure.message == "the agent is gone"
    assert failure.application_failure_info.type == "AgentGone"
    assert failure.application_failure_info.non_retryable


async def test_never_started_activity_is_completed_by_id_and_failed_not_at_all(
    activity: Activity, sandbox: Sandbox
) -> None:
    worker = HandWorker(sandbox.client)
    await worker.start_workflow()
    await worker.schedule()

    failed = await activity("fail", *ids(worker), "--message", "gone", *WRITE)
    fenced = await activity("complete", *ids(worker), *WRITE)
    unfenced = await activity("complete", *ids(worker), *WRITE, "--unfenced", "-o", "json")

    assert failed.code == fenced.code == ExitCode.REFUSED
    assert "cannot fail such an activity by any call" in failed.err
    assert "--unfenced" in fenced.err
    assert unfenced.code == ExitCode.OK, unfenced.err
    assert unfenced.json["fence"]["by"] == "none"
    assert "warning: unfenced" in unfenced.err


async def test_extend_moves_the_deadline_and_reads_it_back(
    activity: Activity, worker: HandWorker, trail: Path
) -> None:
    done = await activity("extend", *ids(worker), "--by", "2h", *WRITE, "-o", "json")

    assert done.code == ExitCode.OK, done.err
    timeouts = done.json["proof"]["timeouts"]
    assert timeouts["before"]["start_to_close_seconds"] == 600.0
    assert timeouts["after"]["start_to_close_seconds"] == 7800.0
    assert done.json["proof"]["event_id"] is None
    assert records(trail)[0].intent.parameters.start_to_close_timeout == timedelta(seconds=7800)
    assert await worker.complete(worker.token) == ("OK", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--by", "2h", "--start-to-close", "1h"), "exactly one of --by"),
        (("--until", "2020-01-01T00:00Z"), "is past"),
        (("--until", "2030-01-01T00:00"), "time zone"),
    ],
)
async def test_extend_wants_one_time_that_is_to_come(
    activity: Activity, arguments: tuple[str, ...], said: str
) -> None:
    wrong = await activity("extend", "-w", "order-1", "-a", "1", *arguments, *WRITE)

    assert wrong.code == ExitCode.USAGE
    assert said in wrong.err


async def test_lost_answer_is_proved_from_the_history(
    activity: Activity, sandbox: Sandbox, worker: HandWorker
) -> None:
    async with gateway_to(
        sandbox.address, lose_answers_of={"RespondActivityTaskCompleted"}
    ) as gateway:
        done = await activity("complete", *ids(worker), *WRITE, TEMPORAL_ADDRESS=gateway.address)

    assert done.code == ExitCode.OK, done.err
    assert "lost on its way" in done.out
    assert gateway.calls.count("RespondActivityTaskCompleted") == 1


async def test_workflow_that_cannot_digest_the_result_is_a_finding(
    activity: Activity, sandbox: Sandbox
) -> None:
    worker = HandWorker(sandbox.client)
    await worker.started()
    completing = asyncio.create_task(activity("complete", *ids(worker), *WRITE, "-o", "json"))
    task = await worker.workflow_task()
    await worker.call(
        "respond_workflow_task_failed",
        RespondWorkflowTaskFailedRequest(task_token=task.task_token),
    )
    done = await completing

    assert done.code == ExitCode.FINDINGS, done.err
    assert done.json["exit_reason"] == "workflow-task-failed"
    assert done.json["proof"]["outcome"] == "COMPLETED"


QUESTION = "Complete this activity? [y/N] "


@pytest.mark.parametrize("answer", ["yesterday\r", "\x04"])
async def test_anything_but_yes_is_no(
    worker: HandWorker, variables: dict[str, str], trail: Path, answer: str
) -> None:
    async with at_terminal(
        "activity", "complete", *ids(worker), *REASON, variables=variables
    ) as terminal:
        await terminal.until(QUESTION)
        terminal.type(answer)
        code = await terminal.code()

    assert code == ExitCode.REFUSED, terminal.screen
    assert "not confirmed" in terminal.screen
    assert not content_of(trail)
    assert len(await history(worker)) == 5


async def test_what_was_typed_ahead_is_no_consent(
    worker: HandWorker, variables: dict[str, str]
) -> None:
    async with at_terminal(
        "activity", "complete", *ids(worker), *REASON, variables=variables
    ) as terminal:
        terminal.type("y\r")
        await terminal.until(QUESTION)
        await asyncio.sleep(0.3)
        assert "completed:" not in terminal.screen
        terminal.type("y\r")
        code = await terminal.code()

    assert code == ExitCode.OK, terminal.screen
    assert "completed: activity 1" in terminal.screen


async def test_ctrl_c_at_the_question_writes_nothing(
    worker: HandWorker, variables: dict[str, str], trail: Path
) -> None:
    async with at_terminal(
        "activity", "complete", *ids(worker), *REASON, variables=variables
    ) as terminal:
        await terminal.until(QUESTION)
        terminal.type("\x03")
        code = await terminal.code()

    assert code == ExitCode.INTERRUPTED, terminal.screen
    assert "Traceback" not in terminal.screen
    assert not content_of(trail)


async def test_protected_namespace_must_be_typed_even_with_yes(
    sandbox: Sandbox, worker: HandWorker, variables: dict[str, str]
) -> None:
    protected = {**variables, "STIGMER_OPS_WRITES_PROTECTED_NAMESPACES": sandbox.namespace}
    command = ("activity", "complete", *ids(worker), *WRITE)
    for typed, expected in (("y", ExitCode.REFUSED), (sandbox.namespace, ExitCode.OK)):
        async with at_terminal(*command, variables=protected) as terminal:
            await terminal.until("Type the namespace's name to go on: ")
            terminal.type(f"{typed}\r")
            assert await terminal.code() == expected, terminal.screen


async def test_attempt_that_changes_while_the_person_thinks_is_not_written_to(
    sandbox: Sandbox, variables: dict[str, str], trail: Path
) -> None:
    worker = HandWorker(sandbox.client, attempts=5, retry_after=0.01)
    token = await worker.started()
    async with at_terminal(
        "activity", "complete", *ids(worker), *REASON, variables=variables
    ) as terminal:
        await terminal.until(QUESTION)
        await worker.fail(token, retryable=True)
        await worker.take()
        terminal.type("y\r")
        code = await terminal.code()

    assert code == ExitCode.REFUSED, terminal.screen
    assert "attempt 1 was meant, and attempt 2 is now STARTED" in terminal.screen
    assert len(await history(worker)) == 5, "nothing completed"
    outcome = records(trail)[-1].outcome
    assert outcome is not None
    assert outcome.result is Result.REFUSED


async def test_token_typed_at_the_terminal_is_not_shown(
    worker: HandWorker, variables: dict[str, str]
) -> None:
    token = base64.b64encode(worker.token).decode()
    async with at_terminal(
        "activity", "complete", "--token-file", "-", *WRITE, variables=variables
    ) as terminal:
        await terminal.until("task token (not shown): ")
        terminal.type(f"{token}\r")
        code = await terminal.code()

    assert code == ExitCode.OK, terminal.screen
    assert token not in terminal.screen
