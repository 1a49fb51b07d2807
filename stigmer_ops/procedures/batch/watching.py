"""Following batches: how far they have come, which there are, and telling them to change."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo

from stigmer_ops.errors import UnavailableError
from stigmer_ops.procedures.batch.messages import (
    BATCH_TYPE,
    FED,
    PAGE_TYPE,
    PROGRESS,
    BatchPlan,
    BatchState,
    PageResult,
    Progress,
    Record,
)
from stigmer_ops.procedures.batch.starting import memo_in
from stigmer_ops.temporal.describe import moment
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.visibility import all_of, is_any_of, list_workflows
from stigmer_ops.temporal.workflow_calls import (
    describe,
    events,
    heartbeat_of,
    input_of,
    is_open,
    query,
    result_of,
)

QUERY_PATIENCE = timedelta(seconds=3)
POLL_SECONDS = 1.0
_FIRST_EVENTS = 256


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """What the server knows of a batch, without any worker.

    Attributes:
        id: Of its workflow.
        status: RUNNING, COMPLETED, TERMINATED, …
        open: Whether it goes on.
        started: When; None where that is not known.
        closed: When; None while it is open.
        memo: Who, why, how many rows; empty where it cannot be decoded.
    """

    id: str
    status: str
    open: bool
    started: datetime | None
    closed: datetime | None
    memo: dict[str, Any]


async def list_batches(frontend: Frontend) -> AsyncIterator[BatchInfo]:
    """The batches of a namespace, open and closed, the newest first.

    Raises:
        StigmerOpsError: They cannot be listed.
    """
    query_text = is_any_of("WorkflowType", [BATCH_TYPE])
    assert query_text is not None
    async for info in list_workflows(frontend, query_text):
        yield await _info(frontend, info)


async def batch_info(frontend: Frontend, workflow_id: str) -> BatchInfo | None:
    """One batch; None where there is none.

    Raises:
        StigmerOpsError: The server cannot be asked.
    """
    info = await describe(frontend, workflow_id)
    return None if info is None else await _info(frontend, info)


async def _info(frontend: Frontend, info: WorkflowExecutionInfo) -> BatchInfo:
    status = WorkflowExecutionStatus.Name(info.status)
    return BatchInfo(
        id=info.execution.workflow_id,
        status=status.removeprefix("WORKFLOW_EXECUTION_STATUS_"),
        open=is_open(info),
        started=moment(info, "start_time"),
        closed=moment(info, "close_time"),
        memo=await memo_in(frontend, info),
    )


async def open_pages(frontend: Frontend) -> list[str]:
    """The ids of the pages of all batches of a namespace that have not closed.

    Raises:
        StigmerOpsError: They cannot be listed.
    """
    query_text = all_of(
        is_any_of("WorkflowType", [PAGE_TYPE]), is_any_of("ExecutionStatus", ["Running"])
    )
    return [info.execution.workflow_id async for info in list_workflows(frontend, query_text)]


def left_behind(batch: BatchInfo, pages: Iterable[str]) -> list[str]:
    """Those of the pages that wait for a batch that was terminated; others are told to end."""
    key = batch.memo.get("key")
    if batch.open or batch.status == "COMPLETED" or not key:
        return []
    return [page for page in pages if page.startswith(f"{batch.id}/{key}/")]


async def progress_of(frontend: Frontend, batch: BatchInfo) -> Progress | None:
    """How far a batch has come; None where no worker answers, and where it was terminated.

    Raises:
        StigmerOpsError: The server cannot be asked.
    """
    if not batch.open:
        return await result_of(frontend, batch.id, Progress, wait=False)
    told = await query(frontend, batch.id, PROGRESS, Progress, patience=QUERY_PATIENCE)
    if told is None or not told.running:
        return told
    return await _with_pages_under_way(frontend, batch.id, told)


async def _with_pages_under_way(
    frontend: Frontend, workflow_id: str, progress: Progress
) -> Progress:
    """The progress with what the workers of the pages under way said in their heartbeats."""
    plan = await plan_of(frontend, workflow_id)
    said = await asyncio.gather(
        *(heartbeat_of(frontend, plan.page_id(page)) for page in progress.running)
    )
    states = Counter(progress.states)
    for records in said:
        states.update(record["outcome"] for record in records or () if "outcome" in record)
    return replace(progress, states=dict(states))


async def plan_of(frontend: Frontend, workflow_id: str) -> BatchPlan:
    """What the newest batch of this id was started with.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    return await input_of(frontend, workflow_id, "", BatchPlan)


async def is_fed(frontend: Frontend, workflow_id: str) -> bool:
    """Whether all pages of an open batch are there.

    Raises:
        StigmerOpsError: It cannot be read.
    """
    found = await events(frontend, workflow_id, "", page_size=_FIRST_EVENTS)
    started = found[0].workflow_execution_started_event_attributes
    state = (await frontend.data_converter.decode(started.input.payloads, [BatchPlan, BatchState]))[
        1
    ]
    signals = {event.workflow_execution_signaled_event_attributes.signal_name for event in found}
    return bool(state.fed) or FED in signals


async def followed(
    frontend: Frontend, workflow_id: str, seen: Callable[[Progress | None], None]
) -> None:
    """Wait until a batch has closed.

    Args:
        frontend: Its namespace.
        workflow_id: Its id.
        seen: Told about once a second how far it has come; None where nobody answers.

    Raises:
        StigmerOpsError: The server has not answered for long.
    """
    while True:
        info = await batch_info(frontend, workflow_id)
        if info is None or not info.open:
            return
        try:
            seen(await progress_of(frontend, info))
        except UnavailableError:
            seen(None)
        await asyncio.sleep(POLL_SECONDS)


async def troubles(frontend: Frontend, batch: BatchPlan, progress: Progress) -> list[Record]:
    """Rows that were refused or failed, of the pages that have ended, in their order.

    Raises:
        StigmerOpsError: A page cannot be read.
    """
    found: list[Record] = []
    for page in progress.begun:
        result = await result_of(frontend, batch.page_id(page), PageResult, wait=False)
        if result is not None:
            found += [record for record in result.records if "action" in record]
    return found
