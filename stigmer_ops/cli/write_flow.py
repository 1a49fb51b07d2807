"""From a planned write to its proof, the same for every command that writes to an activity."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stigmer_ops.cli.confirmation import confirmed
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Mutation
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.handshake.write_plan import Proof
    from stigmer_ops.procedures.activity_plans import Author
    from stigmer_ops.procedures.activity_writes import Write
    from stigmer_ops.temporal.frontend import Frontend


def author_of(invocation: Invocation, mutation: Mutation) -> Author:
    """Who writes, and why."""
    from stigmer_ops.handshake.identity import identity_of
    from stigmer_ops.procedures.activity_plans import Author

    reason = (mutation.reason or "").strip()
    return Author(identity_of(invocation.operator(), invocation.host(), reason), reason)


async def carry_out(
    invocation: Invocation,
    mutation: Mutation,
    frontend: Frontend,
    write: Write,
    *,
    warnings: Sequence[str] = (),
    show_payloads: bool = False,
) -> ExitCode:
    """Show the plan, have it confirmed, audit and send it, and show the proof.

    Returns:
        OK after a dry run and after a proven write; FINDINGS where the outcome is not as meant.

    Raises:
        StigmerOpsError: See `confirmed` and `procedures.activity_writes.execute`.
    """
    from stigmer_ops.cli.audit_trail import audit_trail
    from stigmer_ops.handshake.write_plan import exit_reason
    from stigmer_ops.procedures.activity_writes import execute, intent_of, with_aftermath
    from stigmer_ops.render.activity import KINDS, plan_table, proof_table, write_record
    from stigmer_ops.render.output import console

    plan = write.plan
    now = invocation.now()

    def shown(proof: Proof | None) -> Document:
        record = write_record(plan, proof, warnings=warnings, show_payloads=show_payloads)
        return Document(KINDS[plan.verb], record)

    def planned(console: Console, _wide: bool) -> None:
        plan_table(console, plan, now=now, dry_run=mutation.dry_run, show_payloads=show_payloads)

    for warning in warnings:
        invocation.say(f"warning: {warning}")
    if not mutation.dry_run and invocation.output.for_people:
        planned(console(sys.stderr), False)
    question = f"{plan.verb.capitalize()} this activity?"
    if not confirmed(invocation, mutation, frontend.namespace, question):
        invocation.write(shown(None), planned)
        return ExitCode.OK
    intent = intent_of(plan, operator=invocation.operator(), host=invocation.host())
    proof = await execute(frontend, write, audit_trail(invocation), intent)
    proof = await with_aftermath(frontend, plan, proof)
    invocation.write(shown(proof), lambda console, _wide: proof_table(console, plan, proof))
    reason = exit_reason(plan, proof)
    return ExitCode.OK if reason.startswith("done") else ExitCode.FINDINGS
