"""A window over two hundred activities, with everything that can go wrong in one.

Most of them would time out within it. `begin` is killed at each step's boundary and in between,
and resumed; Temporal is restarted; workers are gone for a while; activities are completed and
failed meanwhile. Nothing that was extended may time out, nothing may be lost, and at the end all
is as it was before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    PauseActivityRequest,
    RespondActivityTaskFailedRequest,
    UnpauseActivityRequest,
)

from stigmer_ops.audit import verify
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.sandbox.workers import Role
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.queue_rate import queue_rate, set_queue_rate
from support.alertmanager import running_alertmanager, silences
from support.audit import records
from support.awaiting import ACTIVITY_ID, Awaiting, awaiting, together
from support.command_line import Finished, killed_at, stigmer_ops

QUEUE = "zigflow_execution"
BEGIN = ("maintenance", "begin", "--for", "10m", "--margin", "1m", "--throttle", "7")
CONSENT = ("--reason", "CHG-7 upgrade", "--yes", "--confirm-namespace", "default", "-o", "json")
PLACES = (
    "ProcedureJournal ",
    *("TaskBegun snapshot", "TaskEnded snapshot", "TaskBegun workers", "TaskEnded workers"),
    *("TaskBegun silence", "created", "TaskNoted silence", "TaskEnded silence"),
    *("TaskBegun extend", "rows 2", "rows 2", "TaskEnded extend"),
    *("TaskBegun throttle", "TaskNoted throttle", "TaskEnded throttle"),
    "TaskBegun extend-latecomers",
)
"""Where `begin` is killed: after each line of its journal, and where an effect is not yet in it."""

END_PLACES = (
    *("TaskBegun undo-throttle", "TaskEnded undo-throttle", "TaskBegun undo-extend"),
    *(
        "TaskBegun undo-silence",
        "TaskNoted undo-silence",
        "TaskBegun reconcile",
        "TaskBegun newcomers",
    ),
)
"""Where `end` is."""

SHORT, LIMITED, PAUSED, MEDIUM, LONG = 130, 40, 5, 10, 15
"""How many there are whose timeouts: end within the test, so does the whole activity, the same and
paused; end within the window; end after it."""

MEDIUM_SECONDS = 480.0


@dataclass
class Population:
    """The activities, by what is special about them."""

    awaiting: Awaiting
    seconds: float

    def names(self, kind: str, count: int) -> list[str]:
        return [f"{kind}-{number}" for number in range(count)]

    @property
    def short(self) -> list[str]:
        return self.names("short", SHORT)

    @property
    def limited(self) -> list[str]:
        return self.names("limited", LIMITED)

    @property
    def paused(self) -> list[str]:
        return self.names("paused", PAUSED)

    @property
    def medium(self) -> list[str]:
        return self.names("medium", MEDIUM)

    @property
    def long(self) -> list[str]:
        return self.names("long", LONG)

    @property
    def all(self) -> list[str]:
        return [*self.short, *self.limited, *self.paused, *self.medium, *self.long]

    async def start(self) -> None:
        start, seconds = self.awaiting.start, self.seconds
        await start([*self.short, *self.paused], start_to_close=seconds)
        await start(self.limited, start_to_close=seconds, schedule_to_close=seconds)
        await start(self.medium, start_to_close=MEDIUM_SECONDS)
        await start(self.long)
        await together(self.pause(name) for name in self.paused)

    @property
    def service(self) -> Any:
        return self.awaiting.client.workflow_service

    async def pause(self, name: str) -> None:
        execution = WorkflowExecution(workflow_id=name)
        await self.service.pause_activity(
            PauseActivityRequest(namespace="default", execution=execution, id=ACTIVITY_ID)
        )

    async def unpause(self, name: str) -> None:
        execution = WorkflowExecution(workflow_id=name)
        await self.service.unpause_activity(
            UnpauseActivityRequest(namespace="default", execution=execution, id=ACTIVITY_ID)
        )

    async def fail(self, name: str) -> None:
        info = ApplicationFailureInfo(type="Broken", non_retryable=True)
        await self.service.respond_activity_task_failed(
            RespondActivityTaskFailedRequest(
                task_token=self.awaiting.tokens[name, 1],
                identity="the agent",
                failure=Failure(message="broken", application_failure_info=info),
            )
        )

    async def timeouts(self, names: list[str]) -> dict[str, tuple[float, float]]:
        """Start-to-close and schedule-to-close of each that is pending, in seconds."""
        found: dict[str, tuple[float, float]] = {}

        async def read(name: str) -> None:
            answer = await self.service.describe_workflow_execution(
                DescribeWorkflowExecutionRequest(
                    namespace="default", execution=WorkflowExecution(workflow_id=name)
                )
            )
            for pending in answer.pending_activities:
                options = pending.activity_options
                assert pending.attempt == 1, name
                found[name] = (
                    options.start_to_close_timeout.ToTimedelta().total_seconds(),
                    options.schedule_to_close_timeout.ToTimedelta().total_seconds(),
                )

        await together(read(name) for name in names)
        return found

    async def timed_out(self, names: list[str]) -> list[str]:
        """Those whose history holds a timeout, or an attempt after the first."""
        lost: list[str] = []

        async def read(name: str) -> None:
            async for event in self.awaiting.client.get_workflow_handle(
                name
            ).fetch_history_events():
                started = event.activity_task_started_event_attributes
                if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT or (
                    event.HasField("activity_task_started_event_attributes")
                    and started.attempt != 1
                ):
                    lost.append(name)

        await together(read(name) for name in names)
        return lost


async def maintenance(verb: str, *options: str, variables: Mapping[str, str]) -> Finished:
    return await stigmer_ops("maintenance", verb, *options, variables=variables)


@pytest.mark.timeout(600)
async def test_nothing_is_lost_in_a_window_that_is_cut_off_everywhere(tmp_path: Path) -> None:
    variables = {
        "STIGMER_OPS_PROCEDURES_PATH": str(tmp_path / "procedures"),
        "STIGMER_OPS_AUDIT_PATH": str(tmp_path / "audit.jsonl"),
    }
    with running_alertmanager(tmp_path / "alertmanager") as alertmanager:
        variables["STIGMER_OPS_MONITORING_ALERTMANAGER"] = alertmanager
        async with (
            Sandbox.start(db_filename=tmp_path / "temporal.db") as sandbox,
            awaiting(sandbox.client) as population,
        ):
            variables |= sandbox.environment()
            before = time.monotonic()
            assert (await maintenance("status", variables=variables)).code == 0
            one_run = time.monotonic() - before
            # Until all is extended, `begin` is started a dozen times, on whatever machine.
            waiting = Population(population, 12 + 20 * one_run)
            await window(sandbox, waiting, variables, alertmanager, tmp_path)


async def window(
    sandbox: Sandbox,
    waiting: Population,
    variables: Mapping[str, str],
    alertmanager: str,
    folder: Path,
) -> None:
    frontend = Frontend(sandbox.client, Pace())
    await set_queue_rate(frontend, QUEUE, 50, reason="as it was", identity="somebody")
    began = time.monotonic()
    await waiting.start()
    own = await waiting.timeouts(waiting.all)
    for place in PLACES:
        await killed_at(place, *BEGIN, *CONSENT, variables=variables)
    cut_off = await maintenance("status", "-o", "json", variables=variables)
    assert (cut_off.code, cut_off.json["state"]) == (1, "beginning")
    begun = await stigmer_ops(*BEGIN, *CONSENT, variables=variables)
    assert begun.code == 0, begun.err
    assert begun.json["state"] == "open"
    await require_in_force(waiting, frontend, alertmanager, begun.json)
    assert await waiting.timed_out(waiting.all) == []

    await sandbox.stop_worker(Role.STIGMER)
    await sandbox.server.stop()
    await sandbox.server.start()
    await waiting.awaiting.start(["late"], start_to_close=2)
    completed, failed = waiting.short[:10], waiting.limited[:5]
    await together(waiting.awaiting.complete(name) for name in completed)
    await together(waiting.fail(name) for name in failed)
    await sandbox.start_worker(Role.STIGMER)
    await asyncio.sleep(max(began + waiting.seconds + 2 - time.monotonic(), 0))
    await waiting.awaiting.reached([("late", 2)])  # what nobody has extended does time out
    await together(waiting.unpause(name) for name in waiting.paused)

    for place in END_PLACES:
        await killed_at(place, "maintenance", "end", *CONSENT, variables=variables)
    cut_off = await maintenance("status", "-o", "json", variables=variables)
    assert (cut_off.code, cut_off.json["state"]) == (1, "ending")
    ended = await maintenance("end", *CONSENT, variables=variables)
    assert ended.code == 0, ended.err + ended.out
    trail = (folder / "audit.jsonl").read_bytes()
    again = await maintenance("end", *CONSENT, variables=variables)
    assert (again.code, again.json["end_steps"]) == (0, ended.json["end_steps"])
    assert (folder / "audit.jsonl").read_bytes() == trail, "the second end did something"
    await require_as_before(waiting, frontend, alertmanager, ended.json, own)
    require_audited(folder / "audit.jsonl")


def step(document: Any, key: str) -> Any:
    return next(
        each for each in (*document["begin_steps"], *document["end_steps"]) if each["step"] == key
    )


async def require_in_force(
    waiting: Population, frontend: Frontend, alertmanager: str, begun: Any
) -> None:
    """Everything was done, and once."""
    active = [each for each in silences(alertmanager) if each["status"]["state"] == "active"]
    assert [each["id"] for each in active] == [step(begun, "silence")["data"]["silence_id"]]
    assert (await queue_rate(frontend, QUEUE)).rps == 7
    assert step(begun, "throttle")["data"]["before"] == {QUEUE: 50.0}
    endangered = SHORT + LIMITED + PAUSED + MEDIUM
    assert step(begun, "extend")["data"]["extended"] == endangered
    assert step(begun, "snapshot")["data"]["activities"] == len(waiting.all)
    now = await waiting.timeouts(waiting.all)
    assert {name for name in waiting.all if now[name][0] < 600} == set()
    assert {now[name][0] for name in waiting.long} == {86_400.0}
    assert {now[name][1] >= 600 for name in waiting.limited} == {True}
    assert {now[name][1] for name in waiting.short} == {0.0}


async def require_as_before(
    waiting: Population,
    frontend: Frontend,
    alertmanager: str,
    ended: Any,
    own: dict[str, tuple[float, float]],
) -> None:
    """Nothing is lost, and what was changed is as it was."""
    accounts = step(ended, "reconcile")["data"]["accounts"]
    assert accounts == {"pending": len(waiting.all) - 15, "completed": 10, "failed": 5}
    assert await waiting.timed_out(waiting.all) == []
    assert {each["status"]["state"] for each in silences(alertmanager)} == {"expired"}
    assert (await queue_rate(frontend, QUEUE)).rps == 50
    now = await waiting.timeouts(waiting.all)
    assert len(now) == len(waiting.all) - 15
    assert {name: now[name] for name in waiting.medium} == {n: own[n] for n in waiting.medium}
    assert {name: now[name] for name in waiting.long} == {n: own[n] for n in waiting.long}
    restored = step(ended, "undo-extend")["data"]
    assert restored["restored"] == MEDIUM
    assert restored["late"] == SHORT + LIMITED + PAUSED - 15


def require_audited(path: Path) -> None:
    """Every operation has an outcome, and the chain holds."""
    last = {record.operation_id: record for record in records(path)}
    unfinished = [record.intent.command for record in last.values() if record.outcome is None]
    assert unfinished == []
    assert verify(path).broken is None
