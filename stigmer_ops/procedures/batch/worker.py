"""A worker for batches: any number of them, on any machines, share the pages of all batches."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta

from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from stigmer_ops.audit import AuditTrail
from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.procedures.apply.recorder import Recorder
from stigmer_ops.procedures.batch.activities import HEARTBEAT_SECONDS, PageActivities, Tell
from stigmer_ops.procedures.batch.page_workflow import BatchPage
from stigmer_ops.procedures.batch.workflow import Batch
from stigmer_ops.temporal.frontend import Frontend

GRACE = timedelta(seconds=60)
"""How long rows under way may take at the end of a worker; a lost answer is looked for for 30 s."""

TAKEN_OVER_AFTER = timedelta(seconds=2)
"""How long the next step of a workflow waits for the worker that had the last one."""


async def work(
    batches: Frontend,
    systems: Systems,
    trail: AuditTrail,
    *,
    task_queue: str,
    pages: int,
    identity: str,
    stop: asyncio.Event,
    now: Callable[[], datetime],
    tell: Tell,
) -> None:
    """Carry out the pages of batches until `stop` is set; then finish the rows under way.

    Args:
        batches: The namespace of the batch workflows.
        systems: Where the activities wait, and where results to redeliver come from.
        trail: The audit trail of this machine; what cannot be audited is not sent.
        task_queue: Of the batches.
        pages: Pages under way at once at most.
        identity: Of the worker, as task queues list it.
        stop: Set to end.
        now: The clock.
        tell: Told what happens.

    Raises:
        AuditError: Nothing can be audited any more; the pages were given back.
        RuntimeError: The SDK's worker failed.
    """
    # It would print a task token; a page whose cancellation comes late is no news.
    warnings.filterwarnings("ignore", message="Cannot find activity to cancel")
    async with Recorder(None, trail, now=now) as recorder:
        activities = PageActivities(batches, systems, recorder, now=now, tell=tell)
        worker = Worker(
            batches.client,
            task_queue=task_queue,
            workflows=[Batch, BatchPage],
            activities=[activities.apply_page, activities.read_deadlines],
            # The workflows are ours and deterministic; isolating them takes a second.
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_activities=pages,
            identity=identity,
            graceful_shutdown_timeout=GRACE,
            sticky_queue_schedule_to_start_timeout=TAKEN_OVER_AFTER,
            max_heartbeat_throttle_interval=timedelta(seconds=HEARTBEAT_SECONDS),
            default_heartbeat_throttle_interval=timedelta(seconds=HEARTBEAT_SECONDS),
        )
        async with worker:
            tell("worker-started", {"task_queue": task_queue, "namespace": batches.namespace})
            ends = [asyncio.ensure_future(each.wait()) for each in (stop, activities.broken)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in ends:
                each.cancel()
            tell("worker-stopping", {})
    tell("worker-stopped", {})
    if recorder.error is not None:
        raise recorder.error
