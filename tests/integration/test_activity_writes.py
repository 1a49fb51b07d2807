"""Completing and failing activities in every state, on a real server."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from temporalio.client import Client

from stigmer_ops.errors import RefusedError, StaleError
from stigmer_ops.handshake.token import TokenDamagedError, decode
from stigmer_ops.handshake.write_plan import Fencing
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.attempt import locate
from stigmer_ops.temporal.frontend import Frontend
from support.activity_writes import (
    AUTHOR,
    RESULT,
    VERBS,
    by_ids,
    closing,
    executed,
    finish,
    frontend_of,
    history,
    ours,
    pause,
    planned,
    results_in,
)
from support.audit import records
from support.hand_worker import HandWorker
from support.token_scenarios import CASES
from support.token_scenarios.case import Case, cancel_requested, retried
from support.token_scenarios.closed_runs import reset_run

OUTCOMES = {"complete": "COMPLETED", "fail": "FAILED"}


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return sandbox.client


@pytest.fixture
def frontend(sandbox: Sandbox) -> Frontend:
    return frontend_of(sandbox.client)


def _accepted(case: Case) -> bool:
    return case.verdict == "current"


ONE_WAY_TO_EACH_REFUSAL = {case.verdict: case for case in reversed(CASES) if not _accepted(case)}


@pytest.mark.parametrize(
    ("case", "verb"),
    [
        *((case, "complete") for case in CASES if _accepted(case)),
        (CASES[0], "fail"),
        *((case, "complete") for case in ONE_WAY_TO_EACH_REFUSAL.values()),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
async def test_token_is_written_with_or_refused_by_its_verdict(
    client: Client, frontend: Frontend, trail: Path, case: Case, verb: str
) -> None:
    stored = await case.scenario(client)
    try:
        token = decode(stored)
    except TokenDamagedError:
        assert case.verdict in ("malformed", "double-encoded")
        return

    if _accepted(case) or not token.attempt:
        proof = await executed(frontend, await planned(frontend, token, verb), trail)
        assert (proof.outcome, proof.identity) == (OUTCOMES[verb], AUTHOR.identity)
        assert results_in(trail) == ["done"]
    else:
        with pytest.raises(RefusedError) as refused:
            await planned(frontend, token, verb)
        assert case.finding in refused.value.happened or case.verdict in ("not-started", "unfenced")
        assert refused.value.next_step
        assert not any(name.startswith("respond") for name in frontend.calls)


async def started(client: Client) -> HandWorker:
    worker = HandWorker(client)
    await worker.started()
    return worker


async def second_attempt(client: Client) -> HandWorker:
    return (await retried(client, taken=True))[0]


async def pause_requested(client: Client) -> HandWorker:
    worker = await started(client)
    await pause(worker)
    return worker


async def to_be_cancelled(client: Client) -> HandWorker:
    return (await cancel_requested(client))[0]


State = Callable[[Client], Awaitable[HandWorker]]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", [started, second_attempt, pause_requested, to_be_cancelled])
async def test_started_activity_named_by_ids_is_ended_through_the_fence(
    client: Client, frontend: Frontend, trail: Path, state: State, verb: str
) -> None:
    worker = await state(client)

    write = await planned(frontend, await by_ids(frontend, worker, run_id=""), verb)
    proof = await executed(frontend, write, trail)

    assert write.plan.fencing is Fencing.SERVER
    assert write.plan.fence.run_id == worker.run_id
    assert not any(name.endswith("by_id") for name in frontend.calls)
    events = await history(worker)
    assert proof.outcome == OUTCOMES[verb]
    assert proof.event_id in ours(events)
    assert proof.time is not None
    assert closing(events).identity == AUTHOR.identity


async def test_workflow_gets_the_very_result(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = await started(client)

    await executed(
        frontend, await planned(frontend, await by_ids(frontend, worker), "complete"), trail
    )

    (payload,) = closing(await history(worker)).result.payloads
    assert payload.metadata["encoding"] == b"json/plain"
    assert json.loads(payload.data) == json.loads(RESULT)


@pytest.mark.parametrize("retryable", [False, True])
async def test_failure_says_whether_it_may_be_retried(
    client: Client, frontend: Frontend, trail: Path, retryable: bool
) -> None:
    worker = await started(client)  # one attempt at most: even a retryable failure is the end
    reference = await by_ids(frontend, worker)

    proof = await executed(
        frontend, await planned(frontend, reference, "fail", retryable=retryable), trail
    )

    failure = closing(await history(worker)).failure
    assert proof.outcome == "FAILED"
    assert failure.message == "the agent is gone"
    assert failure.application_failure_info.type == "AgentGone"
    assert failure.application_failure_info.non_retryable is not retryable


async def test_retryable_failure_is_proved_by_the_next_attempt(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = HandWorker(client, attempts=3)
    token = await worker.started()
    write = await planned(frontend, decode(token), "fail", retryable=True)

    proof = await executed(frontend, write, trail)

    assert "starts AGAIN" in write.plan.effect
    assert (proof.outcome, proof.attempt, proof.event_id) == ("RETRYING", 2, None)
    assert results_in(trail) == ["done"]


async def scheduled(client: Client) -> HandWorker:
    worker = HandWorker(client)
    await worker.start_workflow()
    await worker.schedule()
    return worker


async def backoff(client: Client) -> HandWorker:
    return (await retried(client, taken=False))[0]


async def paused(client: Client) -> HandWorker:
    worker = await scheduled(client)
    await pause(worker)
    return worker


NOT_STARTED = pytest.mark.parametrize(
    ("state", "said", "advice"),
    [
        (scheduled, "SCHEDULED, and no worker has taken it", "stigmer-ops worker check"),
        (backoff, "between attempts", "wait for the retry"),
        (paused, "PAUSED", "temporal activity unpause --workflow-id"),
    ],
)


@NOT_STARTED
async def test_not_started_activity_is_completed_only_unfenced(
    client: Client, frontend: Frontend, trail: Path, state: State, said: str, advice: str
) -> None:
    worker = await state(client)
    reference = await by_ids(frontend, worker)

    with pytest.raises(RefusedError, match=said) as refused:
        await planned(frontend, reference, "complete")
    assert "--unfenced" in refused.value.next_step
    assert advice in refused.value.next_step

    write = await planned(frontend, reference, "complete", unfenced=True)
    proof = await executed(frontend, write, trail)

    events = await history(worker)
    assert write.plan.fencing is Fencing.NONE
    assert "started event in our name" in write.plan.effect
    assert proof.outcome == "COMPLETED"
    assert len(ours(events)) == 2, "the started event that the server made up, and the completion"
    (intent, _) = records(trail)
    assert intent.intent.parameters.fenced is False


@NOT_STARTED
@pytest.mark.parametrize("unfenced", [False, True])
async def test_not_started_activity_cannot_be_failed(
    client: Client, frontend: Frontend, state: State, said: str, advice: str, unfenced: bool
) -> None:
    worker = await state(client)
    reference = await by_ids(frontend, worker)

    with pytest.raises(RefusedError, match=said) as refused:
        await planned(frontend, reference, "fail", unfenced=unfenced)

    assert "cannot fail such an activity" in refused.value.happened
    assert "temporal workflow cancel" in refused.value.next_step
    assert ours(await history(worker)) == []


@pytest.mark.parametrize("verb", VERBS)
async def test_second_write_tells_of_the_first(
    client: Client, frontend: Frontend, trail: Path, verb: str
) -> None:
    worker = await started(client)
    reference = await by_ids(frontend, worker)
    proof = await executed(frontend, await planned(frontend, reference, verb), trail)

    with pytest.raises(StaleError) as stale:
        await planned(frontend, reference, verb)

    assert f"(event {proof.event_id})" in stale.value.happened
    assert AUTHOR.identity in stale.value.happened
    assert stale.value.not_done == "nothing was sent to Temporal"


@pytest.mark.parametrize("verb", VERBS)
async def test_closed_workflow_is_told_from_its_activity(
    client: Client, frontend: Frontend, verb: str
) -> None:
    worker = await started(client)
    await worker.terminate()

    with pytest.raises(StaleError, match=r"TERMINATED.*maintenance.*was still pending"):
        await planned(frontend, await by_ids(frontend, worker), verb)


async def test_closed_workflow_is_told_after_how_the_activity_ended(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = await started(client)
    reference = await by_ids(frontend, worker)
    proof = await executed(frontend, await planned(frontend, reference, "complete"), trail)
    await worker.terminate()

    with pytest.raises(StaleError) as stale:
        await planned(frontend, reference, "complete")

    assert f"(event {proof.event_id}), as reported by {AUTHOR.identity}" in stale.value.happened
    assert stale.value.happened.endswith("its run is TERMINATED now")


@pytest.mark.parametrize("verb", VERBS)
async def test_run_id_keeps_a_write_from_the_run_that_a_reset_made(
    client: Client, frontend: Frontend, verb: str
) -> None:
    worker, _ = await reset_run(client)
    await worker.schedule()
    await worker.take()

    with pytest.raises(StaleError, match=r"was reset.*where activity 1 is STARTED"):
        await planned(frontend, await by_ids(frontend, worker), verb)
    write = await planned(frontend, await by_ids(frontend, worker, run_id=""), verb)

    assert write.plan.fence.run_id != worker.run_id


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"activity_id": "9"}, r"never scheduled .* id 9 .*pending there: 1 \(Call"),
        ({"workflow_id": "nobody's"}, "there is no workflow nobody's in namespace"),
        ({"run_id": str(uuid.uuid4())}, "there is no run .*current run is"),
    ],
)
async def test_what_never_existed_is_told_so(
    client: Client, frontend: Frontend, changes: dict[str, str], said: str
) -> None:
    worker = await started(client)

    with pytest.raises(StaleError, match=said):
        await locate(frontend, await by_ids(frontend, worker, **changes))


async def test_attempt_that_ends_between_plan_and_call_is_not_written_to(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = HandWorker(client, attempts=5, retry_after=0.01)
    token = await worker.started()
    write = await planned(frontend, await by_ids(frontend, worker), "complete")
    await worker.fail(token, retryable=True)
    await worker.take()

    with pytest.raises(StaleError, match=r"attempt 1 was meant, and attempt 2 is now STARTED"):
        await executed(frontend, write, trail)

    assert ours(await history(worker)) == []
    assert results_in(trail) == ["refused"]


async def test_completion_by_another_between_plan_and_call_is_told(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = await started(client)
    write = await planned(frontend, await by_ids(frontend, worker), "fail")
    await worker.complete_by_id(identity="bob@bastion")

    with pytest.raises(StaleError, match=r"completed.*bob@bastion") as stale:
        await executed(frontend, write, trail)

    assert stale.value.not_done.startswith("the server refused the write")
    assert results_in(trail) == ["refused"]


async def test_id_used_again_is_not_taken_for_the_same_activity(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = await started(client)
    write = await planned(frontend, await by_ids(frontend, worker), "complete")
    await worker.complete_by_id()
    await worker.schedule()
    await worker.take()

    with pytest.raises(StaleError, match=r"attempt 1 of event 5 was meant.*scheduled by event"):
        await executed(frontend, write, trail)

    assert ours(await history(worker)) == []


async def test_event_that_the_server_holds_back_is_waited_for(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = await started(client)
    write = await planned(frontend, await by_ids(frontend, worker), "complete")
    await worker.signal()
    task = await worker.workflow_task()  # under way: events are held back now

    writing = asyncio.create_task(executed(frontend, write, trail))
    await asyncio.sleep(0.4)
    assert not writing.done()
    await finish(worker, task)
    proof = await writing

    assert proof.outcome == "COMPLETED"
    assert proof.event_id in ours(await history(worker))


async def test_accepted_write_whose_event_stays_held_back_is_not_called_proved(
    client: Client, frontend: Frontend, trail: Path
) -> None:
    worker = await started(client)
    write = await planned(frontend, await by_ids(frontend, worker), "complete")
    await worker.signal()
    await worker.workflow_task()

    proof = await executed(frontend, write, trail)

    assert (proof.outcome, proof.event_id) == ("ACCEPTED", None)
    assert results_in(trail) == ["done"]
