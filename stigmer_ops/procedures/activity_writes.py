"""Writes to an activity, each in the same order: plan, then audit, one call, and proof.

The functions that plan read and change nothing. `execute` is the only one that writes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from stigmer_ops.audit import AuditTrail, Fingerprint, Intent, Operation, Parameters, Target
from stigmer_ops.errors import (
    NOTHING_SENT,
    CapabilityError,
    RefusedError,
    StaleError,
    StigmerOpsError,
    UnavailableError,
)
from stigmer_ops.handshake.activity import PendingActivity, Timeouts
from stigmer_ops.handshake.extension import TimeoutChange
from stigmer_ops.handshake.fence import AttemptFence
from stigmer_ops.handshake.token import TaskToken, fingerprint
from stigmer_ops.handshake.write_plan import (
    FailureContent,
    Fencing,
    Proof,
    ResultContent,
    WritePlan,
)
from stigmer_ops.procedures.audited_timeouts import timeout_parameters
from stigmer_ops.temporal.attempt import locate
from stigmer_ops.temporal.frontend import Frontend
from stigmer_ops.temporal.proof import aftermath_of
from stigmer_ops.temporal.respond import Answer

_NOT_CHANGED = "the server refused the write, so nothing was changed by it"


@dataclass(frozen=True, slots=True)
class Write:
    """A plan with what carries it out.

    Attributes:
        plan: What is shown, confirmed and audited.
        reference: What the operator named; read again where the server refuses.
        send: Makes the one call.
        read_back: Says what became of it.
    """

    plan: WritePlan
    reference: TaskToken
    send: Callable[[Frontend], Awaitable[Answer]]
    read_back: Callable[[Frontend, WritePlan, Answer], Awaitable[Proof]]


async def execute(frontend: Frontend, write: Write, trail: AuditTrail, intent: Intent) -> Proof:
    """Carry a write out, once, between the two records of its audit.

    Raises:
        StaleError: The server's fence refused it: the attempt is not pending any more.
        AuditError: It cannot be audited, so it was not made; or its outcome was not recorded.
        UnavailableError: The answer was lost, and no effect is to be seen.
        StigmerOpsError: The server answered with another error.
    """
    with trail.operation(intent) as operation:
        answer = await _sent(frontend, write, operation)
        if answer is Answer.NOT_PENDING:
            await _explain_refusal(frontend, write)
        proof = await _proof(frontend, write, answer, operation)
        operation.done(proof_event_id=proof.event_id, detail=_detail(proof))
    return proof


async def with_aftermath(frontend: Frontend, plan: WritePlan, proof: Proof) -> Proof:
    """The proof with what the workflow made of it, if that shows within a moment.

    A result of the wrong shape is accepted, and breaks the workflow that reads it: this is where
    it would show. Where it cannot be read, the proof stands without it.
    """
    if proof.event_id is None:
        return proof
    try:
        aftermath, detail = await aftermath_of(frontend, plan.fence, proof.event_id)
    except StigmerOpsError:
        return proof
    return replace(proof, aftermath=aftermath, aftermath_detail=detail)


async def _sent(frontend: Frontend, write: Write, operation: Operation) -> Answer:
    try:
        return await write.send(frontend)
    except RefusedError:
        raise
    except StigmerOpsError as error:
        operation.failed(error.happened)
        raise


async def _proof(frontend: Frontend, write: Write, answer: Answer, operation: Operation) -> Proof:
    try:
        return await write.read_back(frontend, write.plan, answer)
    except StigmerOpsError as error:
        if answer is Answer.LOST:
            if error.not_done == NOTHING_SENT:
                error.not_done = "the server's answer was lost, and our write is not to be seen"
            raise
        operation.done(detail=f"accepted, but not read back: {error.happened}")
        raise UnavailableError(
            f"the server accepted the write, but it could not be read back: {error.happened}",
            not_done="there is no proof yet",
            next_step=f"stigmer-ops pending show {write.plan.fence.options(write.plan.namespace)}",
        ) from error


async def _explain_refusal(frontend: Frontend, write: Write) -> None:
    """Raise what the activity is now, since the server's NOT_FOUND does not tell."""
    try:
        found = await locate(frontend, write.reference)
    except StaleError as stale:
        stale.not_done = _NOT_CHANGED
        raise
    if found.fence != write.plan.fence:
        raise moved_on(write.plan, found.activity, found.fence)
    if not found.activity.state.token_is_live:
        raise StaleError(
            f"attempt {found.fence.attempt} is not started: it is {found.activity.state}",
            not_done=_NOT_CHANGED,
            next_step=f"stigmer-ops pending show {found.fence.options(frontend.namespace)}",
        )
    raise CapabilityError(
        f"the server refuses the write, though attempt {found.fence.attempt} is pending and "
        f"{found.activity.state}: it may not take task tokens that were built from ids",
        not_done="nothing was changed",
        next_step="give the worker's own token with --token-file, or use --unfenced",
    )


def moved_on(plan: WritePlan, now: PendingActivity, fence: AttemptFence) -> StaleError:
    """The error of a plan whose attempt is over, with what is pending now."""
    meant = f"attempt {plan.fence.attempt}"
    if fence.scheduled_event_id != plan.fence.scheduled_event_id:
        meant += f" of event {plan.fence.scheduled_event_id}"
    return StaleError(
        f"the activity moved on: {meant} was meant, and attempt {now.attempt} "
        f"is now {now.state}, scheduled by event {fence.scheduled_event_id}",
        not_done="nothing was changed",
        next_step=f"stigmer-ops pending show {fence.options(plan.namespace)}",
    )


def intent_of(plan: WritePlan, *, operator: str, host: str) -> Intent:
    """What the audit records before the call. Content appears by its digest only."""
    fence = plan.fence
    return Intent(
        command=f"activity {plan.verb}",
        operator=operator,
        host=host,
        identity=plan.identity,
        reason=plan.reason,
        namespace=plan.namespace,
        server_address=plan.server_address,
        target=Target(
            workflow_id=fence.workflow_id or None,
            run_id=fence.run_id,
            activity_id=fence.activity_id,
            scheduled_event_id=fence.scheduled_event_id or None,
            attempt=fence.attempt,
        ),
        parameters=_parameters(plan),
    )


def _parameters(plan: WritePlan) -> Parameters:
    token = plan.fence.worker_token
    common = Parameters(
        fenced=plan.fencing is Fencing.SERVER,
        token_fingerprint=fingerprint(token) if token else None,
    )
    match plan.change:
        case ResultContent(sha256=sha256, size_bytes=size):
            return replace(common, result=Fingerprint(sha256=sha256, size_bytes=size))
        case FailureContent(message=message, type=type_name, retryable=retryable):
            return replace(
                common,
                failure_type=type_name,
                failure_message=Fingerprint.of(message.encode()),
                retryable=retryable,
            )
        case TimeoutChange() as change:
            return replace(timeout_parameters(change), token_fingerprint=common.token_fingerprint)


def _detail(proof: Proof) -> str:
    said = [proof.outcome]
    if proof.change is not None:
        before, after = proof.change.before, proof.change.after
        said += [
            f"{name} {_said(before, name)} -> {_said(after, name)}" for name in proof.change.changed
        ]
    if proof.answer_lost:
        said.append("the answer was lost; read back")
    return "; ".join(said)


def _said(timeouts: Timeouts, name: str) -> str:
    value: timedelta | None = getattr(timeouts, name)
    return "none" if value is None else f"{value.total_seconds():g}s"
