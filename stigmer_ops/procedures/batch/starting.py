"""Handing a plan over to a batch: started, fed page by page, and only then allowed to begin.

Whoever feeds it may die at any instant. Until the last page is there nothing is sent, and feeding
it again goes on where it stopped: a page is a workflow whose id says which page it is, and a part
of a page that comes twice counts once.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stigmer_ops.errors import NOTHING_SENT, RefusedError
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.procedures.apply.engine import Limits
from stigmer_ops.procedures.apply.journal import Journal, JournalLine
from stigmer_ops.procedures.apply.run import Operator, identity_in
from stigmer_ops.procedures.batch.messages import (
    BATCH_TYPE,
    FED,
    PAGE_TYPE,
    PART,
    Author,
    BatchLimits,
    BatchPlan,
    BatchState,
    PageHead,
    batch_id,
)
from stigmer_ops.procedures.batch.pages import Page, laid_out, page_size, pages_of
from stigmer_ops.procedures.plan_file import PlanFile
from stigmer_ops.settings import Batch as BatchSettings
from stigmer_ops.temporal.fan_out import each_of, fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.workflow_calls import (
    NewWorkflow,
    describe,
    input_of,
    is_open,
    memo_of,
    signal,
    start_once,
)

STARTED = "BatchStart"
COLLECTED = "BatchEnd"
"""Kinds of the journal's lines about a batch: handed over to it, and read back from it."""

PAGE_LIFETIME = timedelta(days=30)
"""After which the server ends the page of a batch that somebody terminated."""

FED_AT_ONCE = 8

MEMO = "batch"


@dataclass(frozen=True, slots=True)
class Handle:
    """A batch that was started.

    Attributes:
        plan: What it was started with.
        open: Whether it has not closed.
    """

    plan: BatchPlan
    open: bool

    @property
    def id(self) -> str:
        """The id of its workflow."""
        return batch_id(self.plan.author.sha256)


async def find_batch(frontend: Frontend, plan: PlanFile) -> Handle | None:
    """The newest batch of a plan; None where there is none.

    Raises:
        RefusedError: The id is taken by another plan.
        StigmerOpsError: It cannot be read.
    """
    workflow_id = batch_id(plan.sha256)
    info = await describe(frontend, workflow_id)
    if info is None:
        return None
    found = await input_of(frontend, workflow_id, info.execution.run_id, BatchPlan)
    if found.author.sha256 != plan.sha256:
        raise RefusedError(
            f"workflow {workflow_id} is the batch of another plan, {found.author.sha256}",
            not_done=NOTHING_SENT,
            next_step=f"stigmer-ops batch show {workflow_id}",
        )
    return Handle(found, is_open(info))


def handed_over(journal: Journal) -> str:
    """The key of the batch that a plan was handed over to, and not read back from; else empty."""
    last = journal.last_run
    return str(last["key"]) if last.get("kind") == STARTED else ""


def require_not_handed_over(plan: PlanFile, journal: Journal) -> None:
    """Refuse to carry a plan out here while a batch does.

    Raises:
        RefusedError: It was handed over, and its outcome was not read back.
    """
    if handed_over(journal):
        workflow_id = batch_id(plan.sha256)
        raise RefusedError(
            f"the plan was handed over to workflow {workflow_id}, and what became of its rows "
            "was not read back",
            not_done=NOTHING_SENT,
            next_step=f"stigmer-ops apply {plan.path} --durable reads it back; "
            f"stigmer-ops batch show {workflow_id}",
        )


async def planned_batch(
    plan: PlanFile,
    journal: Journal,
    operator: Operator,
    limits: Limits,
    rps: float,
    settings: BatchSettings,
    *,
    namespace_id: str,
    now: datetime,
) -> BatchPlan:
    """What a new batch would be started with; changes nothing.

    Args:
        plan: What to do.
        journal: What is done already.
        operator: Who, and why.
        limits: How far to go; its concurrency is that of all workers together.
        rps: Calls a second of all workers together; 0 for no limit.
        settings: How it is laid out.
        namespace_id: UUID of the namespace that is written to.
        now: The time.

    Raises:
        InputError: The plan was changed.
    """
    slots = min(settings.pages_at_once, limits.concurrency)
    page_rows = page_size(plan.tally.rows, most=settings.page_rows, pages_at_once=slots)
    selection, ranges = laid_out(
        pages_of(plan, journal, page_rows=page_rows, maximum=limits.maximum),
        page_rows=page_rows,
        maximum=limits.maximum,
    )
    return BatchPlan(
        key=str(uuid.uuid4()),
        author=Author(
            sha256=plan.sha256,
            namespace=plan.header.namespace,
            namespace_id=namespace_id,
            edited=plan.edited,
            operator=operator.name,
            host=operator.host,
            identity=identity_in(plan, operator),
            reason=operator.reason,
        ),
        selection=selection,
        ranges=ranges,
        limits=BatchLimits(
            canary=limits.canary,
            error_rate=limits.error_rate,
            rps=rps,
            concurrency=limits.concurrency,
            pages_at_once=slots,
            lost_after_seconds=settings.worker_lost_after.total_seconds(),
        ),
        started=timestamp(now, "seconds"),
    )


def same_pages(plan: PlanFile, journal: Journal, batch: BatchPlan) -> Iterator[Page]:
    """The pages of a batch, from the plan, as they were when it was started.

    Raises:
        RefusedError: Other rows are settled now, so that they would be others.
    """
    wanted = batch.selection

    def pages() -> Iterator[Page]:
        return pages_of(plan, journal, page_rows=wanted.page_rows, maximum=wanted.maximum)

    selection, _ = laid_out(pages(), page_rows=wanted.page_rows, maximum=wanted.maximum)
    if selection.digest != wanted.digest:
        raise RefusedError(
            f"batch {batch_id(plan.sha256)} was begun with another journal of this plan, from "
            f"{batch.author.host}",
            not_done=NOTHING_SENT,
            next_step="go on where it was begun, or: stigmer-ops batch cancel "
            f"{batch_id(plan.sha256)} --reason …",
        )
    return pages()


async def start_batch(
    frontend: Frontend, batch: BatchPlan, journal: Journal, *, task_queue: str
) -> bool:
    """Start the workflow of a batch; it waits to be fed. The journal has it before the server does.

    Returns:
        Whether it was started: False where there is an open one of the same plan.

    Raises:
        StigmerOpsError: It cannot be started, or the journal cannot be written.
    """
    note_start(journal, batch, frontend.namespace)
    author = batch.author
    new = NewWorkflow(
        type=BATCH_TYPE,
        id=batch_id(author.sha256),
        task_queue=task_queue,
        arguments=[batch, BatchState()],
        memo={MEMO: memo_for(batch)},
        again=True,
    )
    return await start_once(frontend, new, identity=author.identity)


def note_start(journal: Journal, batch: BatchPlan, namespace: str) -> None:
    """Have the journal say that the plan is handed over.

    Raises:
        JournalError: It cannot be written.
    """
    author = batch.author
    record = {
        "kind": STARTED,
        "time": batch.started,
        "workflow_id": batch_id(author.sha256),
        "namespace": namespace,
        "key": batch.key,
        "operator": author.operator,
        "host": author.host,
        "identity": author.identity,
        "reason": author.reason,
        "rows": batch.selection.rows,
    }
    journal.append([JournalLine(0, record)])


def memo_for(batch: BatchPlan) -> dict[str, Any]:
    """What lists show of a batch, without any worker."""
    author = batch.author
    return {
        "key": batch.key,
        "sha256": author.sha256,
        "namespace": author.namespace,
        "operator": author.operator,
        "host": author.host,
        "reason": author.reason[:200],
        "rows": batch.selection.rows,
    }


async def feed(
    frontend: Frontend,
    batch: BatchPlan,
    pages: Iterator[Page],
    *,
    task_queue: str,
    fed: Callable[[int], None],
) -> bool:
    """Hand every page over, and let the batch begin.

    Args:
        frontend: The namespace of the batch.
        batch: It.
        pages: All its pages; those that are there already are passed over.
        task_queue: Of its workers.
        fed: Told of each page how many rows it has.

    Returns:
        Whether it may begin: False where it was ended meanwhile.

    Raises:
        StigmerOpsError: A page cannot be handed over.
    """

    async def one(page: Page) -> int:
        await _feed_page(frontend, batch, page, task_queue)
        fed(len(page.numbers))
        return page.number

    done = fan_out(each_of(pages), one, concurrency=FED_AT_ONCE)
    async with aclosing(done):
        async for _ in done:
            pass
    return await signal(
        frontend, batch_id(batch.author.sha256), FED, identity=batch.author.identity
    )


async def _feed_page(frontend: Frontend, batch: BatchPlan, page: Page, task_queue: str) -> None:
    identity = batch.author.identity
    first, *others = page.parts
    head = PageHead(
        batch_id=batch_id(batch.author.sha256),
        key=batch.key,
        page=page.number,
        action=page.action.value,
        numbers=page.numbers,
        parts=1 + len(others),
        author=batch.author,
        lost_after_seconds=batch.limits.lost_after_seconds,
    )
    page_id = batch.page_id(page.number)
    new = NewWorkflow(
        type=PAGE_TYPE,
        id=page_id,
        task_queue=task_queue,
        arguments=[head, first],
        memo={},
        execution_timeout=PAGE_LIFETIME,
    )
    await start_once(frontend, new, identity=identity)
    for index, part in enumerate(others, 1):
        # Of a page that was there, it is not known which parts are. One that comes twice is the
        # same twice.
        await signal(frontend, page_id, PART, index, part, identity=identity)


async def memo_in(frontend: Frontend, info: Any) -> dict[str, Any]:  # noqa: ANN401 - WorkflowExecutionInfo
    """The memo of a batch; empty where it cannot be read."""
    found = await memo_of(frontend, info, MEMO)
    return found if isinstance(found, dict) else {}
