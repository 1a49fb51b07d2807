"""Which task queues had workers before the window, and whether they have them again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from stigmer_ops.errors import ExitCode
from stigmer_ops.handshake.queue_verdicts import QueueCheck
from stigmer_ops.handshake.workers import ExpectedQueue, QueueWorkers, TaskKind
from stigmer_ops.procedures.maintenance.window import World
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import StepResult, done, found, skipped
from stigmer_ops.temporal.expected_queues import expected_queues
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.worker_check import ProbeChoice, check_workers, look_at_workers

_PAUSE_SECONDS = 2.0

Polled = dict[str, list[str]]
"""By queue: the kinds of tasks that live workers poll it for."""


async def remember_workers(world: World, _record: StepRecord) -> StepResult:
    """Write down which queues are polled now, so that `end` can tell who did not come back.

    Raises:
        StigmerOpsError: A queue cannot be read.
    """
    polled = _polled(await _look(world, _expected(world)))
    return done(f"{len(polled)} task queues have workers", {"polled": polled})


async def await_workers(world: World, record: StepRecord) -> StepResult:
    """Wait until every queue that had workers has them again, but not for ever.

    Raises:
        StigmerOpsError: A queue cannot be read.
    """
    before: Polled = record.of("workers").data.get("polled", {})
    queues = [queue for queue in _expected(world) if queue.name in before]
    deadline = asyncio.get_running_loop().time() + world.patience.total_seconds()
    while True:
        missing = _missing(before, _polled(await _look(world, queues)))
        record.report(len(before) - len({name for name, _ in missing}), len(before))
        if not missing:
            return done(f"all {len(before)} task queues that had workers have them again")
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    waited = f"{world.patience.total_seconds():g} s"
    return found(
        f"after {waited}, {len(missing)} polls are missing that there were before",
        [f"{name}: nobody polls for {kind} tasks" for name, kind in missing],
    )


async def check_registrations(world: World, record: StepRecord) -> StepResult:
    """Ask the workers of every queue that had some for what they have registered, until all have.

    The server lists a worker that was killed for a minute as if it polled, and nobody answers for
    it: so this also tells who is really back.

    Raises:
        StigmerOpsError: A queue cannot be read.
    """
    before: Polled = record.of("workers").data.get("polled", {})
    queues = [
        queue
        for queue in _expected(world)
        if queue.activity_types and TaskKind.ACTIVITY.value in before.get(queue.name, ())
    ]
    if not queues:
        return skipped("no queue with expected activity types had workers")
    deadline = asyncio.get_running_loop().time() + world.patience.total_seconds()
    while wrong := _wrong(await _check(world, queues)):
        record.report(len(queues) - len(wrong), len(queues))
        if asyncio.get_running_loop().time() > deadline:
            return found("workers lack what they must have registered", wrong)
        await asyncio.sleep(_PAUSE_SECONDS)
    types = sum(len(queue.activity_types) for queue in queues)
    return done(f"{types} activity types are registered on {len(queues)} task queues")


def _wrong(checks: Iterable[QueueCheck]) -> list[str]:
    return [
        f"{check.workers.expected.name}: {finding.verdict.title} {'; '.join(finding.evidence)}"
        for check in checks
        for finding in check.findings
        if finding.verdict.exit_code is not ExitCode.OK
    ]


def _expected(world: World) -> list[ExpectedQueue]:
    return expected_queues(world.settings, world.systems.external.namespace)


def _by_frontend(
    world: World, queues: Iterable[ExpectedQueue]
) -> list[tuple[Frontend, list[ExpectedQueue]]]:
    grouped: defaultdict[str, list[ExpectedQueue]] = defaultdict(list)
    for queue in queues:
        grouped[queue.namespace].append(queue)
    sides = (world.systems.external, world.systems.stigmer)
    frontends = {side.namespace: side for side in sides}
    return [(frontends[namespace], chosen) for namespace, chosen in grouped.items()]


async def _look(world: World, queues: Iterable[ExpectedQueue]) -> list[QueueWorkers]:
    stale_after = world.settings.thresholds.poller_stale_after
    looked = await asyncio.gather(
        *(
            look_at_workers(frontend, chosen, clock=world.now, stale_after=stale_after)
            for frontend, chosen in _by_frontend(world, queues)
        )
    )
    return [one for side in looked for one in side]


async def _check(world: World, queues: Iterable[ExpectedQueue]) -> list[QueueCheck]:
    stale_after = world.settings.thresholds.poller_stale_after
    checked = await asyncio.gather(
        *(
            check_workers(
                frontend, chosen, ProbeChoice(None), clock=world.now, stale_after=stale_after
            )
            for frontend, chosen in _by_frontend(world, queues)
        )
    )
    return [one for checks, _ in checked for one in checks]


def _polled(looked: Iterable[QueueWorkers]) -> Polled:
    polled = {
        one.expected.name: [kind.value for kind in TaskKind if one.live(kind)] for one in looked
    }
    return {name: kinds for name, kinds in polled.items() if kinds}


def _missing(before: Polled, now: Polled) -> list[tuple[str, str]]:
    return [
        (name, kind)
        for name, kinds in before.items()
        for kind in kinds
        if kind not in now.get(name, ())
    ]
