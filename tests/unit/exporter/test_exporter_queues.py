"""What is said of the workers' activity types: what they told, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stigmer_ops.exporter.queues import registered
from stigmer_ops.handshake.queue_verdicts import QueueCheck
from stigmer_ops.handshake.registration import Answer, NotRegistered, ProbeAnswer, Registration
from stigmer_ops.handshake.workers import ExpectedQueue, QueueWorkers

QUEUE = ExpectedQueue("runner", "orders", activity_types=("Ensure", "Execute"))
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def said(*types: str, asked: str = "nobody", complete: bool = True) -> ProbeAnswer:
    return ProbeAnswer(Answer.REGISTERED_TYPES, "w1", NotRegistered(asked, types, complete))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((), {}),
        ((said("Ensure", "Execute"),), {"Ensure": 1.0, "Execute": 1.0}),
        ((said("Ensure"),), {"Ensure": 1.0, "Execute": 0.0}),
        ((said("Ensure", "Execute"), said("Ensure")), {"Ensure": 1.0, "Execute": 0.0}),
        ((said("Ensure", asked="Execute", complete=False),), {"Ensure": 1.0, "Execute": 0.0}),
        ((said("Ensure", complete=False),), {"Ensure": 1.0}),
        ((ProbeAnswer(Answer.RAN, "w1"),), {"Ensure": 1.0, "Execute": 1.0}),
        ((ProbeAnswer(Answer.RAN, "w1"), said("Ensure")), {"Ensure": 1.0, "Execute": 0.0}),
        ((ProbeAnswer(Answer.NO_ANSWER, "w1"),), {}),
        ((ProbeAnswer(Answer.UNREADABLE, "w1"),), {}),
        ((ProbeAnswer(Answer.NOT_TAKEN),), {}),
    ],
)
def test_registration_is_told_where_it_is_known(
    answers: tuple[ProbeAnswer, ...], expected: dict[str, float]
) -> None:
    workers = QueueWorkers(QUEUE, NOW, timedelta(minutes=1))
    check = QueueCheck(workers, Registration(probed=True, answers=answers))
    assert dict(registered(check)) == {
        ("orders", "runner", name): value for name, value in expected.items()
    }
