"""How many replicas a load asks for, and that the autoscaler's manifest is one of Kubernetes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import kubernetes_validate
import pytest
import yaml

from stigmer_ops.handshake.workers import (
    Backlog,
    ExpectedQueue,
    Poller,
    QueueWorkers,
    Slots,
    TaskKind,
    WorkerHeartbeat,
)
from stigmer_ops.procedures.scaling.autoscaler import ADAPTER_RULE, autoscalers
from stigmer_ops.procedures.scaling.load import Load, Pending, Source, pending_by_ages
from stigmer_ops.procedures.scaling.recommendation import Direction, Recommendation, recommend
from stigmer_ops.settings import Kubernetes, Scaling, Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SETTINGS = Settings()
KIND = TaskKind.WORKFLOW


def queue(
    workers: int, backlog: Backlog | None = None, slots: Slots | None = None, name: str = "q"
) -> QueueWorkers:
    return QueueWorkers(
        expected=ExpectedQueue(name, "default"),
        time=NOW,
        stale_after=timedelta(seconds=60),
        pollers=tuple(Poller(f"pod-{n}", KIND, NOW) for n in range(workers)),
        backlogs=((KIND, backlog or Backlog()),),
        heartbeats=tuple(
            WorkerHeartbeat(f"k{n}", f"pod-{n}", name, "RUNNING", workflow_slots=slots)
            for n in range(workers)
        )
        if slots
        else None,
    )


def recommended(
    now: int, least: int, *queues: QueueWorkers, source: Source = Source.AGES
) -> Recommendation:
    return recommend(Load(Pending(now, least, source), queues), SETTINGS)


def sentences(found: Recommendation) -> str:
    return "\n".join(reason.sentence for reason in found.reasons)


@pytest.mark.parametrize(
    ("pending", "least", "workers", "replicas"),
    [
        (0, 0, 3, 3),
        (60, 60, 3, 3),
        (100, 100, 3, 3),
        (101, 101, 3, 6),
        (101, 101, 6, 6),
        (142, 130, 3, 8),
        (142, 100, 3, 3),
        (1000, 900, 3, 10),
        (110, 110, 8, 6),
        (10, 10, 8, 3),
        (0, 0, 1, 3),
    ],
)
def test_replicas_follow_what_waits_and_for_how_long(
    pending: int, least: int, workers: int, replicas: int
) -> None:
    assert recommended(pending, least, queue(workers)).replicas == replicas


def test_what_waits_for_a_moment_adds_nothing_and_says_why() -> None:
    found = recommended(142, 40, queue(3))
    assert found.direction is Direction.HOLD
    assert "more than 100, but as far as is known not for 15m" in sentences(found)
    assert "40 of them have waited for all of the last 15m" in sentences(found)


def test_prometheus_is_named_as_the_evidence() -> None:
    found = recommended(142, 130, queue(3), source=Source.PROMETHEUS)
    assert found.direction is Direction.UP
    assert "by Prometheus never fewer than 130" in sentences(found)


def test_limit_is_told_where_it_strikes() -> None:
    assert "No more than 10" in sentences(recommended(1000, 1000, queue(3)))
    assert "No fewer than 3" in sentences(recommended(0, 0, queue(3)))


def test_ages_prove_only_what_waited_all_the_time() -> None:
    ages = [timedelta(minutes=minutes) for minutes in (1, 14, 15, 400)]
    assert pending_by_ages(ages, timedelta(minutes=15)) == Pending(4, 2, Source.AGES)


def test_old_backlog_asks_for_what_works_it_off() -> None:
    # 600 tasks in 300 s are 2 a second; with 1 that comes, 3 workers that take 1 have to be 9.
    backlog = Backlog(600, timedelta(minutes=6), add_rate=1.0, dispatch_rate=1.0)
    found = recommended(0, 0, queue(3, backlog))
    assert found.replicas == 9
    assert "3 workers take 1 a second, and 3 are needed" in sentences(found)


def test_young_backlog_asks_for_nothing() -> None:
    backlog = Backlog(600, timedelta(minutes=5), add_rate=1.0, dispatch_rate=1.0)
    assert recommended(0, 0, queue(3, backlog)).replicas == 3


def test_backlog_that_nobody_takes_is_trouble_and_no_lack_of_replicas() -> None:
    found = recommended(0, 0, queue(3, Backlog(6, timedelta(hours=1), 1.0, 0.0)))
    assert (found.replicas, found.trouble) == (3, True)
    assert "none is taken" in found.reasons[0].sentence
    stalled = queue(8, Backlog(6, timedelta(hours=1), 1.0, 0.0))
    assert recommended(0, 0, stalled).direction is Direction.HOLD


def test_nobody_polls_is_trouble() -> None:
    found = recommended(500, 500, queue(0))
    assert (found.current, found.trouble) == (0, True)
    assert found.reasons[0].sentence.startswith("No worker polls")


def test_taken_slots_add_workers_and_keep_them_from_being_taken_away() -> None:
    found = recommended(0, 0, queue(6, slots=Slots(used=90, available=10)))
    assert found.replicas == 7
    assert "540 of the 600 workflow slots of q are taken, more than 80%" in sentences(found)


def test_slots_of_an_unknown_number_say_nothing() -> None:
    assert recommended(0, 0, queue(3, slots=Slots(used=90, available=None))).replicas == 3


def test_saturated_worker_that_no_longer_polls_still_counts() -> None:
    busy = queue(3, slots=Slots(used=100, available=0))
    gone = QueueWorkers(busy.expected, NOW, busy.stale_after, (), busy.backlogs, busy.heartbeats)
    assert recommended(0, 0, gone).current == 3


@pytest.mark.parametrize("version", ["1.27", "1.32", "1.37"])
def test_manifest_is_one_that_kubernetes_takes(version: str) -> None:
    settings = Settings(
        scaling=Scaling(sustained_for=timedelta(hours=3)), kubernetes=Kubernetes(namespace="prod")
    )
    first, second = autoscalers(settings, "orders", ["stigmer-server", "stigmer-service"])
    for manifest in (first, second):
        kubernetes_validate.validate(manifest, version, strict=True)
    spec = first["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 10)
    assert first["metadata"] == {"name": "stigmer-server", "namespace": "prod"}
    assert second["spec"]["scaleTargetRef"]["name"] == "stigmer-service"
    (metric,) = spec["metrics"]
    assert metric["external"]["metric"]["name"] == "stigmer_pending_external_activities"
    assert metric["external"]["metric"]["selector"] == {"matchLabels": {"namespace": "orders"}}
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "20"}
    # Kubernetes refuses more than an hour.
    assert spec["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 3600
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 1800


def test_adapter_rule_reads_the_recorded_series() -> None:
    (rule,) = yaml.safe_load(yaml.safe_dump(ADAPTER_RULE))["externalRules"]
    assert "namespace:stigmer_pending_external_activities:sum" in rule["seriesQuery"]
    assert rule["name"]["as"] == "stigmer_pending_external_activities"
