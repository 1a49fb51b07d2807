"""Which execution is which activity's: the join on the tokens in the Stigmer workflows' inputs.

There is no other link. A whole token names its activity exactly. Of a damaged one, what is left is
matched: the ids that can still be read, then the time: an execution is created moments after its
activity's attempt has started.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from stigmer_ops.handshake.activity import ActivityKey, PendingActivity
from stigmer_ops.handshake.case import Candidate, Relation
from stigmer_ops.handshake.execution import Claim, StigmerExecution, TokenState

CLOCK_SLACK = timedelta(seconds=1)
"""Both times are the Temporal server's, but its hosts' clocks may differ a little."""

CREATION_WINDOW = timedelta(minutes=2)
"""How long after an attempt's start its execution may begin, where only time can match them."""

_DAMAGED = frozenset({TokenState.TRUNCATED, TokenState.MALFORMED, TokenState.DOUBLE_ENCODED})


def correlate(
    activities: Sequence[PendingActivity],
    executions: Iterable[StigmerExecution],
    namespace_id: str,
) -> dict[ActivityKey, tuple[Candidate, ...]]:
    """Give each activity the executions that claim it; linear in both, but for damaged tokens."""
    by_name: dict[tuple[str, str], list[PendingActivity]] = defaultdict(list)
    for activity in activities:
        by_name[activity.workflow_id, activity.activity_id].append(activity)
    found: dict[ActivityKey, list[Candidate]] = defaultdict(list)
    nameless: list[StigmerExecution] = []
    for execution in executions:
        claim = execution.claim
        if claim.state in _DAMAGED and not claim.activity_id:
            nameless.append(execution)
            continue
        for activity in by_name.get((claim.workflow_id, claim.activity_id), ()):
            relation = _relation(activity, execution, namespace_id)
            if relation is not None:
                found[activity.key].append(Candidate(execution, relation))
    _match_nameless(nameless, [a for a in activities if a.key not in found], found)
    return {key: tuple(candidates) for key, candidates in found.items()}


def _relation(
    activity: PendingActivity, execution: StigmerExecution, namespace_id: str
) -> Relation | None:
    claim = execution.claim
    same_run = claim.run_id in ("", activity.run_id)
    # An execution older than the activity belongs to an earlier use of the same ids.
    if _before(execution.start_time, _first_scheduled(activity)):
        return None
    if not same_run and not execution.running:
        return None
    if claim.state in _DAMAGED:
        return Relation.DAMAGED if same_run and claim.attempt == activity.attempt else None
    if same_run and claim.namespace_id != namespace_id:
        return Relation.OTHER_NAMESPACE
    if same_run and claim.attempt == activity.attempt:
        return Relation.CURRENT_ATTEMPT
    return Relation.OTHER_ATTEMPT


def _first_scheduled(activity: PendingActivity) -> datetime | None:
    """When the activity was first scheduled, if that is known and no guess."""
    exact = activity.attempt <= 1 or activity.first_scheduled_time is not None
    return activity.waiting_since if exact else None


def _before(time: datetime | None, other: datetime | None) -> bool:
    return time is not None and other is not None and time < other - CLOCK_SLACK


def _match_nameless(
    executions: Sequence[StigmerExecution],
    unclaimed: Sequence[PendingActivity],
    found: dict[ActivityKey, list[Candidate]],
) -> None:
    for execution in sorted(executions, key=_start):
        fitting = [
            activity
            for activity in unclaimed
            if activity.key not in found
            and _may_name(execution.claim, activity)
            and _created_by(activity, execution)
        ]
        if fitting:
            nearest = max(fitting, key=_started)
            certain = len(fitting) == 1 and bool(
                execution.claim.workflow_id or execution.claim.partial_workflow_id
            )
            found[nearest.key].append(Candidate(execution, Relation.DAMAGED, certain))


def _may_name(claim: Claim, activity: PendingActivity) -> bool:
    if claim.run_id:
        return claim.run_id == activity.run_id and claim.workflow_id == activity.workflow_id
    if claim.workflow_id:
        return claim.workflow_id == activity.workflow_id
    return activity.workflow_id.startswith(claim.partial_workflow_id)


def _created_by(activity: PendingActivity, execution: StigmerExecution) -> bool:
    started, created = activity.last_started_time, execution.start_time
    if started is None or created is None:
        return False
    return started - CLOCK_SLACK <= created <= started + CREATION_WINDOW


def _start(execution: StigmerExecution) -> float:
    return execution.start_time.timestamp() if execution.start_time else 0.0


def _started(activity: PendingActivity) -> float:
    return activity.last_started_time.timestamp() if activity.last_started_time else 0.0
