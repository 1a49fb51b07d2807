"""Whether somebody takes the tasks of the handshake's task queues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stigmer_ops.handshake.queue_verdicts import (
    NOT_POLLED,
    ONLY_STALE_POLLERS,
    SOME_POLLERS_STALE,
    VERSION_NOT_CURRENT,
    QueueCheck,
    QueueVerdict,
)
from stigmer_ops.handshake.registration import Registration
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.handshake.workers import QueueWorkers, TaskKind
from stigmer_ops.procedures.checks.check import Category, Check, Fail, Need, Ok, Outcome
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.settings import SETTINGS
from stigmer_ops.procedures.checks.temporal import TEMPORAL
from stigmer_ops.settings import Thresholds

TASK_QUEUES = Category("task-queues", "Task queues", after=(SETTINGS.id, TEMPORAL.id))

NEEDS = frozenset({Need.TEMPORAL})


async def _polled(context: CheckContext) -> Outcome:
    looked = await context.task_queues()
    problems = evidence(_unasked(looked), NOT_POLLED, VERSION_NOT_CURRENT)
    return Fail("\n".join(problems)) if problems else Ok(f"task queues: {len(looked)}")


async def _live(context: CheckContext) -> Outcome:
    checks = _unasked(await context.task_queues())
    if problems := evidence(checks, ONLY_STALE_POLLERS):
        return Fail("\n".join(problems))
    gone = len(evidence(checks, SOME_POLLERS_STALE))
    return Ok(f"{gone} listed besides are gone" if gone else "")


async def _no_backlog(context: CheckContext) -> Outcome:
    looked = await context.task_queues()
    behind = [line for queue in looked for line in backlogs(queue, context.settings.thresholds)]
    return Fail("\n".join(behind)) if behind else Ok()


def backlogs(queue: QueueWorkers, limits: Thresholds) -> Iterator[str]:
    """The backlogs of a queue that are too many or too old, a line each."""
    for kind in TaskKind:
        backlog = queue.backlog(kind)
        old = backlog.age is not None and backlog.age > limits.suspect_after
        if backlog.count > limits.backlog or (backlog.count and old):
            oldest = f", the oldest for {backlog.age}" if backlog.age else ""
            yield f"{queue.expected.name}: {backlog.count} {kind} tasks wait{oldest}"


def _unasked(looked: Sequence[QueueWorkers]) -> list[QueueCheck]:
    return [QueueCheck(workers, Registration()) for workers in looked]


def evidence(checks: Sequence[QueueCheck], *verdicts: QueueVerdict) -> list[str]:
    """What proves any of the verdicts, a line each, with the queue's name in front."""
    return [
        f"{check.workers.expected.name}: {fact}"
        for check in checks
        for verdict in verdicts
        for fact in verdict.evidence(check)
    ]


CHECKS = (
    Check(
        id="task-queues-polled",
        category=TASK_QUEUES,
        sentence="every task queue has a poller that gets its tasks",
        needs=NEEDS,
        hint="stigmer-ops worker list",
        run=_polled,
        retry=True,
    ),
    Check(
        id="task-queue-pollers-live",
        category=TASK_QUEUES,
        sentence="every task queue has a poller that was seen lately",
        needs=NEEDS,
        hint="stigmer-ops worker list",
        run=_live,
        retry=True,
    ),
    Check(
        id="task-queues-without-backlog",
        category=TASK_QUEUES,
        sentence="no task queue is behind",
        needs=NEEDS,
        hint="stigmer-ops worker list",
        run=_no_backlog,
        retry=True,
        severity=Severity.WARNING,
    ),
)
