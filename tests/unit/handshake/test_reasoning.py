from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stigmer_ops.handshake import verdicts
from stigmer_ops.handshake.activity import ActivityState, Failure, PendingActivity, Timeouts
from stigmer_ops.handshake.case import Candidate, Case, Confidence, Diagnosis, Relation
from stigmer_ops.handshake.execution import (
    Callback,
    CallbackState,
    Edition,
    ExecutionKind,
    ExecutionTrace,
    StigmerExecution,
    TaskQueueState,
    TokenState,
    WorkflowClose,
)
from stigmer_ops.handshake.plan import planned
from stigmer_ops.handshake.reasoning import diagnose
from stigmer_ops.handshake.remedies import commands, reference
from stigmer_ops.handshake.verdicts import Action
from support.activities import EXPECTED, HOUR, NOW, claim, execution, pending

CALLBACK = "stigmer/system/complete-external-activity"
NONE = Callback(CallbackState.NOT_ATTEMPTED)


def judged(
    *candidates: Candidate,
    activity: PendingActivity | None = None,
    queues: tuple[TaskQueueState, ...] = (),
    unreadable: int = 0,
) -> Diagnosis:
    expected = replace(EXPECTED, unreadable_executions=unreadable)
    return diagnose(
        Case(activity or pending(), candidates, expected, {queue.name: queue for queue in queues})
    )


def holds(
    found: StigmerExecution | None = None,
    relation: Relation = Relation.CURRENT_ATTEMPT,
    trace: ExecutionTrace | None = None,
    *,
    certain: bool = True,
) -> Candidate:
    return Candidate(found or execution(), relation, certain, trace)


def closed(status: str, callback: Callback = NONE, reason: str = "") -> Candidate:
    trace = ExecutionTrace(callback, WorkflowClose(20, NOW - HOUR, status, reason))
    return holds(execution(status=status), trace=trace)


def failed_callback(message: str, type_name: str = "") -> Callback:
    return Callback(
        CallbackState.FAILED,
        Edition.GO,
        attempts=3,
        failure=Failure(message, type_name),
        event_id=17,
    )


def test_running_execution_with_time_left_is_not_stuck() -> None:
    diagnosis = judged(holds())
    assert diagnosis.verdict is verdicts.RUNNING
    assert diagnosis.also == ()


def test_nobody_holds_the_token() -> None:
    diagnosis = judged()
    assert diagnosis.verdict is verdicts.TOKEN_NOT_PASSED
    assert diagnosis.confidence is Confidence.PROVED


def test_nobody_is_known_to_hold_the_token_where_some_could_not_be_read() -> None:
    diagnosis = judged(unreadable=2)
    assert diagnosis.verdict is verdicts.TOKEN_NOT_PASSED
    assert diagnosis.confidence is Confidence.POSSIBLE
    assert any("2 Stigmer workflows" in fact.fact for fact in diagnosis.evidence)


def test_attempt_that_has_just_started_is_given_time() -> None:
    young = pending(last_started_time=NOW - timedelta(seconds=5))
    assert judged(activity=young).verdict is verdicts.RUNNING


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("TIMED_OUT", verdicts.STIGMER_TIMED_OUT),
        ("TERMINATED", verdicts.STIGMER_TERMINATED),
        ("CANCELED", verdicts.STIGMER_CANCELLED),
        ("FAILED", verdicts.STIGMER_FAILED),
        ("COMPLETED", verdicts.CALLBACK_NOT_ATTEMPTED),
        ("CONTINUED_AS_NEW", verdicts.UNKNOWN),
    ],
)
def test_closed_without_callback(status: str, verdict: verdicts.Verdict) -> None:
    diagnosis = judged(closed(status, reason="by alice"))
    assert diagnosis.verdict is verdict
    assert any("by alice" in fact.fact and fact.event_id == 20 for fact in diagnosis.evidence)


@pytest.mark.parametrize(
    ("message", "type_name", "verdict"),
    [
        (
            "invalid activityID or activity already timed out or invoking workflow is completed",
            "NotFound",
            verdicts.CALLBACK_FAILED,
        ),
        (
            f"unable to find activityType={CALLBACK}. Supported types: [Other]",
            "ActivityNotRegisteredError",
            verdicts.CALLBACK_NOT_REGISTERED,
        ),
        (
            f"Activity function {CALLBACK} is not registered on this worker, available: x",
            "NotFoundError",
            verdicts.CALLBACK_NOT_REGISTERED,
        ),
        (
            "unable to decode the activity function input payload with error: json: cannot "
            "unmarshal object into Go struct field of type error",
            "",
            verdicts.CALLBACK_DECODE_ERROR,
        ),
        ("activity ScheduleToStart timeout", "timeout", verdicts.CALLBACK_FAILED),
    ],
)
def test_failed_callback_is_told_by_its_failure(
    message: str, type_name: str, verdict: verdicts.Verdict
) -> None:
    diagnosis = judged(closed("COMPLETED", failed_callback(message, type_name)))
    assert diagnosis.verdict is verdict
    assert diagnosis.evidence[0].event_id == 17


def test_accepted_callback_of_a_pending_activity_is_a_riddle() -> None:
    callback = Callback(CallbackState.SUCCEEDED, Edition.GO, event_id=17)
    assert judged(closed("COMPLETED", callback)).verdict is verdicts.UNKNOWN


def test_token_of_another_attempt_is_stale() -> None:
    retried = pending(attempt=2)
    diagnosis = judged(holds(relation=Relation.OTHER_ATTEMPT), activity=retried)
    assert diagnosis.verdict is verdicts.TOKEN_STALE


def test_callback_delivered_to_another_attempt() -> None:
    trace = ExecutionTrace(Callback(CallbackState.SUCCEEDED, Edition.GO, event_id=17))
    ended = holds(execution(status="FAILED"), Relation.OTHER_ATTEMPT, trace)
    diagnosis = judged(ended, activity=pending(attempt=2))
    assert diagnosis.verdict is verdicts.DELIVERED_ELSEWHERE


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (TokenState.DOUBLE_ENCODED, verdicts.TOKEN_DOUBLE_ENCODED),
        (TokenState.TRUNCATED, verdicts.TOKEN_TRUNCATED),
        (TokenState.MALFORMED, verdicts.TOKEN_TRUNCATED),
    ],
)
def test_damaged_token(state: TokenState, verdict: verdicts.Verdict) -> None:
    damaged = holds(execution(claim=claim(state=state, detail="cut")), Relation.DAMAGED)
    assert judged(damaged).verdict is verdict
    by_time = holds(damaged.execution, Relation.DAMAGED, certain=False)
    assert judged(by_time).confidence is Confidence.LIKELY


def test_token_of_another_namespace() -> None:
    foreign = holds(relation=Relation.OTHER_NAMESPACE)
    assert judged(foreign).verdict is verdicts.TOKEN_WRONG_NAMESPACE


def test_several_executions_for_one_attempt() -> None:
    second = execution(execution_id="aex-2")
    diagnosis = judged(holds(), holds(second))
    assert diagnosis.verdict is verdicts.SEVERAL_EXECUTIONS
    assert len(diagnosis.executions) == 2


def waits_for(activity_type: str, queue: str, **changes: object) -> Candidate:
    waiting = pending(
        activity_type=activity_type,
        task_queue=queue,
        **{"state": ActivityState.SCHEDULED, "last_started_time": None, **changes},
    )
    return holds(trace=ExecutionTrace(NONE, pending=(waiting,)))


def queue(name: str, activity: int = 0, workflow: int = 1) -> TaskQueueState:
    return TaskQueueState(name, activity, workflow, "stigmer")


def test_runner_queue_that_nobody_polls() -> None:
    found = waits_for("ExecuteGraphton", "agent_execution_runner")
    unpolled = judged(found, queues=(queue("agent_execution_runner"),))
    assert unpolled.verdict is verdicts.RUNNER_MISSING
    assert commands(unpolled)[-1].endswith("worker check -n stigmer -t agent_execution_runner")
    polled = judged(found, queues=(queue("agent_execution_runner", activity=1),))
    assert polled.verdict is verdicts.RUNNING


def test_runner_that_keeps_failing() -> None:
    found = waits_for(
        "EnsureThread", "agent_execution_runner", attempt=3, last_failure=Failure("no disk")
    )
    diagnosis = judged(found)
    assert diagnosis.verdict is verdicts.RUNNER_RETRYING
    assert any("no disk" in fact.fact for fact in diagnosis.evidence)


def test_callback_that_nobody_takes_or_that_is_being_retried() -> None:
    waiting = waits_for(CALLBACK, "agent_execution_stigmer")
    diagnosis = judged(waiting, queues=(queue("agent_execution_stigmer"),))
    assert diagnosis.verdict is verdicts.CALLBACK_NOT_POLLED
    failing = waits_for(CALLBACK, "q", attempt=2, last_failure=Failure("connection refused"))
    assert judged(failing).verdict is verdicts.CALLBACK_RETRYING


def test_stigmer_worker_that_is_missing() -> None:
    found = holds(trace=ExecutionTrace(NONE, workflow_task_waiting=True))
    unpolled = judged(found, queues=(queue("agent_execution_stigmer", workflow=0),))
    assert unpolled.verdict is verdicts.STIGMER_WORKER_MISSING
    assert judged(found, queues=(queue("agent_execution_stigmer"),)).verdict is verdicts.RUNNING


def test_workflow_execution_has_no_callback() -> None:
    running = holds(execution(kind=ExecutionKind.WORKFLOW))
    assert judged(running).verdict is verdicts.WORKFLOW_EDITION
    assert judged(running).confidence is Confidence.LIKELY
    ended = execution(kind=ExecutionKind.WORKFLOW, status="COMPLETED")
    trace = ExecutionTrace(NONE, WorkflowClose(20, NOW, "COMPLETED"))
    assert judged(holds(ended, trace=trace)).confidence is Confidence.PROVED


def test_activity_that_never_started() -> None:
    waiting = pending(state=ActivityState.SCHEDULED, last_started_time=None)
    diagnosis = judged(activity=waiting, queues=(queue("zigflow_execution"),))
    assert diagnosis.verdict is verdicts.NOT_STARTED
    assert any("nobody polls" in fact.fact for fact in diagnosis.evidence)


def test_paused_activity_and_paused_workflow() -> None:
    paused = pending(state=ActivityState.PAUSE_REQUESTED, paused=True)
    assert judged(holds(), activity=paused).verdict is verdicts.ACTIVITY_PAUSED
    workflow = pending(workflow_paused=True)
    assert judged(holds(), activity=workflow).verdict is verdicts.WORKFLOW_PAUSED


def test_running_but_near_its_deadline() -> None:
    late = pending(timeouts=Timeouts(start_to_close=2.25 * HOUR))
    assert judged(holds(), activity=late).verdict is verdicts.NEAR_DEADLINE


@pytest.mark.parametrize(
    "changes",
    [
        {"maximum_attempts": 0},
        {"maximum_attempts": 3},
        {"timeouts": Timeouts(start_to_close=24 * HOUR, heartbeat=23 * HOUR)},
        {"timeouts": Timeouts(start_to_close=48 * HOUR)},
        {"timeouts": Timeouts()},
        {"timeouts": Timeouts(start_to_close=HOUR / 10), "last_started_time": NOW},
    ],
)
def test_running_with_unsafe_settings(changes: dict[str, object]) -> None:
    assert judged(holds(), activity=pending(**changes)).verdict is verdicts.UNSAFE_SETTINGS


def test_what_else_holds_is_told_beside_the_cause() -> None:
    late = pending(timeouts=Timeouts(start_to_close=2.25 * HOUR), maximum_attempts=0)
    diagnosis = judged(closed("TIMED_OUT"), activity=late)
    assert diagnosis.verdict is verdicts.STIGMER_TIMED_OUT
    assert diagnosis.also == (verdicts.NEAR_DEADLINE, verdicts.UNSAFE_SETTINGS)


def test_history_that_cannot_be_read_is_unknown_not_guessed() -> None:
    trace = ExecutionTrace(NONE, unreadable="cannot be read: throttled")
    diagnosis = judged(holds(execution(status="COMPLETED"), trace=trace))
    assert diagnosis.verdict is verdicts.UNKNOWN


def test_contradiction_of_the_stigmer_service_is_evidence() -> None:
    trace = ExecutionTrace(
        NONE, WorkflowClose(20, NOW, "TIMED_OUT"), stigmer_phase="EXECUTION_IN_PROGRESS"
    )
    diagnosis = judged(holds(execution(status="TIMED_OUT"), trace=trace))
    assert diagnosis.verdict is verdicts.STIGMER_TIMED_OUT
    assert any("contradicts" in fact.fact for fact in diagnosis.evidence)


def ended(
    relation: Relation,
    callback: Callback = NONE,
    phase: str = "",
    *,
    certain: bool = True,
    state: TokenState = TokenState.WHOLE,
) -> Candidate:
    trace = ExecutionTrace(callback, WorkflowClose(20, NOW, "FAILED"), stigmer_phase=phase)
    found = execution(status="FAILED", claim=claim(state=state))
    return holds(found, relation, trace, certain=certain)


REFUSED = failed_callback("Invalid task token")


@pytest.mark.parametrize(
    "found",
    [
        ended(Relation.OTHER_ATTEMPT, REFUSED),
        ended(Relation.DAMAGED, REFUSED, state=TokenState.TRUNCATED),
        ended(Relation.DAMAGED, phase="EXECUTION_COMPLETED", state=TokenState.DOUBLE_ENCODED),
        ended(Relation.CURRENT_ATTEMPT, phase="EXECUTION_FAILED"),
    ],
)
def test_outcome_that_is_known_is_delivered_instead_of_a_failure(found: Candidate) -> None:
    attempt = 2 if found.relation is Relation.OTHER_ATTEMPT else 1
    diagnosis = judged(found, activity=pending(attempt=attempt))
    (row,) = planned([diagnosis])

    assert diagnosis.verdict.action is Action.FAIL
    assert diagnosis.action is row.action is Action.REDELIVER
    assert row.execution_id == found.execution.execution_id
    assert f"redeliver {reference(diagnosis.activity)} --execution-id" in commands(diagnosis)[-1]
    assert any("what it was to deliver is known" in fact.fact for fact in diagnosis.evidence)


@pytest.mark.parametrize(
    "found",
    [
        (ended(Relation.DAMAGED, REFUSED, state=TokenState.TRUNCATED, certain=False),),
        (ended(Relation.OTHER_NAMESPACE, REFUSED),),
        (ended(Relation.CURRENT_ATTEMPT, phase="EXECUTION_IN_PROGRESS"),),
        (holds(relation=Relation.OTHER_ATTEMPT),),
        (ended(Relation.OTHER_ATTEMPT, REFUSED), ended(Relation.OTHER_ATTEMPT, REFUSED)),
    ],
    ids=["matched by time", "other namespace", "no outcome", "still running", "two outcomes"],
)
def test_no_outcome_is_delivered_that_may_be_anothers(found: tuple[Candidate, ...]) -> None:
    attempt = 2 if found[0].relation is Relation.OTHER_ATTEMPT else 1
    diagnosis = judged(*found, activity=pending(attempt=attempt))
    assert diagnosis.action is Action.FAIL
    assert "activity fail" in commands(diagnosis)[-1]


def test_registry_is_consistent() -> None:
    ids = [verdict.id for verdict in verdicts.VERDICTS]
    assert len(ids) == len(set(ids))
    assert {v for v in vars(verdicts).values() if isinstance(v, verdicts.Verdict)} == set(
        verdicts.VERDICTS
    )
