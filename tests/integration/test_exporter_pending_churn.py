"""The tracker against full scans while everything changes under it.

Workflows start, wait for one external activity after the other, and close; activities complete,
with and without a word to the tracker, are retried, time out, are failed; workflows are terminated.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from stigmer_ops.exporter.pending.records import Run, time_of
from stigmer_ops.exporter.pending.tracker import PendingTracker
from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.handshake.execution import Edition
from stigmer_ops.sandbox.many import start_waiting
from stigmer_ops.sandbox.sandbox import Sandbox
from stigmer_ops.temporal.describe import moment
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.history import events_backwards
from support.frontends import frontend_of
from support.pending import listed, new_client
from support.tracking import (
    Everything,
    differences,
    now,
    scanned,
    settings_of,
    tracked,
)

QUEUE = "churn"
IDLE = 150
"""Workflows that wait all the time, so that a scan costs something."""
CHURN = timedelta(seconds=16)
EVERY = timedelta(seconds=4)
"""How long a round of the slow sweep takes."""
OFTEN = 12
"""How often everything happens, at least."""
PAUSE = 0.4
"""Seconds between two readings."""

Scheduled = tuple[ActivityKey, datetime]
"""An activity, and when it was first scheduled: ids are used again."""


@workflow.defn(name="SeveralAgents")
class SeveralAgents:
    """Waits for one external activity after the other; what times out or fails is left behind."""

    @workflow.run
    async def run(self, timeouts: list[float]) -> None:
        for number, seconds in enumerate(timeouts):
            try:
                await workflow.execute_activity(
                    "CallAgentActivity",
                    activity_id=f"agent-{number % 2}",  # ids are used again
                    start_to_close_timeout=timedelta(seconds=seconds),
                    retry_policy=RetryPolicy(
                        maximum_attempts=2, initial_interval=timedelta(milliseconds=300)
                    ),
                )
            except ActivityError:
                continue


@dataclass
class Churn:
    """Changes things at random, by a seed, and keeps count of what it did."""

    client: Client
    tracker: PendingTracker
    random: random.Random = field(default_factory=lambda: random.Random(7))
    tokens: list[bytes] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)
    number: int = 0

    @activity.defn(name="CallAgentActivity")
    async def call_agent(self) -> None:
        """Wait for somebody outside; in most cases an execution is started that says so."""
        token = activity.info().task_token
        self.tokens.append(token)
        if self.random.random() < 0.7:
            self.tracker.linked(claim_of(token), self.random.choice([*Edition, None]))
        activity.raise_complete_async()

    async def start(self) -> None:
        self.number += 1
        name = f"churn-{self.number}"
        timeouts = [self.random.choice([2, 4, 600]) for _ in range(self.random.randint(1, 4))]
        await self.client.start_workflow("SeveralAgents", timeouts, id=name, task_queue=QUEUE)
        self.open.append(name)

    async def complete(self, *, silently: bool = False) -> None:
        token = self._any_token()
        if token is None:
            return
        await self.client.workflow_service.respond_activity_task_completed(
            RespondActivityTaskCompletedRequest(namespace=self.client.namespace, task_token=token)
        )
        claim = claim_of(token)
        if not silently:
            self.tracker.touch(claim.workflow_id, claim.run_id)

    async def complete_silently(self) -> None:
        await self.complete(silently=True)

    async def fail(self) -> None:
        """At the first attempt it is retried, at the second it has failed."""
        token = self._any_token()
        if token is not None:
            await self.client.workflow_service.respond_activity_task_failed(
                RespondActivityTaskFailedRequest(
                    namespace=self.client.namespace,
                    task_token=token,
                    failure=Failure(
                        message="lost", application_failure_info=ApplicationFailureInfo(type="Lost")
                    ),
                )
            )

    async def terminate(self) -> None:
        if self.open:
            name = self.open.pop(self.random.randrange(len(self.open)))
            await self.client.workflow_service.terminate_workflow_execution(
                TerminateWorkflowExecutionRequest(
                    namespace=self.client.namespace,
                    workflow_execution=WorkflowExecution(workflow_id=name),
                )
            )

    def _any_token(self) -> bytes | None:
        if not self.tokens:
            return None
        return self.tokens.pop(self.random.randrange(len(self.tokens)))

    async def run(self, until: datetime) -> None:
        """Change something, again and again; as long as it takes to do each often."""
        deeds: dict[Callable[[], Awaitable[None]], int] = {
            self.start: 6,
            self.complete: 4,
            self.complete_silently: 2,
            self.fail: 2,
            self.terminate: 1,
        }
        while now() < until or any(self.did[deed.__name__] < OFTEN for deed in deeds):
            (deed,) = self.random.choices([*deeds], [*deeds.values()])
            try:
                await deed()
                self.did[deed.__name__] += 1
            except RPCError as error:  # it timed out before, or its workflow was terminated
                assert error.status is RPCStatusCode.NOT_FOUND, error  # noqa: PT017
                self.did["too late"] += 1
            await asyncio.sleep(self.random.random() * 0.06)


async def changed_at(frontend: Frontend, run: Run) -> datetime:
    """When the server last changed anything about a run, by its own times."""
    times: list[datetime | None] = []
    async for event in events_backwards(frontend, run.workflow_id, run.run_id, page_size=1):
        times.append(moment(event, "event_time"))
        break
    described = await frontend.call(
        frontend.service.describe_workflow_execution,
        DescribeWorkflowExecutionRequest(
            namespace=frontend.namespace,
            execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
        ),
    )
    for pending in described.pending_activities:
        fields = ("scheduled_time", "last_started_time", "last_attempt_complete_time")
        times += [moment(pending, name) for name in fields]
    return max(time for time in times if time is not None)


async def timeouts_in_histories(client: Client, frontend: Frontend) -> set[Scheduled]:
    """Every external activity of the namespace that timed out for good."""
    found: set[Scheduled] = set()
    async for execution in client.list_workflows("WorkflowType = 'SeveralAgents'"):
        timed_out: set[int] = set()
        async for event in events_backwards(frontend, execution.id, execution.run_id):
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                ended = event.activity_task_timed_out_event_attributes
                timed_out.add(ended.scheduled_event_id)
            elif event.event_id in timed_out:
                started = event.activity_task_scheduled_event_attributes
                key = ActivityKey(execution.id, execution.run_id, started.activity_id)
                found.add((key, event.event_time.ToDatetime(UTC)))
    return found


@dataclass
class Watch:
    """Reads again and again, and compares each time with a full scan."""

    client: Client
    tracker: PendingTracker
    frontend: Frontend
    others: Frontend
    cycles: int = 0
    differed: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    ends: Counter[ActivityKey] = field(default_factory=Counter)
    known: set[Scheduled] = field(default_factory=set)
    longest: timedelta = timedelta(0)

    async def cycle(self) -> None:
        before = self.frontend.calls.copy()
        began = now()
        await self.tracker.follow(began)
        self.cycles += 1
        self.calls += self.frontend.calls - before
        self.take_note()
        await asyncio.sleep(PAUSE)
        self.longest = max(self.longest, now() - began)

    def take_note(self) -> None:
        self.ends.update(end.key for end in self.tracker.drain_ends())
        self.known |= {(key, time_of(one.since)) for key, one in tracked(self.tracker).items()}

    async def quiet(self) -> None:
        """Wait until what waits will wait for minutes, and nothing has changed for a second."""
        before: Everything = {}
        async with asyncio.timeout(120):
            while True:
                found = await scanned(self.others, settings_of())
                soon = (now() + timedelta(minutes=1)).timestamp()
                lasting = all(one.live and one.deadline > soon for one in found.values())
                if lasting and found == before:
                    return
                before = found
                await asyncio.sleep(1)

    async def differences(self) -> set[Run]:
        ours = tracked(self.tracker)
        return differences(ours, await scanned(self.others, settings_of()))

    async def check(self) -> None:
        """Whatever differs has changed so lately that its turn cannot have come again."""
        differing = await self.differences()
        self.differed += len(differing)
        changes = await asyncio.gather(*(changed_at(self.others, run) for run in differing))
        bound = 2 * EVERY + 3 * self.longest
        old = {run: at for run, at in zip(differing, changes, strict=True) if now() - at > bound}
        assert not old, f"changed longer than {bound} ago, and not noticed: {old}"


async def test_what_is_followed_differs_from_a_scan_by_no_more_than_one_sweep(
    sandbox: Sandbox,
) -> None:
    client = await new_client(sandbox)
    frontend, others = await frontend_of(client), await frontend_of(client)
    tracker = PendingTracker(
        frontend, settings_of(full_sweep_every=EVERY, visibility_lag=timedelta(seconds=10))
    )
    await start_waiting(client, IDLE)
    await listed(client, IDLE)
    watch = Watch(client, tracker, frontend, others)
    await tracker.sweep(now())
    full_scan = sum(frontend.calls.values())
    churn = Churn(client, tracker)
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[SeveralAgents],
        activities=[churn.call_agent],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        changing = asyncio.create_task(churn.run(now() + CHURN))
        while not changing.done():
            await watch.cycle()
            await watch.check()
        await changing
        await watch.quiet()

        # Quiet, but for the sweep: what was silent shows with the next round.
        quiet = now() + 2 * EVERY + 3 * watch.longest
        while now() < quiet:
            await watch.cycle()
        assert await watch.differences() == set()

        await tracker.sweep(now())
        assert await watch.differences() == set()

    watch.take_note()
    assert watch.differed > 0, "nothing was ever late: the test proves nothing"
    truth = await timeouts_in_histories(client, others)
    assert len(truth) > OFTEN
    # What came and went between two readings was never known; all else is told, and once.
    assert watch.ends == Counter(key for key, _ in truth & watch.known)
    assert truth & watch.known
    assert sum(watch.calls.values()) / watch.cycles < full_scan
