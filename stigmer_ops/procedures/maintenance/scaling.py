"""Stigmer's deployments at zero for the window, and back at what they were."""

from __future__ import annotations

from collections.abc import Sequence

from stigmer_ops.procedures.kubectl import Command, Kubectl
from stigmer_ops.procedures.maintenance.window import World
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import StepResult, done


async def not_wanted(world: World) -> str:
    """Why nothing is scaled."""
    return "" if world.window.scale_to_zero else "Stigmer is not scaled to zero in this window"


async def plan(world: World, _record: StepRecord) -> Sequence[str]:
    """The commands."""
    kubectl = world.kubectl
    return [str(one) for one in _to_zero(kubectl, kubectl.settings.deployments)]


def _to_zero(kubectl: Kubectl, deployments: Sequence[str]) -> list[Command]:
    """Scale down what is started last first, and wait until no pod is left."""
    down = list(reversed(deployments))
    return [
        *(kubectl.scale(deployment, 0) for deployment in down),
        *(kubectl.rollout_status(deployment) for deployment in down),
    ]


def _back(kubectl: Kubectl, replicas: dict[str, int]) -> list[Command]:
    return [
        *(kubectl.scale(deployment, count) for deployment, count in replicas.items()),
        *(kubectl.rollout_status(deployment) for deployment in replicas),
    ]


async def to_zero(world: World, record: StepRecord) -> StepResult:
    """Scale every deployment to zero, once how many replicas it had is written down.

    Raises:
        KubectlError: A command ended with an error.
    """
    kubectl = world.kubectl
    if kubectl.runs and not record.confirmed and not record.notes:
        replicas = {name: await kubectl.replicas(name) for name in kubectl.settings.deployments}
        record.note(replicas=replicas)
    result = await kubectl.run_or_wait(_to_zero(kubectl, kubectl.settings.deployments), record)
    if result is not None:
        return result
    return done(
        ", ".join(f"{name} from {count} to 0" for name, count in _before(world, record).items()),
        {"replicas": _before(world, record), "by_hand": record.confirmed},
    )


def _before(world: World, record: StepRecord) -> dict[str, int]:
    """How many replicas each deployment had; by the settings where nobody read it."""
    settings = world.kubectl.settings
    for note in record.of("scale-down").notes:
        read: dict[str, int] = note["replicas"]
        return read
    return dict.fromkeys(settings.deployments, settings.replicas)


async def back(world: World, record: StepRecord) -> StepResult:
    """Scale every deployment back to what it was.

    Raises:
        KubectlError: A command ended with an error.
    """
    replicas = _before(world, record)
    result = await world.kubectl.run_or_wait(_back(world.kubectl, replicas), record)
    if result is not None:
        return result
    return done(", ".join(f"{name} back to {count}" for name, count in replicas.items()))


async def plan_back(world: World, record: StepRecord) -> Sequence[str]:
    """The commands."""
    return [str(one) for one in _back(world.kubectl, _before(world, record))]
