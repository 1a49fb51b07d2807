"""The result of validating a task token: the verdict, and what it was concluded from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from stigmer_ops.handshake import token_verdicts as verdicts
from stigmer_ops.handshake.activity import Failure, PendingActivity
from stigmer_ops.handshake.fence import activity_options
from stigmer_ops.handshake.remedies import shell_word
from stigmer_ops.handshake.token import Damage, ServerAnswer, TaskToken
from stigmer_ops.handshake.token.damage import NOT_PENDING
from stigmer_ops.handshake.token_verdicts import TokenVerdict


@dataclass(frozen=True, slots=True)
class RunState:
    """A run of a workflow. `status` is Temporal's word for it (RUNNING, TERMINATED, ...).

    `closed_by` and `reason` are those of a termination, and empty otherwise.
    """

    run_id: str
    status: str
    close_time: datetime | None = None
    closed_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EndedActivity:
    """How an activity ended: COMPLETED, FAILED, TIMED_OUT, CANCELED or TERMINATED.

    `event_id` is 0 for a standalone activity, which has no history. `identity` is who reported the
    end, empty where nobody did or the server does not tell.
    """

    outcome: str
    time: datetime | None
    event_id: int = 0
    identity: str = ""
    failure: Failure | None = None


class Succession(StrEnum):
    """Why a run has another after it."""

    RESET = "reset"
    CONTINUED_AS_NEW = "continued as new"
    FOLLOWED = "followed by a retry or a scheduled run"


@dataclass(frozen=True, slots=True)
class Observation:
    """What was read about the activity that a token names; None and empty where it was not.

    Attributes:
        namespace: The namespace that was asked.
        token_namespace: The name of the namespace that the token belongs to.
        run: The token's run.
        current_run: The current run of the same workflow, where it is another.
        succession: Why the token's run has a successor.
        scheduled_event_id: The event that scheduled the activity, as the history has it; 0 where it
            has none such.
        scheduled_time: Its time.
        pending: The activity as it waits in the token's run.
        current_pending: The activity of the same id as it waits in the current run.
        ended: How the activity ended in the token's run.
    """

    namespace: str
    token_namespace: str = ""
    run: RunState | None = None
    current_run: RunState | None = None
    succession: Succession | None = None
    scheduled_event_id: int = 0
    scheduled_time: datetime | None = None
    pending: PendingActivity | None = None
    current_pending: PendingActivity | None = None
    ended: EndedActivity | None = None


@dataclass(frozen=True, slots=True)
class TokenValidation:
    """One verdict with everything that is told of it.

    Attributes:
        verdict: From the registry.
        finding: The verdict with the facts of this token, in one sentence.
        server_answer: What using the token would be answered; None if that cannot be said.
        next_step: The next safe command, or the next thing to look at.
        token: None where the bytes are none.
        seen: None where the server was not asked.
        damage: What is wrong with the bytes, where they are no token.
        inside: The validation of the token that was found inside damaged bytes.
    """

    verdict: TokenVerdict
    finding: str
    server_answer: ServerAnswer | None
    next_step: str
    token: TaskToken | None = None
    seen: Observation | None = None
    damage: Damage | None = None
    inside: TokenValidation | None = None


def concluded(verdict: TokenVerdict, token: TaskToken, seen: Observation) -> TokenValidation:
    """The validation of a whole token, with the facts put into the verdict's sentences."""
    facts = facts_of(token, seen)
    answer = _answer(verdict, token)
    return TokenValidation(
        verdict,
        verdict.finding.format(**facts),
        ServerAnswer(answer.code, answer.message.format(**facts)),
        verdict.next_step.format(**_quoted(token, seen)),
        token,
        seen,
    )


def malformed(damage: Damage) -> TokenValidation:
    """The validation of bytes that are no token: no server needs to be asked."""
    return TokenValidation(
        verdicts.MALFORMED,
        verdicts.MALFORMED.finding.format(damage=damage.reason),
        damage.server_answer,
        damage.next_step,
        damage=damage,
    )


def double_encoded(damage: Damage, inside: TokenValidation) -> TokenValidation:
    """The validation of bytes that are the base64 text of a token.

    The server does not decode them: whoever uses them is refused, though the token inside may be
    good.
    """
    return TokenValidation(
        verdicts.DOUBLE_ENCODED,
        verdicts.DOUBLE_ENCODED.finding.format(damage=damage.reason, inside=inside.finding),
        damage.server_answer,
        inside.next_step,
        inside.token,
        inside.seen,
        damage,
        inside,
    )


def fenced(token: TaskToken) -> bool:
    """Whether the server compares the token's attempt with the one that is pending.

    Measured on server 1.32: for a workflow's activity if the token names the scheduled event, for a
    standalone one if it names an attempt.
    """
    return bool(token.attempt) if token.standalone else token.scheduled_event_id != 0


def names(token: TaskToken) -> tuple[str, str, str]:
    """Workflow id, run id and activity id that the server goes by; no workflow if standalone."""
    if token.component_ref is not None:
        return "", token.component_ref.run_id, token.component_ref.business_id
    return token.workflow_id, token.run_id, token.activity_id


def _seen_names(token: TaskToken, seen: Observation) -> tuple[str, str, str]:
    """`names`, as the server has them where the token lacks a part or differs in it."""
    workflow_id, run_id, activity_id = names(token)
    return (
        workflow_id,
        seen.run.run_id if seen.run else run_id,
        seen.pending.activity_id if seen.pending else activity_id,
    )


def _answer(verdict: TokenVerdict, token: TaskToken) -> ServerAnswer:
    if verdict.answer is NOT_PENDING and token.standalone:
        return verdicts.NO_STANDALONE
    if verdict.answer is NOT_PENDING and not fenced(token):
        return verdicts.NO_PENDING_ID
    if verdict.answer is verdicts.NO_RUN and not token.run_id:
        return verdicts.NO_WORKFLOW
    return verdict.answer


def facts_of(token: TaskToken, seen: Observation) -> Mapping[str, str]:
    """What the sentences of the verdicts may name."""
    workflow_id, run_id, activity_id = _seen_names(token, seen)
    run, pending, ended = seen.run, seen.pending, seen.ended
    return {
        "namespace": seen.namespace,
        "namespace_id": token.namespace_id,
        "token_namespace": seen.token_namespace,
        "workflow_id": workflow_id,
        "run_id": run_id,
        "activity_id": activity_id,
        "scheduled_event_id": str(token.scheduled_event_id),
        "named": f"scheduled event {token.scheduled_event_id}"
        if token.scheduled_event_id
        else f"id {activity_id}",
        "attempt": str(token.attempt),
        "pending_attempt": str(pending.attempt) if pending else "",
        "pending_state": pending.state if pending else "",
        "ended_time": _time(ended.time) if ended else "",
        "ended_where": f" (event {ended.event_id})" if ended and ended.event_id else "",
        "ended_by": f", as reported by {ended.identity}" if ended and ended.identity else "",
        "ended_before": _ended_before(seen),
        "run_status": run.status if run else "",
        "close_time": _time(run.close_time) if run else "",
        "closed_by": _closed_by(run),
        "succession": str(seen.succession or ""),
        "successor": _successor(seen, activity_id),
    }


def _quoted(token: TaskToken, seen: Observation) -> Mapping[str, str]:
    """What the commands of the verdicts may name, quoted for a shell."""
    workflow_id, run_id, activity_id = _seen_names(token, seen)
    where = f" --namespace {shell_word(seen.namespace)}"
    current = seen.current_run.run_id if seen.current_run else ""
    waits_there = activity_id if seen.current_pending else ""
    proof = "temporal activity describe" if token.standalone else "temporal workflow show"
    proved = activity_options(workflow_id, run_id, activity_id if token.standalone else "")
    return {
        "activity": activity_options(workflow_id, run_id, activity_id) + where,
        "current_run": activity_options(workflow_id, current, waits_there) + where,
        "proof": f"{proof} {proved.removeprefix('--standalone ')}{where}",
        "token_namespace": shell_word(seen.token_namespace),
    }


def _ended_before(seen: Observation) -> str:
    if not seen.scheduled_event_id:
        return "is not in its history"
    if seen.ended is None:
        return "was still pending then"
    return f"had ended before: {seen.ended.outcome} at event {seen.ended.event_id}"


def _closed_by(run: RunState | None) -> str:
    if run is None or not run.closed_by:
        return ""
    return f" by {run.closed_by}" + (f", because: {run.reason}" if run.reason else "")


def _successor(seen: Observation, activity_id: str) -> str:
    if seen.current_run is None:
        return ""
    now = f"; the current run is {seen.current_run.run_id} ({seen.current_run.status})"
    if seen.current_pending is None:
        return now
    waits = seen.current_pending
    return f"{now}, where activity {activity_id} is {waits.state} at attempt {waits.attempt}"


def _time(time: datetime | None) -> str:
    if time is None:
        return "an unknown time"
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
