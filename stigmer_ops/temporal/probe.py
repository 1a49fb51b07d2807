"""Asking the workers of a queue which activity types they have registered.

A task of an activity type that nobody registers makes a worker's SDK fail it with the types that it
has (`handshake.registration`), without running any code of the worker's owner. The type's name is
always the same: workers count tasks by type in their metrics, and a name that is made up each time
would leave a time series there for every probe.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from typing import Protocol, Self

from google.protobuf.duration_pb2 import Duration
from temporalio.api.activity.v1 import ActivityExecutionOutcome
from temporalio.api.common.v1 import ActivityType, RetryPolicy
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DeleteActivityExecutionRequest,
    ListActivityExecutionsRequest,
    PollActivityExecutionRequest,
    StartActivityExecutionRequest,
    TerminateActivityExecutionRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.registration import (
    Answer,
    ProbeAccount,
    ProbeAnswer,
    Registration,
    parse_not_registered,
)
from stigmer_ops.temporal.describe import describe_standalone, failure_of
from stigmer_ops.temporal.failure_texts import with_texts
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.visibility import PAGE_SIZE

PROBE_TYPE = "stigmer-ops/registration-probe"
ID_PREFIX = "stigmer-ops-registration-probe-"

SCHEDULE_TO_START = timedelta(seconds=1)
"""A worker with a free slot takes a task within milliseconds."""
START_TO_CLOSE = timedelta(seconds=2)
SCHEDULE_TO_CLOSE = SCHEDULE_TO_START + START_TO_CLOSE
"""Ends the probe whatever happens to this process."""

TIME_LIMIT_SECONDS = 2.5
"""After this no further probes are sent to a queue."""
PROBES_AT_LEAST = 10
PROBES_PER_WORKER = 10
"""A worker polls five times at once by default, and the oldest poll gets the next task."""
PROBES_AT_MOST = 100
PROBES_AT_ONCE = 10

SETTLE_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between looks at visibility; few looks, since servers allow only some ten a second."""

_DETAIL_LENGTH = 200

_NOT_STARTED = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.UNIMPLEMENTED,
    }
)
"""Answers to a start that leave no doubt that nothing was started."""


class Prober(Protocol):
    """A way of asking; an async context manager around all its questions."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def ask(self, task_queue: str, count: int) -> list[ProbeAnswer]:
        """Send `count` probes to a queue at once.

        Raises:
            RPCError: The server would not take them.
            StigmerOpsError: The codec server, which a failure's text needs, cannot be used.
        """
        ...


async def ask_workers(
    prober: Prober, task_queue: str, workers: Collection[str], *, at_most: int = 0
) -> Registration:
    """Probe a queue until each of `workers` has answered, or a bound is hit.

    Which worker gets a task is the server's choice, so more probes are sent the longer nobody new
    answers.

    Args:
        prober: The way of asking.
        task_queue: Whom to ask.
        workers: Identities of the workers that shall answer.
        at_most: How many probes to send at most, 0 for a number that goes with the workers.
    """
    budget = at_most or min(PROBES_AT_MOST, PROBES_AT_LEAST + PROBES_PER_WORKER * len(workers))
    loop = asyncio.get_running_loop()
    until = loop.time() + TIME_LIMIT_SECONDS
    remaining, answers, fruitless = set(workers), set[ProbeAnswer](), 0
    while remaining and budget > 0 and loop.time() < until:
        count = min(budget, PROBES_AT_ONCE, len(remaining) * 2**fruitless)
        budget -= count
        try:
            batch = await prober.ask(task_queue, count)
        except (RPCError, StigmerOpsError) as error:
            return Registration(probed=True, unknown=f"the probe failed: {_reason(error)}")
        taken = {one for one in batch if one.answer is not Answer.NOT_TAKEN}
        if not taken:
            break
        fruitless = 0 if remaining & {one.identity for one in taken} else fruitless + 1
        remaining -= {one.identity for one in taken}
        answers |= taken
    return Registration(
        probed=True,
        answers=tuple(sorted(answers, key=lambda one: (one.identity, one.answer))),
        silent=tuple(sorted(remaining)),
    )


def _reason(error: RPCError | StigmerOpsError) -> str:
    if isinstance(error, StigmerOpsError):
        return error.happened
    return f"{error.status.name}: {error.message}"


async def read_answer(frontend: Frontend, failure: Failure | None, identity: str) -> ProbeAnswer:
    """What a probe's end says.

    Args:
        frontend: Whose codec the failure's text may need.
        failure: How the activity ended; None if it completed.
        identity: Of the worker that took it, empty if none did.

    Raises:
        StigmerOpsError: The codec server cannot be used.
    """
    if failure is None:
        return ProbeAnswer(Answer.RAN, identity)
    if failure.HasField("timeout_failure_info"):
        kind = failure.timeout_failure_info.timeout_type
        unmet = kind == TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START or not identity
        return ProbeAnswer(Answer.NOT_TAKEN if unmet else Answer.NO_ANSWER, identity)
    message = (await with_texts(frontend, [failure_of(failure)]))[0].message
    said = parse_not_registered(message)
    if said is None:
        return ProbeAnswer(Answer.UNREADABLE, identity, detail=message[:_DETAIL_LENGTH])
    return ProbeAnswer(Answer.REGISTERED_TYPES, identity, said)


class StandaloneProber:
    """Asks by standalone activities; an async context manager that deletes them at its end."""

    def __init__(self, frontend: Frontend, account: ProbeAccount) -> None:
        self._frontend = frontend
        self._account = account
        self._open: set[str] = set()
        self._closed: set[str] = set()

    async def __aenter__(self) -> Self:
        """Nothing is needed in advance."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Delete what was started, also when interrupted."""
        if self._open or self._closed:
            await asyncio.shield(self._clean_up())

    async def ask(self, task_queue: str, count: int) -> list[ProbeAnswer]:
        """Send `count` probes to a queue at once.

        Raises:
            RPCError: The server would not take them.
            StigmerOpsError: The codec server, which a failure's text needs, cannot be used.
        """
        # All are waited for, so that none starts anything after the clean-up.
        answers = await asyncio.gather(
            *(self._once(task_queue) for _ in range(count)), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [answer for answer in answers if isinstance(answer, ProbeAnswer)]

    async def _once(self, task_queue: str) -> ProbeAnswer:
        activity_id = f"{ID_PREFIX}{uuid.uuid4()}"
        # Known before it is sent: an interruption may lose the answer to a start that is made.
        self._open.add(activity_id)
        self._account.started += 1
        try:
            # The request id makes a second delivery of the same start harmless.
            await self._frontend.call(
                self._frontend.service.start_activity_execution,
                self._request(activity_id, task_queue),
            )
        except RPCError as error:
            if error.status in _NOT_STARTED:
                self._open.remove(activity_id)
                self._account.started -= 1
            raise
        outcome = await self._outcome(activity_id)
        self._open.remove(activity_id)
        self._closed.add(activity_id)
        info = await describe_standalone(self._frontend, activity_id)
        failure = outcome.failure if outcome.HasField("failure") else None
        return await read_answer(self._frontend, failure, info.last_worker_identity)

    def _request(self, activity_id: str, task_queue: str) -> StartActivityExecutionRequest:
        return StartActivityExecutionRequest(
            namespace=self._frontend.namespace,
            identity=self._frontend.client.identity,
            request_id=str(uuid.uuid4()),
            activity_id=activity_id,
            activity_type=ActivityType(name=PROBE_TYPE),
            task_queue=TaskQueue(name=task_queue),
            retry_policy=RetryPolicy(maximum_attempts=1),
            schedule_to_start_timeout=duration(SCHEDULE_TO_START),
            start_to_close_timeout=duration(START_TO_CLOSE),
            schedule_to_close_timeout=duration(SCHEDULE_TO_CLOSE),
        )

    async def _outcome(self, activity_id: str) -> ActivityExecutionOutcome:
        request = PollActivityExecutionRequest(
            namespace=self._frontend.namespace, activity_id=activity_id
        )
        while True:
            answer = await self._frontend.call(
                self._frontend.service.poll_activity_execution, request
            )
            if answer.HasField("outcome"):
                return answer.outcome

    async def _clean_up(self) -> None:
        await asyncio.gather(*(self._end(activity_id) for activity_id in self._open))
        await self._settle(self._open | self._closed)
        await asyncio.gather(*(self._delete(one) for one in self._open | self._closed))

    async def _end(self, activity_id: str) -> None:
        request = TerminateActivityExecutionRequest(
            namespace=self._frontend.namespace,
            activity_id=activity_id,
            identity=self._frontend.client.identity,
            request_id=str(uuid.uuid4()),
            reason="the registration probe was given up",
        )
        # What cannot be terminated ends by its timeout.
        with suppress(RPCError):
            await self._frontend.call(self._frontend.service.terminate_activity_execution, request)

    async def _settle(self, activity_ids: set[str]) -> None:
        """Wait, but not for long, until visibility lists the activities as closed.

        Server 1.32 writes visibility behind, in any order: where it is in SQL, what is deleted too
        soon stays listed for ever.
        """
        request = ListActivityExecutionsRequest(
            namespace=self._frontend.namespace,
            page_size=PAGE_SIZE,
            query=f"ActivityType = '{PROBE_TYPE}' AND ExecutionStatus != 'Running'",
        )
        service = self._frontend.service
        for pause in SETTLE_PAUSES:
            try:
                page = await self._frontend.call(service.list_activity_executions, request)
            except RPCError:
                return
            if activity_ids <= {listed.activity_id for listed in page.executions}:
                return
            await asyncio.sleep(pause)

    async def _delete(self, activity_id: str) -> None:
        request = DeleteActivityExecutionRequest(
            namespace=self._frontend.namespace, activity_id=activity_id
        )
        try:
            await self._frontend.call(self._frontend.service.delete_activity_execution, request)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                self._account.left_behind.append(activity_id)
                return
        self._account.deleted += 1


def duration(span: timedelta) -> Duration:
    """A timedelta as a protobuf Duration."""
    message = Duration()
    message.FromTimedelta(span)
    return message
