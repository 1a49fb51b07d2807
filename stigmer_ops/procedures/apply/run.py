"""Putting together what a run of a plan needs, and keeping the record of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from stigmer_ops.audit import AuditTrail, Intent, Parameters
from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.errors import NOTHING_SENT, RefusedError
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.identity import LIMIT
from stigmer_ops.handshake.plan import PlanHeader, PlanRow, mark_of
from stigmer_ops.handshake.timestamps import timestamp
from stigmer_ops.procedures.apply.deeds import Content
from stigmer_ops.procedures.apply.engine import Limits, PlanRun, target_of
from stigmer_ops.procedures.apply.journal import Journal, JournalLine
from stigmer_ops.procedures.apply.recorder import Recorder
from stigmer_ops.procedures.apply.repair import RowRepair
from stigmer_ops.procedures.plan_file import PlanFile
from stigmer_ops.temporal.frontend import Frontend


@dataclass(frozen=True, slots=True)
class Operator:
    """Who applies a plan, and why.

    Attributes:
        name: Login name.
        host: Where they type.
        identity: What histories keep of them, without the mark of the plan.
        reason: In their words; empty in a dry run.
    """

    name: str
    host: str
    identity: str
    reason: str


def identity_in(plan: PlanFile, operator: Operator) -> str:
    """What histories keep as the caller of every write of the plan, within Temporal's limit."""
    mark = mark_of(plan.sha256)
    whole = operator.identity.encode()[: LIMIT - len(mark)]
    return whole.decode(errors="ignore") + mark


async def require_same_namespace(frontend: Frontend, header: PlanHeader) -> None:
    """Refuse a plan that was made for another namespace.

    Raises:
        RefusedError: By its name or its id it is another.
        StigmerOpsError: The namespace cannot be read.
    """
    here = await frontend.namespace_id()
    if header.namespace == frontend.namespace and header.namespace_id in ("", here):
        return
    raise RefusedError(
        f"the plan is for namespace {header.namespace}"
        + (f" ({header.namespace_id})" if header.namespace_id else "")
        + f", and this is {frontend.namespace} ({here}) at {frontend.address}",
        not_done=NOTHING_SENT,
        next_step=f"--namespace {header.namespace} and the --address of its server"
        + (f" (the plan was made at {header.address})" if header.address else ""),
    )


@asynccontextmanager
async def plan_run(
    plan: PlanFile,
    journal: Journal,
    systems: Systems,
    operator: Operator,
    limits: Limits,
    *,
    trail: AuditTrail | None,
    now: Callable[[], datetime],
    dry_run: bool = False,
    command: str = "apply",
) -> AsyncIterator[tuple[PlanRun, Recorder]]:
    """A run of a plan that is about to begin; what it has done is on disk when the block is left.

    Args:
        plan: Checked, and of the namespace that it is for.
        journal: Its own; of a dry run, a copy.
        systems: Whom to write to, and where results come from.
        operator: Who, and why.
        limits: How far to go.
        trail: The audit; None in a dry run.
        now: The clock.
        dry_run: Whether to send nothing.
        command: What the audit is told that was typed.

    Raises:
        StigmerOpsError: The journal cannot be written.
    """
    frontend = systems.external
    identity = identity_in(plan, operator)
    journal.append([_run_line(operator, identity, limits, now())])
    repair = RowRepair(
        systems,
        await frontend.namespace_id(),
        identity=identity,
        sha256=plan.sha256,
        events_known=not plan.edited,
        dry_run=dry_run,
    )

    unknown = Parameters(plan_sha256=plan.sha256)

    def intent_of(row: PlanRow, fence: AttemptFence, content: Content | None) -> Intent:
        return Intent(
            command=f"{command} {row.action}",
            operator=operator.name,
            host=operator.host,
            identity=identity,
            reason=operator.reason,
            namespace=frontend.namespace,
            server_address=frontend.address,
            target=target_of(fence),
            parameters=unknown if content is None else content.parameters,
        )

    recorder = Recorder(journal, trail, now=now)
    run = PlanRun(plan, journal, recorder, repair, frontend, intent_of, limits, dry_run=dry_run)
    async with recorder:
        yield run, recorder
    if recorder.error is not None:
        run.stop(recorder.error.happened, recorder.error)


def _run_line(operator: Operator, identity: str, limits: Limits, time: datetime) -> JournalLine:
    record = {
        "kind": "ApplyRun",
        "time": timestamp(time, "seconds"),
        "operator": operator.name,
        "host": operator.host,
        "pid": os.getpid(),
        "identity": identity,
        "reason": operator.reason,
        "canary": limits.canary,
    }
    return JournalLine(0, record)
