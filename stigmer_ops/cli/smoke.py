"""`smoke`: a handshake of our own, measured, and removed again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.confirmation import require_no_read_only_mode
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection, parse_duration
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.procedures.smoke_report import SmokePlan, SmokeReport, StigmerRequest

app = typer.Typer()

ROUNDS = 10
ROUND_TIMEOUT = timedelta(seconds=10)
REASON = "smoke test"


@command(
    app,
    "smoke",
    examples=(
        "smoke",
        "smoke --rounds 100 -o json",
        "smoke --through-stigmer --agent-id agt-echo --timeout 5m --reason 'CHG-42 after deploy'",
        "smoke --dry-run",
    ),
)
async def smoke(
    invocation: Invocation,
    connection: Connection,
    rounds: Annotated[
        int | None,
        typer.Option(
            "--rounds",
            min=1,
            max=1000,
            help="Measured handshakes, one after another",
            show_default=f"{ROUNDS}; through Stigmer 1",
        ),
    ] = None,
    round_timeout: Annotated[
        timedelta | None,
        typer.Option(
            "--timeout",
            parser=parse_duration,
            metavar="DURATION",
            help="How long one may take",
            show_default="10s; through Stigmer stigmer.agent_run_timeout",
        ),
    ] = None,
    through_stigmer: Annotated[
        bool,
        typer.Option(
            "--through-stigmer",
            help="Create a real execution with the token, and wait for Stigmer's callback",
        ),
    ] = False,
    agent_id: Annotated[
        str | None, typer.Option("--agent-id", help="The agent to run", show_default=False)
    ] = None,
    session_id: Annotated[
        str | None,
        typer.Option("--session-id", help="The session to run it in", show_default=False),
    ] = None,
    message: Annotated[
        str | None,
        typer.Option(
            "--message", help="What to ask the agent", show_default="to answer with the word ok"
        ),
    ] = None,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", help="Why; kept in the audit file and, with its ticket, in the history"
        ),
    ] = REASON,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, send nothing")
    ] = False,
) -> ExitCode:
    """Send a canary handshake through Temporal, and measure what the handshake adds.

    Hosts a workflow of its own on a task queue of its own, completes its external activity by the
    token from outside, and removes everything afterwards, on Ctrl-C too. Exits 1 if a handshake
    does not come through, or if the overhead's 95th percentile is above
    thresholds.smoke_budget.
    """
    request = _request(through_stigmer, agent_id, session_id, message)
    plan = plan_of(invocation, request, rounds=rounds, timeout=round_timeout)
    if dry_run:
        _write_plan(invocation, connection, plan)
        return ExitCode.OK
    report = await run(invocation, connection, plan, reason=reason)
    _write(invocation, connection, report)
    return ExitCode.OK if report.passed else ExitCode.FINDINGS


def _request(
    through_stigmer: bool, agent_id: str | None, session_id: str | None, message: str | None
) -> StigmerRequest | None:
    from stigmer_ops.procedures.smoke_report import StigmerRequest

    given = {"agent_id": agent_id, "session_id": session_id, "message": message}
    named = {name: value for name, value in given.items() if value is not None}
    if named and not through_stigmer:
        option = next(iter(named)).replace("_", "-")
        raise UsageError(f"--{option} says what Stigmer is to do: add --through-stigmer")
    return StigmerRequest(**named) if through_stigmer else None


def plan_of(
    invocation: Invocation,
    request: StigmerRequest | None = None,
    *,
    rounds: int | None = None,
    timeout: timedelta | None = None,
) -> SmokePlan:
    """What to do, with the settings' values where nothing was given.

    Raises:
        UsageError: Stigmer is to be asked, and the settings do not say where it is.
    """
    from stigmer_ops.procedures.smoke_report import SmokePlan

    settings = invocation.settings
    if request is not None and settings.stigmer.address is None:
        raise UsageError(
            "--through-stigmer needs the address of Stigmer's gRPC API",
            not_done="nothing was sent to Temporal",
            next_step="set stigmer.address, or STIGMER_OPS_STIGMER_ADDRESS=host:7234",
        )
    usual = ROUND_TIMEOUT if request is None else settings.stigmer.agent_run_timeout
    return SmokePlan(
        rounds=rounds or (ROUNDS if request is None else 1),
        timeout=timeout or usual,
        budget=settings.thresholds.smoke_budget,
        stigmer=request,
    )


async def run(
    invocation: Invocation, connection: Connection, plan: SmokePlan, *, reason: str = REASON
) -> SmokeReport:
    """Run a canary, audited, and tell on standard error what could not be removed.

    Raises:
        RefusedError: Read-only mode is on.
        AuditError: It cannot be audited, so it was not made.
        StigmerOpsError: A system could not be reached, or refused the canary.
    """
    from stigmer_ops.audit import Intent, Parameters
    from stigmer_ops.cli.audit_trail import audit_trail
    from stigmer_ops.handshake.identity import identity_of
    from stigmer_ops.procedures.smoke import SmokeSystems, audited_smoke, task_queue_name
    from stigmer_ops.procedures.smoke_report import SmokeReport
    from stigmer_ops.stigmer.service import stigmer_service

    require_no_read_only_mode(invocation)
    identity = identity_of(invocation.operator(), invocation.host(), reason)
    report = SmokeReport(plan, task_queue_name())
    namespace = invocation.settings.stigmer.namespace
    async with AsyncExitStack() as stack:
        connect = invocation.temporal
        external = await stack.enter_async_context(connect(connection, identity=identity))
        stigmer = external
        if plan.stigmer is not None and namespace not in (None, external.namespace):
            stigmer = await stack.enter_async_context(
                connect(connection, namespace=namespace, identity=identity)
            )
        service = await stack.enter_async_context(stigmer_service(invocation.settings.stigmer))
        intent = Intent(
            command="smoke",
            operator=invocation.operator(),
            host=invocation.host(),
            identity=identity,
            reason=reason,
            namespace=external.namespace,
            server_address=external.address,
            parameters=Parameters(task_queue=report.task_queue),
        )
        systems = SmokeSystems(external, stigmer, service, identity)
        try:
            with _sigterm_cancels():
                await audited_smoke(systems, report, audit_trail(invocation), intent)
        finally:
            for what in report.left:
                invocation.say(f"left behind: {what}")
    return report


@contextmanager
def _sigterm_cancels() -> Iterator[None]:
    """Let SIGTERM end the canary as Ctrl-C does, so that it is removed all the same."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _write_plan(invocation: Invocation, connection: Connection, plan: SmokePlan) -> None:
    from stigmer_ops.render.smoke import plan_lines, plan_record

    target = invocation.target(connection)
    stigmer = invocation.settings.stigmer.address if plan.stigmer else None
    record = plan_record(plan, target.address, target.namespace, stigmer)

    def table(console: Console, _wide: bool) -> None:
        plan_lines(console, plan, record)

    invocation.write(Document("SmokePlan", record), table)


def _write(invocation: Invocation, connection: Connection, report: SmokeReport) -> None:
    from stigmer_ops.render.smoke import smoke_page, smoke_record

    target = invocation.target(connection)

    def table(console: Console, _wide: bool) -> None:
        smoke_page(console, report, target.address, target.namespace)

    invocation.write(Document("Smoke", smoke_record(report)), table)
