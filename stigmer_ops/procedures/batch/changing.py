"""Pausing, resuming and cancelling a batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from stigmer_ops.audit import Intent, Parameters, Target
from stigmer_ops.errors import StaleError
from stigmer_ops.procedures.activity_plans import Author
from stigmer_ops.procedures.batch.messages import CLOSE, Change, Progress
from stigmer_ops.procedures.batch.watching import BatchInfo
from stigmer_ops.temporal.fan_out import each_of, fan_out
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.workflow_calls import signal


def change_intent(
    frontend: Frontend, batch: BatchInfo, name: str, author: Author, *, operator: str, host: str
) -> Intent:
    """What the audit keeps of a change to a batch."""
    return Intent(
        command=f"batch {name}",
        operator=operator,
        host=host,
        identity=author.identity,
        reason=author.reason,
        namespace=frontend.namespace,
        server_address=frontend.address,
        target=Target(workflow_id=batch.id),
        parameters=Parameters(plan_sha256=batch.memo.get("sha256")),
    )


async def signalled(
    frontend: Frontend, workflow_id: str, name: str, *, by: str, author: Author
) -> None:
    """Deliver a change; workers take it up when there are any.

    Raises:
        StaleError: The batch has closed meanwhile.
        StigmerOpsError: It could not be delivered.
    """
    change = Change(by, author.reason)
    if not await signal(frontend, workflow_id, name, change, identity=author.identity):
        raise StaleError(
            f"batch {workflow_id} has closed meanwhile",
            not_done="it was not changed",
            next_step=f"stigmer-ops batch show {workflow_id}",
        )


async def close_pages(frontend: Frontend, pages: Sequence[str], *, identity: str) -> None:
    """Tell pages that nobody will begin them: a worker then ends each, and its result stays.

    Raises:
        StigmerOpsError: One could not be told.
    """
    told = fan_out(
        each_of(pages),
        lambda page: signal(frontend, page, CLOSE, identity=identity),
        concurrency=frontend.pace.concurrency,
    )
    async with aclosing(told):
        async for _ in told:
            pass


def shows(progress: Progress, name: str) -> bool:
    """Whether a batch shows the effect of a change."""
    match name:
        case "pause":
            return bool(progress.paused) and not progress.running
        case "resume":
            return not progress.paused
        case _:
            return bool(progress.stopped) and not progress.running
