"""The rollback of `deploy verify --execute`: run, and carried on where it was cut off."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stigmer_ops.cli.confirmation import confirmed
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection, Mutation
from stigmer_ops.cli.procedure_run import author_of_run, carry_out, procedures_path
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.procedures.deployment.rollback import World
    from stigmer_ops.procedures.kubectl import Kubectl
    from stigmer_ops.procedures.runner.journal import ProcedureJournal
    from stigmer_ops.procedures.runner.run import Standing

COMMAND = "deploy verify"


async def roll_back(
    invocation: Invocation,
    connection: Connection,
    mutation: Mutation,
    deployments: Sequence[str],
    world: World,
) -> Standing[Any]:
    """Run a rollback, journalled and audited; what is left of it is told.

    Raises:
        StigmerOpsError: Journal or audit cannot be written.
    """
    from stigmer_ops.procedures.deployment.rollback import NAME
    from stigmer_ops.procedures.runner.journal import next_run, open_journal

    with open_journal(next_run(procedures_path(invocation) / NAME)) as journal:
        journal.open_head(NAME, world.parameters(deployments), invocation.now())
        return await _carried_out(invocation, connection, mutation, deployments, world, journal)


async def carry_on(
    invocation: Invocation,
    connection: Connection,
    mutation: Mutation,
    deployments: Sequence[str],
    kubectl: Kubectl,
) -> ExitCode | None:
    """Show a rollback that was cut off, and after confirmation carry it to its end.

    Returns:
        None where there is none: the deployment is to be watched.

    Raises:
        StigmerOpsError: It is refused, or Kubernetes, journal or audit cannot be used.
    """
    from stigmer_ops.procedures.deployment.rollback import NAME, World, rollback, unfinished
    from stigmer_ops.procedures.runner.journal import open_journal
    from stigmer_ops.procedures.runner.run import planned
    from stigmer_ops.render.output import console
    from stigmer_ops.render.procedure import plan_table, planned_record, task_records, tasks_table

    found = await unfinished(procedures_path(invocation) / NAME, kubectl, deployments)
    if found is None:
        return None
    head = {"begun": found.head["time"], "journal": str(found.path)}
    world = World(kubectl, found.parameters["revisions_before"])
    plan = await planned(rollback(deployments).begin, found, world, now=invocation.now)
    invocation.say(f"the rollback begun at {head['begun']} has not come to its end")
    if invocation.output.for_people and not mutation.dry_run:
        plan_table(console(sys.stderr), plan)
    namespace = invocation.target(connection).namespace
    if not confirmed(invocation, mutation, namespace, "Carry this rollback to its end?"):
        body = {**head, "steps": [planned_record(one) for one in plan]}
        document = Document("DeploymentRollbackPlan", body)
        invocation.write(document, lambda console, _wide: plan_table(console, plan))
        return ExitCode.OK
    with open_journal(found.folder) as journal:
        standing = await _carried_out(invocation, connection, mutation, deployments, world, journal)

    def table(console: Console, _wide: bool) -> None:
        tasks_table(console, standing)

    body = {**head, "steps": task_records(standing)}
    invocation.write(Document("DeploymentRollback", body), table)
    return code_of(standing)


def code_of(standing: Standing[Any]) -> ExitCode:
    """FINDINGS where the deployment is rolled back: it did not go well; else PARTIAL."""
    return ExitCode.FINDINGS if standing.exit_code is ExitCode.OK else ExitCode.PARTIAL


async def _carried_out(
    invocation: Invocation,
    connection: Connection,
    mutation: Mutation,
    deployments: Sequence[str],
    world: World,
    journal: ProcedureJournal,
) -> Standing[Any]:
    from stigmer_ops.procedures.deployment.rollback import left_in, rollback

    async with invocation.temporal(connection) as frontend:
        author = author_of_run(invocation, mutation, frontend, COMMAND)
    tasks = rollback(deployments).begin
    standing = await carry_out(invocation, journal, tasks, world, author)
    if left := [str(one) for one in world.commands(left_in(journal, deployments))]:
        again = "the rollback is not done; the same command again carries it on. What is left:"
        invocation.say("\n".join([again, *left]))
    return standing
