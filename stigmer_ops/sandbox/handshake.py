"""A handle on one simulated handshake: its identifiers, what Temporal says of it, operations."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ActivityExecutionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    DescribeWorkflowExecutionRequest,
    PauseActivityExecutionRequest,
    PauseActivityRequest,
    PauseWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import UnavailableError
from stigmer_ops.sandbox.conditions import (
    Condition,
    Observation,
    SeenActivity,
    SeenWorkflow,
    described,
)
from stigmer_ops.sandbox.store import Execution, ExecutionStore, workflow_id_of

REASON = "sandbox fault"
"""Reason given for every operation; histories and descriptions show it."""


_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS = 0.05, 0.5


class Kind(StrEnum):
    """What waits for Stigmer."""

    SINGLE = "single"
    PARALLEL = "parallel"
    TIMEOUT_HANDLING = "timeout-handling"
    STANDALONE = "standalone"


@dataclass(frozen=True, kw_only=True)
class Handshake:
    """One external workflow, or standalone activity, and the executions that it waits for.

    Attributes:
        id: The sandbox's own name for it.
        kind: What waits.
        faults: Name of the fault of each external activity, by activity id.
        executions_expected: How many executions Stigmer is to create for each, by activity id.
        namespace: Temporal namespace of the external side.
        workflow_id: The external workflow; empty for a standalone activity.
        run_id: Its run, or the standalone activity's.
        client: Client of the external namespace.
        stigmer_client: Client of the Stigmer workflows' namespace.
        store: Stigmer's executions.
    """

    id: str
    kind: Kind
    faults: dict[str, str]
    executions_expected: dict[str, int]
    namespace: str
    workflow_id: str
    run_id: str
    client: Client = field(repr=False)
    stigmer_client: Client = field(repr=False)
    store: ExecutionStore = field(repr=False)

    @property
    def activity_ids(self) -> tuple[str, ...]:
        """The external activities."""
        return tuple(self.faults)

    @property
    def fault_names(self) -> str:
        """The faults, each once, separated by spaces."""
        return " ".join(dict.fromkeys(self.faults.values()))

    @property
    def place(self) -> str:
        """Where it is, in words."""
        ids = " ".join(self.activity_ids)
        return f"workflow {self.workflow_id}, activity {ids}" if self.workflow_id else ids

    def executions(self, activity_id: str | None = None) -> list[Execution]:
        """The executions that Stigmer has created so far; they hold task tokens.

        Args:
            activity_id: Only those that one of the external activities asked for.
        """
        found = self.store.of_handshake(self.id)
        if activity_id is None:
            return found
        stem = f"{self.id}-{activity_id}-"
        return [execution for execution in found if execution.metadata.name.startswith(stem)]

    def stigmer_workflow_ids(self, activity_id: str | None = None) -> list[str]:
        """Ids of the Stigmer workflows of `executions`."""
        return [workflow_id_of(execution) for execution in self.executions(activity_id)]

    async def observe(self) -> dict[str, Observation]:
        """Ask Temporal about both sides.

        Returns:
            What it says of each external activity, by id.

        Raises:
            RPCError: If Temporal does not answer.
        """
        names_ = self.stigmer_workflow_ids()
        external, stigmer = await asyncio.gather(
            self._external(), asyncio.gather(*map(self._stigmer, names_))
        )
        seen = {name: one for name, one in zip(names_, stigmer, strict=True) if one is not None}
        pending = {activity.id: activity for activity in external.pending}
        return {
            activity_id: Observation(
                external,
                pending.get(activity_id),
                tuple(
                    seen[name] for name in self.stigmer_workflow_ids(activity_id) if name in seen
                ),
                self.executions_expected[activity_id],
            )
            for activity_id in self.activity_ids
        }

    async def until(self, wanted: Mapping[str, Condition], seconds: float) -> None:
        """Wait until conditions hold.

        Args:
            wanted: The condition of each external activity that matters, by id.
            seconds: How long to wait.

        Raises:
            UnavailableError: If they do not hold in time; it says what was seen last.
            RPCError: If Temporal does not answer.
        """
        pause, end = _FIRST_POLL_SECONDS, time.monotonic() + seconds
        while True:
            seen = await self.observe()
            if all(condition(seen[name]) for name, condition in wanted.items()):
                return
            if time.monotonic() > end:
                last = "; ".join(described(one) for one in seen.values())
                raise UnavailableError(
                    f"the fault {self.fault_names} ({self.place}) was not seen within "
                    f"{seconds:.0f} s, so this machine is slow, or busy: {last}",
                    next_step="slow the sandbox down as well, add --time-scale 0.05",
                )
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LAST_POLL_SECONDS)

    async def _stigmer(self, workflow_id: str) -> SeenWorkflow | None:
        try:
            return await _describe(self.stigmer_client, workflow_id)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:  # stored, but not started yet
                return None
            raise

    async def _external(self) -> SeenWorkflow:
        if self.workflow_id:
            return await _describe(self.client, self.workflow_id, self.run_id)
        response = await self.client.workflow_service.describe_activity_execution(
            DescribeActivityExecutionRequest(
                namespace=self.namespace, activity_id=self.activity_ids[0], run_id=self.run_id
            ),
            retry=True,
        )
        info = response.info
        activity = SeenActivity(
            info.activity_id, info.activity_type.name, info.run_state, info.attempt
        )
        running = info.status == ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_RUNNING
        return SeenWorkflow(info.status, _NO_HISTORY, (activity,) if running else ())

    async def terminate_executions(self, activity_id: str) -> None:
        """Terminate the Stigmer workflows of one external activity."""
        for name in self.stigmer_workflow_ids(activity_id):
            await self.stigmer_client.get_workflow_handle(name).terminate(reason=REASON)

    async def cancel_executions(self, activity_id: str) -> None:
        """Ask the Stigmer workflows of one external activity to cancel."""
        for name in self.stigmer_workflow_ids(activity_id):
            await self.stigmer_client.get_workflow_handle(name).cancel()

    async def pause_activity(self, activity_id: str) -> None:
        """Pause one external activity."""
        who = {
            "namespace": self.namespace,
            "identity": self.client.identity,
            "reason": REASON,
            "request_id": str(uuid.uuid4()),
        }
        service = self.client.workflow_service
        if self.workflow_id:
            run = WorkflowExecution(workflow_id=self.workflow_id, run_id=self.run_id)
            await service.pause_activity(PauseActivityRequest(execution=run, id=activity_id, **who))
        else:
            await service.pause_activity_execution(
                PauseActivityExecutionRequest(activity_id=activity_id, run_id=self.run_id, **who)
            )

    async def pause_workflow(self, _activity_id: str) -> None:
        """Pause the external workflow as a whole."""
        await self.client.workflow_service.pause_workflow_execution(
            PauseWorkflowExecutionRequest(
                namespace=self.namespace,
                workflow_id=self.workflow_id,
                run_id=self.run_id,
                identity=self.client.identity,
                reason=REASON,
                request_id=str(uuid.uuid4()),
            )
        )


_NO_HISTORY = 1_000_000  # a standalone activity has no history that would have to grow first


async def _describe(client: Client, workflow_id: str, run_id: str = "") -> SeenWorkflow:
    response = await client.workflow_service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        ),
        retry=True,
    )
    info = response.workflow_execution_info
    return SeenWorkflow(
        info.status,
        info.history_length,
        tuple(
            SeenActivity(
                activity.activity_id, activity.activity_type.name, activity.state, activity.attempt
            )
            for activity in response.pending_activities
        ),
    )
