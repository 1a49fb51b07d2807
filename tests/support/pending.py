"""A namespace with an activity in each state in which one can wait, made by hand."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

from temporalio.api.command.v1 import Command
from temporalio.api.command.v1 import RequestCancelActivityTaskCommandAttributes as CancelActivity
from temporalio.api.command.v1 import ScheduleActivityTaskCommandAttributes as ScheduleActivity
from temporalio.api.common.v1 import ActivityType
from temporalio.api.enums.v1 import CommandType
from temporalio.api.workflowservice.v1 import (
    PauseActivityExecutionRequest,
    PauseActivityRequest,
    PauseWorkflowExecutionRequest,
)
from temporalio.client import Client

from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.sandbox import Sandbox
from support.command_line import Finished, stigmer_ops
from support.hand_worker import ACTIVITY_TYPE, HandWorker, seconds, unique

HOSTILE = (
    "o'brien",
    'dou"ble',
    "back\\slash",
    "new\nline",
    "[red]markup[/red]",
    "\x1b[2J\x1b[31mansi",
    "\x9b2Jansi of one byte",
    "emoji 😀 ünï",
    "rtl \u202etxet",
    "a' OR ExecutionStatus='Completed",
)
"""Ids and types that a namespace member may choose, and that must do no harm."""


def hand_worker(client: Client, **options: Any) -> HandWorker:
    """With an hour to complete its activities: a busy machine must not run into their timeouts."""
    return HandWorker(client, **{"start_to_close": 3600, **options})


async def new_client(sandbox: Sandbox) -> Client:
    """A client of an empty namespace without workers."""
    return await Client.connect(sandbox.address, namespace=await sandbox.new_namespace())


@dataclass
class Waiting:
    """The workflows of `every_state`, by what is special about them."""

    client: Client
    workers: dict[str, HandWorker]

    def id_of(self, name: str) -> str:
        return self.workers[name].workflow_id

    def name_of(self, workflow_id: str | None) -> str:
        return next(
            (name for name, worker in self.workers.items() if worker.workflow_id == workflow_id),
            "standalone",
        )


async def every_state(client: Client) -> Waiting:
    """Activities in every state, all of type CallAgentActivity but one."""
    makers = {
        "started": _started,
        "never-started": _never_started,
        "backing-off": _backing_off,
        "retried": _retried,
        "paused": _paused,
        "pause-requested": _pause_requested,
        "cancel-requested": _cancel_requested,
        "several": _several,
        "closed": _closed,
        "workflow-paused": _workflow_paused,
    }
    workers = await asyncio.gather(*(maker(client) for maker in makers.values()))
    return Waiting(client, dict(zip(makers, workers, strict=True)))


async def _started(client: Client) -> HandWorker:
    worker = hand_worker(client)
    await worker.started()
    return worker


async def _never_started(client: Client) -> HandWorker:
    worker = hand_worker(client, workflow_type="LateWorkflow")
    await worker.start_workflow()
    await worker.schedule(schedule_to_start_timeout=seconds(600))
    return worker


async def _backing_off(client: Client) -> HandWorker:
    worker = hand_worker(client, attempts=3)
    await worker.fail(await worker.started(), retryable=True)
    return worker


async def _retried(client: Client) -> HandWorker:
    worker = hand_worker(client, attempts=3, retry_after=1.5)
    await worker.fail(await worker.started(), retryable=True)
    await worker.take()
    return worker


async def pause(worker: HandWorker) -> None:
    await worker.call(
        "pause_activity",
        PauseActivityRequest(
            namespace=worker.namespace,
            execution=worker.execution,
            id="1",
            identity="alice",
            reason="INC-7",
            request_id=uuid.uuid4().hex,
        ),
    )


async def _paused(client: Client) -> HandWorker:
    worker = hand_worker(client)
    await worker.start_workflow()
    await worker.schedule()
    await pause(worker)
    return worker


async def _pause_requested(client: Client) -> HandWorker:
    worker = await _started(client)
    await pause(worker)
    return worker


async def _cancel_requested(client: Client) -> HandWorker:
    worker = await _started(client)
    await worker.signal()
    await worker.decide(
        Command(
            command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
            request_cancel_activity_task_command_attributes=CancelActivity(scheduled_event_id=5),
        )
    )
    return worker


async def schedule_all(worker: HandWorker, activities: dict[str, str]) -> None:
    """Start a workflow with one started activity for each id, of the type given for it."""
    await worker.start_workflow()
    await worker.decide(
        *(
            Command(
                command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
                schedule_activity_task_command_attributes=ScheduleActivity(
                    activity_id=activity_id,
                    activity_type=ActivityType(name=activity_type),
                    task_queue=worker.task_queue,
                    start_to_close_timeout=seconds(worker.start_to_close),
                    retry_policy=worker.retry_policy,
                ),
            )
            for activity_id, activity_type in activities.items()
        )
    )
    for _ in activities:
        await worker.take()


async def _several(client: Client) -> HandWorker:
    worker = hand_worker(client, start_to_close=900)
    await schedule_all(worker, {"a": ACTIVITY_TYPE, "b": ACTIVITY_TYPE, "other": "SendEmail"})
    return worker


async def _closed(client: Client) -> HandWorker:
    worker = await _started(client)
    await worker.terminate()
    return worker


async def _workflow_paused(client: Client) -> HandWorker:
    worker = await _started(client)
    await worker.call(
        "pause_workflow_execution",
        PauseWorkflowExecutionRequest(
            namespace=worker.namespace,
            workflow_id=worker.workflow_id,
            run_id=worker.run_id,
            identity="alice",
            request_id=uuid.uuid4().hex,
        ),
    )
    return worker


async def standalone(client: Client, *, paused: bool = False) -> HandWorker:
    """A standalone activity; its id is the worker's `workflow_id`."""
    worker = hand_worker(client, workflow_id=unique("standalone"))
    await worker.start_standalone(worker.workflow_id)
    if paused:
        await worker.call(
            "pause_activity_execution",
            PauseActivityExecutionRequest(
                namespace=client.namespace,
                activity_id=worker.workflow_id,
                run_id=worker.run_id,
                identity="alice",
                reason="INC-7",
                request_id=uuid.uuid4().hex,
            ),
        )
    else:
        await worker.take()
    return worker


async def listed(client: Client, count: int) -> None:
    """Wait until visibility lists so many open workflows and standalone activities."""
    async with asyncio.timeout(15):
        while True:
            workflows = await client.count_workflows("ExecutionStatus IN ('Running', 'Paused')")
            activities = await client.count_activities("ExecutionStatus IN ('Running', 'Paused')")
            if workflows.count + activities.count >= count:
                return
            await asyncio.sleep(0.1)


# --- The command ---------------------------------------------------------------------------------


def pointed_at(client: Client, address: str | None = None, **more: str) -> dict[str, str]:
    """What makes the command ask where `client` does, or at another address."""
    return {
        "TEMPORAL_ADDRESS": address or client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
        **more,
    }


async def pending(client: Client, *arguments: str, **variables: str) -> Finished:
    """Run `stigmer-ops pending …`."""
    return await stigmer_ops("pending", *arguments, variables=pointed_at(client, **variables))


async def every_state_listed(sandbox: Sandbox) -> Waiting:
    """A namespace with `every_state` and a standalone activity, all of which can be listed."""
    client = await new_client(sandbox)
    made, alone = await asyncio.gather(every_state(client), standalone(client))
    await listed(client, len(made.workers))  # one is closed, one standalone was added
    made.workers["standalone"] = alone
    return made


async def many_listed(sandbox: Sandbox) -> Client:
    """A namespace with 120 activities that wait, all of which can be listed."""
    client = await new_client(sandbox)
    await start_waiting(client, 120)
    await listed(client, 120)
    return client
