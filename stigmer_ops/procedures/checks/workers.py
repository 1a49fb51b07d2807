"""Whether the workers have what the handshake asks of them, as they say themselves."""

from __future__ import annotations

from collections.abc import Sequence

from stigmer_ops.handshake.queue_verdicts import (
    NOT_PROBED,
    REGISTRATION_UNKNOWN,
    TYPES_MISSING,
    WORKER_SILENT,
    WORKERS_DISAGREE,
    QueueCheck,
)
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.procedures.checks.check import Category, Check, Fail, Need, Ok, Outcome, Skip
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.settings import SETTINGS
from stigmer_ops.procedures.checks.task_queues import evidence
from stigmer_ops.procedures.checks.temporal import TEMPORAL
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE

WORKERS = Category("workers", "Workers", after=(SETTINGS.id, TEMPORAL.id))

NEEDS = frozenset({Need.TEMPORAL})


async def _answer(context: CheckContext) -> Outcome:
    return answered(await context.workers())


def answered(checks: Sequence[QueueCheck]) -> Outcome:
    """Whether all workers said what they have."""
    problems = evidence(checks, WORKER_SILENT, REGISTRATION_UNKNOWN)
    if problems:
        return Fail("\n".join(problems))
    unasked = evidence(checks, NOT_PROBED)
    asked = sum(1 for check in checks for _ in check.registration.said)
    return Skip(unasked[0]) if unasked and not asked else Ok(f"answers: {asked}")


async def _callback(context: CheckContext) -> Outcome:
    return registered([one for one in await context.workers() if _has_callback(one)])


async def _other_types(context: CheckContext) -> Outcome:
    return registered([one for one in await context.workers() if not _has_callback(one)])


def _has_callback(check: QueueCheck) -> bool:
    return CALLBACK_ACTIVITY_TYPE in check.workers.expected.activity_types


def registered(checks: Sequence[QueueCheck]) -> Outcome:
    """Fail where a worker says that it lacks a type; no word is no proof of either."""
    expecting = [check for check in checks if check.workers.expected.activity_types]
    if problems := evidence(expecting, TYPES_MISSING):
        return Fail("\n".join(problems))
    silent = [check.workers.expected.name for check in expecting if not check.registration.said]
    if silent:
        return Skip(f"no worker of {', '.join(silent)} says what it has")
    names = sorted({name for check in expecting for name in check.workers.expected.activity_types})
    return Ok(", ".join(names))


async def _agree(context: CheckContext) -> Outcome:
    return agreed(await context.workers())


def agreed(checks: Sequence[QueueCheck]) -> Outcome:
    """Whether the workers of each queue have the same types."""
    problems = evidence(checks, WORKERS_DISAGREE)
    return Fail("\n".join(problems)) if problems else Ok()


CHECKS = (
    Check(
        id="workers-answer",
        category=WORKERS,
        sentence="every worker says which activity types it has",
        needs=NEEDS,
        hint="stigmer-ops worker check",
        run=_answer,
        retry=True,
        severity=Severity.WARNING,
    ),
    Check(
        id="callback-type-registered",
        category=WORKERS,
        sentence="every worker of the callback's task queue has the callback",
        needs=NEEDS,
        hint="deploy a worker that registers it: stigmer-ops worker check",
        run=_callback,
        retry=True,
    ),
    Check(
        id="activity-types-registered",
        category=WORKERS,
        sentence="every other worker has the activity types that it shall have",
        needs=NEEDS,
        hint="deploy workers that register them: stigmer-ops worker check",
        run=_other_types,
        retry=True,
    ),
    Check(
        id="workers-agree",
        category=WORKERS,
        sentence="workers of one task queue have the same activity types",
        needs=NEEDS,
        hint="finish the rollout, or roll it back: stigmer-ops worker check",
        run=_agree,
        retry=True,
    ),
)
