"""Whether the Temporal frontend can be used, and what it can do."""

from __future__ import annotations

from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode

from stigmer_ops.errors import DeniedError
from stigmer_ops.handshake.verdicts import Severity
from stigmer_ops.procedures.checks.check import (
    Category,
    Check,
    Fail,
    Need,
    Ok,
    Outcome,
    Skip,
    Warn,
)
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.settings import SETTINGS
from stigmer_ops.temporal.clock import SKEW_LIMIT, skew_sentence
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.server import ServerDescription, describe_server

TEMPORAL = Category("temporal", "Temporal", after=(SETTINGS.id,))

NEEDS = frozenset({Need.TEMPORAL})

CAPABILITIES = {
    "standalone_activities": "external activities without a workflow are not found, and workers "
    "are asked for their activity types through a workflow",
    "worker_heartbeats": "workers' slots are not known, nor which of them said goodbye",
    "workflow_pause": "paused workflows are not told from running ones",
}
"""Namespace capabilities that commands use, with what is missing without them."""

_NOT_ALLOWED = frozenset({RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED})


async def _reachable(context: CheckContext) -> Outcome:
    target = context.access.target()
    over = "with TLS" if target.tls else "without TLS"
    try:
        await context.external()
    except DeniedError:
        return Ok(f"{target.address}, {over}; it answers, and refuses us")
    return Ok(f"{target.address}, {over}")


async def _authorised(context: CheckContext) -> Outcome:
    for frontend in await _frontends(context):
        error = await _refusal(frontend)
        if error is not None and error.status in _NOT_ALLOWED:
            raise frontend.translate(error, f"read namespace {frontend.namespace}")
    return Ok()


async def _namespaces(context: CheckContext) -> Outcome:
    frontends = await _frontends(context)
    for frontend in frontends:
        error = await _refusal(frontend)
        if error is not None and error.status is RPCStatusCode.NOT_FOUND:
            return Fail(f"there is no namespace {frontend.namespace!r} at {frontend.address}")
        if error is not None:
            raise frontend.translate(error, f"read namespace {frontend.namespace}")
    return Ok(", ".join(frontend.namespace for frontend in frontends))


async def _frontends(context: CheckContext) -> list[Frontend]:
    """The namespaces of both sides, each once."""
    return list(dict.fromkeys([await context.external(), await context.stigmer()]))


async def _refusal(frontend: Frontend) -> RPCError | None:
    try:
        await frontend.call(
            frontend.service.describe_namespace,
            DescribeNamespaceRequest(namespace=frontend.namespace),
        )
    except RPCError as error:
        return error
    return None


async def _capabilities(context: CheckContext) -> Outcome:
    return judged_capabilities(await _server(context))


def judged_capabilities(server: ServerDescription) -> Outcome:
    """What the server lacks, with what that takes from us."""
    missing = [
        f"no {name.replace('_', ' ')}: {loss}"
        for name, loss in CAPABILITIES.items()
        if name not in server.capabilities
    ]
    if not server.version:
        missing.insert(0, "the server does not tell its version")
    return Warn("\n".join(missing)) if missing else Ok(f"Temporal Server {server.version}")


async def _clock(context: CheckContext) -> Outcome:
    return judged_skew((await _server(context)).clock_skew)


def judged_skew(skew: timedelta | None) -> Outcome:
    """What a difference of clocks means; it is exact to the duration of a call."""
    if skew is None:
        return Skip("the server's time cannot be measured: we may not poll a queue of our own")
    if abs(skew) < SKEW_LIMIT:
        return Ok()
    return Fail(skew_sentence(skew))


async def _server(context: CheckContext) -> ServerDescription:
    frontend = await context.external()
    return await context.read(
        "server", lambda: describe_server(frontend, context.access.machine_time)
    )


CHECKS = (
    Check(
        id="temporal-reachable",
        category=TEMPORAL,
        sentence="the Temporal frontend can be reached",
        needs=NEEDS,
        hint="stigmer-ops config show",
        run=_reachable,
        retry=True,
        fatal=True,
    ),
    Check(
        id="temporal-authorised",
        category=TEMPORAL,
        sentence="Temporal accepts the credentials",
        needs=NEEDS,
        hint="stigmer-ops config show",
        run=_authorised,
        fatal=True,
    ),
    Check(
        id="temporal-namespaces-exist",
        category=TEMPORAL,
        sentence="the namespaces exist",
        needs=NEEDS,
        hint="check TEMPORAL_NAMESPACE, --namespace and stigmer.namespace: stigmer-ops config show",
        run=_namespaces,
        fatal=True,
    ),
    Check(
        id="temporal-capabilities",
        category=TEMPORAL,
        sentence="the server can do all that the commands use",
        needs=NEEDS,
        hint="upgrade Temporal, or do without",
        run=_capabilities,
    ),
    Check(
        id="clocks-agree",
        category=TEMPORAL,
        sentence="this machine's clock agrees with the server's",
        needs=NEEDS,
        hint="timedatectl; until it is put right, commands that ask Temporal go by its time",
        run=_clock,
        severity=Severity.WARNING,
    ),
)
