"""The activities of a batch: a worker carries the rows of a page out.

A worker may be killed at any instant, and what it had in memory is gone. So the rule is simple: the
second attempt of an activity takes every row to have been begun that is not known to have ended,
and looks at Temporal before it sends anything. What is known is what the first attempt said in its
heartbeats, about once a second. The server has the attempt's number on disk before the worker gets
the task, so that no row is ever sent in an attempt of which the next knows nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.handshake.plan import PlanRow
from stigmer_ops.handshake.plan_outcome import RowOutcome
from stigmer_ops.procedures.apply.recorder import Recorder
from stigmer_ops.procedures.apply.repair import RowRepair
from stigmer_ops.procedures.batch.messages import (
    APPLY_ACTIVITY,
    DEADLINES_ACTIVITY,
    PART,
    PageHead,
    Record,
    Turn,
    TurnResult,
    operation_id,
)
from stigmer_ops.procedures.batch.page_run import Means, PageRun, page_record
from stigmer_ops.procedures.batch.pages import rows_in
from stigmer_ops.temporal.frontend import Frontend, Pace
from stigmer_ops.temporal.workflow_calls import events

HEARTBEAT_SECONDS = 1.0
"""How often a page tells what it knows."""

_HISTORY_PAGE = 256

Tell = Callable[[str, dict[str, Any]], None]
"""Told what the worker does: a kebab-case event, and values without payloads or tokens."""


class PageActivities:
    """The activities, with what they need of the worker's process.

    Args:
        batches: The namespace of the batch workflows.
        systems: Where the activities wait, and where results to redeliver come from.
        recorder: Writes the worker's audit trail.
        now: The clock.
        tell: See `Tell`.
    """

    def __init__(
        self,
        batches: Frontend,
        systems: Systems,
        recorder: Recorder,
        *,
        now: Callable[[], datetime],
        tell: Tell,
    ) -> None:
        self._batches = batches
        self._systems = systems
        self._recorder = recorder
        self._now = now
        self._tell = tell
        self.broken = asyncio.Event()
        """Set when nothing can be audited any more, so that this worker must end."""

    @activity.defn(name=APPLY_ACTIVITY)
    async def apply_page(self, turn: Turn) -> TurnResult:
        """Carry the rows of a turn out; those that were not begun at its end are given back."""
        info = activity.info()
        began = time.monotonic()
        self._say("page-begun", turn, attempt=info.attempt, rows=len(turn.numbers))
        rows = await self._rows(turn.head)
        known: Sequence[Record] = info.heartbeat_details[0] if info.heartbeat_details else ()
        run = PageRun(
            turn,
            rows,
            await self._means(turn),
            known=() if turn.order.canary else known,
            in_doubt=turn.in_doubt or info.attempt > 1,
        )
        result = await _followed(run)
        if run.error is not None:
            self._tell("audit-failed", {"error": run.error.happened})
            self.broken.set()
        states = Counter(record.get("outcome", "in doubt") for record in result.records)
        self._say(
            "page-ended",
            turn,
            attempt=info.attempt,
            **{name.replace(" ", "_"): count for name, count in sorted(states.items())},
            left=len(turn.numbers) - len(result.records),
            seconds=round(time.monotonic() - began, 3),
            **({"stopped": result.stopped} if result.stopped else {}),
        )
        return result

    @activity.defn(name=DEADLINES_ACTIVITY)
    async def read_deadlines(self, turn: Turn) -> TurnResult:
        """Settle the deadline that each extension of a page means; changes nothing."""
        rows = await self._rows(turn.head)
        repair = (await self._means(turn)).repair
        records: list[Record] = []
        deadlines: dict[str, str] = {}
        for number in turn.numbers:
            activity.heartbeat()
            meant = await repair.meant_deadline(rows[number])
            if isinstance(meant, RowOutcome):
                records.append(self._undone(turn, number, rows[number], meant))
            else:
                deadlines[str(number)] = meant.astimezone(UTC).isoformat()
        return TurnResult(records, deadlines=deadlines)

    def _undone(self, turn: Turn, number: int, row: PlanRow, outcome: RowOutcome) -> Record:
        operation = str(operation_id(turn.head.batch_id, turn.head.key, number))
        return page_record(number, row, outcome, operation=operation, time=self._now(), until="")

    def _say(self, event: str, turn: Turn, **values: object) -> None:
        self._tell(event, {"batch": turn.head.batch_id, "page": turn.head.page, **values})

    async def _means(self, turn: Turn) -> Means:
        author, order = turn.head.author, turn.order
        namespace_id = await self._systems.external.namespace_id()
        if namespace_id != author.namespace_id:
            here = self._systems.external.namespace
            raise ApplicationError(
                f"the plan is for namespace {author.namespace} ({author.namespace_id}), and this "
                f"worker writes to {here} ({namespace_id})",
                type="WrongNamespace",
                non_retryable=True,
            )
        pace = Pace(order.rps, order.concurrency)
        external = await self._systems.external.at_share(pace)
        one = self._systems.stigmer is self._systems.external
        stigmer = external if one else await self._systems.stigmer.at_share(pace)
        repair = RowRepair(
            Systems(external, stigmer, self._systems.service),
            namespace_id,
            identity=author.identity,
            sha256=author.sha256,
            events_known=not author.edited,
        )
        return Means(external, repair, self._recorder, self._now)

    async def _rows(self, head: PageHead) -> dict[int, PlanRow]:
        """The rows of the page, read from the history of its workflow.

        Raises:
            ApplicationError: It does not hold them.
            StigmerOpsError: It cannot be read.
        """
        info = activity.info()
        # The parts were delivered before the page was begun, so they are among its first events.
        many = 1 if head.parts == 1 else _HISTORY_PAGE
        try:
            found = await events(
                self._batches, info.workflow_id or "", info.workflow_run_id or "", page_size=many
            )
        except RPCError as error:
            raise self._batches.translate(error, f"read page {head.page}") from error
        parts = dict([await self._part(event) for event in found if _holds_part(event)])
        content = b"".join(parts[index] for index in sorted(parts))
        try:
            rows = rows_in(content)
        except ValueError:
            rows = {}
        if list(rows) != head.numbers:
            raise ApplicationError(
                f"the history of page {head.page} does not hold its {len(head.numbers)} rows",
                type="DamagedPage",
                non_retryable=True,
            )
        return rows

    async def _part(self, event: HistoryEvent) -> tuple[int, bytes]:
        """The index of a part and its content; the first part is in the input."""
        started = event.HasField("workflow_execution_started_event_attributes")
        payloads = (
            event.workflow_execution_started_event_attributes.input.payloads[1:]
            if started
            else event.workflow_execution_signaled_event_attributes.input.payloads
        )
        values = await self._batches.data_converter.decode(payloads)
        return (0, values[0]) if started else (values[0], values[1])


def _holds_part(event: HistoryEvent) -> bool:
    signalled = event.workflow_execution_signaled_event_attributes
    return event.HasField("workflow_execution_started_event_attributes") or (
        signalled.signal_name == PART
    )


async def _followed(run: PageRun) -> TurnResult:
    """Run to the end, with heartbeats; held when the worker, the batch or Temporal asks for it."""
    working = asyncio.ensure_future(run.run())
    while not working.done():
        try:
            await asyncio.wait({working}, timeout=HEARTBEAT_SECONDS)
        except asyncio.CancelledError:
            # By the batch, or because another worker has the page now: either way, what is under
            # way is carried to its end, and nothing further is begun.
            run.hold()
        if activity.is_worker_shutdown():
            run.hold()
        activity.heartbeat(run.records)
    return working.result()
