from __future__ import annotations

from dataclasses import replace

from temporalio.api.enums.v1 import WorkflowExecutionStatus

from stigmer_ops.sandbox import conditions, names
from stigmer_ops.sandbox.conditions import (
    PAUSE_REQUESTED,
    RUNNING,
    SCHEDULED,
    STARTED,
    Observation,
    SeenActivity,
    SeenWorkflow,
)

COMPLETED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED
CALL = SeenActivity("5", names.CALL_AGENT, STARTED, 1)
WAITING = Observation(
    external=SeenWorkflow(RUNNING, 5, (CALL,)),
    activity=CALL,
    stigmer=(SeenWorkflow(RUNNING, 11, (SeenActivity("2", names.EXECUTE_AGENT, STARTED, 1),)),),
    executions=1,
)


def with_stigmer(*pending: SeenActivity, status: int = RUNNING) -> Observation:
    return replace(WAITING, stigmer=(SeenWorkflow(status, 11, pending),))


def test_waiting_needs_a_started_activity_and_all_executions() -> None:
    assert conditions.waiting(WAITING)
    assert not conditions.waiting(replace(WAITING, activity=replace(CALL, state=SCHEDULED)))
    assert not conditions.waiting(replace(WAITING, activity=None))
    assert not conditions.waiting(replace(WAITING, executions=2))


def test_closed_is_not_fooled_by_a_workflow_that_has_only_begun() -> None:
    begun = replace(WAITING, external=SeenWorkflow(RUNNING, 2, ()), activity=None)
    assert not conditions.closed(begun)

    done = replace(WAITING, external=SeenWorkflow(COMPLETED, 11, ()), activity=None)
    assert conditions.closed(done)


def test_closed_waits_for_the_workflow_unless_another_activity_holds_it() -> None:
    other = replace(CALL, id="6")
    about_to_end = replace(WAITING, external=SeenWorkflow(RUNNING, 7, ()), activity=None)
    held = replace(WAITING, external=SeenWorkflow(RUNNING, 7, (other,)), activity=None)

    assert not conditions.closed(about_to_end)
    assert conditions.closed(held)


def test_states_of_the_stigmer_side_are_told_apart() -> None:
    agent = SeenActivity("2", names.EXECUTE_AGENT, STARTED, 1)
    seen = {
        conditions.agent_running: with_stigmer(agent),
        conditions.agent_retrying: with_stigmer(replace(agent, state=SCHEDULED, attempt=2)),
        conditions.runner_missing: with_stigmer(
            SeenActivity("1", names.ENSURE_THREAD, SCHEDULED, 1)
        ),
        conditions.callback_unpolled: with_stigmer(SeenActivity("4", names.CALLBACK, SCHEDULED, 1)),
        conditions.stigmer_closed: with_stigmer(status=COMPLETED),
        conditions.stigmer_unpolled: replace(WAITING, stigmer=(SeenWorkflow(RUNNING, 2, ()),)),
    }

    for condition, matching in seen.items():
        assert [one for one in seen if one(matching)] == [condition]


def test_retried_needs_the_second_attempt() -> None:
    condition = conditions.retried(conditions.agent_running)

    assert not condition(WAITING)
    assert condition(replace(WAITING, activity=replace(CALL, attempt=2)))


def test_paused_activity_may_still_be_running() -> None:
    assert conditions.activity_paused(
        replace(WAITING, activity=replace(CALL, state=PAUSE_REQUESTED))
    )
    assert not conditions.activity_paused(WAITING)
    assert not conditions.activity_paused(replace(WAITING, activity=None))
