"""Finding the attempt that a write is meant for, or saying what has become of it.

What an operator names, by a task token or by ids, is always turned into a `TaskToken`: ids are a
token that names no attempt. So a write says of an activity what `token validate` says.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from stigmer_ops.errors import NOTHING_SENT, StaleError
from stigmer_ops.handshake import token_verdicts as verdicts
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.fence import AttemptFence, activity_options
from stigmer_ops.handshake.token import ComponentRef, TaskToken
from stigmer_ops.handshake.token_validation import Observation, TokenValidation, concluded, names
from stigmer_ops.temporal.describe import describe_workflow
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.token_state import validate_token

_PENDING = (verdicts.CURRENT, verdicts.NOT_STARTED, verdicts.UNFENCED)


# Said of ids, which may be misspelt; of a token, the verdict's own words are the better ones.
_NOTHING_THERE = {
    verdicts.WORKFLOW_NOT_FOUND: "there is no workflow {0} in namespace {3}: misspelt, deleted, or "
    "past its retention",
    verdicts.ACTIVITY_NOT_FOUND: "there is no standalone activity {2} in namespace {3}: misspelt, "
    "deleted, or past its retention",
}


@dataclass(frozen=True, slots=True)
class LocatedAttempt:
    """A pending attempt.

    Attributes:
        fence: What pins it.
        activity: As it was read, with the time of its first schedule.
        reference: What the operator named, with the run pinned: to read it again later.
    """

    fence: AttemptFence
    activity: PendingActivity
    reference: TaskToken


def reference_to_ids(
    namespace_id: str, *, workflow_id: str, run_id: str, activity_id: str
) -> TaskToken:
    """A token that names an activity by its ids, and no attempt; standalone without a workflow."""
    if workflow_id:
        return TaskToken(
            b"",
            namespace_id=namespace_id,
            workflow_id=workflow_id,
            run_id=run_id,
            activity_id=activity_id,
        )
    return TaskToken(
        b"",
        namespace_id=namespace_id,
        activity_id=activity_id,
        component_ref=ComponentRef(namespace_id, activity_id, run_id),
    )


async def locate(frontend: Frontend, reference: TaskToken) -> LocatedAttempt:
    """Read what the reference names, and pin the attempt that is pending.

    Args:
        frontend: Whom to ask.
        reference: A worker's token, or `reference_to_ids`.

    Raises:
        StaleError: Nothing is pending there, or another attempt than the token's. The message says
            what it is now: completed (by whom, when, in which event), failed, timed out, another
            attempt, another run, a closed workflow, or never there.
        StigmerOpsError: The server could not be asked.
    """
    validation = await validate_token(frontend, reference)
    seen = validation.seen
    if seen is None or seen.pending is None or validation.verdict not in _PENDING:
        raise await _stale(frontend, reference, validation)
    pending = seen.pending
    if reference.attempt and reference.attempt != pending.attempt:
        raise await _stale(frontend, reference, replace(validation, verdict=verdicts.STALE_ATTEMPT))
    fence = AttemptFence(
        namespace_id=reference.namespace_id,
        workflow_id=pending.workflow_id,
        run_id=pending.run_id,
        activity_id=pending.activity_id,
        scheduled_event_id=seen.scheduled_event_id,
        attempt=pending.attempt,
        worker_token=reference.raw if _names_all(reference) else b"",
    )
    since = seen.scheduled_time or pending.first_scheduled_time
    return LocatedAttempt(
        fence,
        replace(pending, first_scheduled_time=since),
        reference if reference.raw else _to_ids_of(fence),
    )


def _to_ids_of(fence: AttemptFence) -> TaskToken:
    return reference_to_ids(
        fence.namespace_id,
        workflow_id=fence.workflow_id,
        run_id=fence.run_id,
        activity_id=fence.activity_id,
    )


def _names_all(token: TaskToken) -> bool:
    """Whether the server would compare run and attempt of this very token."""
    _, run_id, _ = names(token)
    return bool(run_id and token.attempt and (token.standalone or token.scheduled_event_id))


async def _stale(
    frontend: Frontend, reference: TaskToken, validation: TokenValidation
) -> StaleError:
    seen = validation.seen
    if seen is None:
        happened, next_step = validation.finding, validation.next_step
    elif not reference.raw and validation.verdict in _NOTHING_THERE:
        happened = _NOTHING_THERE[validation.verdict].format(*names(reference), frontend.namespace)
        next_step = "is the name right, and the namespace? stigmer-ops config show"
    elif not reference.raw and validation.verdict is verdicts.NO_SUCH_ACTIVITY:
        happened, next_step = await _never_scheduled(frontend, reference)
    else:
        happened, next_step = _said(reference, validation.verdict, seen)
    return StaleError(happened, not_done=NOTHING_SENT, next_step=next_step)


def _said(
    reference: TaskToken, verdict: verdicts.TokenVerdict, seen: Observation
) -> tuple[str, str]:
    """What happened and what to do next; how the activity ended comes before how its run did."""
    known = _completed(reference, seen)
    said = concluded(verdict, known, seen)
    if seen.ended is None or verdict is verdicts.ENDED[seen.ended.outcome]:
        return f"activity {names(known)[2]}: {said.finding}", said.next_step
    ended = concluded(verdicts.ENDED[seen.ended.outcome], known, seen)
    run = f"; its run is {seen.run.status} now" if seen.run else ""
    after = f", {seen.succession}" if seen.succession else ""
    return f"activity {names(known)[2]}: {ended.finding}{run}{after}", said.next_step


async def _never_scheduled(frontend: Frontend, reference: TaskToken) -> tuple[str, str]:
    workflow = await describe_workflow(frontend, reference.workflow_id, reference.run_id)
    waiting = ", ".join(f"{each.activity_id} ({each.activity_type})" for each in workflow.pending)
    return (
        f"workflow {workflow.workflow_id} never scheduled an activity with the id "
        f"{reference.activity_id} (run {workflow.run_id}); pending there: {waiting or 'none'}",
        f"stigmer-ops pending show {activity_options(workflow.workflow_id, workflow.run_id, '')} "
        f"--namespace {shlex.quote(frontend.namespace)}",
    )


def _completed(reference: TaskToken, seen: Observation) -> TaskToken:
    """The reference with what was found of it, so that messages can name it."""
    return replace(
        reference,
        run_id=reference.run_id or (seen.run.run_id if seen.run else ""),
        scheduled_event_id=reference.scheduled_event_id or seen.scheduled_event_id,
        activity_id=reference.activity_id,
    )
