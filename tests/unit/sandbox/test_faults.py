from __future__ import annotations

import re

import pytest

from stigmer_ops.errors import UsageError
from stigmer_ops.sandbox.faults import BY_ID, FAULTS, fault
from stigmer_ops.sandbox.plan import Call
from stigmer_ops.sandbox.serve import DEFAULT_FAULTS

REQUIRED = [
    "healthy",
    "still-running",
    "token-not-passed",
    "create-fails",
    "create-error-swallowed",
    "runner-missing",
    "runner-retrying",
    "agent-fails",
    "stigmer-workflow-timed-out",
    "stigmer-workflow-terminated",
    "stigmer-workflow-cancelled",
    "callback-not-registered",
    "callback-queue-unpolled",
    "callback-fails",
    "callback-decode-error",
    "stale-token",
    "duplicate-executions",
    "token-double-encoded",
    "token-truncated",
    "token-wrong-namespace",
    "workflow-edition-without-callback",
    "activity-paused",
    "workflow-paused",
    "near-deadline",
    "delivered-to-another-attempt",
    "standalone",
    "standalone-stuck",
]


def test_faults_have_kebab_case_names_that_are_unique() -> None:
    assert len(BY_ID) == len(FAULTS)
    assert [name for name in BY_ID if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name)] == []


def test_faults_cover_every_cause_of_a_stuck_activity() -> None:
    assert {one.cause for one in FAULTS} - {None} == set(range(1, 13))
    assert [name for name in REQUIRED if name not in BY_ID] == []


def test_faults_say_what_is_the_matter() -> None:
    assert [
        one.id for one in FAULTS if one.title.endswith(".") or not one.breaks.endswith(".")
    ] == []
    assert len({one.title for one in FAULTS}) == len(FAULTS)


def test_faults_that_need_repair_leave_the_activity_pending() -> None:
    assert [one.id for one in FAULTS if one.cause is not None and not one.stays_pending] == []


@pytest.mark.parametrize("one", FAULTS, ids=lambda one: one.id)
def test_call_survives_the_way_through_an_activity_input(one: object) -> None:
    call = fault(getattr(one, "id", "")).call

    assert Call.from_payload(call.to_payload()) == call


def test_unknown_fault_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no fault 'tokn-truncated'") as raised:
        fault("tokn-truncated")

    assert "token-truncated" in raised.value.next_step


def test_default_population_has_only_known_faults() -> None:
    assert set(DEFAULT_FAULTS) <= set(BY_ID)
