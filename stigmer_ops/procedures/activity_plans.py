"""Planning the writes to an activity: what is possible now, what it will do, how it is proved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.service import RPCError

from stigmer_ops.errors import (
    NOTHING_SENT,
    CapabilityError,
    RefusedError,
    StaleError,
    UnavailableError,
)
from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.extension import TimeoutChange, deadline_moved_to
from stigmer_ops.handshake.remedies import shell_word
from stigmer_ops.handshake.token import decode
from stigmer_ops.handshake.token_validation import EndedActivity
from stigmer_ops.handshake.write_plan import (
    FailureContent,
    Fencing,
    Proof,
    ResultContent,
    WritePlan,
)
from stigmer_ops.procedures.activity_writes import Write, moved_on
from stigmer_ops.temporal import respond
from stigmer_ops.temporal.attempt import LocatedAttempt, locate
from stigmer_ops.temporal.describe import describe_workflow
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.proof import effect_on
from stigmer_ops.temporal.respond import Answer


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, as the history will keep them, and why."""

    identity: str
    reason: str


def plan_completion(
    frontend: Frontend,
    found: LocatedAttempt,
    content: ResultContent,
    payloads: Payloads,
    author: Author,
    *,
    unfenced: bool = False,
) -> Write:
    """Plan to complete an activity.

    Raises:
        RefusedError: No worker took the attempt, and `unfenced` is not set.
    """
    activity = found.activity
    if not activity.state.token_is_live and not unfenced:
        raise RefusedError(
            f"{not_started(activity)}, so there is no token of it and no fenced completion",
            not_done=NOTHING_SENT,
            next_step="add --unfenced to complete it by its id, whatever its attempt is by then; "
            f"or have it started first: {_how_to_start(found)}",
        )
    fencing = Fencing.NONE if unfenced else Fencing.SERVER

    async def send(frontend: Frontend) -> Answer:
        return await respond.complete(
            frontend,
            found.fence,
            payloads,
            identity=author.identity,
            by_token=fencing is Fencing.SERVER,
        )

    plan = _plan(frontend, found, content, fencing, author)
    return Write(plan, found.reference, send, _ending_proof)


def plan_failure(
    frontend: Frontend,
    found: LocatedAttempt,
    content: FailureContent,
    failure: Failure,
    author: Author,
    *,
    unfenced: bool = False,
) -> Write:
    """Plan to fail an activity, or one attempt of it.

    Raises:
        RefusedError: No worker took the attempt: the server has no call that fails it then.
    """
    activity = found.activity
    if not activity.state.token_is_live:
        raise RefusedError(
            f"{not_started(activity)}, and the server cannot fail such an activity by any call",
            not_done=NOTHING_SENT,
            next_step="one of: stigmer-ops activity complete --unfenced with a --result that the "
            "workflow takes for an error; temporal workflow cancel or terminate; temporal activity "
            "update-options with a short --schedule-to-close-timeout, so that it times out",
        )
    fencing = Fencing.NONE if unfenced else Fencing.SERVER

    async def send(frontend: Frontend) -> Answer:
        return await respond.fail(
            frontend,
            found.fence,
            failure,
            identity=author.identity,
            by_token=fencing is Fencing.SERVER,
        )

    plan = _plan(frontend, found, content, fencing, author)
    return Write(plan, found.reference, send, _ending_proof)


async def plan_extension(
    frontend: Frontend,
    found: LocatedAttempt,
    until: datetime | None,
    author: Author,
) -> Write:
    """Plan to move the deadline of an attempt to `until`, from `wanted_deadline`.

    Raises:
        RefusedError: It has no deadline, or one that is later already, or has not started.
        CapabilityError: A standalone activity, on a server that cannot change its timeouts.
    """
    activity = found.activity
    deadline = activity.deadline
    if deadline is None:
        raise RefusedError(
            f"activity {activity.activity_id} has no timeout that runs, so it has no deadline",
            not_done=NOTHING_SENT,
            next_step=f"stigmer-ops pending show {found.fence.options(found.activity.namespace)}",
        )
    if until is None:
        raise RefusedError(
            f"{not_started(activity)}, so its start-to-close does not run",
            not_done=NOTHING_SENT,
            next_step="say when the deadline is to be: --until, or --by",
        )
    if until <= deadline.time:
        raise RefusedError(
            f"{until:%Y-%m-%dT%H:%M:%SZ} is not later than the deadline, "
            f"{deadline.time:%Y-%m-%dT%H:%M:%SZ} by {deadline.timeout_type}",
            not_done=NOTHING_SENT,
            next_step="extend only ever moves a deadline back: give a later --until, or --by",
        )
    if found.fence.standalone:
        await _require_operator_commands(frontend)
    change = deadline_moved_to(activity, until)
    workflow_ends = await _workflow_expiration(frontend, found)
    if workflow_ends is not None and workflow_ends < change.deadline:
        change = replace(change, outlives_workflow=workflow_ends)

    async def send(frontend: Frontend) -> Answer:
        # The server compares no attempt here; the next best thing is to look once more.
        now = await locate(frontend, found.reference)
        if now.fence != found.fence:
            raise moved_on(plan, now.activity, now.fence)
        return await respond.extend(frontend, found.fence, change, identity=author.identity)

    plan = _plan(frontend, found, change, Fencing.REREAD, author)
    return Write(plan, found.reference, send, _extension_proof)


def not_started(activity: PendingActivity) -> str:
    """Why there is no token of the pending attempt, as the beginning of a sentence."""
    if activity.paused:
        why = "it is PAUSED"
    elif activity.attempt > 1:
        why = "it is between attempts (SCHEDULED, after a retry)"
    else:
        why = "it is SCHEDULED, and no worker has taken it"
    return f"attempt {activity.attempt} of activity {activity.activity_id} has not started: {why}"


def _how_to_start(found: LocatedAttempt) -> str:
    options = found.fence.options(found.activity.namespace)
    if found.activity.paused:
        return f"temporal activity unpause {options}"
    if found.activity.attempt > 1:
        return f"wait for the retry: stigmer-ops pending show {options}"
    queue = shell_word(found.activity.task_queue)
    namespace = shell_word(found.activity.namespace)
    return f"stigmer-ops worker check -n {namespace} -t {queue} says why no worker takes it"


def _plan(
    frontend: Frontend,
    found: LocatedAttempt,
    change: ResultContent | FailureContent | TimeoutChange,
    fencing: Fencing,
    author: Author,
) -> WritePlan:
    return WritePlan(
        server_address=frontend.address,
        namespace=frontend.namespace,
        activity=found.activity,
        fence=found.fence,
        change=change,
        fencing=fencing,
        identity=author.identity,
        reason=author.reason,
    )


async def _require_operator_commands(frontend: Frontend) -> None:
    capabilities = (await frontend.describe_namespace()).namespace_info.capabilities
    if not capabilities.standalone_activity_operator_commands:
        raise CapabilityError(
            "this server cannot change the timeouts of a standalone activity",
            not_done=NOTHING_SENT,
            next_step="it needs server 1.32 with history.enableStandaloneActivityOperatorCommands",
        )


async def _workflow_expiration(frontend: Frontend, found: LocatedAttempt) -> datetime | None:
    fence = found.fence
    if fence.standalone:
        return None
    try:
        workflow = await describe_workflow(frontend, fence.workflow_id, fence.run_id)
    except RPCError as error:
        raise frontend.translate(error, "describe the workflow") from error
    return workflow.expiration_time


async def _ending_proof(frontend: Frontend, plan: WritePlan, answer: Answer) -> Proof:
    seen = await effect_on(frontend, plan.fence)
    if seen.ended is not None:
        return _ended(plan, seen.ended, answer)
    if seen.pending is not None and seen.pending.attempt != plan.fence.attempt:
        return _retried(plan, seen.pending, answer)
    if answer is Answer.LOST:
        state = "still pending" if seen.pending else "gone, and how it ended is not yet written"
        raise _lost(plan, f"attempt {plan.fence.attempt} is {state}")
    return Proof(outcome="ACCEPTED")


def _ended(plan: WritePlan, ended: EndedActivity, answer: Answer) -> Proof:
    if answer is Answer.LOST and ended.identity != plan.identity:
        event = f" (event {ended.event_id})" if ended.event_id else ""
        raise StaleError(
            f"the server's answer was lost, and meanwhile the activity was {ended.outcome} by "
            f"{ended.identity or 'the server'}{event}",
            not_done="our write did not take effect",
            next_step=f"stigmer-ops pending show {plan.fence.options(plan.namespace)}",
        )
    return Proof(
        outcome=ended.outcome,
        event_id=ended.event_id or None,
        time=ended.time,
        identity=ended.identity,
        answer_lost=answer is Answer.LOST,
    )


def _retried(plan: WritePlan, pending: PendingActivity, answer: Answer) -> Proof:
    last = pending.last_failure.message if pending.last_failure else ""
    ours = isinstance(plan.change, FailureContent) and plan.change.message == last
    if answer is Answer.LOST and not ours:
        raise moved_on(plan, pending, plan.fence)
    return Proof(outcome="RETRYING", attempt=pending.attempt, answer_lost=answer is Answer.LOST)


async def _extension_proof(frontend: Frontend, plan: WritePlan, answer: Answer) -> Proof:
    assert isinstance(plan.change, TimeoutChange)
    found = await locate(frontend, decode(plan.fence.token()))
    timeouts, deadline = found.activity.timeouts, found.activity.deadline
    if answer is Answer.LOST and timeouts != plan.change.after:
        raise _lost(plan, "its timeouts are as they were")
    return Proof(
        outcome="EXTENDED",
        attempt=found.fence.attempt,
        answer_lost=answer is Answer.LOST,
        change=replace(
            plan.change,
            after=timeouts,
            deadline=plan.change.deadline if deadline is None else deadline.time,
        ),
    )


def _lost(plan: WritePlan, state: str) -> UnavailableError:
    return UnavailableError(
        f"the server's answer was lost, and no effect is to be seen: {state}",
        not_done="it is not certain that nothing will change: the call may still arrive",
        next_step="run the same command again: the fence keeps it from being done twice"
        if plan.fencing is Fencing.SERVER
        else f"stigmer-ops pending show {plan.fence.options(plan.namespace)}",
    )
