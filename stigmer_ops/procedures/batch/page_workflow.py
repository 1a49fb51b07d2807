"""A page of a batch: some rows of the plan, and the journal of what became of them.

The rows are the workflow's input, and stay in its history; activities read them from there, so that
nothing is stored twice and a row may be as large as the server lets results be. What became of them
is the workflow's result. A page is begun when the batch says so, and gives rows back when it is
held.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError
from temporalio.workflow import ActivityCancellationType

from stigmer_ops.handshake.plan_outcome import RowState
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.handshake.verdicts import Action
from stigmer_ops.procedures.apply.journal import intent_line
from stigmer_ops.procedures.batch.messages import (
    APPLY_ACTIVITY,
    DEADLINES_ACTIVITY,
    ENDED,
    PAGE_TYPE,
    Order,
    PageHead,
    PageReport,
    PageResult,
    Record,
    Turn,
    TurnResult,
    operation_id,
)

TURN_TIMEOUT = timedelta(days=7)
"""A page at the slowest rate takes hours; a worker that is lost is noticed by its heartbeats."""

RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=30),
    backoff_coefficient=2,
)
"""For ever: a turn fails only with its worker, and what it did is found out by the next."""


@workflow.defn(name=PAGE_TYPE)
class BatchPage:
    """Carries its rows out in turns, until all are tried or nobody wants it to go on."""

    @workflow.init
    def __init__(self, head: PageHead, _content: bytes) -> None:
        self._head = head
        self._left = list(head.numbers)
        self._records: dict[int, Record] = {}
        self._in_doubt = False
        self._deadlines: dict[str, str] = {}
        self._order: Order | None = None
        self._held = False
        self._closed = False

    @workflow.run
    async def run(self, head: PageHead, _content: bytes) -> PageResult:  # noqa: ARG002 - see __init__
        """Wait to be begun, again and again."""
        while self._left and not self._closed:
            await workflow.wait_condition(lambda: self._order is not None or self._closed)
            order, self._order = self._order, None
            if order is not None:
                await self._report(await self._turn(order))
        if self._in_doubt:
            self._take(TurnResult([*map(self._doubtful, self._left)]))
        return PageResult([self._records[number] for number in sorted(self._records)])

    @workflow.signal
    def part(self, index: int, content: bytes) -> None:
        """A further part of the content; it only has to be in the history."""

    @workflow.signal
    def begin(self, order: Order) -> None:
        """Carry out what is left."""
        self._order, self._held = order, False

    @workflow.signal
    def hold(self) -> None:
        """Carry the rows under way to their end, and give the others back."""
        self._held = True

    @workflow.signal
    def close(self) -> None:
        """Nobody will begin this page again."""
        self._closed = True

    async def _turn(self, order: Order) -> PageReport:
        extends = self._head.action == Action.EXTEND.value
        if extends and not self._deadlines:
            # What an extension means is settled, and in the history, before any is sent: an
            # extension that is sent again then moves the deadline no further.
            read = await self._carried_out(DEADLINES_ACTIVITY, order)
            self._deadlines = read.deadlines
            self._take(read)
            if read.stopped or not self._left:
                return self._reported(read)
        result = await self._carried_out(APPLY_ACTIVITY, order)
        self._take(result)
        return self._reported(result)

    async def _carried_out(self, activity: str, order: Order) -> TurnResult:
        turn = Turn(self._head, order, self._left, self._in_doubt, self._deadlines)
        under_way = workflow.start_activity(
            activity,
            turn,
            result_type=TurnResult,
            start_to_close_timeout=TURN_TIMEOUT,
            heartbeat_timeout=timedelta(seconds=self._head.lost_after_seconds),
            retry_policy=RETRY,
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        await workflow.wait_condition(lambda: under_way.done() or self._held or self._closed)
        if not under_way.done():
            under_way.cancel()
        try:
            result: TurnResult = await under_way
        except (ActivityError, asyncio.CancelledError) as error:
            # It may have begun any of its rows.
            self._in_doubt = self._in_doubt or activity == APPLY_ACTIVITY
            return TurnResult([], stopped=_final(error.__cause__))
        return result

    def _doubtful(self, number: int) -> Record:
        head = self._head
        return intent_line(
            number,
            operation_id=str(operation_id(head.batch_id, head.key, number)),
            time=timestamp(workflow.now()),
            until=self._deadlines.get(str(number), ""),
        ).record

    def _take(self, result: TurnResult) -> None:
        for record in result.records:
            self._records[record["row"]] = record
        self._left = [number for number in self._left if number not in self._records]

    def _reported(self, result: TurnResult) -> PageReport:
        states = Counter(record.get("outcome", RowState.FAILED.value) for record in result.records)
        return PageReport(
            page=self._head.page,
            left=len(self._left),
            states=dict(states),
            proved=result.proved,
            stopped=result.stopped,
        )

    async def _report(self, report: PageReport) -> None:
        batch = workflow.get_external_workflow_handle(self._head.batch_id)
        try:
            await batch.signal(ENDED, report)
        except FailureError:  # somebody ended the batch itself
            self._closed = True


def _final(cause: BaseException | None) -> str:
    """What makes further attempts useless; empty if they are not."""
    final = isinstance(cause, ApplicationError) and cause.non_retryable
    return cause.message if final and isinstance(cause, ApplicationError) else ""
