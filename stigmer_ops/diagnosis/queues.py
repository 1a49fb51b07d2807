"""Whether anybody takes tasks from the queues on which something waits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from stigmer_ops.handshake.execution import TaskQueueState
from stigmer_ops.handshake.workers import ExpectedQueue, QueueWorkers, TaskKind
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.task_queues import queue_workers


async def task_queue_states(
    frontend: Frontend, names: Iterable[str], *, now: datetime, stale_after: timedelta
) -> list[TaskQueueState]:
    """How many workers each queue has, by kind of task.

    A saturated worker polls no more, and still takes tasks as soon as it has a slot: it counts.

    Raises:
        StigmerOpsError: A queue could not be described.
    """
    queues = [ExpectedQueue(name, frontend.namespace) for name in sorted(set(names))]
    found = await queue_workers(frontend, queues, time=now, stale_after=stale_after)
    return [
        TaskQueueState(
            queue.expected.name,
            activity_pollers=_workers(queue, TaskKind.ACTIVITY),
            workflow_pollers=_workers(queue, TaskKind.WORKFLOW),
            namespace=frontend.namespace,
        )
        for queue in found
    ]


def _workers(queue: QueueWorkers, kind: TaskKind) -> int:
    return len(queue.live(kind)) + len(queue.saturated(kind))
