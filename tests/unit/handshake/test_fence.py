from __future__ import annotations

import shlex

import pytest

from stigmer_ops.errors import UsageError
from stigmer_ops.handshake.fence import AttemptFence, activity_options
from stigmer_ops.handshake.token import decode
from support.activities import NAMESPACE_ID, RUN_ID

FENCE = AttemptFence(NAMESPACE_ID, "order-42", RUN_ID, "5", scheduled_event_id=11, attempt=3)


def test_token_names_exactly_the_attempt() -> None:
    token = decode(FENCE.token())

    assert (token.namespace_id, token.workflow_id, token.run_id) == (
        NAMESPACE_ID,
        "order-42",
        RUN_ID,
    )
    assert (token.scheduled_event_id, token.attempt, token.activity_id) == (11, 3, "5")


def test_token_of_a_standalone_activity_names_its_run() -> None:
    fence = AttemptFence(NAMESPACE_ID, "", RUN_ID, "probe", scheduled_event_id=0, attempt=2)

    token = decode(fence.token())

    assert fence.standalone
    assert token.component_ref is not None
    assert (token.component_ref.business_id, token.component_ref.run_id) == ("probe", RUN_ID)
    assert token.attempt == 2


def test_token_of_a_worker_is_sent_as_it_is_and_never_shown() -> None:
    secret = b"\x0a\x24worker"
    fence = AttemptFence(NAMESPACE_ID, "order-42", RUN_ID, "5", 11, 3, worker_token=secret)

    assert fence.token() == secret
    assert "worker" not in repr(fence)


@pytest.mark.parametrize(
    "fence",
    [
        AttemptFence(NAMESPACE_ID, "order-42", "", "5", 11, 3),
        AttemptFence(NAMESPACE_ID, "order-42", RUN_ID, "5", 0, 3),
        AttemptFence(NAMESPACE_ID, "order-42", RUN_ID, "5", 11, 0),
        AttemptFence("", "order-42", RUN_ID, "5", 11, 3),
    ],
)
def test_fence_with_a_gap_makes_no_token(fence: AttemptFence) -> None:
    with pytest.raises(UsageError, match="no task token can be built"):
        fence.token()


def test_options_survive_a_shell() -> None:
    hostile = "order 1; rm -rf $HOME"

    words = shlex.split(activity_options(hostile, RUN_ID, "a'b"))

    assert words == ["--workflow-id", hostile, "--run-id", RUN_ID, "--activity-id", "a'b"]
    assert FENCE.options("orders").endswith("--activity-id 5 --namespace orders")
    assert activity_options("", "", "probe") == "--standalone --activity-id probe"
