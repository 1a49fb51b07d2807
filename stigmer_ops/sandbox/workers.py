"""The processes of the simulated world, by role: each can be stopped and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from typing import Any

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from stigmer_ops.errors import UnavailableError
from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.callback import Callback
from stigmer_ops.sandbox.java_edition import JavaEdition
from stigmer_ops.sandbox.plan import Deployment, Edition, Script, queue_of
from stigmer_ops.sandbox.runner import Runner
from stigmer_ops.sandbox.stigmer_workflow import (
    AgentExecutionWorkflow,
    StatusUpdates,
    WorkflowExecutionWorkflow,
    WorkflowValidationWorkflow,
)
from stigmer_ops.sandbox.world import World
from stigmer_ops.sandbox.zigflow import OneAgent, SeveralAgents, TimeoutHandling

STOP_SECONDS = 15.0
"""How long a worker may take to stop; it takes well below a second on an idle machine."""

AGENTS_AT_ONCE = 5000
"""Slots of the runner: every handshake of a large population may hold one."""


class Role(StrEnum):
    """A part of the world that can be down."""

    ZIGFLOW = "zigflow"
    """External workflows and their external activity."""
    SERVICE = "service"
    """Stigmer's gRPC service."""
    STIGMER = "stigmer"
    """Stigmer's workflow tasks."""
    CALLBACK = "callback"
    """Stigmer's activity tasks: the callback."""
    RUNNER = "runner"
    """The agent runner and the workflow runner."""


class Workers:
    """Every worker, and the gRPC service.

    The healthy ones run from the start. Those that exist for the sake of a fault start when the
    first handshake needs them, so that a sandbox without faults shows none.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._running: dict[str, AsyncExitStack] = {}  # by role, or by queue
        self._start_order = asyncio.Lock()

    async def start_all(self) -> None:
        """Start every role."""
        await asyncio.gather(*(self.start(role) for role in Role))

    async def stop_all(self) -> None:
        """Stop everything that runs.

        Raises:
            UnavailableError: If something did not stop in time.
        """
        running, self._running = self._running, {}
        await asyncio.gather(*(_close(name, stack) for name, stack in running.items()))

    async def start(self, role: Role) -> None:
        """Start a role. Does nothing when it runs."""
        if role in self._running:
            return
        stack = self._running[role] = AsyncExitStack()
        if role is Role.SERVICE:
            await self._world.service.start()
            stack.push_async_callback(self._world.service.stop)
            return
        for worker in _HEALTHY[role](self._world):
            await stack.enter_async_context(worker)

    async def stop(self, role: Role) -> None:
        """Stop a role; what it was doing is cut off. Does nothing when it is stopped.

        Raises:
            UnavailableError: If it did not stop in time.
        """
        stack = self._running.pop(role, None)
        if stack is not None:
            await _close(role, stack)

    async def ensure(self, script: Script) -> None:
        """Start the workers that exist for the sake of a script's fault, unless they run."""
        queue = script.stigmer_queue
        async with self._start_order:
            if queue in _HEALTHY_QUEUES or queue in self._running:
                return
            stack = self._running[queue] = AsyncExitStack()
            for worker in _faulty(self._world, script):
                await stack.enter_async_context(worker)


async def _close(name: str, stack: AsyncExitStack) -> None:
    # A worker that has failed no longer passes cancellations on to its activities, and its shutdown
    # waits for them: for hours, where an agent works that long.
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await stack.aclose()
    except TimeoutError:
        raise UnavailableError(
            f"the sandbox's {name} did not stop in {STOP_SECONDS:.0f} s"
        ) from None


def _worker(
    client: Client,
    queue: str,
    *,
    workflows: Sequence[type] = (),
    activities: Sequence[Callable[..., Any]] = (),
    only_local_activities: bool = False,
    slots: int = 200,
) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=workflows,
        activities=activities,
        no_remote_activities=only_local_activities,
        max_concurrent_activities=slots,
        # The workflows are ours and deterministic; the isolation costs seconds per worker.
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


def _zigflow(world: World) -> list[Worker]:
    return [
        _worker(
            world.client,
            names.ZIGFLOW_QUEUE,
            workflows=[OneAgent, SeveralAgents, TimeoutHandling],
            activities=[world.zigflow.call_agent],
        )
    ]


def _workflow_worker(world: World, deployment: Deployment) -> Worker:
    return _worker(
        world.stigmer_client,
        queue_of(deployment),
        workflows=[AgentExecutionWorkflow],
        activities=[StatusUpdates(world.store).update_status],
        only_local_activities=True,
    )


def _callback_worker(world: World, deployment: Deployment, client: Client) -> Worker:
    return _worker(
        world.stigmer_client,
        queue_of(deployment),
        activities=[Callback(client).complete_external_activity],
    )


def _stigmer(world: World) -> list[Worker]:
    return [
        _workflow_worker(world, Deployment.HEALTHY),
        _worker(
            world.stigmer_client,
            names.WORKFLOW_QUEUE,
            workflows=[WorkflowExecutionWorkflow],
        ),
        _worker(
            world.stigmer_client,
            names.VALIDATION_QUEUE,
            workflows=[WorkflowValidationWorkflow],
        ),
    ]


def _callback(world: World) -> list[Worker]:
    return [_callback_worker(world, Deployment.HEALTHY, world.callback_client)]


def _runner(world: World) -> list[Worker]:
    runner = Runner(world.store)
    return [
        _worker(
            world.agent_runner_client,
            names.AGENT_RUNNER_QUEUE,
            activities=[runner.ensure_thread, runner.execute_agent, runner.clean_up],
            slots=AGENTS_AT_ONCE,
        ),
        _worker(
            world.workflow_runner_client,
            names.WORKFLOW_RUNNER_QUEUE,
            activities=[runner.execute_workflow],
        ),
        _worker(
            world.workflow_runner_client,
            names.VALIDATION_RUNNER_QUEUE,
            activities=[runner.validate_workflow],
        ),
    ]


_HEALTHY: dict[Role, Callable[[World], list[Worker]]] = {
    Role.ZIGFLOW: _zigflow,
    Role.STIGMER: _stigmer,
    Role.CALLBACK: _callback,
    Role.RUNNER: _runner,
}


_HEALTHY_QUEUES = frozenset({names.AGENT_QUEUE, names.WORKFLOW_QUEUE})


def _faulty(world: World, script: Script) -> Sequence[Worker | JavaEdition]:
    deployment = script.deployment
    callback_client = {
        Deployment.CUT_OFF: world.cut_off_client,
        Deployment.WRONG_NAMESPACE: world.wrong_client,
    }.get(deployment, world.callback_client)
    if deployment is Deployment.DOWN:
        return []
    if script.edition is Edition.JAVA:
        return [
            JavaEdition(world.stigmer_client, callback_client, world.store, script.stigmer_queue)
        ]
    workflows = _workflow_worker(world, deployment)
    if deployment is Deployment.CALLBACK_QUEUE_UNPOLLED:
        return [workflows]
    if deployment is Deployment.CALLBACK_NOT_REGISTERED:
        others = [StatusUpdates(world.store).update_status]
        queue = script.stigmer_queue
        return [
            workflows,
            _worker(world.stigmer_client, queue, activities=others),
        ]
    return [workflows, _callback_worker(world, deployment, callback_client)]
