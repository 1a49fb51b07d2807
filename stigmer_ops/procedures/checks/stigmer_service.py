"""Whether the Stigmer service answers. It may be left out: Temporal alone tells most."""

from __future__ import annotations

from stigmer_ops.handshake.execution import ExecutionKind
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
from stigmer_ops.stigmer.service import NOBODY_ANSWERS, NoAnswer

STIGMER = Category("stigmer-service", "Stigmer service", after=(SETTINGS.id,))

NEEDS = frozenset({Need.STIGMER})

NOT_CONFIGURED = Skip("no Stigmer address is configured (stigmer.address)")


async def _reachable(context: CheckContext) -> Outcome:
    service = await context.service()
    if service is None:
        return NOT_CONFIGURED
    health = await service.health()
    if isinstance(health, NoAnswer) and health.code in NOBODY_ANSWERS:
        return Fail(f"{service.address}: {_said(health)}")
    # Any other answer came from a gRPC server, even if it is UNIMPLEMENTED.
    return Ok(service.address)


async def _healthy(context: CheckContext) -> Outcome:
    service = await context.service()
    if service is None:
        return NOT_CONFIGURED
    health = await service.health()
    if isinstance(health, NoAnswer):
        if health.code == "UNIMPLEMENTED":
            return Skip("it has no grpc.health.v1: it is neither well nor down")
        return Warn(f"it does not tell: {_said(health)}")
    return Ok(health) if health == "SERVING" else Fail(f"it says {health}")


async def _api(context: CheckContext) -> Outcome:
    service = await context.service()
    if service is None:
        return NOT_CONFIGURED
    problems = []
    for kind in ExecutionKind:
        answer = await service.lists(kind)
        if answer is not None:
            problems.append(f"the list of {kind} executions: {_said(answer)}")
    return Fail("\n".join(problems)) if problems else Ok("agent and workflow executions")


def _said(answer: NoAnswer) -> str:
    return f"{answer.code} {answer.reason}".rstrip()


CHECKS = (
    Check(
        id="stigmer-reachable",
        category=STIGMER,
        sentence="the Stigmer gRPC service can be reached",
        needs=NEEDS,
        hint="check stigmer.address and stigmer.tls_*: stigmer-ops config show",
        run=_reachable,
        retry=True,
        fatal=True,
    ),
    Check(
        id="stigmer-healthy",
        category=STIGMER,
        sentence="the Stigmer service says that it is serving",
        needs=NEEDS,
        hint="read the log of stigmer-server",
        run=_healthy,
        retry=True,
    ),
    Check(
        id="stigmer-api-answers",
        category=STIGMER,
        sentence="the Stigmer API lists executions",
        needs=NEEDS,
        hint="check its version, and what our credentials allow",
        run=_api,
        retry=True,
    ),
)
