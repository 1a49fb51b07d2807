from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stigmer_ops.handshake.activity import ActivityState
from stigmer_ops.handshake.write_plan import Aftermath, Proof, exit_reason
from support.activities import HOUR
from support.write_plans import EXTENSION, FAILURE, RESULT, plan


@pytest.mark.parametrize(
    ("changes", "verb", "said"),
    [
        ({}, "complete", "attempt 1 completes"),
        ({"state": ActivityState.SCHEDULED}, "complete", "writes a started event in our name"),
    ],
)
def test_effect_of_a_completion(changes: dict[str, Any], verb: str, said: str) -> None:
    completion = plan(RESULT, **changes)

    assert completion.verb == verb
    assert said in completion.effect


@pytest.mark.parametrize(
    ("retryable", "maximum_attempts", "said"),
    [
        (False, 5, "fails for good, without another attempt"),
        (True, 1, "fails for good: attempt 1 of 1 is over"),
        (True, 2, "attempt 2 is scheduled"),
        (True, 0, "the external work starts AGAIN"),
    ],
)
def test_effect_of_a_failure(retryable: bool, maximum_attempts: int, said: str) -> None:
    failure = replace(FAILURE, retryable=retryable)

    assert said in plan(failure, maximum_attempts=maximum_attempts).effect


def test_content_is_in_no_repr() -> None:
    assert "s3cret" not in repr(plan(RESULT)) + repr(plan(FAILURE))


CLAMPED = replace(EXTENSION, deadline=EXTENSION.deadline - HOUR)


@pytest.mark.parametrize(
    ("change", "proof", "reason"),
    [
        (RESULT, None, "dry-run"),
        (RESULT, Proof(outcome="COMPLETED", event_id=7), "done"),
        (RESULT, Proof(outcome="ACCEPTED"), "done-without-event"),
        (RESULT, Proof(outcome="FAILED", event_id=7), "other-outcome"),
        (
            RESULT,
            Proof(outcome="COMPLETED", event_id=7, aftermath=Aftermath.TASK_FAILED),
            "workflow-task-failed",
        ),
        (FAILURE, Proof(outcome="FAILED", event_id=7), "done"),
        (FAILURE, Proof(outcome="RETRYING", attempt=2), "other-outcome"),
        (replace(FAILURE, retryable=True), Proof(outcome="RETRYING", attempt=2), "done"),
        (EXTENSION, Proof(outcome="EXTENDED", change=EXTENSION), "done"),
        (EXTENSION, Proof(outcome="EXTENDED", change=CLAMPED), "clamped"),
    ],
)
def test_exit_reason(change: Any, proof: Proof | None, reason: str) -> None:
    assert exit_reason(plan(change), proof) == reason
