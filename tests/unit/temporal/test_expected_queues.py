"""Which queues are checked, in which namespace, and what is expected of them."""

from __future__ import annotations

import pytest

from stigmer_ops.errors import UsageError
from stigmer_ops.handshake.workers import ExpectedQueue, TaskKind
from stigmer_ops.settings import Settings, Stigmer
from stigmer_ops.settings_sources import load
from stigmer_ops.temporal.expected_queues import expected_queues

ACTIVITY, WORKFLOW = TaskKind.ACTIVITY, TaskKind.WORKFLOW


def by_role(queues: list[ExpectedQueue]) -> dict[str, ExpectedQueue]:
    return {queue.roles[0]: queue for queue in queues}


def test_every_queue_of_the_settings_is_expected() -> None:
    queues = by_role(expected_queues(Settings(), "orders"))
    assert {role: sorted(queue.kinds) for role, queue in queues.items()} == {
        "agent_execution_stigmer": [ACTIVITY, WORKFLOW],
        "agent_execution_runner": [ACTIVITY],
        "workflow_execution_stigmer": [WORKFLOW],
        "workflow_execution_runner": [ACTIVITY],
        "workflow_validation_stigmer": [WORKFLOW],
        "workflow_validation_runner": [ACTIVITY],
        "zigflow_execution": [ACTIVITY, WORKFLOW],
    }
    assert {queue.namespace for queue in queues.values()} == {"orders"}


def test_stigmers_queues_are_in_its_own_namespace() -> None:
    settings = Settings(stigmer=Stigmer(namespace="stigmer"))
    queues = by_role(expected_queues(settings, "orders"))
    assert queues.pop("zigflow_execution").namespace == "orders"
    assert {queue.namespace for queue in queues.values()} == {"stigmer"}


def test_roles_and_names_choose() -> None:
    queues = expected_queues(
        Settings(), "orders", roles=["zigflow_execution"], names=["agent_execution_runner"]
    )
    assert [queue.name for queue in queues] == ["agent_execution_runner", "zigflow_execution"]


def test_name_that_the_settings_do_not_know_is_expected_to_be_polled() -> None:
    assert expected_queues(Settings(), "orders", names=["mine"]) == [
        ExpectedQueue("mine", "orders")
    ]


def test_activity_types_stand_in_for_those_of_the_settings() -> None:
    (queue,) = expected_queues(
        Settings(), "orders", roles=["workflow_execution_stigmer"], activity_types=["B", "A", "B"]
    )
    assert queue.activity_types == ("B", "A")
    assert queue.kinds == {ACTIVITY, WORKFLOW}


def test_activity_types_without_a_queue_are_refused() -> None:
    with pytest.raises(UsageError, match="--activity-type"):
        expected_queues(Settings(), "orders", activity_types=["A"])


def test_unknown_role_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean agent_execution_runner"):
        expected_queues(Settings(), "orders", roles=["agent_execution_runer"])


def test_two_roles_with_one_queue_are_one() -> None:
    settings = load(
        None,
        {
            "TEMPORAL_AGENT_EXECUTION_STIGMER_TASK_QUEUE": "stigmer",
            "TEMPORAL_WORKFLOW_EXECUTION_RUNNER_TASK_QUEUE": "stigmer",
        },
    ).settings
    (queue,) = expected_queues(settings, "orders", names=["stigmer"])
    assert queue.roles == ("agent_execution_stigmer", "workflow_execution_runner")
    assert queue.kinds == {ACTIVITY, WORKFLOW}
    assert queue.activity_types == ("stigmer/system/complete-external-activity",)
