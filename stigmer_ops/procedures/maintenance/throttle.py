"""Task queues that hand out fewer tasks during the window, and what they handed out before."""

from __future__ import annotations

from collections.abc import Sequence

from stigmer_ops.procedures.maintenance.window import World
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import StepResult, done
from stigmer_ops.temporal.expected_queues import expected_queues
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.queue_rate import queue_rate, set_queue_rate


async def not_wanted(world: World) -> str:
    """Why nothing is throttled."""
    return "--throttle was not given" if world.window.throttle is None else ""


def _queues(world: World) -> list[tuple[Frontend, str]]:
    """The throttled queues, each with the namespace that it is in."""
    external, stigmer = world.systems.external, world.systems.stigmer
    queues = expected_queues(
        world.settings, external.namespace, names=world.window.throttled_queues
    )
    return [
        (external if queue.namespace == external.namespace else stigmer, queue.name)
        for queue in queues
    ]


async def plan(world: World, _record: StepRecord) -> Sequence[str]:
    """What would be set, and what is set now."""
    lines = []
    for frontend, name in _queues(world):
        now = await queue_rate(frontend, name)
        lines.append(f"{name}: {_told(now.rps)} -> {_told(world.window.throttle)}")
    return lines


async def throttle(world: World, record: StepRecord) -> StepResult:
    """Set the rate of each queue, once what it was is written down.

    Raises:
        StigmerOpsError: A queue cannot be read or configured.
    """
    before = {note["queue"]: note["rps"] for note in record.notes}
    for frontend, name in _queues(world):
        if name not in before:
            was = await queue_rate(frontend, name)
            record.note(queue=name, namespace=frontend.namespace, rps=was.rps)
            before[name] = was.rps
        await set_queue_rate(
            frontend,
            name,
            world.window.throttle,
            reason=world.window.reason,
            identity=world.operator.identity,
        )
    told = ", ".join(f"{name} from {_told(rps)}" for name, rps in before.items())
    return done(f"{_told(world.window.throttle)}: {told}", {"before": before})


async def doubt(world: World, _record: StepRecord) -> str:
    """Which queue is not as it was set."""
    for frontend, name in _queues(world):
        now = await queue_rate(frontend, name)
        if now.rps != world.window.throttle:
            return f"{name} is at {_told(now.rps)}"
    return ""


async def restore(world: World, record: StepRecord) -> StepResult:
    """Put each queue back to what it was, unless somebody has set it to something else since.

    Raises:
        StigmerOpsError: A queue cannot be read or configured.
    """
    before = {note["queue"]: note["rps"] for note in record.of("throttle").notes}
    told, left = [], []
    for frontend, name in _queues(world):
        if name not in before:
            continue
        now = await queue_rate(frontend, name)
        if now.rps not in (world.window.throttle, before[name]):
            left.append(f"{name} was set to {_told(now.rps)} by {now.identity}: left as it is")
            continue
        await set_queue_rate(
            frontend,
            name,
            before[name],
            reason=world.window.reason,
            identity=world.operator.identity,
        )
        told.append(f"{name} back to {_told(before[name])}")
    return StepResult(done().state, ", ".join(told), {}, tuple(left))


async def plan_restoration(world: World, _record: StepRecord) -> Sequence[str]:
    """Which queues."""
    return [f"{name}: back to what it was" for _, name in _queues(world)]


def _told(rps: float | None) -> str:
    return "no limit" if rps is None else f"{rps:g} tasks a second"
