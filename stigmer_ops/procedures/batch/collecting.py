"""What became of a batch, read back from its pages into the plan's journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.procedures.apply.journal import Journal, JournalLine, intent_line
from stigmer_ops.procedures.batch.messages import (
    CLOSE,
    BatchPlan,
    PageResult,
    Progress,
    Record,
    batch_id,
    operation_id,
)
from stigmer_ops.procedures.batch.pages import Page
from stigmer_ops.procedures.batch.starting import COLLECTED
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.workflow_calls import describe, is_open, result_of, signal

NAMES = ("action", "workflow_id", "activity_id")
"""What a page's record has beside the journal's line."""

PATIENCE = timedelta(seconds=30)


@dataclass(slots=True)
class Collected:
    """What was read back.

    Attributes:
        rows: How many rows have a record.
        unread: Pages whose record could not be read; their rows are in doubt.
    """

    rows: int = 0
    unread: list[int] = field(default_factory=list)


async def ended_batch(frontend: Frontend, sha256: str, *, wait: bool) -> Progress | None:
    """The result of a batch; None while it goes on, or where somebody terminated it.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    return await result_of(frontend, batch_id(sha256), Progress, wait=wait)


async def collect(
    frontend: Frontend,
    batch: BatchPlan,
    pages: Iterator[Page],
    result: Progress | None,
    journal: Journal,
    *,
    now: datetime,
) -> Collected:
    """Write the records of a closed batch into the journal: all at once, or none.

    Were only some of them there, the pages would be others when this is done again.

    Args:
        frontend: The namespace of the batch.
        batch: It.
        pages: All its pages, laid out from the plan before any of this is written.
        result: How it ended; None where it was terminated, so that any page may have been begun.
        journal: Of the plan.
        now: The time.

    Raises:
        StigmerOpsError: The server cannot be asked, or the journal cannot be written.
    """
    collected = Collected()
    layout = {page.number: page.numbers for page in pages}
    begun = layout if result is None else result.begun
    lines: list[JournalLine] = []
    for number in begun:
        records = await _page_records(frontend, batch, number)
        if records is None:
            collected.unread.append(number)
            records = _in_doubt(batch, layout[number], now)
        lines += map(_line, records)
    stopped = "the batch workflow was terminated" if result is None else result.stopped
    end = {
        "kind": COLLECTED,
        "time": timestamp(now, "seconds"),
        "key": batch.key,
        "stopped": stopped,
    }
    journal.append([*lines, JournalLine(0, end)])
    collected.rows = len(lines)
    return collected


def _line(record: Record) -> JournalLine:
    kept = {name: value for name, value in record.items() if name not in NAMES}
    return JournalLine(record["row"], kept)


async def _page_records(frontend: Frontend, batch: BatchPlan, page: int) -> list[Record] | None:
    """The records of a page; None where it has no end, or none that can be read."""
    page_id = batch.page_id(page)
    info = await describe(frontend, page_id)
    if info is None:
        return None
    if is_open(info):
        # Its batch has ended: either it was told so already, or its batch was terminated.
        await signal(frontend, page_id, CLOSE, identity=batch.author.identity)
    result = await result_of(frontend, page_id, PageResult, wait=True)
    return None if result is None else result.records


def _in_doubt(batch: BatchPlan, numbers: list[int], now: datetime) -> list[Record]:
    time = timestamp(now)
    head = batch_id(batch.author.sha256)
    return [
        intent_line(
            number, operation_id=str(operation_id(head, batch.key, number)), time=time
        ).record
        for number in numbers
    ]
