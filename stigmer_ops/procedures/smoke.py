"""A canary: a handshake of our own through the real Temporal, measured, and removed again.

The command hosts both ends on a task queue of its own: the external workflow with its external
activity, which returns pending, and the other side, which ends the activity by its token. With a
`StigmerRequest` the other side is Stigmer itself: an execution is created with the token, and
Stigmer's callback is waited for.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import RespondActivityTaskCompletedRequest
from temporalio.common import RawValue, RetryPolicy
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from stigmer_ops.audit import AuditTrail, Intent
from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.execution import ExecutionKind
from stigmer_ops.procedures.smoke_report import Round, SmokeReport, StigmerRequest
from stigmer_ops.stigmer.service import StigmerService
from stigmer_ops.temporal.describe import moment
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import CLOSES_ACTIVITY, closing_event
from stigmer_ops.temporal.own_workflow import (
    events_at_close,
    remove,
    start,
    terminate,
)

WORKFLOW_TYPE = "stigmer-ops/canary"
ACTIVITY_TYPE = "stigmer-ops/canary-external"
REASON = "canary handshake of stigmer-ops smoke"
OUTLIVES = timedelta(seconds=60)
"""How much longer than a round's timeout its workflow may run where nobody removes it."""

_OtherSide = Callable[[bytes], Awaitable[None]]
"""Ends the activity of a task token, or has Stigmer end it."""


class _StoppedError(Exception):
    """The canary did not come through; says where it stopped, and what to type next."""

    def __init__(self, where: str, hint: str) -> None:
        super().__init__(where)
        self.where = where
        self.hint = hint


@dataclass(frozen=True, slots=True)
class SmokeSystems:
    """Whom the canary goes through.

    Attributes:
        external: The namespace of the external workflows.
        stigmer: That of the Stigmer workflows, needed only with `service`.
        service: The Stigmer service, needed only where the plan has a `StigmerRequest`.
        identity: What the histories keep as the caller.
    """

    external: Frontend
    stigmer: Frontend
    service: StigmerService | None
    identity: str


@workflow.defn(name=WORKFLOW_TYPE)
class CanaryWorkflow:
    """Waits for one external activity, as long as the run itself may take."""

    @workflow.run
    async def run(self) -> None:
        """Schedule the activity; its result may be anything."""
        await workflow.execute_activity(
            ACTIVITY_TYPE,
            result_type=RawValue,
            start_to_close_timeout=workflow.info().run_timeout,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


class _ExternalActivity:
    """The canary's external activity: hands its task token over and returns pending."""

    def __init__(self) -> None:
        self._tokens: dict[str, asyncio.Future[bytes]] = {}

    def token_of(self, workflow_id: str) -> asyncio.Future[bytes]:
        """The token of that workflow's activity, once a worker has started it."""
        return self._tokens.setdefault(workflow_id, asyncio.get_running_loop().create_future())

    @activity.defn(name=ACTIVITY_TYPE)
    async def hand_over(self) -> None:
        """Hand the token over."""
        info = activity.info()
        waiting = self.token_of(info.workflow_id or "")
        if not waiting.done():
            waiting.set_result(info.task_token)
        activity.raise_complete_async()


async def audited_smoke(
    systems: SmokeSystems, report: SmokeReport, trail: AuditTrail, intent: Intent
) -> None:
    """As `run_smoke`, between the two records of its audit.

    Raises:
        AuditError: It cannot be audited, so it was not made; or its outcome was not recorded.
        StigmerOpsError: As `run_smoke`.
    """
    with trail.operation(intent) as operation:
        try:
            await run_smoke(systems, report)
        except asyncio.CancelledError:
            operation.failed(f"interrupted; {_told(report)}")
            raise
        operation.done(detail=_told(report))


def _told(report: SmokeReport) -> str:
    said = [f"{len(report.rounds)} of {report.plan.rounds} rounds"]
    if report.execution_id:
        said.append(f"execution {report.execution_id}")
    if report.stopped:
        said.append(report.stopped)
    said.append(f"left: {'; '.join(report.left)}" if report.left else "nothing left behind")
    return "; ".join(said)


async def run_smoke(systems: SmokeSystems, report: SmokeReport) -> None:
    """Run the canary of `report.plan` into `report`, and remove what it made, come what may.

    Where the canary does not come through, the report says where it stopped.

    Raises:
        StigmerOpsError: A system could not be reached, or refused the canary.
    """
    canary = _Canary(systems, report)
    try:
        await systems.external.describe_namespace()
        async with canary.hosted():
            await canary.rounds()
    except _StoppedError as stopped:
        report.stopped, report.hint = stopped.where, stopped.hint
    finally:
        await canary.clean_up()


@dataclass(slots=True)
class _Canary:
    """One run of the canary."""

    systems: SmokeSystems
    report: SmokeReport
    _activity: _ExternalActivity = field(default_factory=_ExternalActivity)
    _made: list[str] = field(default_factory=list)
    _awaited: str = ""
    """The execution whose callback has not come yet."""

    @asynccontextmanager
    async def hosted(self) -> AsyncIterator[None]:
        """A worker for the canary's workflow and activity, while the block runs."""
        async with Worker(
            self.systems.external.client,
            task_queue=self.report.task_queue,
            identity=self.systems.identity,
            workflows=[CanaryWorkflow],
            activities=[self._activity.hand_over],
            # The workflow is ours and deterministic; isolating it costs a second.
            workflow_runner=UnsandboxedWorkflowRunner(),
            # Eager activities skip the task queue, whose latency is part of what is measured.
            disable_eager_activity_execution=True,
        ):
            yield

    async def rounds(self) -> None:
        """Do what the plan says."""
        plan = self.report.plan
        if plan.stigmer is None:
            await self._round(self._complete)  # the first one pays for the worker's start
        for _ in range(plan.rounds):
            if plan.stigmer is None:
                self.report.rounds.append(await self._round(self._complete))
            else:
                self.report.rounds.append(await self._through_stigmer(plan.stigmer))

    async def _through_stigmer(self, request: StigmerRequest) -> Round:
        async def create(token: bytes) -> None:
            service = self.systems.service
            assert service is not None
            name = self.report.task_queue
            perhaps = f"an execution named {name}, if Stigmer created one"
            self.report.left.append(perhaps)  # before the call, whose answer may be lost
            self.report.execution_id = self._awaited = await service.create_agent_execution(
                name=name,
                agent_id=request.agent_id,
                session_id=request.session_id,
                message=request.message,
                callback_token=token,
            )
            self.report.left.remove(perhaps)

        return await self._round(create)

    async def _round(self, other_side: _OtherSide) -> Round:
        workflow_id = await self._started()
        timeout = self.report.plan.timeout
        try:
            token = await asyncio.wait_for(
                self._activity.token_of(workflow_id), timeout.total_seconds()
            )
        except TimeoutError:
            raise _StoppedError(
                f"Temporal dispatched no task of the canary to this command within {timeout}",
                "stigmer-ops check --category temporal",
            ) from None
        began = time.monotonic()
        await other_side(token)
        call = timedelta(seconds=time.monotonic() - began)
        events = await events_at_close(self.systems.external, workflow_id, within=timeout)
        if events is None:
            raise _StoppedError(*self._no_answer(timeout))
        self._awaited = ""
        return measured(events, call=call, agent_works=self.report.plan.stigmer is not None)

    async def _started(self) -> str:
        workflow_id = f"{self.report.task_queue}-{len(self._made)}"
        self._made.append(workflow_id)  # before the call, whose answer may be lost
        await start(
            self.systems.external,
            workflow_type=WORKFLOW_TYPE,
            workflow_id=workflow_id,
            task_queue=self.report.task_queue,
            run_timeout=self.report.plan.timeout + OUTLIVES,
            identity=self.systems.identity,
        )
        return workflow_id

    async def _complete(self, token: bytes) -> None:
        frontend = self.systems.external
        request = RespondActivityTaskCompletedRequest(
            namespace=frontend.namespace,
            task_token=token,
            result=Payloads(payloads=await frontend.data_converter.encode(["ok"])),
            identity=self.systems.identity,
        )
        try:
            await frontend.call(
                frontend.service.respond_activity_task_completed, request, retry=False
            )
        except RPCError as error:
            raise frontend.translate(error, "complete the canary by its token") from error

    def _no_answer(self, timeout: timedelta) -> tuple[str, str]:
        if self.report.plan.stigmer is None:
            return (
                f"the callback was accepted, and the workflow did not go on within {timeout}",
                "stigmer-ops check --category temporal",
            )
        return (
            f"Stigmer took execution {self.report.execution_id}, and did not call back within "
            f"{timeout}",
            "stigmer-ops check --category task-queues --category workers",
        )

    async def clean_up(self) -> None:
        """Remove the canary's workflows, and the execution whose callback nobody awaits now."""
        await asyncio.gather(*map(self._remove, self._made))
        if self._awaited:
            await self._terminate(ExecutionKind.AGENT.workflow_id(self._awaited))

    async def _remove(self, workflow_id: str) -> None:
        frontend = self.systems.external
        try:
            gone = await remove(
                frontend, workflow_id, reason=REASON, identity=self.systems.identity
            )
        except StigmerOpsError as error:
            self.report.left.append(f"{workflow_id} (ends by its run timeout): {error.happened}")
            return
        if not gone:
            self.report.left.append(f"{workflow_id}, closed: we may not delete it")

    async def _terminate(self, workflow_id: str) -> None:
        frontend, identity = self.systems.stigmer, self.systems.identity
        try:
            await terminate(frontend, workflow_id, reason=REASON, identity=identity)
        except StigmerOpsError as error:
            self.report.left.append(f"{workflow_id}: {error.happened}")


def measured(events: Sequence[HistoryEvent], *, call: timedelta, agent_works: bool) -> Round:
    """The times of a canary that has closed.

    Args:
        events: Its whole history.
        call: How long the other side's call took.
        agent_works: Whether something lay between that call's answer and the callback.

    Raises:
        _StoppedError: Its activity did not complete, or the workflow did not go on after it.
    """
    closing = _first(events, *CLOSES_ACTIVITY)
    closed = closing_event(closing)
    if closed.outcome != "COMPLETED":
        failure = closed.failure.message if closed.failure else ""
        raise _StoppedError(
            f"the callback came, and the activity {closed.outcome.lower()}: {failure}",
            "read the log of the agent runner",
        )
    scheduled = _first(events, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    started = _first(events, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    going_on = _first(events, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED, after=closing.event_id)
    waited = _between(started, closing) - call
    return Round(
        dispatch=_between(scheduled, started),
        call=call,
        agent=max(waited, timedelta(0)) if agent_works else timedelta(0),
        resume=_between(closing, going_on),
    )


def _first(
    events: Sequence[HistoryEvent], *kinds: EventType.ValueType, after: int = 0
) -> HistoryEvent:
    for event in events:
        if event.event_type in kinds and event.event_id > after:
            return event
    raise _StoppedError("somebody else closed the canary's workflow", "run it again")


def _between(earlier: HistoryEvent, later: HistoryEvent) -> timedelta:
    """The time between two events of one history, whose clock is the server's."""
    first, second = moment(earlier, "event_time"), moment(later, "event_time")
    assert first is not None
    assert second is not None
    return second - first


def task_queue_name() -> str:
    """A queue that nobody else has."""
    return f"stigmer-ops-smoke-{uuid.uuid4().hex}"
