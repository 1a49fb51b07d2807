"""How a write to an activity looks: what it will do, and the proof that it was done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stigmer_ops.handshake.activity import Timeouts
from stigmer_ops.handshake.extension import TimeoutChange
from stigmer_ops.handshake.identity import ticket_in
from stigmer_ops.handshake.shape import ResultShape
from stigmer_ops.handshake.write_plan import (
    FailureContent,
    Fencing,
    Proof,
    ResultContent,
    WritePlan,
    exit_reason,
)
from stigmer_ops.render.output import Record
from stigmer_ops.render.text import rfc3339, seconds, short_duration, visible

if TYPE_CHECKING:
    from rich.console import Console

KINDS = {
    "complete": "ActivityCompletion",
    "fail": "ActivityFailure",
    "redeliver": "ActivityRedelivery",
    "extend": "ActivityExtension",
}
"""The document's kind by the command's verb."""

_FENCES = {
    Fencing.SERVER: "the server refuses it unless exactly this attempt is still pending",
    Fencing.REREAD: "read again just before; the server itself compares no attempt here",
    Fencing.NONE: "NONE: whichever attempt of this run is pending when it arrives is the one",
}


def write_record(
    plan: WritePlan,
    proof: Proof | None,
    *,
    warnings: Sequence[str] = (),
    show_payloads: bool = False,
) -> Record:
    """The body of one of `KINDS`; without a proof, that of a dry run."""
    return {
        "dry_run": proof is None,
        "namespace": plan.namespace,
        "server_address": plan.server_address,
        "fence": _fence_record(plan),
        "activity": _activity_record(plan),
        **_change_record(plan.change, show_payloads=show_payloads),
        "delivered_from": plan.delivered_from or None,
        "effect": plan.effect,
        "identity": plan.identity,
        "reason": plan.reason or None,
        "ticket": ticket_in(plan.reason) or None,
        "warnings": list(warnings),
        "exit_reason": exit_reason(plan, proof),
        "proof": None if proof is None else _proof_record(proof),
    }


def _fence_record(plan: WritePlan) -> Record:
    fence = plan.fence
    return {
        "by": plan.fencing.value,
        "namespace_id": fence.namespace_id,
        "workflow_id": fence.workflow_id or None,
        "run_id": fence.run_id,
        "activity_id": fence.activity_id,
        "scheduled_event_id": fence.scheduled_event_id or None,
        "attempt": fence.attempt,
    }


def _activity_record(plan: WritePlan) -> Record:
    activity = plan.activity
    deadline = activity.deadline
    return {
        "activity_type": activity.activity_type,
        "workflow_type": activity.workflow_type or None,
        "state": activity.state.value,
        "standalone": activity.standalone,
        "first_scheduled_time": rfc3339(activity.waiting_since),
        "last_started_time": rfc3339(activity.last_started_time),
        "deadline": rfc3339(deadline.time) if deadline else None,
        "deadline_timeout_type": deadline.timeout_type.value if deadline else None,
    }


def _change_record(
    change: ResultContent | FailureContent | TimeoutChange, *, show_payloads: bool
) -> dict[str, Any]:
    match change:
        case ResultContent():
            record: dict[str, Any] = {
                "is_default": change.is_default,
                "sha256": change.sha256,
                "size_bytes": change.size_bytes,
                "encoded_bytes": change.encoded_bytes,
                "encoding": change.shape.stored_encoding,
            }
            return {"result": record | ({"json": change.text} if show_payloads else {})}
        case FailureContent():
            record = {"type": change.type, "retryable": change.retryable}
            return {"failure": record | ({"message": change.message} if show_payloads else {})}
        case TimeoutChange():
            return {"timeouts": _timeouts_record(change)}


def _timeouts_record(change: TimeoutChange) -> Record:
    return {
        "before": _seconds_of(change.before),
        "after": _seconds_of(change.after),
        "deadline_before": rfc3339(change.deadline_before),
        "deadline": rfc3339(change.deadline),
        "workflow_times_out": rfc3339(change.outlives_workflow),
    }


def _seconds_of(timeouts: Timeouts) -> Record:
    return {f"{name}_seconds": seconds(value) for name, value in asdict(timeouts).items()}


def _proof_record(proof: Proof) -> Record:
    return {
        "outcome": proof.outcome,
        "event_id": proof.event_id,
        "time": rfc3339(proof.time),
        "identity": proof.identity or None,
        "attempt": proof.attempt,
        "answer_lost": proof.answer_lost,
        "timeouts": None if proof.change is None else _timeouts_record(proof.change),
        "workflow": proof.aftermath.value if proof.aftermath else None,
        "workflow_detail": proof.aftermath_detail or None,
    }


def plan_table(
    console: Console,
    plan: WritePlan,
    *,
    now: datetime,
    dry_run: bool = False,
    show_payloads: bool = False,
) -> None:
    """What the write will do."""
    _line(console, f"{plan.verb} {_named(plan)}", "bold")
    _facts(console, [*_where(plan, now), *_what(plan, show_payloads=show_payloads), *_who(plan)])
    if dry_run:
        _line(console, "dry run: nothing was sent")


def proof_table(console: Console, plan: WritePlan, proof: Proof) -> None:
    """What was read back."""
    done = exit_reason(plan, proof) in ("done", "done-without-event")
    _line(console, f"{_said_of(proof)}: {_named(plan)}", "bold green" if done else "bold yellow")
    _facts(console, _proved(plan, proof))


def _named(plan: WritePlan) -> str:
    fence = plan.fence
    of = f"of workflow {fence.workflow_id}" if fence.workflow_id else "(standalone)"
    return f"activity {fence.activity_id} {of}, attempt {fence.attempt}"


def _where(plan: WritePlan, now: datetime) -> Iterator[tuple[str, str]]:
    activity, fence = plan.activity, plan.fence
    yield "namespace", f"{plan.namespace} at {plan.server_address}"
    if fence.workflow_id:
        yield "workflow", f"{fence.workflow_id} ({activity.workflow_type})"
    yield "run", fence.run_id
    event = f", scheduled by event {fence.scheduled_event_id}" if fence.scheduled_event_id else ""
    yield "activity", f"{fence.activity_id} ({activity.activity_type}){event}"
    left = activity.time_left(now)
    ends = f", {short_duration(left)} left" if left is not None else ", no deadline"
    waiting = f"waiting for {short_duration(activity.age(now))}"
    yield "attempt", f"{fence.attempt}, {activity.state}, {waiting}{ends}"


def _what(plan: WritePlan, *, show_payloads: bool) -> Iterator[tuple[str, str]]:
    if plan.delivered_from:
        yield "source", plan.delivered_from
    match plan.change:
        case ResultContent() as result:
            stock = "the stock result, " if result.is_default else ""
            yield "result", f"{stock}{result.size_bytes} bytes, {_encoding(result.shape)}"
            yield "sha256", result.sha256
            if show_payloads:
                yield "payload", result.text
        case FailureContent() as failure:
            kind = "retryable" if failure.retryable else "not retryable"
            yield "failure", f"{failure.type}, {kind}, message of {len(failure.message)} characters"
            if show_payloads:
                yield "message", failure.message
        case TimeoutChange() as change:
            yield from _timeouts(change)
    yield "effect", plan.effect
    yield "fence", _FENCES[plan.fencing]


def _encoding(shape: ResultShape) -> str:
    if shape.encoding in ("", shape.stored_encoding):
        return shape.stored_encoding
    return f"{shape.encoding} within {shape.stored_encoding}"


def _timeouts(change: TimeoutChange) -> Iterator[tuple[str, str]]:
    for name in change.changed:
        before: timedelta | None = getattr(change.before, name)
        after: timedelta | None = getattr(change.after, name)
        yield name.replace("_", "-"), f"{short_duration(before)} -> {short_duration(after)}"
    yield "deadline", f"{rfc3339(change.deadline_before) or '-'} -> {rfc3339(change.deadline)}"


def _who(plan: WritePlan) -> Iterator[tuple[str, str]]:
    yield "identity", plan.identity
    yield "reason", plan.reason or "- (none given; a real run needs one)"


_OUTCOMES = {
    "RETRYING": "failed for a retry",
    "ACCEPTED": "accepted",
}


def _said_of(proof: Proof) -> str:
    return _OUTCOMES.get(proof.outcome, proof.outcome.lower().replace("_", " "))


def _proved(plan: WritePlan, proof: Proof) -> Iterator[tuple[str, str]]:
    facts = (
        ("event", _event(plan, proof)),
        ("time", rfc3339(proof.time)),
        ("identity", proof.identity),
        ("attempt now", str(proof.attempt or "")),
        ("answer", "lost on its way; what is told here was read back" * proof.answer_lost),
        ("workflow", f"{proof.aftermath} ({proof.aftermath_detail})" if proof.aftermath else ""),
    )
    yield from ((label, value) for label, value in facts if value)
    if proof.change is not None:
        yield from _timeouts(proof.change)


def _event(plan: WritePlan, proof: Proof) -> str:
    if proof.event_id is not None:
        return f"{proof.event_id} in run {plan.fence.run_id}"
    if proof.outcome == "ACCEPTED":
        return "not written yet: the server holds it back while a workflow task is under way"
    return ""


def _facts(console: Console, rows: Iterable[tuple[str, str]]) -> None:
    from rich.text import Text  # noqa: PLC0415 - JSON does without Rich

    rows = list(rows)
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        line = Text.assemble((f"  {label:<{width}}  ", "dim"), visible(value))
        console.print(line, soft_wrap=True)


def _line(console: Console, text: str, style: str = "") -> None:
    from rich.text import Text  # noqa: PLC0415 - JSON does without Rich

    console.print(Text(visible(text), style=style), soft_wrap=True)
