from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.handshake.claim import claim_of
from stigmer_ops.handshake.execution import TokenState
from stigmer_ops.handshake.token.task import synthesise, synthesise_standalone
from support.activities import NAMESPACE_ID, RUN_ID

TOKEN = synthesise(
    namespace_id=NAMESPACE_ID,
    workflow_id="order-42",
    run_id=RUN_ID,
    scheduled_event_id=5,
    attempt=2,
    activity_id="7",
)


def test_whole_token_names_its_attempt() -> None:
    claim = claim_of(TOKEN)
    assert claim.state is TokenState.WHOLE
    assert (claim.namespace_id, claim.workflow_id, claim.run_id) == (
        NAMESPACE_ID,
        "order-42",
        RUN_ID,
    )
    assert (claim.activity_id, claim.scheduled_event_id, claim.attempt) == ("7", 5, 2)


def test_no_token_is_absent() -> None:
    assert claim_of(b"").state is TokenState.ABSENT


def test_token_encoded_twice_is_read_all_the_same() -> None:
    claim = claim_of(base64.b64encode(TOKEN))
    assert claim.state is TokenState.DOUBLE_ENCODED
    assert (claim.workflow_id, claim.activity_id, claim.attempt) == ("order-42", "7", 2)


def test_standalone_token_names_activity_and_run() -> None:
    raw = synthesise_standalone(
        namespace_id=NAMESPACE_ID, activity_id="nightly", run_id=RUN_ID, attempt=1
    )
    claim = claim_of(raw)
    assert claim.state is TokenState.WHOLE
    assert (claim.workflow_id, claim.run_id, claim.activity_id) == ("", RUN_ID, "nightly")


@pytest.mark.parametrize(
    ("length", "workflow_id", "partial"),
    [(20, "", ""), (43, "", "ord"), (60, "order-42", ""), (88, "order-42", "")],
)
def test_truncated_token_names_what_is_left_of_it(
    length: int, workflow_id: str, partial: str
) -> None:
    claim = claim_of(TOKEN[:length])
    assert claim.state is TokenState.TRUNCATED
    assert (claim.workflow_id, claim.partial_workflow_id) == (workflow_id, partial)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_crash_or_leak(raw: bytes) -> None:
    claim = claim_of(raw)
    assert base64.b64encode(raw).decode() not in repr(claim) or len(raw) < 3


@given(st.integers(0, len(TOKEN) - 1))
def test_every_truncation_keeps_to_the_truth(length: int) -> None:
    claim = claim_of(TOKEN[:length])
    assert claim.workflow_id in ("", "order-42")
    assert "order-42".startswith(claim.partial_workflow_id)
    assert claim.state in (TokenState.ABSENT, TokenState.TRUNCATED, TokenState.WHOLE)
