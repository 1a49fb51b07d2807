"""`batch`: the plans that workflows carry out, looked at and told to change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.confirmation import confirmed, require_writable
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection, Mutation
from stigmer_ops.errors import NOTHING_SENT, ExitCode, RefusedError, UnavailableError, UsageError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from stigmer_ops.procedures.batch.messages import Progress
    from stigmer_ops.procedures.batch.watching import BatchInfo
    from stigmer_ops.temporal.frontend import Frontend

app = typer.Typer(
    name="batch",
    help="The plans that `apply --durable` handed over: how far they are, and pausing them.",
    no_args_is_help=True,
)

BatchArgument = Annotated[
    str,
    typer.Argument(
        metavar="BATCH", help="Id of the batch's workflow, the plan's digest, or the plan's file"
    ),
]

EFFECT_SECONDS = 10.0
"""How long to wait for a worker to take a change up."""


@asynccontextmanager
async def _batches(
    invocation: Invocation, connection: Connection, identity: str | None = None
) -> AsyncIterator[Frontend]:
    from stigmer_ops.procedures.batch.queues import batch_namespace

    external = invocation.target(connection).namespace
    namespace = batch_namespace(invocation.settings, external)
    async with invocation.temporal(connection, namespace=namespace, identity=identity) as frontend:
        yield frontend


def _workflow_id(named: str) -> str:
    from stigmer_ops.procedures.batch.messages import BATCH_TYPE, batch_id
    from stigmer_ops.procedures.plan_file import open_plan

    if named.startswith(f"{BATCH_TYPE}/"):
        return named
    path = Path(named)
    if path.is_file():
        with open_plan(path) as plan:
            return batch_id(plan.sha256)
    if len(named) >= len("0123456789ab") and set(named.lower()) <= set("0123456789abcdef"):
        return batch_id(named.lower())
    raise UsageError(
        f"{named!r} is neither a batch, nor the digest of a plan, nor its file",
        next_step="stigmer-ops batch list",
    )


async def _found(frontend: Frontend, workflow_id: str) -> BatchInfo:
    from stigmer_ops.procedures.batch.watching import batch_info

    found = await batch_info(frontend, workflow_id)
    if found is None:
        raise RefusedError(
            f"there is no batch {workflow_id} in namespace {frontend.namespace}",
            next_step="stigmer-ops batch list",
        )
    return found


@command(app, "list", examples=("batch list", "batch list -o json"))
async def list_(invocation: Invocation, connection: Connection) -> ExitCode:
    """List the batches of the namespace, open and closed, the newest first."""
    from stigmer_ops.procedures.batch.watching import left_behind, list_batches, open_pages
    from stigmer_ops.render.batch import list_page

    async with _batches(invocation, connection) as frontend:
        batches = [info async for info in list_batches(frontend)]
        pages = await open_pages(frontend)
    records = [_record(info, left_behind(info, pages)) for info in batches]
    lines = [("BatchItem", record) for record in records]
    document = Document("BatchList", {"items": records}, lines)
    invocation.write(document, lambda console, _wide: list_page(console, records))
    return ExitCode.OK


def _record(info: BatchInfo, pages: Sequence[str]) -> dict[str, object]:
    from stigmer_ops.render.batch import batch_record

    return batch_record(
        info.id,
        status=info.status,
        started=info.started,
        closed=info.closed,
        memo=info.memo,
        pages_left_open=len(pages),
    )


async def _left_behind(frontend: Frontend, info: BatchInfo) -> list[str]:
    from stigmer_ops.procedures.batch.watching import left_behind, open_pages

    return [] if info.open else left_behind(info, await open_pages(frontend))


@command(
    app,
    "show",
    examples=("batch show plan.jsonl", "batch show stigmer-ops/batch/3f2a9c0d1e2b -o json"),
)
async def show(invocation: Invocation, connection: Connection, batch: BatchArgument) -> ExitCode:
    """Show one batch: how far it has come, why it stopped, and the rows that were not done.

    What its workers know is asked of them; exit 3 if none answers.
    """
    from stigmer_ops.procedures.batch.watching import plan_of, progress_of, troubles
    from stigmer_ops.render.batch import TROUBLES_SHOWN, batch_page, trouble_record

    async with _batches(invocation, connection) as frontend:
        info = await _found(frontend, _workflow_id(batch))
        progress = await progress_of(frontend, info)
        found = []
        if progress is not None:
            found = await troubles(frontend, await plan_of(frontend, info.id), progress)
        record = _record(info, await _left_behind(frontend, info))
    told = None if progress is None else _progress_record(progress)
    records = [trouble_record(each) for each in found]
    shown = records[:TROUBLES_SHOWN]
    invocation.write(
        Document("Batch", {**record, "progress": told, "troubles": records}),
        lambda console, _wide: batch_page(
            console, record, told, shown, more=len(records) - len(shown)
        ),
    )
    if progress is None and info.open:
        raise UnavailableError(
            "no batch worker answers, so that it is not known how far the batch has come",
            next_step="stigmer-ops batch-worker; then the same command again",
        )
    return ExitCode.OK


def _progress_record(progress: Progress) -> dict[str, object]:
    from stigmer_ops.render.batch import progress_record

    return progress_record(
        phase=progress.phase,
        states=progress.states,
        pages=progress.pages,
        pages_begun=len(progress.begun),
        running=progress.running,
        paused=progress.paused,
        stopped=progress.stopped,
    )


@command(
    app,
    "pause",
    examples=("batch pause plan.jsonl --reason 'INC-123 workers are slow'",),
    writes=True,
)
async def pause(
    invocation: Invocation, connection: Connection, mutation: Mutation, batch: BatchArgument
) -> ExitCode:
    """Pause a batch: rows under way are carried to their end, and no other is begun."""
    return await _change(invocation, connection, mutation, batch, "pause")


@command(app, "resume", examples=("batch resume plan.jsonl --reason INC-123",), writes=True)
async def resume(
    invocation: Invocation, connection: Connection, mutation: Mutation, batch: BatchArgument
) -> ExitCode:
    """Resume a batch that was paused."""
    return await _change(invocation, connection, mutation, batch, "resume")


@command(app, "cancel", examples=("batch cancel plan.jsonl --reason INC-123",), writes=True)
async def cancel(
    invocation: Invocation, connection: Connection, mutation: Mutation, batch: BatchArgument
) -> ExitCode:
    """Cancel a batch for good: rows under way are carried to their end, and no other is begun.

    What it did stays done. `apply --durable` reads it back, and when run once more begins a new
    batch of the rows that are left. Of a batch whose workflow was terminated, it ends the pages
    that were left open.
    """
    return await _change(invocation, connection, mutation, batch, "cancel")


async def _change(
    invocation: Invocation, connection: Connection, mutation: Mutation, batch: str, name: str
) -> ExitCode:
    """Show the batch, ask, audit, signal, and wait for the effect."""
    from stigmer_ops.cli.audit_trail import audit_trail
    from stigmer_ops.cli.write_flow import author_of
    from stigmer_ops.procedures.batch.changing import change_intent, close_pages, signalled
    from stigmer_ops.render.batch import change_page

    require_writable(invocation, mutation, invocation.target(connection).namespace)
    author = author_of(invocation, mutation)
    async with _batches(invocation, connection, author.identity) as frontend:
        info = await _found(frontend, _workflow_id(batch))
        pages = await _left_behind(frontend, info) if name == "cancel" else []
        if not info.open and not pages:
            raise RefusedError(
                f"batch {info.id} has closed: {info.status}",
                not_done=NOTHING_SENT,
                next_step=f"stigmer-ops batch show {info.id}",
            )
        rows = info.memo.get("rows", "?")
        told = f"{name} {info.id}, a batch of {rows} rows in {info.memo.get('namespace', '?')}"
        told += f": it is {info.status}, and {len(pages):,} pages are left open" if pages else ""
        if invocation.output.for_people:
            invocation.say(told)
        phase = ""
        target = invocation.target(connection).namespace
        if confirmed(invocation, mutation, target, f"{name.capitalize()} this batch?"):
            operator, host = invocation.operator(), invocation.host()
            intent = change_intent(frontend, info, name, author, operator=operator, host=host)
            with audit_trail(invocation).operation(intent) as operation:
                if pages:
                    await close_pages(frontend, pages, identity=author.identity)
                    operation.done(detail=f"told {len(pages)} pages of {info.id} to end")
                else:
                    by = f"{operator}@{host}"
                    await signalled(frontend, info.id, name, by=by, author=author)
                    operation.done(detail=f"{name} delivered to {info.id}")
            phase = await _effect(frontend, info.id, name)
    record = {
        "workflow_id": info.id,
        "change": name,
        "phase": phase or None,
        "dry_run": mutation.dry_run,
    }
    invocation.write(
        Document("BatchChange", record),
        lambda console, _wide: None if mutation.dry_run else change_page(console, record),
    )
    return ExitCode.OK


async def _effect(frontend: Frontend, workflow_id: str, name: str) -> str:
    """The phase of the batch once a worker has taken the change up; empty if none does."""
    from stigmer_ops.procedures.batch.changing import shows
    from stigmer_ops.procedures.batch.watching import progress_of

    deadline = asyncio.get_running_loop().time() + EFFECT_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        info = await _found(frontend, workflow_id)
        progress = await progress_of(frontend, info)
        if progress is not None and shows(progress, name):
            return progress.phase  # of a batch that has closed of it, too
        if not info.open and not await _left_behind(frontend, info):
            return "closed"
        await asyncio.sleep(0.2)
    return ""
