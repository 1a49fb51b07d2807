"""Workers of a real server: which verdict each state of them has, and that nothing is left."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from temporalio.api.command.v1 import Command
from temporalio.api.command.v1 import ScheduleActivityTaskCommandAttributes as Schedule
from temporalio.api.common.v1 import ActivityType
from temporalio.api.enums.v1 import CommandType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

from stigmer_ops.handshake.queue_verdicts import (
    HEALTHY,
    NOT_POLLED,
    ONLY_STALE_POLLERS,
    TAKES_ANY_TYPE,
    TYPES_MISSING,
    VERSION_NOT_CURRENT,
    WORKER_SILENT,
    WORKERS_DISAGREE,
    QueueCheck,
)
from stigmer_ops.handshake.registration import ProbeAccount, ProbeMethod
from stigmer_ops.handshake.workers import TaskKind
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.expected_queues import expected_queues
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.worker_check import ProbeChoice, check_workers
from support.frontends import frontend_at
from support.gateway import gateway_to
from support.hand_worker import HandWorker, seconds
from support.worker_checks import (
    BOTH_WAYS,
    STANDALONE,
    assert_nothing_left,
    check,
    evidence,
    now,
    said,
)
from support.workers import UserCode, new_queue, polling, until, worker


@pytest.fixture
async def frontend(sandbox: Sandbox) -> Frontend:
    return await frontend_at(sandbox.address, sandbox.namespace)


# --- What is found ------------------------------------------------------------------------------


async def test_sandbox_without_faults_is_healthy_and_nothing_is_left(
    isolated_sandbox: Sandbox,
) -> None:
    frontend = await frontend_at(isolated_sandbox.address, isolated_sandbox.namespace)
    queues = expected_queues(Settings(), frontend.namespace)

    async def check_all(method: ProbeMethod | None) -> tuple[list[QueueCheck], ProbeAccount]:
        threshold = timedelta(seconds=60)
        choice = ProbeChoice(method)
        return await check_workers(frontend, queues, choice, clock=now, stale_after=threshold)

    async def all_polled() -> bool:
        looked, _ = await check_all(ProbeMethod.NONE)
        return NOT_POLLED not in {one.verdict for one in looked}

    await until(all_polled)
    checks, account = await check_all(None)
    assert {one.workers.expected.name: one.verdict.id for one in checks} == dict.fromkeys(
        (queue.name for queue in queues), HEALTHY.id
    )
    assert account.method is STANDALONE
    assert account.started == account.deleted == 5  # the queues with workers of activities
    assert account.left_behind == []
    await assert_nothing_left(isolated_sandbox.client)


@BOTH_WAYS
async def test_missing_type_is_found_without_running_any_activity(
    sandbox: Sandbox, frontend: Frontend, method: ProbeMethod
) -> None:
    queue = new_queue()
    async with worker(sandbox.client, queue, "runner-1", "EnsureThread", "Other") as code:
        found, account = await check(frontend, queue, "EnsureThread", "Execute", method=method)
    assert found.verdict is TYPES_MISSING
    assert evidence(found)[TYPES_MISSING.id] == (
        "runner-1 lacks Execute; it has EnsureThread, Other",
    )
    assert code.runs == 0
    assert account.started == account.deleted > 0
    await assert_nothing_left(sandbox.client)


@BOTH_WAYS
async def test_every_worker_of_a_half_rolled_deployment_answers(
    sandbox: Sandbox, frontend: Frontend, method: ProbeMethod
) -> None:
    queue = new_queue()
    async with AsyncExitStack() as stack:
        for identity, types in (("old-1", "A"), ("old-2", "A"), ("new-1", "AB")):
            await stack.enter_async_context(worker(sandbox.client, queue, identity, *types))
        found, account = await check(frontend, queue, "A", method=method)
    assert said(found) == {"old-1": ("A",), "old-2": ("A",), "new-1": ("A", "B")}
    assert [finding.verdict for finding in found.findings] == [WORKERS_DISAGREE]
    assert account.started == account.deleted
    await assert_nothing_left(sandbox.client)


@BOTH_WAYS
async def test_dynamic_activity_runs_the_probe_and_this_is_said(
    sandbox: Sandbox, frontend: Frontend, method: ProbeMethod
) -> None:
    queue, code = new_queue(), UserCode()
    async with worker(sandbox.client, queue, "any", activities=[code.dynamic()]):
        found, _ = await check(frontend, queue, "Anything", method=method)
    assert found.verdict is TAKES_ANY_TYPE
    assert code.runs > 0


async def test_queue_that_nobody_polls_is_not_probed(frontend: Frontend) -> None:
    found, account = await check(frontend, new_queue(), "Execute")
    assert found.verdict is NOT_POLLED
    assert not found.registration.probed
    assert account.started == 0


async def test_worker_that_shut_down_is_gone_at_once(sandbox: Sandbox, frontend: Frontend) -> None:
    queue = new_queue()
    async with worker(sandbox.client, queue, "gone", "Execute"):
        pass
    found, account = await check(frontend, queue, "Execute")
    assert evidence(found) == {ONLY_STALE_POLLERS.id: ("gone has shut down (activity tasks)",)}
    assert account.started == 0


async def test_stale_poller_is_asked_once_and_counts_as_gone_without_an_answer(
    sandbox: Sandbox, frontend: Frontend
) -> None:
    queue = new_queue()
    # A request that took a task is no longer there, but its poller stays listed.
    async with polling(sandbox.client, queue, "dead"):
        await check(frontend, queue)
    found, account = await check(frontend, queue, "Execute", stale_after=0.01)
    assert list(evidence(found)) == [ONLY_STALE_POLLERS.id]
    assert evidence(found)[ONLY_STALE_POLLERS.id][0].startswith("dead last polled activity tasks")
    assert account.started == account.deleted == 1


async def test_stale_poller_that_answers_is_alive(sandbox: Sandbox, frontend: Frontend) -> None:
    queue = new_queue()
    async with worker(sandbox.client, queue, "idle", "Execute"):
        found, account = await check(frontend, queue, "Execute", stale_after=0)
    assert found.verdict is HEALTHY
    assert account.started == 1


async def test_poller_that_takes_the_probe_and_hangs_is_silent(
    sandbox: Sandbox, frontend: Frontend
) -> None:
    queue = new_queue()
    async with polling(sandbox.client, queue, "hangs"):
        found, account = await check(frontend, queue, "Execute")
    assert evidence(found) == {WORKER_SILENT.id: ("hangs took the probe and did not answer",)}
    assert account.started == account.deleted
    await assert_nothing_left(sandbox.client)


async def test_worker_without_a_free_slot_is_silent_and_said_to_be_busy(
    sandbox: Sandbox, frontend: Frontend
) -> None:
    queue, code = new_queue(), UserCode()
    busy = worker(
        sandbox.client,
        queue,
        "busy",
        activities=[code.blocking("Block")],
        max_concurrent_activities=1,
    )
    async with busy:
        handle = await sandbox.client.start_activity(
            "Block",
            id=new_queue(),
            task_queue=queue,
            schedule_to_close_timeout=timedelta(minutes=1),
        )

        async def full() -> bool:
            looked, _ = await check(frontend, queue, method=ProbeMethod.NONE)
            return bool(looked.workers.saturated(TaskKind.ACTIVITY))

        await until(full)
        found, account = await check(frontend, queue, "Block")
        code.release.set()
        await handle.result()
    assert list(evidence(found)) == [WORKER_SILENT.id]
    not_taken, why = evidence(found)[WORKER_SILENT.id]
    assert re.fullmatch(r"busy last polled .* ago and did not take the probe", not_taken)
    assert why == "busy is alive, with every slot for activity tasks taken"
    assert account.started == account.deleted


async def test_workers_of_a_version_that_is_not_current_get_no_tasks(
    sandbox: Sandbox, frontend: Frontend
) -> None:
    queue = new_queue()
    version = WorkerDeploymentVersion(deployment_name=queue, build_id="v1")
    deployed = worker(
        sandbox.client,
        queue,
        "versioned",
        "Execute",
        deployment_config=WorkerDeploymentConfig(version=version, use_worker_versioning=True),
    )
    async with deployed:
        before, account = await check(frontend, queue, "Execute")
        await sandbox.client.workflow_service.set_worker_deployment_current_version(
            SetWorkerDeploymentCurrentVersionRequest(
                namespace=sandbox.namespace, deployment_name=queue, build_id="v1"
            )
        )

        async def current() -> bool:
            looked, _ = await check(frontend, queue, method=ProbeMethod.NONE)
            return looked.workers.live(TaskKind.ACTIVITY) == ("versioned",)

        await until(current)
        after, _ = await check(frontend, queue, "Execute")
    assert evidence(before) == {
        VERSION_NOT_CURRENT.id: (f"versioned polls activity tasks as version {queue}:v1",)
    }
    assert account.started == 0
    assert after.verdict is HEALTHY


# --- Passively -----------------------------------------------------------------------------------


async def _start_pending(sandbox: Sandbox, queue: str, activity_type: str) -> None:
    hand = HandWorker(sandbox.client)
    await hand.start_workflow()
    await hand.decide(
        Command(
            command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
            schedule_activity_task_command_attributes=Schedule(
                activity_id="1",
                activity_type=ActivityType(name=activity_type),
                task_queue=TaskQueue(name=queue),
                start_to_close_timeout=seconds(60),
            ),
        )
    )
    handle = sandbox.client.get_workflow_handle(hand.workflow_id)

    async def failed() -> bool:
        description = await handle.describe()
        return any(
            activity.HasField("last_failure")
            for activity in description.raw_description.pending_activities
        )

    await until(failed)


@pytest.mark.parametrize("count", [2, 300], ids=["short text", "text cut off by the server"])
async def test_passive_check_reads_what_failed(isolated_sandbox: Sandbox, count: int) -> None:
    sandbox, queue = isolated_sandbox, new_queue()
    frontend = await frontend_at(sandbox.address, sandbox.namespace)
    types = [f"AnActivityTypeWithALongName{number:03}" for number in range(count)]
    async with worker(sandbox.client, queue, "half", *types):
        await _start_pending(sandbox, queue, "Stranger")
        found, account = await check(
            frontend, queue, "Stranger", types[-1], method=ProbeMethod.NONE
        )
    assert found.verdict is TYPES_MISSING
    (fact,) = evidence(found)[TYPES_MISSING.id]
    assert fact.startswith(f"half lacks Stranger; it has {'' if count == 2 else 'at least '}")
    assert not found.registration.probed
    assert account == ProbeAccount(ProbeMethod.NONE)


async def test_passive_check_starts_nothing(sandbox: Sandbox) -> None:
    async with gateway_to(sandbox.address) as gateway:
        frontend = await frontend_at(gateway.address, sandbox.namespace)
        queue = new_queue()
        async with worker(sandbox.client, queue, "runner", "Execute"):
            await check(frontend, queue, "Execute", method=ProbeMethod.NONE)
    reads = ("Get", "Describe", "List", "Poll")
    assert [call for call in gateway.calls if not call.startswith(reads)] == []
