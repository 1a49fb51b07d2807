"""The rollback: every deployment returns to its former revision, one after the other.

It may be cut off anywhere, and is carried on by its journal: which revision each deployment had is
written down first, so that a resumed run undoes what it found then, and nothing deployed since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stigmer_ops.procedures.kubectl import Command, Kubectl
from stigmer_ops.procedures.runner.journal import (
    ProcedureJournal,
    StepRecord,
    read_journal,
    runs,
)
from stigmer_ops.procedures.runner.step import Procedure, Step, StepResult, doing, done, skipped

NAME = "rollback"
PAGE = "deployment#mitigation"
_REVISIONS = "revisions"


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

    def parameters(self, deployments: Sequence[str]) -> dict[str, Any]:
        """What the journal of a rollback is told: of what it is one, and where it leads back."""
        return {**_which(self.kubectl, deployments), "revisions_before": dict(self.revisions)}


def _which(kubectl: Kubectl, deployments: Sequence[str]) -> dict[str, Any]:
    """What a rollback is known by when the same command is run again."""
    return {
        "context": kubectl.settings.context,
        "kubernetes_namespace": kubectl.settings.namespace,
        "deployments": list(deployments),
    }


def rollback(deployments: Sequence[str]) -> Procedure[World]:
    """The procedure, for these deployments."""
    steps = (_remembering(deployments), *map(_step, deployments))
    return Procedure(NAME, "Roll back a deployment", doing(*steps))


def left_in(journal: ProcedureJournal, deployments: Sequence[str]) -> list[str]:
    """The deployments that are not rolled back yet."""
    return [each for each in deployments if not journal.progress(_key(each)).state.settled]


async def unfinished(
    parent: Path, kubectl: Kubectl, deployments: Sequence[str]
) -> ProcedureJournal | None:
    """The journal of the latest rollback of these deployments, if it can be carried on.

    It cannot where it has come to its end, and where something that it had not begun with has
    another revision now: then somebody has deployed again, and that is not what it was about.

    Args:
        parent: Folder of all rollbacks.
        kubectl: Kubernetes.
        deployments: As the command was told them.

    Raises:
        ProcedureJournalError: A journal cannot be read.
        KubectlError: A revision cannot be read.
    """
    which = _which(kubectl, deployments)
    for folder in reversed(runs(parent)):
        journal = read_journal(folder)
        if which.items() <= journal.parameters.items():
            left = left_in(journal, deployments)
            known = left and not await _overtaken(kubectl, journal, left)
            return journal if known else None
    return None


async def _overtaken(kubectl: Kubectl, journal: ProcedureJournal, left: Sequence[str]) -> bool:
    remembered = journal.progress(_REVISIONS).data.get("revisions", {})
    untouched = [each for each in left if not journal.progress(_key(each)).notes]
    return any([await kubectl.revision(each) != remembered.get(each) for each in untouched])


def _remembering(deployments: Sequence[str]) -> Step[World]:
    async def act(world: World, _record: StepRecord) -> StepResult:
        revisions = {each: await world.kubectl.revision(each) for each in deployments}
        told = ", ".join(f"{name} has revision {revision}" for name, revision in revisions.items())
        return done(told, {"revisions": revisions})

    return Step(
        id=_REVISIONS,
        sentence="Write down which revision each deployment has",
        page=PAGE,
        act=act,
        writes=False,
    )


def _key(deployment: str) -> str:
    return f"roll-back-{deployment}"


def _step(deployment: str) -> Step[World]:
    async def act(world: World, record: StepRecord) -> StepResult:
        return await _undo(world, record, deployment)

    async def verify(world: World, _record: StepRecord) -> str:
        await world.kubectl.run(world.kubectl.rollout_status(deployment))
        return ""

    async def plan(world: World, _record: StepRecord) -> Sequence[str]:
        return [str(command) for command in world.commands([deployment])]

    return Step(
        id=_key(deployment),
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
