"""One turn of a page: its rows carried out by a worker, and what it knows of them at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from stigmer_ops.audit import Entry, Intent, Parameters
from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.procedures.apply.brake import Brake
from stigmer_ops.procedures.apply.canary import doubt_about, prove_some
from stigmer_ops.procedures.apply.deeds import Content
from stigmer_ops.procedures.apply.engine import planned_fence, target_of
from stigmer_ops.procedures.apply.journal import intent_line, outcome_line
from stigmer_ops.procedures.apply.recorder import Recorder
from stigmer_ops.procedures.apply.repair import Doubt, RowRepair
from stigmer_ops.procedures.batch.messages import Record, Turn, TurnResult, operation_id
from stigmer_ops.temporal.fan_out import fan_out
from stigmer_ops.temporal.frontend import Frontend

TEXT_LIMIT = 400
"""Characters of a detail or an identity that a page keeps: there are many rows in a payload."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a turn is carried out with.

    Attributes:
        frontend: The namespace that is written to, at the page's share of the rate.
        repair: How a row is carried out.
        recorder: The worker's audit trail.
        now: The clock.
    """

    frontend: Frontend
    repair: RowRepair
    recorder: Recorder
    now: Callable[[], datetime]


class PageRun:
    """Carries out the rows of a turn.

    Args:
        turn: What is asked for.
        rows: The rows by their numbers.
        means: With what.
        known: Records of rows that an earlier attempt of this turn is known to have ended.
        in_doubt: Whether any other row may have been begun before.
    """

    def __init__(
        self,
        turn: Turn,
        rows: Mapping[int, PlanRow],
        means: Means,
        *,
        known: Iterable[Record] = (),
        in_doubt: bool = False,
    ) -> None:
        order = turn.order
        self._turn = turn
        self._rows = rows
        self._means = means
        self._in_doubt = in_doubt
        self._records = {record["row"]: record for record in known if "outcome" in record}
        self._audited = set(self._records)
        self._to_be_audited: set[asyncio.Future[None]] = set()
        self._brake = Brake(order.error_rate, tried=order.tried, errors=order.errors)
        self._held = False
        self._proved = 0
        self._stopped = ""
        self.error: StigmerOpsError | None = None
        """Why nothing can be audited any more."""

    @property
    def records(self) -> list[Record]:
        """What is known of the rows so far, and in the audit trail."""
        return [record for number, record in self._records.items() if number in self._audited]

    def hold(self) -> None:
        """Begin no further row."""
        self._held = True

    async def run(self) -> TurnResult:
        """Try the rows, or prove some."""
        if self._turn.order.canary:
            await self._prove_rows()
        else:
            tried = fan_out(self._left(), self._try, concurrency=self._turn.order.concurrency)
            async with aclosing(tried):
                async for _ in tried:
                    pass
        if self._to_be_audited:
            await asyncio.wait(self._to_be_audited)
        return TurnResult([*self._records.values()], proved=self._proved, stopped=self._stopped)

    async def _left(self) -> AsyncGenerator[int, None]:
        for number in self._turn.numbers:
            if self._held or self._stopped:
                return
            if number not in self._records:
                yield number

    async def _prove_rows(self) -> None:
        """Prove as many rows as are wanted; the others are left for a later turn."""
        order = self._turn.order
        async with aclosing(self._left()) as left:
            self._proved = await prove_some(
                left,
                order.canary,
                widest=order.concurrency,
                is_over=self._is_over,
                prove=self._prove,
            )

    async def _is_over(self, number: int) -> bool:
        """Settle a row whose attempt is over. What was begun before is found out by trying it."""
        if self._in_doubt:
            return False
        outcome = await self._means.repair.over(self._rows[number])
        if outcome is not None:
            self._settle(number, outcome, None)
        return outcome is not None

    async def _prove(self, number: int) -> bool:
        if (await self._try(number)).state is not RowState.DONE:
            return False
        row = self._rows[number]
        doubt = await doubt_about(self._means.frontend, self._means.repair, row)
        if doubt:
            named = row.workflow_id or row.activity_id
            self._stopped = f"the canary, row {number} ({named}), was done, but {doubt}"
        return not doubt

    async def _try(self, number: int) -> RowOutcome:
        if self._held or self._stopped:  # while the row waited for its turn
            return RowOutcome(RowState.NOT_TRIED)
        row, doubt = self._rows[number], self._doubt(number)
        opened: Entry | None = None

        async def begin(fence: AttemptFence, content: Content) -> None:
            nonlocal opened
            opened = self._entry(number, row, fence, content.parameters)
            await self._means.recorder.begin(number, opened)

        try:
            outcome = await self._means.repair.carry_out(row, begin, doubt)
        except StigmerOpsError as error:  # it could not be audited, so it was not sent
            self.error = error
            self.hold()
            return RowOutcome(RowState.NOT_TRIED)
        if opened is None and doubt is not None:
            unknown = Parameters(plan_sha256=self._turn.head.author.sha256)
            opened = self._entry(number, row, planned_fence(row), unknown)
        self._settle(number, outcome, opened)
        return outcome

    def _settle(self, number: int, outcome: RowOutcome, opened: Entry | None) -> None:
        self._records[number] = self._record(number, self._rows[number], outcome)
        self._means.recorder.end(number, outcome, opened, written=self._audit_of(number))
        self._stopped = self._stopped or self._brake.after(outcome)

    def _audit_of(self, number: int) -> asyncio.Future[None]:
        """Resolved when the row's outcome is in the audit trail; only then it is told to Temporal.

        Were it told first, and the worker killed in between, no trail would have the outcome.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(future: asyncio.Future[None]) -> None:
            self._to_be_audited.discard(future)
            error = future.exception()
            if error is None:
                self._audited.add(number)
            elif isinstance(error, StigmerOpsError):
                self.error = error
                self.hold()

        self._to_be_audited.add(written)
        written.add_done_callback(done)
        return written

    def _doubt(self, number: int) -> Doubt | None:
        until = self._turn.deadlines.get(str(number))
        if until:
            return Doubt(datetime.fromisoformat(until))
        return Doubt() if self._in_doubt else None

    def _entry(
        self, number: int, row: PlanRow, fence: AttemptFence, parameters: Parameters
    ) -> Entry:
        author = self._turn.head.author
        intent = Intent(
            command=f"apply {row.action}",
            operator=author.operator,
            host=author.host,
            identity=author.identity,
            reason=author.reason,
            namespace=author.namespace,
            server_address=self._means.frontend.address,
            target=target_of(fence),
            parameters=parameters,
        )
        return Entry(operation_id=self._operation_id(number), intent=intent)

    def _record(self, number: int, row: PlanRow, outcome: RowOutcome) -> Record:
        """The row's line of the journal; with what names it where somebody will look for it."""
        return page_record(
            number,
            row,
            outcome,
            operation=str(self._operation_id(number)),
            time=self._means.now(),
            until=self._turn.deadlines.get(str(number), ""),
        )

    def _operation_id(self, number: int) -> UUID:
        head = self._turn.head
        return operation_id(head.batch_id, head.key, number)


def page_record(
    number: int, row: PlanRow, outcome: RowOutcome, *, operation: str, time: datetime, until: str
) -> Record:
    """What a page keeps of a row."""
    cut = replace(outcome, detail=outcome.detail[:TEXT_LIMIT], by=outcome.by[:TEXT_LIMIT])
    if outcome.in_doubt:
        line = intent_line(number, operation_id=operation, time=timestamp(time), until=until)
        named: Record = {"detail": cut.detail}
    else:
        line = outcome_line(number, cut, operation_id=operation, time=timestamp(time), until=until)
        named = {}
    if outcome.state.troubling:
        named |= {
            "action": row.action.value,
            "workflow_id": row.workflow_id,
            "activity_id": row.activity_id,
        }
    return line.record | named
