"""Whether a handshake of our own comes through; only where it is asked for, since it writes."""

from __future__ import annotations

from stigmer_ops.procedures.checks.check import Category, Check, Fail, Need, Ok, Outcome, Skip
from stigmer_ops.procedures.checks.context import CheckContext
from stigmer_ops.procedures.checks.settings import SETTINGS
from stigmer_ops.procedures.checks.temporal import TEMPORAL

SMOKE = Category("smoke", "Smoke test", after=(SETTINGS.id, TEMPORAL.id), opt_in=True)


async def _canary(context: CheckContext) -> Outcome:
    if context.settings.read_only:
        return Skip("read-only mode is on")
    report = await context.access.smoke()
    if report.stopped:
        return Fail(report.stopped, report.hint)
    assert report.overhead is not None
    p95, budget = (
        f"{time.total_seconds() * 1000:.1f} ms"
        for time in (report.overhead.p95, report.plan.budget)
    )
    said = f"overhead p95 {p95} of {budget} in {len(report.rounds)} rounds"
    return Fail(said) if report.over_budget else Ok(said)


CHECKS = (
    Check(
        id="canary-passes",
        category=SMOKE,
        sentence="a canary handshake comes through within its budget",
        needs=frozenset({Need.TEMPORAL}),
        hint="stigmer-ops smoke",
        run=_canary,
    ),
)
