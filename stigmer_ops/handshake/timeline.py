"""One handshake in time: what waits, the executions that were to end the wait, their callbacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stigmer_ops.handshake.activity import ActivityState, Deadline, Failure
from stigmer_ops.handshake.case import Diagnosis
from stigmer_ops.handshake.execution import StigmerExecution

MOMENTS_KEPT = 40
"""Of a timeline with more moments, the first and the last; what lies between is counted."""
_FIRST_KEPT = 10


@dataclass(frozen=True, slots=True)
class Step:
    """An activity of a Stigmer workflow: the agent's work, or the callback.

    History keeps the start of the last attempt only, so `started` is that one's. `outcome` is
    COMPLETED, FAILED, TIMED_OUT or CANCELED, and empty while it is open.
    """

    activity_type: str
    callback: bool
    scheduled: datetime
    activity_id: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    outcome: str = ""
    attempts: int = 0
    failure: Failure | None = None
    scheduled_event_id: int = 0
    end_event_id: int = 0

    @property
    def state(self) -> str:
        """How it ended, or how it stands, in a few words."""
        tries = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        if self.outcome:
            return self.outcome + tries
        if self.failure is not None:
            return f"keeps failing, attempt {self.attempts}"
        return f"at work, attempt {self.attempts}" if self.started else "waits for a worker"


@dataclass(frozen=True, slots=True)
class ExecutionSteps:
    """An execution with what its workflow did.

    Attributes:
        execution: The execution.
        steps: Its activities, in the order in which they were scheduled.
        end: When its workflow closed; None while it is open, or where that is not known.
        end_event_id: The event that closed it.
        cut: Whether its history is so long that the beginning was not read.
        unreadable: Why its history could not be read; empty if it could.
    """

    execution: StigmerExecution
    steps: tuple[Step, ...] = ()
    end: datetime | None = None
    end_event_id: int = 0
    cut: bool = False
    unreadable: str = ""


class Tone(StrEnum):
    """What a span of time was, for its colour."""

    QUEUED = "queued"
    WAITS = "waits"
    RUNS = "runs"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time; `end` is None where it goes on. `marks` are starts of attempts in it."""

    start: datetime
    end: datetime | None
    tone: Tone
    text: str
    marks: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """Spans of one thing, with a title that says in own words how it stands."""

    title: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened or will, and where a colleague can check it."""

    time: datetime
    what: str
    workflow_id: str = ""
    run_id: str = ""
    event_id: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """A handshake in time.

    Attributes:
        now: When it was looked at.
        activity: The lane of the external activity.
        stigmer: The lanes of the executions, of their agents and their callbacks.
        moments: All that is known, in the order of time.
        left_out: Moments between the first and the last that were too many to keep.
        deadline: When the attempt times out; None if nothing limits it.
        remarks: What of the executions could not be read, a sentence each.
    """

    now: datetime
    activity: Lane
    stigmer: tuple[Lane, ...]
    moments: tuple[Moment, ...]
    left_out: int = 0
    deadline: Deadline | None = None
    remarks: tuple[str, ...] = ()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All of them, the external activity first."""
        return (self.activity, *self.stigmer)

    @property
    def start(self) -> datetime:
        """When it began, as far as is known."""
        spans = (span.start for lane in self.lanes for span in lane.spans)
        return min(spans, default=self.now)

    @property
    def end(self) -> datetime:
        """The later of now and the deadline."""
        return self.now if self.deadline is None else max(self.now, self.deadline.time)

    @property
    def action(self) -> tuple[datetime, datetime] | None:
        """From the first to the last that happened at Stigmer's; None if nothing did."""
        spans = [span for lane in self.stigmer for span in lane.spans]
        if not spans:
            return None
        ends = (span.end or self.now for span in spans)
        return min(span.start for span in spans), max(ends)


def timeline(diagnosis: Diagnosis, now: datetime, executions: Sequence[ExecutionSteps]) -> Timeline:
    """The handshake of a diagnosed activity.

    Args:
        diagnosis: The activity with its verdict.
        now: To where what is open goes on.
        executions: Those of its executions whose workflows were read.
    """
    deadline = diagnosis.activity.deadline
    several = len(executions) > 1
    lanes = [
        lane
        for number, one in enumerate(executions, 1)
        for lane in _execution_lanes(one, f" {number}" if several else "", now)
    ]
    found = list(_activity_moments(diagnosis, now))
    for one in executions:
        found += _execution_moments(one, now)
    found.sort(key=lambda moment: moment.time)
    left_out = max(len(found) - MOMENTS_KEPT, 0)
    if left_out:
        del found[_FIRST_KEPT : _FIRST_KEPT + left_out]
    return Timeline(
        now=now,
        activity=_activity_lane(diagnosis),
        stigmer=tuple(lanes),
        moments=tuple(found),
        left_out=left_out,
        deadline=deadline,
        remarks=tuple(remark for one in executions for remark in _remarks(one)),
    )


def _remarks(one: ExecutionSteps) -> Iterator[str]:
    name = f"The history of execution {one.execution.execution_id}"
    if one.unreadable:
        yield f"{name} could not be read: {one.unreadable}"
    if one.cut:
        yield f"{name} is long: only its end was read."


# --- The external activity -----------------------------------------------------------------------


def _activity_lane(diagnosis: Diagnosis) -> Lane:
    activity = diagnosis.activity
    since, scheduled = activity.waiting_since, activity.scheduled_time
    started = activity.last_started_time if activity.state.token_is_live else None
    spans = []
    if since and scheduled and scheduled > since:
        spans.append(Span(since, scheduled, Tone.QUEUED, "earlier attempts"))
    if scheduled and (started is None or started > scheduled):
        queued = f"attempt {activity.attempt} waits for a worker"
        spans.append(Span(scheduled, started, Tone.QUEUED, queued))
    if started:
        waits = f"attempt {activity.attempt} waits to be completed from outside"
        spans.append(Span(started, None, Tone.WAITS, waits, (started,)))
    stands = "waits" if started else "waits for a worker"
    if activity.state in (ActivityState.PAUSED, ActivityState.PAUSE_REQUESTED):
        stands = "is paused"
    return Lane(f"external activity: {stands}, attempt {activity.attempt}", tuple(spans))


def _activity_moments(diagnosis: Diagnosis, now: datetime) -> Iterator[Moment]:
    activity = diagnosis.activity
    where = (activity.workflow_id, activity.run_id)
    since, scheduled = activity.waiting_since, activity.scheduled_time
    if since:
        yield Moment(since, "external activity scheduled", *where, diagnosis.scheduled_event_id)
    if since and scheduled and scheduled > since:
        yield Moment(scheduled, f"attempt {activity.attempt} scheduled", *where)
    if activity.last_started_time:
        worker = f" on worker {activity.last_worker_identity}"
        started = f"attempt {activity.attempt} started"
        if activity.state is ActivityState.SCHEDULED:
            started = "the attempt before this one started"
        took = worker if activity.last_worker_identity else ""
        yield Moment(activity.last_started_time, started + took, *where)
    if activity.last_heartbeat_time and activity.last_heartbeat_time != activity.last_started_time:
        yield Moment(activity.last_heartbeat_time, "last heartbeat", *where)
    yield Moment(now, "now: it is still pending")
    deadline = activity.deadline
    if deadline is not None:
        ends = f"deadline: the {deadline.timeout_type.value} timeout ends the attempt"
        yield Moment(deadline.time, ends)
    if activity.workflow_expiration_time is not None:
        yield Moment(activity.workflow_expiration_time, "the external workflow times out", *where)


# --- Stigmer's side ------------------------------------------------------------------------------

_STATUS_TONES = {"RUNNING": Tone.RUNS, "PAUSED": Tone.QUEUED, "COMPLETED": Tone.DONE}


def _execution_lanes(one: ExecutionSteps, number: str, now: datetime) -> Iterator[Lane]:
    execution = one.execution
    start = execution.start_time
    if start is None:
        return
    end = None if execution.running else one.end or execution.close_time
    tone = _STATUS_TONES.get(execution.status, Tone.FAILED)
    took = f" {'for' if end is None else 'after'} {_short((end or now) - start)}"
    title = f"execution{number}: {execution.status}{took}"
    yield Lane(title, (Span(start, end, tone, execution.status),))
    for what, callback in ((f"agent{number}", False), (f"callback{number}", True)):
        steps = [step for step in one.steps if step.callback is callback]
        if steps:
            state = steps[-1].state if callback else f"{steps[-1].activity_type} {steps[-1].state}"
            yield Lane(f"{what}: {state}", tuple(_step_span(step) for step in steps))


def _step_span(step: Step) -> Span:
    if step.outcome:
        tone = Tone.DONE if step.outcome == "COMPLETED" else Tone.FAILED
    elif step.failure is not None:
        tone = Tone.FAILED
    else:
        tone = Tone.RUNS if step.started else Tone.QUEUED
    marks = (step.scheduled, step.started) if step.attempts > 1 and step.started else ()
    return Span(step.scheduled, step.ended, tone, f"{step.activity_type}: {step.state}", marks)


def _execution_moments(one: ExecutionSteps, now: datetime) -> Iterator[Moment]:
    execution = one.execution
    where = (execution.workflow_id, execution.run_id)
    name = f"execution {execution.execution_id}"
    claim = execution.claim
    if execution.start_time is not None:
        held = f" with the token of attempt {claim.attempt}" if claim.attempt else ""
        yield Moment(execution.start_time, f"{name} began{held}", *where, 1)
    for step in one.steps:
        yield from _step_moments(step, where, now)
    end = one.end or execution.close_time
    if end is not None and not execution.running:
        yield Moment(
            end, f"{name}: its workflow closed, {execution.status}", *where, one.end_event_id
        )


def _step_moments(step: Step, where: tuple[str, str], now: datetime) -> Iterator[Moment]:
    what = f"callback {step.activity_type}" if step.callback else step.activity_type
    yield Moment(step.scheduled, f"{what} scheduled", *where, step.scheduled_event_id)
    why = f": {step.failure.message}" if step.failure is not None else ""
    if step.ended is not None:
        yield Moment(step.ended, f"{what} {step.state}{why}", *where, step.end_event_id)
    elif step.failure is not None:
        yield Moment(now, f"now: {what} {step.state}{why}", *where)
    elif step.started is not None:
        yield Moment(step.started, f"{what} {step.state}", *where)


def _short(duration: timedelta) -> str:
    exact = max(duration.total_seconds(), 0.0)
    if exact < 10:
        return f"{exact:.1f}s"
    whole = int(exact)
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"
