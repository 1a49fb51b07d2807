"""Correlation of what was asked for, and with what Temporal says of an execution."""

from __future__ import annotations

import io

import pytest

from stigmer_ops.handshake.execution import Claim, TokenState
from stigmer_ops.handshake.token.task import fingerprint
from stigmer_ops.logs.correlate import Correlator
from stigmer_ops.logs.selection import Selector
from stigmer_ops.logs.sources import LogFile
from support.correlations import KEY, SUCCESS, WRITTEN, correlate, line, only, zigflow
from support.log_lines import (
    ACTIVITY,
    EXECUTION,
    RUN,
    STIGMER_RUN,
    WORKFLOW,
    token,
)

CLAIM = Claim(
    TokenState.WHOLE,
    fingerprint=fingerprint(token()),
    workflow_id=WORKFLOW,
    run_id=RUN,
    activity_id=ACTIVITY,
    attempt=1,
)


def test_what_no_line_says_is_asked_and_joined() -> None:
    correlator = Correlator()
    extracted = line("zigflow-token-extracted", execution="")
    correlator.read(LogFile("z.log", WRITTEN), io.BytesIO(extracted))
    correlator.read(LogFile("s.log", WRITTEN), io.BytesIO(line("go-token-received", 1)))

    assert correlator.unlinked_executions() == [EXECUTION]
    correlator.link({EXECUTION: CLAIM})
    assert correlator.unlinked_executions() == []

    handshake = only(correlator.result())
    assert handshake.lines == 2
    assert handshake.activities == (KEY,)
    assert handshake.fingerprints == (CLAIM.fingerprint,)


def test_a_token_that_temporal_shows_to_be_damaged_is_noted() -> None:
    damaged = Claim(TokenState.DOUBLE_ENCODED)

    handshake = only(correlate(line("go-token-received"), claims={EXECUTION: damaged}))

    assert any("double-encoded" in note for note in handshake.notes)
    assert any("nothing names the external activity" in note for note in handshake.notes)


def test_with_an_execution_asked_for_only_its_link_is_wanted() -> None:
    lines = b"".join(line("go-token-received", execution=f"aex_{n}") for n in range(5))

    with Correlator(selector=Selector(execution_id="aex_2")) as correlator:
        correlator.read(LogFile("s.log", WRITTEN), io.BytesIO(lines))

        assert correlator.unlinked_executions() == ["aex_2"]


STIGMER_WORKFLOW = f"stigmer/agent-execution/invoke/{EXECUTION}"


@pytest.mark.parametrize(
    "selector",
    [
        Selector(execution_id=EXECUTION),
        Selector(workflow_id=WORKFLOW),
        Selector(workflow_id=WORKFLOW, activity_id=ACTIVITY),
        Selector(workflow_id=WORKFLOW, run_id=RUN, activity_id=ACTIVITY),
        Selector(activity_id=ACTIVITY, execution_id=EXECUTION),
        Selector(run_id=RUN),
        Selector(run_id=STIGMER_RUN),
        Selector(workflow_id=STIGMER_WORKFLOW),
        Selector(workflow_id=STIGMER_WORKFLOW, run_id=STIGMER_RUN),
    ],
)
def test_a_handshake_is_found_by_any_of_its_ids(selector: Selector) -> None:
    other = zigflow(execution="aex_2", workflow="order-2", run="run-2", activity="9")

    assert only(correlate({**SUCCESS, "other.log": other}, selector)).execution_ids == (EXECUTION,)


@pytest.mark.parametrize(
    "selector",
    [
        Selector(execution_id="aex_unknown"),
        Selector(workflow_id=WORKFLOW, activity_id="6"),
        Selector(workflow_id="order-9"),
        Selector(run_id="no-such-run"),
        Selector(execution_id=EXECUTION, activity_id="6"),
        Selector(workflow_id=STIGMER_WORKFLOW, run_id="no-such-run"),
    ],
)
def test_ids_that_do_not_all_belong_find_nothing(selector: Selector) -> None:
    assert correlate(SUCCESS, selector).handshakes == ()


def test_another_token_than_the_one_asked_for_is_noted() -> None:
    selector = Selector(execution_id=EXECUTION, fingerprint="sha256:0000000000000000")

    handshake = only(correlate(SUCCESS, selector, {EXECUTION: CLAIM}))

    assert any("another attempt" in note for note in handshake.notes)
