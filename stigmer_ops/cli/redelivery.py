"""`activity redeliver`: what Stigmer would have delivered, had its callback arrived."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.activity_reference import named_activity
from stigmer_ops.cli.commands import command
from stigmer_ops.cli.confirmation import require_writable
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityReference, Connection, Mutation, TokenSource
from stigmer_ops.cli.systems import both_sides
from stigmer_ops.cli.write_flow import author_of, carry_out
from stigmer_ops.errors import NOTHING_SENT, ExitCode, RefusedError

if TYPE_CHECKING:
    from stigmer_ops.diagnosis.diagnose import Systems
    from stigmer_ops.handshake.activity import PendingActivity
    from stigmer_ops.handshake.execution import StigmerExecution
    from stigmer_ops.procedures.activity_plans import Author
    from stigmer_ops.procedures.activity_writes import Write
    from stigmer_ops.procedures.redelivery import Delivery
    from stigmer_ops.temporal.attempt import LocatedAttempt
    from stigmer_ops.temporal.frontend import Frontend

app = typer.Typer()


@command(
    app,
    "redeliver",
    examples=(
        "activity redeliver --workflow-id order-4711 --activity-id 5 --reason 'INC-1 lost'",
        "activity redeliver -w order-4711 -a 5 --dry-run --show-payloads",
        "activity redeliver -w order-4711 -a 5 --execution-id aex-42 --reason INC-1 --yes",
    ),
    writes=True,
)
async def redeliver(
    invocation: Invocation,
    connection: Connection,
    reference: ActivityReference,
    mutation: Mutation,
    execution_id: Annotated[
        str | None,
        typer.Option(
            "--execution-id",
            help="Whose outcome to deliver",
            show_default="the execution that holds this attempt's token",
        ),
    ] = None,
    show_payloads: Annotated[
        bool,
        typer.Option("--show-payloads", help="Show the result or message too: may hold secrets"),
    ] = False,
) -> ExitCode:
    """Deliver the true result, or the true failure, of an execution whose callback was lost.

    The outcome is read from the callback's own input in the history of the Stigmer workflow, or
    asked of the Stigmer service. It is delivered as `activity complete` and `fail` do: fenced,
    confirmed, audited and proved.
    """
    from stigmer_ops.procedures.redelivery import find_delivery
    from stigmer_ops.temporal.attempt import locate

    named = named_activity(invocation, TokenSource(), None, reference)
    require_writable(invocation, mutation, invocation.target(connection).namespace)
    author = author_of(invocation, mutation)
    async with both_sides(invocation, connection, identity=author.identity) as systems:
        external = systems.external
        found = await locate(external, named.reference(await external.namespace_id()))
        execution = await _execution(invocation, systems, found.activity, execution_id)
        delivery = await find_delivery(systems.stigmer, systems.service, execution)
        write = await _write(external, found, delivery, author)
        warnings = (
            ["the service sent fields that are not known here; they are not delivered"]
            if delivery.incomplete
            else []
        )
        return await carry_out(
            invocation, mutation, external, write, warnings=warnings, show_payloads=show_payloads
        )


async def _execution(
    invocation: Invocation,
    systems: Systems,
    activity: PendingActivity,
    execution_id: str | None,
) -> StigmerExecution:
    """The execution that was named, or the one that holds this attempt's token."""
    from stigmer_ops.diagnosis.diagnose import executions_of
    from stigmer_ops.diagnosis.executions import execution_named

    if execution_id is not None:
        return await execution_named(systems.stigmer, execution_id)
    holding = await executions_of(systems, activity, invocation.settings, now=invocation.now)
    if len(holding) == 1:
        return holding[0]
    ids = ", ".join(execution.execution_id for execution in holding)
    raise RefusedError(
        f"several executions hold this attempt's token: {ids}"
        if holding
        else "no execution is known to hold this attempt's token",
        not_done=NOTHING_SENT,
        next_step="say whose outcome to deliver with --execution-id; see stigmer-ops diagnose",
    )


async def _write(
    frontend: Frontend, found: LocatedAttempt, delivery: Delivery, author: Author
) -> Write:
    from stigmer_ops.handshake.write_plan import FailureContent
    from stigmer_ops.procedures.activity_plans import plan_completion, plan_failure
    from stigmer_ops.procedures.redelivery import FAILURE_TYPE
    from stigmer_ops.temporal.results import encode_failure, encode_result

    if delivery.failure is not None:
        failure_content = FailureContent(delivery.failure, FAILURE_TYPE, retryable=False)
        failure = await encode_failure(frontend, failure_content)
        write = plan_failure(frontend, found, failure_content, failure, author)
    else:
        shown = delivery.text.encode()
        content, payloads = await encode_result(frontend, delivery.result, shown)
        delivered = b"".join(payload.data for payload in payloads.payloads)
        content = replace(
            content, sha256=hashlib.sha256(delivered).hexdigest(), size_bytes=len(delivered)
        )
        write = plan_completion(frontend, found, content, payloads, author)
    source = f"execution {delivery.execution.execution_id}: {delivery.source}"
    return replace(write, plan=replace(write.plan, delivered_from=source))
