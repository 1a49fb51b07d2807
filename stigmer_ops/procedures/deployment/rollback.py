"""The rollback: every deployment returns to its former revision, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stigmer_ops.procedures.kubectl import Command, Kubectl
from stigmer_ops.procedures.runner.journal import StepRecord
from stigmer_ops.procedures.runner.step import Procedure, Step, StepResult, doing, done, skipped

PAGE = "deployment#mitigation"


@dataclass(frozen=True, slots=True)
class World:
    """What the steps need.

    Attributes:
        kubectl: Kubernetes.
        revisions: Of each deployment before, where they are known: the exact way back. Without, it
            is whatever revision came before the present one.
    """

    kubectl: Kubectl
    revisions: Mapping[str, int] = field(default_factory=dict)

    def undo(self, deployment: str) -> Command:
        """The command that returns a deployment to its former revision."""
        return self.kubectl.rollout_undo(deployment, self.revisions.get(deployment))

    def commands(self, deployments: Sequence[str]) -> list[Command]:
        """Everything that is typed for a rollback, in order."""
        return [
            command
            for deployment in deployments
            for command in (self.undo(deployment), self.kubectl.rollout_status(deployment))
        ]


def rollback(deployments: Sequence[str]) -> Procedure[World]:
    """The procedure, for these deployments."""
    return Procedure("rollback", "Roll back a deployment", doing(*map(_step, deployments)))


def _step(deployment: str) -> Step[World]:
    async def act(world: World, record: StepRecord) -> StepResult:
        return await _undo(world, record, deployment)

    async def verify(world: World, _record: StepRecord) -> str:
        await world.kubectl.run(world.kubectl.rollout_status(deployment))
        return ""

    async def plan(world: World, _record: StepRecord) -> Sequence[str]:
        return [str(command) for command in world.commands([deployment])]

    return Step(
        id=f"roll-back-{deployment}",
        sentence=f"Return {deployment} to its former revision, and wait until its pods run",
        page=PAGE,
        act=act,
        verify=verify,
        plan=plan,
    )


async def _undo(world: World, record: StepRecord, deployment: str) -> StepResult:
    """Undo once: a second undo without a revision would bring back what is to go."""
    now = await world.kubectl.revision(deployment)
    wanted = world.revisions.get(deployment)
    if now == wanted:
        return skipped(f"{deployment} is at revision {now}, as before the deployment")
    begun_at = next((note["revision"] for note in record.notes), None)
    if begun_at not in (None, now):
        return done(f"{deployment} was rolled back from revision {begun_at}")
    record.note(revision=now)
    await world.kubectl.run(world.undo(deployment))
    to = "the one before" if wanted is None else str(wanted)
    return done(f"{deployment}: revision {now} rolled back to {to}")
