"""`apply --durable`: a plan handed over to workflows, followed, and read back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stigmer_ops.cli.apply_report import Given, operator_of
from stigmer_ops.errors import NOTHING_SENT, RefusedError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.procedures.apply.engine import Standing
    from stigmer_ops.procedures.batch.messages import BatchPlan, Progress
    from stigmer_ops.procedures.batch.starting import Handle
    from stigmer_ops.temporal.frontend import Frontend

Announce = Callable[[Given], int]
"""Shows what will be done and has it confirmed; returns the number of rows."""

Ended = tuple["Standing", dict[str, Any]]


async def carried_out_durably(given: Given, *, announce: Announce, detach: bool) -> Ended | None:
    """Hand the plan over unless it was, wait for the end, and read back what became of its rows.

    Returns:
        How it ended; None where it goes on without this command.

    Raises:
        StigmerOpsError: It was not confirmed, or a system cannot be reached.
    """
    from stigmer_ops.procedures.batch.queues import batch_namespace
    from stigmer_ops.procedures.batch.starting import find_batch, handed_over

    invocation = given.invocation
    namespace = batch_namespace(invocation.settings, given.plan.header.namespace)
    identity = operator_of(invocation, given.mutation).identity
    async with invocation.temporal(
        given.connection, namespace=namespace, identity=identity
    ) as batches:
        found = await find_batch(batches, given.plan)
        ours = found is not None and found.plan.key == handed_over(given.journal)
        if found is None or not (found.open or ours):
            if not announce(given):
                return _standing(0, None), {"tried": 0}
            batch = await _started(given, batches)
        else:
            batch = await _taken_up(given, batches, found, announce)
        if detach and (found is None or found.open or not ours):
            _write_handed_over(given, batch, batches.namespace)
            return None
        return await _ended(given, batches, batch)


async def _started(given: Given, batches: Frontend) -> BatchPlan:
    """Start a batch and feed it, between the two records of the audit."""
    from stigmer_ops.procedures.batch.queues import batch_task_queue
    from stigmer_ops.procedures.batch.starting import planned_batch, start_batch

    invocation, external = given.invocation, given.systems.external
    batch = await planned_batch(
        given.plan,
        given.journal,
        operator_of(invocation, given.mutation),
        given.limits,
        external.pace.rps,
        invocation.settings.batch,
        namespace_id=await external.namespace_id(),
        now=invocation.now(),
    )
    queue = batch_task_queue(invocation.settings, external.namespace)
    with _audited(given, batch) as operation:
        if not await start_batch(batches, batch, given.journal, task_queue=queue):
            raise RefusedError(
                "somebody else has just started a batch of this plan",
                not_done=NOTHING_SENT,
                next_step="run the same command again: it follows that one",
            )
        await _fed(given, batches, batch, queue)
        operation.done(detail=_told(batch))
    return batch


async def _taken_up(
    given: Given, batches: Frontend, found: Handle, announce: Announce
) -> BatchPlan:
    """A batch that is there already: fed to its end, where whoever began that did not."""
    from stigmer_ops.procedures.batch.queues import batch_task_queue
    from stigmer_ops.procedures.batch.starting import handed_over, note_start, same_pages
    from stigmer_ops.procedures.batch.watching import is_fed

    batch = found.plan
    same_pages(given.plan, given.journal, batch)
    if handed_over(given.journal) != batch.key:
        note_start(given.journal, batch, batches.namespace)
    if found.open and not await is_fed(batches, found.id):
        announce(given)
        queue = batch_task_queue(given.invocation.settings, given.plan.header.namespace)
        with _audited(given, batch) as operation:
            await _fed(given, batches, batch, queue)
            operation.done(detail=_told(batch))
    return batch


def _audited(given: Given, batch: BatchPlan) -> Any:  # noqa: ANN401 - an operation of the trail
    from stigmer_ops.audit import Intent, Parameters
    from stigmer_ops.cli.audit_trail import audit_trail

    author = batch.author
    intent = Intent(
        command="apply --durable",
        operator=author.operator,
        host=author.host,
        identity=author.identity,
        reason=author.reason,
        namespace=author.namespace,
        server_address=given.systems.external.address,
        parameters=Parameters(fenced=True, plan_sha256=author.sha256),
    )
    return audit_trail(given.invocation).operation(intent)


def _told(batch: BatchPlan) -> str:
    from stigmer_ops.procedures.batch.messages import batch_id

    workflow_id = batch_id(batch.author.sha256)
    return f"{batch.selection.rows} rows handed over to workflow {workflow_id}, key {batch.key}"


async def _fed(given: Given, batches: Frontend, batch: BatchPlan, queue: str) -> None:
    from stigmer_ops.procedures.batch.starting import feed, same_pages
    from stigmer_ops.render.progress import progress

    count = 0

    def fed(rows: int) -> None:
        nonlocal count
        count += rows

    pages = same_pages(given.plan, given.journal, batch)
    with progress(
        given.invocation.progress_wanted,
        "handing over",
        done=lambda: count,
        total=batch.selection.rows,
    ):
        if not await feed(batches, batch, pages, task_queue=queue, fed=fed):
            raise RefusedError(
                "the batch was ended while its rows were handed over",
                not_done=NOTHING_SENT,
                next_step="run the same command again to see what became of it",
            )


async def _ended(given: Given, batches: Frontend, batch: BatchPlan) -> Ended:
    """Follow a batch to its end, and read it back."""
    from stigmer_ops.procedures.batch.collecting import collect, ended_batch
    from stigmer_ops.procedures.batch.messages import batch_id
    from stigmer_ops.procedures.batch.starting import same_pages

    invocation = given.invocation
    workflow_id = batch_id(batch.author.sha256)
    try:
        await _followed(given, batches, batch)
    except asyncio.CancelledError:
        invocation.say(
            f"the batch goes on without this command: stigmer-ops batch show {workflow_id}"
        )
        raise
    result = await ended_batch(batches, given.plan.sha256, wait=False)
    pages = same_pages(given.plan, given.journal, batch)
    collected = await collect(batches, batch, pages, result, given.journal, now=invocation.now())
    for page in collected.unread:
        invocation.say(f"page {page} could not be read: its rows are in doubt until the next run")
    standing = _standing(batch.selection.rows, result)
    stats = {
        "tried": standing.tried,
        "workflow_id": workflow_id,
        "namespace": batches.namespace,
        "key": batch.key,
        "pages": batch.pages,
    }
    return standing, stats


async def _followed(given: Given, batches: Frontend, batch: BatchPlan) -> None:
    from stigmer_ops.handshake.plan_outcome import RowState
    from stigmer_ops.procedures.batch.messages import batch_id
    from stigmer_ops.procedures.batch.watching import followed
    from stigmer_ops.render.batch import following_text
    from stigmer_ops.render.progress import progress

    latest: Progress | None = None
    silent = False

    def seen(now: Progress | None) -> None:
        nonlocal latest, silent
        if now is None and not silent:
            given.invocation.say("no batch worker answers: start one with stigmer-ops batch-worker")
        silent = now is None
        latest = now or latest

    def states() -> Counter[RowState]:
        return _counter(latest)

    with progress(
        given.invocation.progress_wanted,
        "applying",
        done=lambda: states().total(),
        total=batch.selection.rows,
        told=lambda: following_text(states(), latest.phase if latest else ""),
    ):
        await followed(batches, batch_id(batch.author.sha256), seen)


def _counter(progress: Progress | None) -> Counter[Any]:
    from stigmer_ops.handshake.plan_outcome import RowState

    states = {} if progress is None else progress.states
    return Counter({RowState(name): count for name, count in states.items()})


def _standing(rows: int, result: Progress | None) -> Standing:
    from stigmer_ops.procedures.apply.engine import Standing

    standing = Standing(rows, states=_counter(result))
    if result is not None:
        standing.stopped = result.stopped
    elif rows:
        standing.stopped = "the batch workflow was terminated"
    return standing


def _write_handed_over(given: Given, batch: BatchPlan, namespace: str) -> None:
    from stigmer_ops.procedures.batch.messages import batch_id

    workflow_id = batch_id(batch.author.sha256)

    def page(console: Console, _wide: bool) -> None:
        from rich.text import Text

        console.print(Text(f"{batch.selection.rows:,} rows handed over to {workflow_id}"))
        console.print("stigmer-ops batch-worker      carries them out; start as many as you like")
        console.print(f"stigmer-ops batch show {workflow_id}")
        console.print("the same command without --detach waits, and reads back what became of them")

    body = {
        "plan": str(given.plan.path),
        "workflow_id": workflow_id,
        "namespace": namespace,
        "key": batch.key,
        "rows": batch.selection.rows,
        "pages": batch.pages,
    }
    given.invocation.write(Document("BatchStarted", body), page)
