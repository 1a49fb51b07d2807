"""Asking workers for their activity types on servers without standalone activities.

A workflow of ours schedules the activities on their queue. A worker in this process runs it, on a
queue of its own that nobody else knows.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Self

from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.converter import PayloadConverter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from stigmer_ops.errors import StigmerOpsError, UnavailableError
from stigmer_ops.handshake.registration import ProbeAccount, ProbeAnswer
from stigmer_ops.temporal import own_workflow
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.probe import (
    ID_PREFIX,
    PROBE_TYPE,
    SCHEDULE_TO_CLOSE,
    SCHEDULE_TO_START,
    START_TO_CLOSE,
    read_answer,
)

RUN_TIMEOUT = timedelta(seconds=10)
"""Ends the workflow whatever happens to this process."""
FOLLOW_SECONDS = 5.0
"""Longer than the probes' own timeouts, for a worker in this process that is slow to begin."""

_WORKFLOW_RESTS = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


@workflow.defn(name=PROBE_TYPE)
class RegistrationProbe:
    """Schedules probes on a queue; what became of them is in its history."""

    @workflow.run
    async def run(self, task_queue: str, count: int) -> None:
        """Schedule `count` probes on `task_queue` at once, and stay open until deleted.

        The server deletes an open workflow at once, and a closed one up to a minute later.
        """
        probes = [
            workflow.execute_activity(
                PROBE_TYPE,
                task_queue=task_queue,
                retry_policy=RetryPolicy(maximum_attempts=1),
                schedule_to_start_timeout=SCHEDULE_TO_START,
                start_to_close_timeout=START_TO_CLOSE,
                schedule_to_close_timeout=SCHEDULE_TO_CLOSE,
            )
            for _ in range(count)
        ]
        await asyncio.gather(*probes, return_exceptions=True)
        await workflow.wait_condition(lambda: False)


class WorkflowProber:
    """Asks by the activities of a workflow; an async context manager while its worker runs."""

    def __init__(self, frontend: Frontend, account: ProbeAccount) -> None:
        self._frontend = frontend
        self._account = account
        self._queue = f"{ID_PREFIX}{uuid.uuid4()}"
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start the worker."""
        connected = self._frontend.client
        worker = Worker(
            # With the plain data converter: a codec server has no part in our own workflow.
            Client(connected.service_client, namespace=connected.namespace),
            task_queue=self._queue,
            workflows=[RegistrationProbe],
            # The workflow is ours and deterministic; the isolation takes a second.
            workflow_runner=UnsandboxedWorkflowRunner(),
            identity=connected.identity,
        )
        await self._stack.enter_async_context(worker)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the worker."""
        await self._stack.aclose()

    async def ask(self, task_queue: str, count: int) -> list[ProbeAnswer]:
        """Send `count` probes to a queue at once.

        Raises:
            StigmerOpsError: The workflow could not be started, followed or read.
        """
        workflow_id = f"{ID_PREFIX}{uuid.uuid4()}"
        await self._start(workflow_id, task_queue, count)
        try:
            async with asyncio.timeout(FOLLOW_SECONDS):
                ends = await self._ends(workflow_id, count)
        except TimeoutError:
            raise UnavailableError(f"the probe workflow {workflow_id} took too long") from None
        finally:
            await asyncio.shield(self._remove(workflow_id))
        return [await read_answer(self._frontend, failure, identity) for failure, identity in ends]

    async def _start(self, workflow_id: str, task_queue: str, count: int) -> None:
        self._account.started += 1
        try:
            await own_workflow.start(
                self._frontend,
                workflow_type=PROBE_TYPE,
                workflow_id=workflow_id,
                task_queue=self._queue,
                run_timeout=RUN_TIMEOUT,
                identity=self._frontend.client.identity,
                arguments=PayloadConverter.default.to_payloads_wrapper([task_queue, count]),
            )
        except StigmerOpsError:
            self._account.started -= 1
            raise
        except asyncio.CancelledError:
            # The start may have been made, and its answer lost.
            await asyncio.shield(self._remove(workflow_id))
            raise

    async def _ends(self, workflow_id: str, count: int) -> list[tuple[Failure | None, str]]:
        """Follow the history until `count` activities have ended."""
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._frontend.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id),
            wait_new_event=True,
        )
        events: list[HistoryEvent] = []
        # The workflow task that takes notice of the last end is waited for as well: our worker
        # would complain if its workflow were deleted meanwhile.
        while len(ends := _ends(events)) < count or events[-1].event_type != _WORKFLOW_RESTS:
            page = await self._frontend.call(
                self._frontend.service.get_workflow_execution_history,
                request,
                deadline=own_workflow.LONG_POLL,
            )
            events += page.history.events
            request.next_page_token = page.next_page_token
        return ends

    async def _remove(self, workflow_id: str) -> None:
        try:
            gone = await own_workflow.remove(
                self._frontend,
                workflow_id,
                reason="the registration probe has ended",
                identity=self._frontend.client.identity,
            )
        except StigmerOpsError:
            gone = False
        if gone:
            self._account.deleted += 1
        else:
            self._account.left_behind.append(workflow_id)


def _ends(events: Sequence[HistoryEvent]) -> list[tuple[Failure | None, str]]:
    """How each activity ended: its failure or None, and the identity of the worker that had it."""
    identities: dict[int, str] = {}
    ends: list[tuple[Failure | None, str]] = []
    for event in events:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                started = event.activity_task_started_event_attributes
                identities[started.scheduled_event_id] = started.identity
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                ends.append((None, identities.get(completed.scheduled_event_id, "")))
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
                ends.append((failed.failure, identities.get(failed.scheduled_event_id, "")))
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                late = event.activity_task_timed_out_event_attributes
                ends.append((late.failure, identities.get(late.scheduled_event_id, "")))
    return ends
