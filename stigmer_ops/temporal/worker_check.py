"""The workers of task queues, looked at and asked: all that `worker check` says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from stigmer_ops.handshake.queue_verdicts import QueueCheck
from stigmer_ops.handshake.registration import (
    Answer,
    ProbeAccount,
    ProbeAnswer,
    ProbeMethod,
    Registration,
)
from stigmer_ops.handshake.workers import ExpectedQueue, PollerState, QueueWorkers, TaskKind
from stigmer_ops.temporal.clock import Clock, measure_clock_skew
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.probe import Prober, StandaloneProber, ask_workers
from stigmer_ops.temporal.recent_failures import recent_failures
from stigmer_ops.temporal.task_queues import queue_workers


@dataclass(frozen=True, slots=True)
class ProbeChoice:
    """How to ask; `method` None leaves it to what the server can do. `reason` is a clause."""

    method: ProbeMethod | None
    reason: str = ""


async def look_at_workers(
    frontend: Frontend, queues: Sequence[ExpectedQueue], *, clock: Clock, stale_after: timedelta
) -> list[QueueWorkers]:
    """The workers of `queues`, in their order, at the server's present time.

    Args:
        frontend: Of the queues' namespace.
        queues: What to look at.
        clock: Our own time, UTC; the server's is measured, since it stamps the pollers.
        stale_after: After how long without a poll a poller is stale.

    Raises:
        StigmerOpsError: A queue, or the list of workers, could not be read.
    """
    looked, skew = await asyncio.gather(
        queue_workers(frontend, queues, time=clock(), stale_after=stale_after),
        measure_clock_skew(frontend, clock),
    )
    return [replace(one, time=one.time + (skew or timedelta(0))) for one in looked]


async def check_workers(
    frontend: Frontend,
    queues: Sequence[ExpectedQueue],
    choice: ProbeChoice,
    *,
    clock: Clock,
    stale_after: timedelta,
) -> tuple[list[QueueCheck], ProbeAccount]:
    """Look at the workers of `queues` and ask them for their activity types.

    A queue without a poller of activity tasks is not asked: nobody would answer. One whose pollers
    are all stale is asked once, since an answer is better evidence than a clock.

    Args:
        frontend: Of the queues' namespace.
        queues: What to check.
        choice: How to ask.
        clock: Our own time, UTC.
        stale_after: After how long without a poll a poller is stale.

    Returns:
        The checks in the order of `queues`, and what the probe did.

    Raises:
        StigmerOpsError: Something could not be read. What goes wrong with the probe itself is told
            in the checks.
    """
    looked = await look_at_workers(frontend, queues, clock=clock, stale_after=stale_after)
    account = await _account(frontend, choice)
    if account.method is ProbeMethod.NONE:
        return await _read_failures(frontend, looked, account.reason), account
    if not any(_listed(workers) for workers in looked):
        return [QueueCheck(workers, Registration()) for workers in looked], account
    async with _prober(frontend, account) as prober:
        checks = await asyncio.gather(*(_ask(prober, workers) for workers in looked))
    return list(checks), account


async def _account(frontend: Frontend, choice: ProbeChoice) -> ProbeAccount:
    if choice.method is not None:
        return ProbeAccount(choice.method, choice.reason)
    has = (await frontend.describe_namespace()).namespace_info.capabilities
    if has.standalone_activities:
        return ProbeAccount(ProbeMethod.STANDALONE_ACTIVITY)
    return ProbeAccount(ProbeMethod.WORKFLOW, "the server has no standalone activities")


def _prober(frontend: Frontend, account: ProbeAccount) -> Prober:
    if account.method is ProbeMethod.STANDALONE_ACTIVITY:
        return StandaloneProber(frontend, account)
    from stigmer_ops.temporal.probe_workflow import WorkflowProber  # noqa: PLC0415 - a slow import

    return WorkflowProber(frontend, account)


def _listed(workers: QueueWorkers) -> tuple[str, ...]:
    """Whom to ask: the live pollers, or else those that are only stale."""
    return workers.live(TaskKind.ACTIVITY) or tuple(
        sorted(
            {
                poller.identity
                for poller in workers.of(TaskKind.ACTIVITY)
                if workers.state(poller) is PollerState.STALE
            }
        )
    )


async def _ask(prober: Prober, workers: QueueWorkers) -> QueueCheck:
    listed = _listed(workers)
    if not listed:
        return QueueCheck(workers, Registration())
    name = workers.expected.name
    if workers.live(TaskKind.ACTIVITY):
        registration = await ask_workers(prober, name, listed)
    else:
        one = await ask_workers(prober, name, listed, at_most=1)
        registration = replace(one, silent=())
    return QueueCheck(_seen(workers, registration.answers), registration)


def _seen(workers: QueueWorkers, answers: Sequence[ProbeAnswer]) -> QueueWorkers:
    """The workers, with those that answered seen just now."""
    answered = {one.identity for one in answers if one.answer is not Answer.NO_ANSWER}
    return replace(
        workers,
        pollers=tuple(
            replace(poller, last_access_time=workers.time)
            if poller.identity in answered and poller.kind is TaskKind.ACTIVITY
            else poller
            for poller in workers.pollers
        ),
    )


async def _read_failures(
    frontend: Frontend, looked: Sequence[QueueWorkers], reason: str
) -> list[QueueCheck]:
    found = await recent_failures(frontend, {workers.expected.name for workers in looked})
    unknown = (
        f"{reason}; none of the {found.workflows} running workflows that were read holds "
        "a failure that names the types"
    )
    if found.encoded:
        unknown += f"; the texts of {found.encoded} are encoded: --codec-endpoint decodes them"
    return [_from_failures(workers, found.answers, unknown) for workers in looked]


def _from_failures(
    workers: QueueWorkers, answers: Mapping[str, tuple[ProbeAnswer, ...]], unknown: str
) -> QueueCheck:
    said = answers[workers.expected.name]
    silent_on_it = not said and workers.live(TaskKind.ACTIVITY)
    return QueueCheck(workers, Registration(answers=said, unknown=unknown if silent_on_it else ""))
