"""Plans written, applied and read back as the commands do, without the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stigmer_ops.audit import AuditTrail
from stigmer_ops.diagnosis.diagnose import Systems
from stigmer_ops.handshake.plan import PlanHeader, PlanRow, mark_of
from stigmer_ops.handshake.plan_outcome import RowOutcome, RowState
from stigmer_ops.procedures.apply.engine import Limits, Standing
from stigmer_ops.procedures.apply.journal import open_journal, scratch_journal
from stigmer_ops.procedures.apply.report import report_rows
from stigmer_ops.procedures.apply.run import Operator, plan_run
from stigmer_ops.procedures.plan_file import new_plan, open_plan
from stigmer_ops.temporal.frontend import Frontend

OPERATOR = Operator("alice", "bastion-1", "stigmer-ops:alice@bastion-1 INC-7", "INC-7 gone")


@dataclass(frozen=True)
class Applied:
    """A finished run: where it stood, and the outcome of every row of the plan."""

    standing: Standing
    outcomes: list[RowOutcome]

    @property
    def states(self) -> list[RowState]:
        return [outcome.state for outcome in self.outcomes]


def utc_now() -> datetime:
    return datetime.now(UTC)


async def written_plan(path: Path, frontend: Frontend, rows: Iterable[PlanRow]) -> str:
    """Write a plan for a namespace; what ends the identities of its writes."""
    header = PlanHeader(frontend.namespace, await frontend.namespace_id(), frontend.address)
    with new_plan(path, header) as plan:
        for row in rows:
            plan.add(row)
    return mark_of(plan.tally.sha256)


async def applied(
    path: Path,
    frontend: Frontend,
    *,
    systems: Systems | None = None,
    limits: Limits | None = None,
    dry_run: bool = False,
    now: Callable[[], datetime] = utc_now,
    trail: Path | None = None,
) -> Applied:
    """Apply a plan; its audit trail is `audit.jsonl` beside it unless given."""
    audit = AuditTrail(trail or path.with_name("audit.jsonl"), now=now)
    with open_plan(path) as plan:
        opened = scratch_journal(plan) if dry_run else open_journal(plan)
        with opened as journal:
            async with plan_run(
                plan,
                journal,
                systems or Systems(frontend, frontend),
                OPERATOR,
                limits or Limits(concurrency=8),
                trail=None if dry_run else audit,
                now=now,
                dry_run=dry_run,
            ) as (run, _recorder):
                await run.run()
            outcomes = [each.outcome for each in report_rows(plan, journal)]
    return Applied(run.standing, outcomes)
