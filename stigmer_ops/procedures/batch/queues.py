"""Where batches run."""

from __future__ import annotations

from stigmer_ops.settings import Settings


def batch_namespace(settings: Settings, external: str) -> str:
    """The namespace of the batch workflows of those who write to `external`."""
    return settings.batch.namespace or external


def batch_task_queue(settings: Settings, external: str) -> str:
    """The task queue of their workers.

    In a namespace of its own, batches for several namespaces may lie side by side: each has its own
    queue, so that a worker gets no page that it must not write.
    """
    queue = settings.batch.task_queue
    return queue if batch_namespace(settings, external) == external else f"{queue}/{external}"
