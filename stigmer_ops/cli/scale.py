"""`scale`: how many replicas of Stigmer there should be."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stigmer_ops.cli.commands import command
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityFilters, Connection
from stigmer_ops.cli.prometheus import PrometheusUrl, prometheus_of
from stigmer_ops.errors import ExitCode
from stigmer_ops.render.output import Document

if TYPE_CHECKING:
    from rich.console import Console

    from stigmer_ops.procedures.scaling.load import Load, Pending
    from stigmer_ops.temporal.frontend import Frontend

app = typer.Typer(name="scale", help="How many replicas Stigmer needs.", no_args_is_help=True)

Deployments = Annotated[
    list[str] | None,
    typer.Option(
        "--deployment",
        metavar="NAME",
        help="Only this deployment. May be repeated",
        show_default="kubernetes.deployments",
    ),
]


@command(
    app,
    "recommend",
    examples=(
        "scale recommend",
        "scale recommend --replicas 4 -o json",
        "scale recommend --manifest --deployment stigmer-server",
    ),
)
async def recommend(
    invocation: Invocation,
    connection: Connection,
    replicas: Annotated[
        int | None,
        typer.Option(
            "--replicas",
            min=1,
            metavar="N",
            help="How many there are",
            show_default="as many as workers poll",
        ),
    ] = None,
    deployment: Deployments = None,
    manifest: Annotated[
        bool,
        typer.Option(
            "--manifest", help="Write the HorizontalPodAutoscaler instead, for kubectl apply -f -"
        ),
    ] = False,
    prometheus: PrometheusUrl = None,
) -> ExitCode:
    """Say how many replicas of Stigmer there should be, and why. Changes nothing.

    Counts what waits for Stigmer, and looks at the backlogs and slots of its workers. Since when so
    much has waited is known from Prometheus where one is configured, and else from the ages of what
    waits. Exits 1 if something is wrong that more replicas do not cure.
    """
    from stigmer_ops.procedures.kubectl import Kubectl
    from stigmer_ops.procedures.scaling import recommendation
    from stigmer_ops.render.scale import recommendation_page, recommendation_record

    settings = invocation.settings
    deployments = deployment or settings.kubernetes.deployments
    if manifest:
        _write_manifests(invocation, connection, list(deployments))
        return ExitCode.OK
    load = await _load(invocation, connection, replicas, prometheus)
    found = recommendation.recommend(load, settings)
    kubectl = Kubectl(settings.kubernetes)
    commands = [
        str(kubectl.scale(name, found.replicas))
        for name in deployments
        if found.current and found.replicas != found.current
    ]
    limits = (settings.scaling.min_replicas, settings.scaling.max_replicas)

    def table(console: Console, _wide: bool) -> None:
        recommendation_page(console, found, commands)

    record = recommendation_record(found, load, limits, commands)
    invocation.write(Document("ScaleRecommendation", record), table)
    return ExitCode.FINDINGS if found.trouble else ExitCode.OK


def _write_manifests(
    invocation: Invocation, connection: Connection, deployments: list[str]
) -> None:
    from stigmer_ops.procedures.scaling.autoscaler import ADAPTER_RULE, autoscalers
    from stigmer_ops.render.scale import write_manifests

    namespace = invocation.target(connection).namespace
    manifests = autoscalers(invocation.settings, namespace, deployments)
    write_manifests(manifests, ADAPTER_RULE, invocation.output)


async def _load(
    invocation: Invocation, connection: Connection, replicas: int | None, url: str | None
) -> Load:
    from stigmer_ops.procedures.scaling.load import ROLES, Load
    from stigmer_ops.temporal.expected_queues import expected_queues
    from stigmer_ops.temporal.worker_check import look_at_workers

    settings = invocation.settings
    async with invocation.temporal(connection) as external:
        pending = await _pending(invocation, external, url)
        queues = expected_queues(settings, external.namespace, roles=ROLES)
    async with invocation.temporal(connection, namespace=settings.stigmer.namespace) as stigmer:
        workers = await look_at_workers(
            stigmer,
            queues,
            clock=invocation.now,
            stale_after=settings.thresholds.poller_stale_after,
        )
    return Load(pending, tuple(workers), replicas)


async def _pending(invocation: Invocation, frontend: Frontend, url: str | None) -> Pending:
    """What waits now; of the past, what Prometheus or the ages tell.

    Raises:
        StigmerOpsError: Temporal, or a Prometheus that was named, cannot be read in full.
    """
    from stigmer_ops.cli.pending_scan import conclude, read_pending, selection_of
    from stigmer_ops.procedures.scaling.load import (
        Pending,
        Source,
        least_pending,
        pending_by_ages,
    )

    settings = invocation.settings
    ages: list[timedelta] = []
    selection = selection_of(invocation, ActivityFilters())
    reading = await read_pending(
        invocation, frontend, selection, lambda activity, now: ages.append(activity.age(now))
    )
    conclude(invocation, reading)
    by_ages = pending_by_ages(ages, settings.scaling.sustained_for)
    if (url or settings.monitoring.prometheus) is None:
        return by_ages
    prometheus = prometheus_of(invocation, url)
    least = await asyncio.to_thread(
        least_pending, prometheus, settings, frontend.namespace, reading.now
    )
    if least is None:
        invocation.say("note: Prometheus has gaps in that time, so the ages of what waits decide")
        return by_ages
    # Whoever waited all the time was there, whatever an exporter that began late has counted.
    return Pending(by_ages.now, max(least, by_ages.least), Source.PROMETHEUS)
