"""Journal and audit, written together and in groups: many rows wait for one disk.

What comes in while one group is being written, and for a moment after it, makes up the next one: so
groups grow with the load, and a row that is alone waits for nothing. The order within a group is
what makes a crash harmless: intents are in the journal before they are in the audit trail, outcomes
in the audit trail before they are in the journal. So whatever is cut off, the journal has the row
in doubt, and the next run finds out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from stigmer_ops.audit import AuditTrail, Entry, Outcome, Result
from stigmer_ops.errors import StigmerOpsError
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.procedures.apply.journal import Journal, JournalLine, intent_line, outcome_line

GATHERING = timedelta(milliseconds=15)
"""How long to gather rows after a group. Opening, locking and syncing two files costs the same for
a few rows as for many, and more of the processor than the rows themselves."""

_RESULTS = {
    RowState.DONE: Result.DONE,
    RowState.ALREADY_DONE: Result.REFUSED,
    RowState.REFUSED: Result.REFUSED,
    RowState.NOT_EXTENDABLE: Result.REFUSED,
    RowState.FAILED: Result.FAILED,
}


@dataclass(frozen=True, slots=True)
class _Item:
    """Something to be written; `written` is resolved when it is on disk."""

    line: JournalLine | None
    entry: Entry | None
    written: asyncio.Future[None] | None = None


@dataclass(slots=True)
class Costs:
    """What recording took: groups written, and seconds that the writer spent on each file."""

    groups: int = 0
    journal_seconds: float = 0.0
    audit_seconds: float = 0.0


class Recorder:
    """Writes intents and outcomes; an async context manager that has written all at its end.

    Without a journal, where a workflow's history is the journal, it writes the audit trail alone.

    Attributes:
        costs: What it took so far.
        error: Why nothing can be written any more.
    """

    def __init__(
        self, journal: Journal | None, trail: AuditTrail | None, *, now: Callable[[], datetime]
    ) -> None:
        self.costs = Costs()
        self.error: StigmerOpsError | None = None
        self._journal = journal
        self._trail = trail
        self._now = now
        self._items: list[_Item] = []
        self._audited: list[JournalLine] = []
        self._wake = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        """Start to write."""
        self._writing = asyncio.create_task(self._write_groups())
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Write what is left; what cannot be written is told by `error`."""
        self._closing = True
        self._wake.set()
        await self._writing

    async def begin(self, row: int, entry: Entry, *, until: str = "") -> None:
        """Write a row's intent; it is on disk when this returns.

        Raises:
            StigmerOpsError: It cannot be written.
        """
        written = asyncio.get_running_loop().create_future()
        line = intent_line(
            row, operation_id=str(entry.operation_id), time=timestamp(self._now()), until=until
        )
        self._put(_Item(line, entry, written))
        await written

    def end(
        self,
        row: int,
        outcome: RowOutcome,
        entry: Entry | None,
        *,
        until: str = "",
        written: asyncio.Future[None] | None = None,
    ) -> None:
        """Have a row's outcome written soon. A row that is in doubt stays so in the journal.

        Args:
            row: Its number.
            outcome: What became of it.
            entry: Its intent; None where there was none.
            until: For an extension: the deadline that was meant.
            written: Resolved when it is on disk, or with the error that keeps it from there.
        """
        operation_id = "" if entry is None else str(entry.operation_id)
        line = outcome_line(
            row, outcome, operation_id=operation_id, time=timestamp(self._now()), until=until
        )
        closing = None if entry is None else entry.closing(_audited(outcome))
        self._put(_Item(None if outcome.in_doubt else line, closing, written))

    def _put(self, item: _Item) -> None:
        if self.error is not None:
            if item.written is not None:
                item.written.set_exception(self.error)
            return
        self._items.append(item)
        self._wake.set()

    async def _write_groups(self) -> None:
        while not (self._closing and not self._items):
            await self._wake.wait()
            self._wake.clear()
            group, self._items = self._items, []
            await self._write_group(group)
            if not self._closing:
                await asyncio.sleep(GATHERING.total_seconds())
        await self._write_group([])

    async def _write_group(self, group: list[_Item]) -> None:
        waiting = [item.written for item in group if item.written is not None]
        try:
            if self.error is None:
                await asyncio.to_thread(self._write, group)
        except StigmerOpsError as error:
            self.error = error
        for written in waiting:
            if written.done():  # whoever waited was cancelled
                continue
            if self.error is None:
                written.set_result(None)
            else:
                written.set_exception(self.error)

    def _write(self, group: list[_Item]) -> None:
        began = time.perf_counter()
        lines = [item.line for item in group if item.line is not None]
        intents = [line for line in lines if "outcome" not in line.record]
        if self._journal is not None:
            self._journal.append([*self._audited, *intents])
        self._audited = []
        between = time.perf_counter()
        entries = [item.entry for item in group if item.entry is not None]
        if self._trail is not None:
            self._trail.append_many(entries)
        # They follow with the next group: one wait for the disk less.
        self._audited = [line for line in lines if "outcome" in line.record]
        self.costs.groups += 1
        self.costs.journal_seconds += between - began
        self.costs.audit_seconds += time.perf_counter() - between


def _audited(outcome: RowOutcome) -> Outcome:
    result = Result.UNKNOWN if outcome.in_doubt else _RESULTS[outcome.state]
    told = f"by {outcome.by}" if outcome.by else ""
    detail = " ".join(filter(None, (f"{outcome.state}:", outcome.detail, told)))
    return Outcome(result=result, detail=detail, proof_event_id=outcome.event_id or None)
