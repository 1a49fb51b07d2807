from __future__ import annotations

from datetime import timedelta

from stigmer_ops.handshake.activity import PendingActivity
from stigmer_ops.handshake.case import Candidate, Relation
from stigmer_ops.handshake.correlation import correlate
from stigmer_ops.handshake.execution import Claim, StigmerExecution, TokenState
from support.activities import NAMESPACE_ID, NOW, claim, execution, pending


def candidates_of(
    activity: PendingActivity, *executions: StigmerExecution
) -> tuple[Candidate, ...]:
    return correlate([activity], executions, NAMESPACE_ID).get(activity.key, ())


def relations(activity: PendingActivity, *executions: StigmerExecution) -> list[Relation]:
    return [found.relation for found in candidates_of(activity, *executions)]


def test_whole_token_matches_its_attempt() -> None:
    assert relations(pending(), execution()) == [Relation.CURRENT_ATTEMPT]


def test_token_of_an_earlier_attempt_is_of_another_attempt() -> None:
    retried = pending(attempt=2, expiration_time=None)
    assert relations(retried, execution()) == [Relation.OTHER_ATTEMPT]


def test_token_of_a_sibling_activity_matches_nothing() -> None:
    assert relations(pending(activity_id="6"), execution()) == []


def test_execution_older_than_the_activity_belongs_to_an_earlier_use_of_its_id() -> None:
    old = execution(start_time=NOW - timedelta(hours=3))
    assert relations(pending(), old) == []


def test_token_of_another_namespace_with_the_same_ids_is_told() -> None:
    foreign = execution(claim=claim(namespace_id="ffffffff-ffff-4fff-8fff-ffffffffffff"))
    assert relations(pending(), foreign) == [Relation.OTHER_NAMESPACE]


def test_running_execution_of_a_superseded_run_is_of_another_attempt() -> None:
    older_run = claim(run_id="99999999-9999-4999-8999-999999999999")
    assert relations(pending(), execution(claim=older_run)) == [Relation.OTHER_ATTEMPT]
    closed = execution(claim=older_run, status="COMPLETED")
    assert relations(pending(), closed) == []


def test_double_encoded_token_matches_by_its_inner_ids() -> None:
    damaged = execution(claim=claim(state=TokenState.DOUBLE_ENCODED))
    (found,) = candidates_of(pending(), damaged)
    assert (found.relation, found.certain) == (Relation.DAMAGED, True)


def test_truncated_token_with_a_whole_workflow_id_is_certain_if_only_one_fits() -> None:
    damaged = execution(claim=Claim(TokenState.TRUNCATED, workflow_id="order-42"))
    (found,) = candidates_of(pending(), damaged)
    assert (found.relation, found.certain) == (Relation.DAMAGED, True)


def test_truncated_token_without_ids_is_matched_by_time_and_says_so() -> None:
    damaged = execution(claim=Claim(TokenState.TRUNCATED))
    (found,) = candidates_of(pending(), damaged)
    assert (found.relation, found.certain) == (Relation.DAMAGED, False)
    late = execution(claim=Claim(TokenState.TRUNCATED), start_time=NOW)
    assert relations(pending(), late) == []


def test_damaged_token_goes_to_the_attempt_that_started_last_before_it() -> None:
    first = pending(workflow_id="a", last_started_time=NOW - timedelta(seconds=90))
    second = pending(workflow_id="b", last_started_time=NOW - timedelta(seconds=30))
    damaged = execution(claim=Claim(TokenState.TRUNCATED), start_time=NOW - timedelta(seconds=29))
    found = correlate([first, second], [damaged], NAMESPACE_ID)
    assert list(found) == [second.key]


def test_claimed_activity_takes_no_damaged_token_of_somebody_else() -> None:
    damaged = execution(execution_id="aex-2", claim=Claim(TokenState.TRUNCATED))
    assert relations(pending(), execution(), damaged) == [Relation.CURRENT_ATTEMPT]
