"""`worker`: whether the handshake's task queues have the workers that they need."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Connection
from stigmer_ops.errors import ExitCode, UsageError
from stigmer_ops.handshake.registration import ProbeMethod
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.handshake.workers import ExpectedQueue
    from stigmer_ops.temporal.frontend import Frontend
    from stigmer_ops.temporal.worker_check import ProbeChoice

app = typer.Typer(
    name="worker", help="The workers that poll the handshake's task queues.", no_args_is_help=True
)

TaskQueues = Annotated[
    list[str] | None,
    typer.Option(
        "--task-queue",
        "-t",
        help="Only this queue; it need not be one of the settings. May be repeated",
        show_default="all of the settings",
    ),
]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", help="Only the queue with this role (config show). May be repeated"),
]


@command(
    app,
    "check",
    examples=(
        "worker check",
        "worker check --role agent_execution_runner",
        "worker check --task-queue orders --activity-type ChargeCard -o json",
        "worker check --passive",
    ),
)
async def check(
    invocation: Invocation,
    connection: Connection,
    task_queue: TaskQueues = None,
    role: Roles = None,
    activity_type: Annotated[
        list[str] | None,
        typer.Option(
            "--activity-type",
            help="What the workers of the chosen queues shall have registered. May be repeated",
            show_default="as the settings say",
        ),
    ] = None,
    probe: Annotated[
        ProbeMethod | None,
        typer.Option(
            "--probe", help="How to ask the workers", show_default="what the server can do"
        ),
    ] = None,
    passive: Annotated[
        bool,
        typer.Option("--passive", help="Send nothing, only read failures; as --probe none"),
    ] = False,
) -> ExitCode:
    """Check that workers poll every task queue and have the activity types that they shall have.

    The queues are those of the settings, unless --task-queue names others. Each worker is asked for
    an activity type that nobody registers, and answers with those that it has; it logs the refusal,
    and runs no code of its owner, unless that takes every type. What the probe starts it deletes
    again. Exits 1 where a queue lacks a worker or a type, 3 where a worker did not answer.
    """
    from stigmer_ops.handshake.queue_verdicts import exit_code
    from stigmer_ops.render.text import rfc3339
    from stigmer_ops.render.worker import check_page
    from stigmer_ops.render.worker_records import check_record, probe_record
    from stigmer_ops.temporal.worker_check import check_workers

    choice = _choice(invocation, probe, passive=passive)
    async with _frontends(invocation, connection, task_queue, role, activity_type) as frontends:
        started = invocation.now()
        results = await asyncio.gather(
            *(
                check_workers(
                    frontend,
                    queues,
                    choice,
                    clock=invocation.now,
                    stale_after=invocation.settings.thresholds.poller_stale_after,
                )
                for frontend, queues in frontends
            )
        )
    checks = tuple(one for found, _ in results for one in found)
    accounts = {
        frontend.namespace: account
        for (frontend, _), (_, account) in zip(frontends, results, strict=True)
    }
    code = exit_code(checks)
    records = [check_record(one) for one in checks]
    body = {
        "healthy": code is ExitCode.OK,
        "checked_at": rfc3339(started),
        "probes": [probe_record(*item) for item in accounts.items()],
        "task_queues": records,
    }

    def table(console: Console, wide: bool) -> None:
        check_page(console, checks, accounts, wide=wide)

    lines = [("TaskQueueCheck", record) for record in records]
    invocation.write(Document("WorkerCheck", body, lines), table)
    return code


@command(
    app,
    "list",
    examples=(
        "worker list",
        "worker list --role zigflow_execution",
        "worker list -t orders -o json",
    ),
)
async def list_(
    invocation: Invocation,
    connection: Connection,
    task_queue: TaskQueues = None,
    role: Roles = None,
) -> ExitCode:
    """List who polls every task queue: when last seen, which version, how many slots are taken."""
    from stigmer_ops.render.worker import list_page
    from stigmer_ops.render.worker_records import workers_record
    from stigmer_ops.temporal.worker_check import look_at_workers

    async with _frontends(invocation, connection, task_queue, role) as frontends:
        results = await asyncio.gather(
            *(
                look_at_workers(
                    frontend,
                    queues,
                    clock=invocation.now,
                    stale_after=invocation.settings.thresholds.poller_stale_after,
                )
                for frontend, queues in frontends
            )
        )
    looked = [one for found in results for one in found]
    records = [workers_record(one) for one in looked]

    def table(console: Console, wide: bool) -> None:
        list_page(console, looked, wide=wide)

    lines = [("TaskQueueWorkers", record) for record in records]
    invocation.write(Document("WorkerList", {"task_queues": records}, lines), table)
    return ExitCode.OK


def _choice(invocation: Invocation, probe: ProbeMethod | None, *, passive: bool) -> ProbeChoice:
    from stigmer_ops.temporal.worker_check import ProbeChoice

    if passive and probe not in (None, ProbeMethod.NONE):
        raise UsageError("--passive and --probe contradict each other")
    if invocation.settings.read_only:
        return ProbeChoice(ProbeMethod.NONE, "read-only mode")
    if passive or probe is ProbeMethod.NONE:
        return ProbeChoice(ProbeMethod.NONE, "as was asked for")
    return ProbeChoice(probe, "as was asked for" if probe else "")


@asynccontextmanager
async def _frontends(
    invocation: Invocation,
    connection: Connection,
    names: list[str] | None,
    roles: list[str] | None,
    activity_types: list[str] | None = None,
) -> AsyncIterator[list[tuple[Frontend, list[ExpectedQueue]]]]:
    """The chosen queues by namespace, each with a connection to it."""
    from stigmer_ops.handshake.identity import identity_of
    from stigmer_ops.temporal.expected_queues import expected_queues

    queues = expected_queues(
        invocation.settings,
        invocation.target(connection).namespace,
        roles=roles or (),
        names=names or (),
        activity_types=activity_types or (),
    )
    by_namespace: dict[str, list[ExpectedQueue]] = defaultdict(list)
    for queue in queues:
        by_namespace[queue.namespace].append(queue)
    identity = identity_of(invocation.operator(), invocation.host(), "")
    async with AsyncExitStack() as stack:
        yield [
            (
                await stack.enter_async_context(
                    invocation.temporal(connection, namespace=namespace, identity=identity)
                ),
                chosen,
            )
            for namespace, chosen in by_namespace.items()
        ]
