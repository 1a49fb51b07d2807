"""Where nobody can be asked; the questions themselves are tried at a terminal, end to end."""

from __future__ import annotations

import pytest

from stigmer_ops.cli.confirmation import confirmed, require_writable
from stigmer_ops.cli.context import Invocation
from stigmer_ops.cli.option_sets import Common, Mutation
from stigmer_ops.errors import RefusedError, UsageError
from stigmer_ops.render.output import OutputFormat

AGREED = Mutation(reason="INC-7", yes=True)
PROTECTED = {"STIGMER_OPS_WRITES_PROTECTED_NAMESPACES": "orders,billing"}


def invocation(**environment: str) -> Invocation:
    return Invocation(Common(), environment)


def test_reason_and_yes_are_enough() -> None:
    require_writable(invocation(), AGREED, "default")

    assert confirmed(invocation(), AGREED, "default", "Complete it?")


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_missing_reason_is_wrong_usage(reason: str | None) -> None:
    with pytest.raises(UsageError, match="--reason is missing"):
        require_writable(invocation(), Mutation(reason=reason, yes=True), "default")


@pytest.mark.parametrize("reason", ["INC-…", "INC-… lost callback"])
def test_reason_that_was_not_filled_in_is_wrong_usage(reason: str) -> None:
    with pytest.raises(UsageError, match="to be filled in") as error:
        require_writable(invocation(), Mutation(reason=reason, yes=True), "default")

    assert error.value.not_done == "nothing was sent to Temporal"
    assert "INC-123" in error.value.advice


def test_nobody_to_ask_is_refused_with_what_to_add() -> None:
    with pytest.raises(RefusedError, match="not a terminal") as refused:
        require_writable(invocation(), Mutation(reason="INC-7"), "default")

    assert refused.value.next_step.endswith("add --yes")
    assert refused.value.not_done == "nothing was sent to Temporal"


def test_json_output_leaves_no_room_for_a_question() -> None:
    with pytest.raises(RefusedError, match="-o json"):
        require_writable(
            Invocation(Common(output=OutputFormat.JSON), {}), Mutation(reason="INC-7"), "default"
        )


def test_read_only_refuses_and_says_where_it_is_set() -> None:
    with pytest.raises(RefusedError, match=r"\$STIGMER_OPS_READ_ONLY"):
        require_writable(invocation(STIGMER_OPS_READ_ONLY="1"), AGREED, "default")


def test_dry_run_needs_nothing_and_goes_nowhere() -> None:
    mutation = Mutation(dry_run=True)
    read_only = invocation(STIGMER_OPS_READ_ONLY="1", **PROTECTED)

    require_writable(read_only, mutation, "orders")

    assert not confirmed(read_only, mutation, "orders", "Complete it?")


def test_protected_namespace_is_not_confirmed_by_yes_alone() -> None:
    with pytest.raises(RefusedError) as refused:
        require_writable(invocation(**PROTECTED), AGREED, "orders")
    assert refused.value.next_step.endswith("add --confirm-namespace orders")
    with pytest.raises(RefusedError):
        confirmed(invocation(**PROTECTED), AGREED, "orders", "Complete it?")

    named = Mutation(reason="INC-7", yes=True, confirm_namespace="orders")
    require_writable(invocation(**PROTECTED), named, "orders")
    assert confirmed(invocation(**PROTECTED), named, "orders", "Complete it?")


@pytest.mark.parametrize("dry_run", [False, True])
def test_other_namespace_than_confirmed_is_refused(dry_run: bool) -> None:
    mutation = Mutation(reason="INC-7", yes=True, dry_run=dry_run, confirm_namespace="orders")

    with pytest.raises(RefusedError, match=r"'orders'.*'default'"):
        require_writable(invocation(), mutation, "default")
