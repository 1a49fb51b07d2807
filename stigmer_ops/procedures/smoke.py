"""A canary: a handshake of our own through the real Temporal, measured, and removed again.

The command hosts both ends on a task queue of its own: the external workflow with its external
activity, which returns pending, and the other side, which ends the activity by its token. With a
`StigmerRequest` the other side is Stigmer itself: an execution is created with the token, and
Stigmer's callback is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import RespondActivityTaskCompletedRequest
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from stigmer_ops.audit import AuditTrail, Intent
from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.execution import ExecutionKind
from stigmer_ops.procedures.smoke_report import Round, SmokeReport, StigmerRequest
from stigmer_ops.stigmer.service import StigmerService
from stigmer_ops.temporal.describe import moment
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import CLOSES_ACTIVITY, closing_event, events_backwards
from stigmer_ops.temporal.own_workflow import remove, start, terminate

WORKFLOW_TYPE = "stigmer-ops/canary"
ACTIVITY_TYPE = "stigmer-ops/canary-external"
REASON = "canary handshake of stigmer-ops smoke"
OUTLIVES = timedelta(seconds=60)
"""How much longer than its rounds the workflow may run where nobody removes it."""

LOST_TASK = (
    "run it again, since a task is lost where the connection breaks under it; then: "
    "stigmer-ops check --category temporal"
)
"""What to do where no task came: the server hands each one out once, and not again."""


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
    """Waits for one external activity after the other, until somebody removes it.

    It never closes by itself, since the server removes an open workflow at once and one that has
    just closed only later.
    """

    @workflow.run
    async def run(self) -> None:
        """Schedule the activity again whenever it has ended, however it did."""
        while True:
            with contextlib.suppress(ActivityError):
                await workflow.execute_activity(
                    ACTIVITY_TYPE,
                    result_type=RawValue,
                    start_to_close_timeout=workflow.info().run_timeout,
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )


class _ExternalActivity:
    """The canary's external activity: hands its task token over and returns pending."""

    def __init__(self) -> None:
        self.tokens: asyncio.Queue[bytes] = asyncio.Queue()

    @activity.defn(name=ACTIVITY_TYPE)
    async def hand_over(self) -> None:
        """Hand the token over."""
        self.tokens.put_nowait(activity.info().task_token)
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
    said = [f"{report.completed} of {report.plan.rounds} rounds"]
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
    await systems.external.describe_namespace()
    try:
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
    _calls: list[timedelta] = field(default_factory=list)
    """How long the other side's call of each round took, the warm-up's first."""
    _awaited: str = ""
    """The execution whose callback has not come yet."""

    @property
    def _workflow_id(self) -> str:
        return self.report.task_queue

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
        # Without an agent in between, the first round would pay for the worker's start.
        warm_ups = 1 if plan.stigmer is None else 0
        await start(
            self.systems.external,
            workflow_type=WORKFLOW_TYPE,
            workflow_id=self._workflow_id,
            task_queue=self.report.task_queue,
            run_timeout=(plan.rounds + warm_ups) * plan.timeout + OUTLIVES,
            identity=self.systems.identity,
        )
        token = await self._next_token(
            f"Temporal dispatched no task of the canary to this command within {plan.timeout}",
            LOST_TASK,
        )
        for number in range(plan.rounds + warm_ups):
            token = await self._round(token)
            self.report.completed = number + 1 - warm_ups
        events = [event async for event in self._history()]
        self.report.rounds = measured(events[::-1], self._calls, agent_works=not warm_ups)[
            warm_ups:
        ]

    async def _round(self, token: bytes) -> bytes:
        """Have one activity ended; the token of the next, which shows that the workflow went on."""
        request, timeout = self.report.plan.stigmer, self.report.plan.timeout
        began = time.monotonic()
        if request is None:
            await self._complete(token)
        else:
            await self._create(request, token)
        self._calls.append(timedelta(seconds=time.monotonic() - began))
        if request is None:
            problem = f"the callback was accepted, and the workflow did not go on within {timeout}"
            hint = LOST_TASK
        else:
            problem = f"Stigmer did not call back within {timeout}"
            hint = "stigmer-ops check --category task-queues --category workers"
        following = await self._next_token(problem, hint)
        self._awaited = ""
        return following

    async def _next_token(self, problem: str, hint: str) -> bytes:
        seconds = self.report.plan.timeout.total_seconds()
        try:
            return await asyncio.wait_for(self._activity.tokens.get(), seconds)
        except TimeoutError:
            raise _StoppedError(problem, hint) from None

    async def _complete(self, token: bytes) -> None:
        frontend = self.systems.external
        request = RespondActivityTaskCompletedRequest(
            namespace=frontend.namespace,
            task_token=token,
            result=Payloads(payloads=await frontend.data_converter.encode(["ok"])),
            identity=self.systems.identity,
        )
        try:
            await frontend.call(frontend.service.respond_activity_task_completed, request)
        except RPCError as error:
            # Nobody but us has the token. Where an earlier try ended the activity and its answer
            # was lost, the workflow goes on; where it did not, the next token will not come.
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise frontend.translate(error, "complete the canary by its token") from error

    async def _create(self, request: StigmerRequest, token: bytes) -> None:
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

    async def _history(self) -> AsyncIterator[HistoryEvent]:
        """The canary's events, newest first."""
        frontend = self.systems.external
        try:
            async for event in events_backwards(frontend, self._workflow_id, ""):
                yield event
        except RPCError as error:
            raise frontend.translate(error, "read the canary's history") from error

    async def clean_up(self) -> None:
        """Remove the canary's workflow, and the execution whose callback nobody awaits now."""
        frontend, identity = self.systems.external, self.systems.identity
        try:
            gone = await remove(frontend, self._workflow_id, reason=REASON, identity=identity)
            if not gone:
                self.report.left.append(f"{self._workflow_id}, closed: we may not delete it")
        except StigmerOpsError as error:
            self.report.left.append(
                f"{self._workflow_id}, which ends by its run timeout: {error.happened}"
            )
        if self._awaited:
            await self._terminate(ExecutionKind.AGENT.workflow_id(self._awaited))

    async def _terminate(self, workflow_id: str) -> None:
        frontend, identity = self.systems.stigmer, self.systems.identity
        try:
            await terminate(frontend, workflow_id, reason=REASON, identity=identity)
        except StigmerOpsError as error:
            self.report.left.append(f"{workflow_id}: {error.happened}")


def measured(
    events: Sequence[HistoryEvent], calls: Sequence[timedelta], *, agent_works: bool
) -> list[Round]:
    """The times of a canary's rounds.

    Args:
        events: Its whole history, in order.
        calls: How long the other side's call took in each round.
        agent_works: Whether something lay between that call's answer and the callback.

    Raises:
        _StoppedError: One of the activities did not complete, or the history breaks off.
    """
    rounds: list[Round] = []
    following = iter(events)
    for call in calls:
        scheduled = _next(following, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        started = _next(following, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
        closing = _next(following, *CLOSES_ACTIVITY)
        closed = closing_event(closing)
        if closed.outcome != "COMPLETED":
            failure = closed.failure.message if closed.failure else ""
            raise _StoppedError(
                f"the callback came, and the activity {closed.outcome.lower()}: {failure}",
                "read the log of the agent runner",
            )
        going_on = _next(following, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)
        waited = max(_between(started, closing) - call, timedelta(0))
        rounds.append(
            Round(
                dispatch=_between(scheduled, started),
                call=call,
                agent=waited if agent_works else timedelta(0),
                resume=_between(closing, going_on),
            )
        )
    return rounds


def _next(events: Iterator[HistoryEvent], *kinds: EventType.ValueType) -> HistoryEvent:
    """The next event of one of these kinds; the canary's activities follow one another."""
    for event in events:
        if event.event_type in kinds:
            return event
    raise _StoppedError("somebody else interfered with the canary's workflow", "run it again")


def _between(earlier: HistoryEvent, later: HistoryEvent) -> timedelta:
    """The time between two events of one history, whose clock is the server's."""
    first, second = moment(earlier, "event_time"), moment(later, "event_time")
    assert first is not None
    assert second is not None
    return second - first


def task_queue_name() -> str:
    """A queue that nobody else has."""
    return f"stigmer-ops-smoke-{uuid.uuid4().hex}"
