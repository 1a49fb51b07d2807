"""When an external activity has reached the state that its fault is about.

Conditions look at an `Observation`, which is what Temporal says about both sides, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from temporalio.api.enums.v1 import PendingActivityState, WorkflowExecutionStatus

from stigmer_ops.sandbox import names

SCHEDULED = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
PAUSED = PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED
PAUSE_REQUESTED = PendingActivityState.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
RUNNING = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
WORKFLOW_PAUSED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED


@dataclass(frozen=True, slots=True)
class SeenActivity:
    """A pending activity: id, type, number of its PendingActivityState, attempt."""

    id: str
    type: str
    state: int
    attempt: int


@dataclass(frozen=True, slots=True)
class SeenWorkflow:
    """A workflow: number of its WorkflowExecutionStatus, history length, pending activities.

    A standalone activity is seen as a workflow with itself as the only pending activity while it
    runs, and with none after that.
    """

    status: int
    history_length: int
    pending: tuple[SeenActivity, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """An external activity and the Stigmer workflows that are to complete it, at one moment.

    Attributes:
        external: The external workflow.
        activity: The external activity, None when it is not pending (yet, or any more).
        stigmer: The Stigmer workflows of its executions so far.
        executions: How many executions there are to be.
    """

    external: SeenWorkflow
    activity: SeenActivity | None
    stigmer: tuple[SeenWorkflow, ...]
    executions: int


Condition = Callable[[Observation], bool]


def described(seen: Observation) -> str:
    """What was seen, in words: both sides by their states."""
    if seen.activity is None:
        activity = "the activity is not pending"
    else:
        state = PendingActivityState.Name(seen.activity.state)  # type: ignore[arg-type] # a number of it
        name = state.removeprefix("PENDING_ACTIVITY_STATE_")
        activity = f"the activity is {name}, attempt {seen.activity.attempt}"
    states = ", ".join(map(_status, seen.stigmer)) or "none"
    return (
        f"the external workflow is {_status(seen.external)}, {activity}, Stigmer workflows "
        f"({len(seen.stigmer)} of {seen.executions}): {states}"
    )


def _status(workflow: SeenWorkflow) -> str:
    name = WorkflowExecutionStatus.Name(workflow.status)  # type: ignore[arg-type] # a number of it
    return name.removeprefix("WORKFLOW_EXECUTION_STATUS_")


_SCHEDULED_BY_EVENT = 5  # the first workflow task ends with event 4, and schedules all activities
_NOT_BEGUN = 2  # workflow started, workflow task scheduled
_WORK = frozenset({names.EXECUTE_AGENT, names.EXECUTE_WORKFLOW})


def closed(seen: Observation) -> bool:
    """The external activity has ended, and so has its workflow, if nothing else holds it."""
    scheduled = seen.external.history_length >= _SCHEDULED_BY_EVENT
    held = seen.external.status == RUNNING and not seen.external.pending
    return scheduled and seen.activity is None and not held


def waiting(seen: Observation) -> bool:
    """The external activity is pending in STARTED, and all its executions were created."""
    activity = seen.activity
    return (
        activity is not None and activity.state == STARTED and len(seen.stigmer) == seen.executions
    )


def agent_running(seen: Observation) -> bool:
    """As `waiting`, and every execution is in the hands of its runner."""
    return waiting(seen) and _every_stigmer_has(
        seen, lambda activity: activity.type in _WORK and activity.state == STARTED
    )


def runner_missing(seen: Observation) -> bool:
    """As `waiting`, and every execution waits for a runner to take its first activity."""
    return waiting(seen) and _every_stigmer_has(
        seen, lambda activity: activity.type == names.ENSURE_THREAD and activity.state == SCHEDULED
    )


def agent_retrying(seen: Observation) -> bool:
    """As `waiting`, and every execution's agent is past its first attempt."""
    return waiting(seen) and _every_stigmer_has(
        seen, lambda activity: activity.type in _WORK and activity.attempt > 1
    )


def callback_unpolled(seen: Observation) -> bool:
    """As `waiting`, and every execution's callback waits for a worker to take it."""
    return waiting(seen) and _every_stigmer_has(
        seen, lambda activity: activity.type == names.CALLBACK and activity.state == SCHEDULED
    )


def callback_retrying(seen: Observation) -> bool:
    """As `waiting`, and every execution's callback is past its first attempt."""
    return waiting(seen) and _every_stigmer_has(
        seen, lambda activity: activity.type == names.CALLBACK and activity.attempt > 1
    )


def not_started(seen: Observation) -> bool:
    """The external activity waits for a worker."""
    return seen.activity is not None and seen.activity.state == SCHEDULED


def stigmer_unpolled(seen: Observation) -> bool:
    """As `waiting`, and every Stigmer workflow waits for a worker to begin it."""
    return waiting(seen) and all(workflow.history_length == _NOT_BEGUN for workflow in seen.stigmer)


def stigmer_closed(seen: Observation) -> bool:
    """As `waiting`, and every Stigmer workflow has ended."""
    return waiting(seen) and all(workflow.status != RUNNING for workflow in seen.stigmer)


def retried(condition: Condition) -> Condition:
    """The condition, with the external activity at its second attempt."""

    def both(seen: Observation) -> bool:
        return condition(seen) and seen.activity is not None and seen.activity.attempt == 2

    return both


def activity_paused(seen: Observation) -> bool:
    """The external activity is paused, or is to be once its attempt ends."""
    return seen.activity is not None and seen.activity.state in {PAUSED, PAUSE_REQUESTED}


def workflow_paused(seen: Observation) -> bool:
    """The external workflow is paused."""
    return seen.external.status == WORKFLOW_PAUSED


def _every_stigmer_has(seen: Observation, matches: Callable[[SeenActivity], bool]) -> bool:
    return all(any(map(matches, workflow.pending)) for workflow in seen.stigmer)
