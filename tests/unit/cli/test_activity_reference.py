from __future__ import annotations

import base64
from pathlib import Path

import pytest

from stigmer_ops.cli.activity_reference import named_activity
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import ActivityReference, Common, TokenSource
from stigmer_ops.errors import InputError, UsageError
from support.activities import NAMESPACE_ID, RUN_ID
from support.task_tokens import FIRST_ATTEMPT, SECOND_ATTEMPT, WORKFLOW_ACTIVITY

NO_TOKEN = TokenSource()
NO_IDS = ActivityReference()
IDS = ActivityReference(workflow_id="order-42", run_id=RUN_ID, activity_id="5")


def invocation(**environment: str) -> Invocation:
    return Invocation(Common(), environment)


def test_ids_become_a_token_that_names_no_attempt() -> None:
    reference = named_activity(invocation(), NO_TOKEN, None, IDS).reference(NAMESPACE_ID)

    assert (reference.workflow_id, reference.run_id, reference.activity_id) == (
        "order-42",
        RUN_ID,
        "5",
    )
    assert (reference.namespace_id, reference.attempt, reference.raw) == (NAMESPACE_ID, 0, b"")
    assert not reference.fenced


def test_standalone_ids_become_a_standalone_token() -> None:
    ids = ActivityReference(activity_id="probe", standalone=True)

    reference = named_activity(invocation(), NO_TOKEN, None, ids).reference(NAMESPACE_ID)

    assert reference.component_ref is not None
    assert reference.component_ref.business_id == "probe"


def test_token_in_any_form_is_the_reference_itself(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(base64.b64encode(base64.b64encode(WORKFLOW_ACTIVITY)).decode())

    named = named_activity(invocation(), TokenSource(token_file=path), None, NO_IDS)

    assert named.reference("another").raw == WORKFLOW_ACTIVITY


def test_ids_win_over_the_standing_variable() -> None:
    standing = invocation(STIGMER_OPS_TOKEN=base64.b64encode(WORKFLOW_ACTIVITY).decode())

    assert named_activity(standing, NO_TOKEN, None, IDS).token is None
    assert named_activity(standing, NO_TOKEN, None, NO_IDS).token is not None


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (NO_IDS, "no activity is named"),
        (ActivityReference(workflow_id="order-42"), "--activity-id is missing"),
        (ActivityReference(activity_id="5"), "--workflow-id is missing"),
        (ActivityReference(workflow_id="", activity_id="5"), "--workflow-id is empty"),
        (ActivityReference(workflow_id=" ", activity_id="5"), "--workflow-id is empty"),
        (ActivityReference(workflow_id="order-42", activity_id=""), "--activity-id is empty"),
        (
            ActivityReference(workflow_id="order-42", activity_id="5", run_id=""),
            "--run-id is empty",
        ),
        (
            ActivityReference(workflow_id="order-42", activity_id="5", run_id="latest"),
            "--run-id 'latest' is not a UUID",
        ),
        (
            ActivityReference(workflow_id="order-42", activity_id="5", standalone=True),
            "contradict each other",
        ),
        (ActivityReference(standalone=True), "--activity-id is missing"),
    ],
)
def test_ids_that_name_nothing_are_wrong_usage(ids: ActivityReference, said: str) -> None:
    with pytest.raises(UsageError, match=said) as wrong:
        named_activity(invocation(), NO_TOKEN, None, ids)

    assert wrong.value.not_done == "nothing was sent to Temporal"
    assert wrong.value.next_step


def test_token_and_ids_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="both a token and ids"):
        named_activity(invocation(), TokenSource(token_env="T"), None, IDS)


def test_several_tokens_are_not_guessed_among() -> None:
    tokens = [base64.b64encode(token).decode() for token in (FIRST_ATTEMPT, SECOND_ATTEMPT)]

    with pytest.raises(UsageError, match="several tokens are given as arguments"):
        named_activity(invocation(), NO_TOKEN, tokens, NO_IDS)
    with pytest.raises(UsageError, match=r"\$T holds 2 different tokens") as several:
        named_activity(invocation(T="\n".join(tokens)), TokenSource(token_env="T"), None, NO_IDS)
    assert all(token not in str(several.value) for token in tokens)


def test_damaged_token_is_named_before_any_connection() -> None:
    cut = base64.b64encode(WORKFLOW_ACTIVITY[:50]).decode()

    with pytest.raises(InputError, match="truncated at byte 50"):
        named_activity(invocation(T=cut), TokenSource(token_env="T"), None, NO_IDS)
