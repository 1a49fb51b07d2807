"""From a case to its verdict: an ordered table of rules, the first that speaks decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from stigmer_ops.handshake import verdicts
from stigmer_ops.handshake.activity import ActivityState, PendingActivity
from stigmer_ops.handshake.callback_failures import callback_verdict
from stigmer_ops.handshake.case import (
    Candidate,
    Case,
    Confidence,
    Diagnosis,
    Evidence,
    Relation,
)
from stigmer_ops.handshake.execution import (
    CallbackState,
    ExecutionKind,
    ExecutionTrace,
    StigmerExecution,
    TaskQueueState,
    TokenState,
)
from stigmer_ops.handshake.outcome import deliverable
from stigmer_ops.handshake.settings_safety import unsafe_settings
from stigmer_ops.handshake.verdicts import Action, Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule concludes, and the task queue on which a task waits, if that is why."""

    verdict: Verdict
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    queue: TaskQueueState | None = None


Rule = Callable[[Case], Finding | None]


def diagnose(case: Case) -> Diagnosis:
    """The one verdict on `case`, with its evidence and whatever else holds."""
    finding = next(filter(None, (rule(case) for rule in RULES)))
    concerns = [] if finding.verdict is verdicts.UNKNOWN else list(_concerns(case))
    outcome = deliverable(case)
    evidence = [*finding.evidence]
    if outcome is not None and finding.verdict.action is Action.FAIL:
        fact = "it has ended, and what it was to deliver is known"
        evidence.append(_execution_fact(outcome, fact))
    evidence += [fact for concern in concerns for fact in concern.evidence]
    if finding.verdict is verdicts.RUNNING and concerns:
        # That the agent works is no news; what threatens it is.
        finding, *concerns = concerns
    return Diagnosis(
        case.activity,
        finding.verdict,
        finding.confidence,
        tuple(evidence),
        tuple(concern.verdict for concern in concerns),
        tuple(found.execution for found in case.candidates),
        outcome,
        finding.queue,
    )


# --- The external side ---------------------------------------------------------------------------


def _paused(case: Case) -> Finding | None:
    if case.activity.paused:
        fact = _activity_fact(case.activity, f"the activity is {case.activity.state.value}")
        return Finding(verdicts.ACTIVITY_PAUSED, Confidence.PROVED, (fact,))
    if case.activity.workflow_paused:
        fact = _activity_fact(case.activity, "the external workflow is paused")
        return Finding(verdicts.WORKFLOW_PAUSED, Confidence.PROVED, (fact,))
    return None


def _not_started(case: Case) -> Finding | None:
    activity = case.activity
    if activity.state is not ActivityState.SCHEDULED:
        return None
    queue = case.task_queues.get(activity.task_queue)
    facts = [_activity_fact(activity, f"attempt {activity.attempt} is scheduled, not started")]
    if queue is not None and queue.activity_pollers == 0:
        facts.append(Evidence(f"nobody polls task queue {queue.name} for activities"))
    if activity.last_failure is not None:
        facts.append(Evidence(f"the last attempt failed: {activity.last_failure.message}"))
    return Finding(verdicts.NOT_STARTED, Confidence.PROVED, tuple(facts), queue)


# --- No execution for this attempt ---------------------------------------------------------------


def _other_namespace(case: Case) -> Finding | None:
    if case.related(Relation.CURRENT_ATTEMPT):
        return None
    facts = tuple(
        _execution_fact(
            found.execution,
            f"its token names namespace {found.execution.claim.namespace_id}, "
            f"the activity is in {case.expected.namespace_id}",
        )
        for found in case.related(Relation.OTHER_NAMESPACE)
    )
    return Finding(verdicts.TOKEN_WRONG_NAMESPACE, Confidence.PROVED, facts) if facts else None


def _other_attempt(case: Case) -> Finding | None:
    others = case.related(Relation.OTHER_ATTEMPT)
    if case.related(Relation.CURRENT_ATTEMPT) or not others:
        return None
    facts = [_activity_fact(case.activity, f"the activity is at attempt {case.activity.attempt}")]
    delivered = False
    for found in others:
        claim = found.execution.claim
        held = f"its token is of attempt {claim.attempt}"
        if claim.run_id not in ("", case.activity.run_id):
            held += f" of run {claim.run_id}, which this run superseded"
        facts.append(_execution_fact(found.execution, held))
        callback = found.trace.callback if found.trace else None
        if callback is not None and callback.state is CallbackState.SUCCEEDED:
            delivered = True
            facts.append(
                _execution_fact(
                    found.execution,
                    f"its callback was delivered to attempt {claim.attempt}",
                    callback.event_id,
                )
            )
    verdict = verdicts.DELIVERED_ELSEWHERE if delivered else verdicts.TOKEN_STALE
    return Finding(verdict, Confidence.PROVED, tuple(facts))


_DAMAGE_VERDICTS = {
    TokenState.DOUBLE_ENCODED: verdicts.TOKEN_DOUBLE_ENCODED,
    TokenState.TRUNCATED: verdicts.TOKEN_TRUNCATED,
    TokenState.MALFORMED: verdicts.TOKEN_TRUNCATED,
}


def _damaged(case: Case) -> Finding | None:
    damaged = case.related(Relation.DAMAGED)
    if case.related(Relation.CURRENT_ATTEMPT) or not damaged:
        return None
    found = damaged[0]
    facts = [_execution_fact(found.execution, f"its token: {found.execution.claim.detail}")]
    if not found.certain:
        facts.append(
            _execution_fact(
                found.execution,
                "matched by time: it is the execution created next after this attempt started",
            )
        )
    confidence = Confidence.PROVED if found.certain else Confidence.LIKELY
    return Finding(_DAMAGE_VERDICTS[found.execution.claim.state], confidence, tuple(facts))


def _nobody(case: Case) -> Finding | None:
    if case.candidates:
        return None
    activity, now = case.activity, case.expected.now
    started = activity.last_started_time
    if started is None or now - started < case.expected.grace:
        fact = _activity_fact(activity, "the attempt has only just started")
        return Finding(verdicts.RUNNING, Confidence.LIKELY, (fact,))
    facts = [
        _activity_fact(activity, f"attempt {activity.attempt} started and nothing refers to it"),
        Evidence("no Stigmer workflow that started since then holds its token"),
    ]
    unreadable = case.expected.unreadable_executions
    if unreadable:
        facts.append(Evidence(f"{unreadable} Stigmer workflows could not be read"))
        return Finding(verdicts.TOKEN_NOT_PASSED, Confidence.POSSIBLE, tuple(facts))
    return Finding(verdicts.TOKEN_NOT_PASSED, Confidence.PROVED, tuple(facts))


# --- One or more executions for this attempt -----------------------------------------------------


def _several(case: Case) -> Finding | None:
    current = case.related(Relation.CURRENT_ATTEMPT)
    others = case.related(Relation.OTHER_ATTEMPT)
    if len(current) + len(others) < 2 or not any(found.execution.running for found in current):
        return None
    facts = tuple(
        _execution_fact(
            found.execution,
            f"holds the token of attempt {found.execution.claim.attempt}; it is {_status(found)}",
        )
        for found in (*current, *others)
    )
    return Finding(verdicts.SEVERAL_EXECUTIONS, Confidence.PROVED, facts)


def _one(case: Case) -> Finding | None:
    current = case.related(Relation.CURRENT_ATTEMPT)
    if not current:
        return None
    found = max(current, key=_newest)
    return _open(case, found) if found.execution.running else _closed(found)


def _open(case: Case, found: Candidate) -> Finding:
    execution, trace = found.execution, found.trace
    if execution.kind is ExecutionKind.WORKFLOW and not _calls_back(trace):
        fact = _execution_fact(execution, "it runs a workflow; no callback appears in its history")
        return Finding(verdicts.WORKFLOW_EDITION, Confidence.LIKELY, (fact,))
    if trace is not None:
        waiting = _waiting_activity(case, found, trace)
        if waiting is not None:
            return waiting
        queue = case.task_queues.get(execution.task_queue)
        if trace.workflow_task_waiting and queue is not None and queue.workflow_pollers == 0:
            facts = (
                _execution_fact(execution, "its workflow task waits for a worker"),
                Evidence(f"nobody polls task queue {queue.name} for workflow tasks"),
            )
            return Finding(verdicts.STIGMER_WORKER_MISSING, Confidence.PROVED, facts, queue)
    confidence = Confidence.PROVED if trace is not None else Confidence.LIKELY
    fact = _execution_fact(execution, "the execution holds this attempt's token and is running")
    return Finding(verdicts.RUNNING, confidence, (fact,))


def _waiting_activity(case: Case, found: Candidate, trace: ExecutionTrace) -> Finding | None:
    for pending in trace.pending:
        queue = case.task_queues.get(pending.task_queue)
        unpolled = queue is not None and queue.activity_pollers == 0
        waits = pending.state is ActivityState.SCHEDULED
        is_callback = pending.activity_type == case.expected.callback_activity_type
        facts = [
            _execution_fact(
                found.execution,
                f"{pending.activity_type} is {pending.state.value} at attempt {pending.attempt} "
                f"on task queue {pending.task_queue}",
            )
        ]
        if pending.last_failure is not None:
            facts.append(
                _execution_fact(
                    found.execution, f"its last failure: {pending.last_failure.message}"
                )
            )
            verdict = (
                callback_verdict(pending.last_failure, retrying=True)
                if is_callback
                else verdicts.RUNNER_RETRYING
            )
            return Finding(verdict, Confidence.PROVED, tuple(facts), queue)
        if waits and unpolled:
            facts.append(Evidence(f"nobody polls task queue {pending.task_queue} for activities"))
            verdict = verdicts.CALLBACK_NOT_POLLED if is_callback else verdicts.RUNNER_MISSING
            return Finding(verdict, Confidence.PROVED, tuple(facts), queue)
    return None


_CLOSE_VERDICTS = {
    "TIMED_OUT": verdicts.STIGMER_TIMED_OUT,
    "TERMINATED": verdicts.STIGMER_TERMINATED,
    "CANCELED": verdicts.STIGMER_CANCELLED,
    "FAILED": verdicts.STIGMER_FAILED,
    "COMPLETED": verdicts.CALLBACK_NOT_ATTEMPTED,
}


def _closed(found: Candidate) -> Finding:
    execution, trace = found.execution, found.trace
    if trace is None or trace.unreadable:
        reason = trace.unreadable if trace is not None else "its history was not read"
        fact = _execution_fact(execution, f"{execution.status}; {reason}")
        return Finding(verdicts.UNKNOWN, Confidence.POSSIBLE, (fact,))
    facts = [*_close_facts(execution, trace), *_stigmer_facts(execution, trace)]
    callback = trace.callback
    if callback.state is CallbackState.FAILED and callback.failure is not None:
        attempts = f"after {callback.attempts} attempts" if callback.attempts else "for good"
        failed = f"the callback failed {attempts}: {callback.failure.message}"
        facts.insert(0, _execution_fact(execution, failed, callback.event_id))
        verdict = callback_verdict(callback.failure, retrying=False)
        return Finding(verdict, Confidence.PROVED, tuple(facts))
    if callback.state is CallbackState.SUCCEEDED:
        done = "its callback was accepted, yet the activity is pending"
        facts.insert(0, _execution_fact(execution, done, callback.event_id))
        return Finding(verdicts.UNKNOWN, Confidence.POSSIBLE, tuple(facts))
    if execution.kind is ExecutionKind.WORKFLOW:
        return Finding(verdicts.WORKFLOW_EDITION, Confidence.PROVED, tuple(facts))
    verdict = _CLOSE_VERDICTS.get(execution.status, verdicts.UNKNOWN)
    confidence = Confidence.POSSIBLE if verdict is verdicts.UNKNOWN else Confidence.PROVED
    return Finding(verdict, confidence, tuple(facts))


def _close_facts(execution: StigmerExecution, trace: ExecutionTrace) -> Iterator[Evidence]:
    if trace.callback.state is CallbackState.NOT_ATTEMPTED:
        yield _execution_fact(execution, "its history holds no callback")
    if trace.close is not None:
        how = f"the Stigmer workflow closed: {trace.close.how}"
        if trace.close.reason:
            how += f" ({trace.close.reason})"
        yield Evidence(
            how, execution.workflow_id, execution.run_id, trace.close.event_id, trace.close.time
        )


def _stigmer_facts(execution: StigmerExecution, trace: ExecutionTrace) -> Iterator[Evidence]:
    if not trace.stigmer_phase:
        return
    ended = trace.stigmer_phase not in ("EXECUTION_PENDING", "EXECUTION_IN_PROGRESS")
    agrees = "" if ended else ", which contradicts its closed workflow"
    told = f"Stigmer says {trace.stigmer_phase}{agrees}"
    if trace.stigmer_error:
        told += f": {trace.stigmer_error}"
    yield Evidence(f"execution {execution.execution_id}: {told}")


def _unknown(case: Case) -> Finding | None:
    fact = _activity_fact(case.activity, "no rule applies")
    return Finding(verdicts.UNKNOWN, Confidence.POSSIBLE, (fact,))


RULES: tuple[Rule, ...] = (
    _paused,
    _several,
    _one,
    _other_attempt,
    _other_namespace,
    _damaged,
    _not_started,
    _nobody,
    _unknown,
)


# --- What else holds -----------------------------------------------------------------------------


def _concerns(case: Case) -> Iterator[Finding]:
    expected, activity = case.expected, case.activity
    deadline = activity.deadline
    if deadline is not None and deadline.share_used(expected.now) >= expected.near_deadline_share:
        share = deadline.share_used(expected.now)
        fact = Evidence(
            f"{share:.0%} of its {deadline.timeout_type.value} timeout is used", time=deadline.time
        )
        yield Finding(verdicts.NEAR_DEADLINE, Confidence.PROVED, (fact,))
    problems = [
        Evidence(unsafe.problem)
        for unsafe in unsafe_settings(
            activity, run_timeout=_run_timeout(case), longest=expected.longest_timeout
        )
    ]
    if problems:
        yield Finding(verdicts.UNSAFE_SETTINGS, Confidence.PROVED, tuple(problems))


def _run_timeout(case: Case) -> timedelta:
    """The run timeout of the Stigmer workflow that is waited for, or else the configured one."""
    current = case.related(Relation.CURRENT_ATTEMPT)
    known = [found.execution.run_timeout for found in current if found.execution.run_timeout]
    return max(known, default=case.expected.agent_run_timeout)


def _calls_back(trace: ExecutionTrace | None) -> bool:
    return trace is not None and trace.callback.state is not CallbackState.NOT_ATTEMPTED


def _status(found: Candidate) -> str:
    return "running" if found.execution.running else found.execution.status


def _newest(found: Candidate) -> float:
    start = found.execution.start_time
    return start.timestamp() if start else 0.0


def _activity_fact(activity: PendingActivity, fact: str) -> Evidence:
    return Evidence(fact, activity.workflow_id, activity.run_id, time=activity.last_started_time)


def _execution_fact(execution: StigmerExecution, fact: str, event_id: int = 0) -> Evidence:
    return Evidence(
        f"execution {execution.execution_id}: {fact}",
        execution.workflow_id,
        execution.run_id,
        event_id,
        execution.start_time if not event_id else None,
    )
