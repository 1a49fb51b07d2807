"""What is exposed has the catalogue's names, labels and buckets, and says nothing else."""

from __future__ import annotations

import time

import pytest
from prometheus_client import generate_latest

from stigmer_ops.exporter.collector import CatalogueCollector, registry_of
from stigmer_ops.exporter.readings import EXPORTED, Distribution, Readings, Series, zeros
from stigmer_ops.monitoring.catalogue import metrics as m
from stigmer_ops.monitoring.catalogue.model import Metric, MetricKind
from support.metrics_page import MetricsPage

NAMESPACES = ("orders", "invoices")
KNOWN = {
    "namespace": NAMESPACES,
    "task_queue": ("zigflow_execution",),
    "activity_type": ("CallAgentActivity",),
    "method": ("DescribeNamespace",),
    "code": ("OK",),
    "version": ("1.0",),
}
EVERYTHING = {
    metric: dict.fromkeys(
        (labels,),
        Distribution.empty(metric) if metric.kind is MetricKind.HISTOGRAM else 7.0,
    )
    for metric in EXPORTED
    for labels in [tuple((KNOWN.get(one.name) or one.values or ("",))[0] for one in metric.labels)]
}


def published(**parts: Readings) -> CatalogueCollector:
    collector = CatalogueCollector()
    for name, readings in parts.items():
        collector.publish(name, readings)
    return collector


def text(collector: CatalogueCollector) -> str:
    return generate_latest(registry_of(collector)).decode()


@pytest.mark.parametrize("metric", EXPORTED, ids=lambda metric: metric.name)
def test_each_metric_is_exposed_as_the_catalogue_has_it(metric: Metric) -> None:
    page = MetricsPage.parse(text(published(all=EVERYTHING)))
    families = {family.name: family for family in page.families}
    family = families[metric.name.removesuffix("_total")]
    assert (family.type, family.documentation) == (metric.kind.value, metric.help)
    names = {sample.name for sample in family.samples}
    assert names == {series.name for series in metric.all_series()}
    labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
    assert labels == {frozenset(metric.series.label_names)}
    if metric.kind is MetricKind.HISTOGRAM:
        bounds = [float(s.labels["le"]) for s in family.samples if s.name.endswith("_bucket")]
        assert bounds == [*metric.buckets, float("inf")]


def test_open_metrics_has_the_same_samples() -> None:
    collector = published(all=EVERYTHING)
    registry = registry_of(collector)
    plain, open_ = MetricsPage.of(registry), MetricsPage.open_metrics_of(registry)
    assert [(one.name, one.labels, one.value) for one in open_.samples] == [
        (one.name, one.labels, one.value) for one in plain.samples
    ]


def test_what_starts_at_zero_is_there_for_every_value_of_its_labels() -> None:
    found = zeros(EXPORTED, namespace=NAMESPACES)
    assert set(found[m.PENDING]) == {
        (namespace, service, bucket)
        for namespace in NAMESPACES
        for service in ("go", "java", "unknown")
        for bucket in ("0-1h", "1-4h", "4-12h", "12-24h", "24h+")
    }
    assert set(found[m.COMPLETION_DURATION].values()) == {Distribution.empty(m.COMPLETION_DURATION)}
    assert set(found) == {metric for metric in EXPORTED if metric.from_zero}


def test_what_is_not_known_is_not_there() -> None:
    exposed = text(published(zeros=zeros(EXPORTED, namespace=NAMESPACES)))
    assert m.REGISTERED.name not in exposed
    assert m.OLDEST.name not in exposed
    assert "python_" not in exposed


def test_numbers_of_several_parts_add_up_and_a_later_publication_replaces() -> None:
    labels = ("orders", "history")
    collector = published(
        zeros=zeros((m.UNREADABLE,), namespace=("orders",)),
        one={m.UNREADABLE: {labels: 2.0}},
        other={m.UNREADABLE: {labels: 3.0}},
    )
    line = 'stigmer_ops_exporter_unreadable_items{item="history",namespace="orders"}'
    assert f"{line} 5.0" in text(collector)
    collector.publish("other", {m.UNREADABLE: {labels: 0.0}})
    assert f"{line} 2.0" in text(collector)


@pytest.mark.parametrize(
    ("seconds", "place"), [(0.0, 0), (0.1, 0), (0.11, 1), (600.0, 11), (600.1, 12)]
)
def test_observation_falls_into_the_first_bucket_whose_bound_it_does_not_exceed(
    seconds: float, place: int
) -> None:
    observed = Distribution.empty(m.SCAN_DURATION).observe(m.SCAN_DURATION, seconds)
    assert [index for index, count in enumerate(observed.counts) if count] == [place]
    twice = observed + observed
    assert (sum(twice.counts), twice.sum) == (2, 2 * seconds)


def test_page_of_a_large_installation_is_rendered_in_time() -> None:
    """Ten namespaces with a hundred groups each, which is the limit of the settings."""
    groups: Series = {
        (f"n{namespace}", f"queue-{group}", "CallAgentActivity"): 1.0
        for namespace in range(10)
        for group in range(100)
    }
    collector = published(
        zeros=zeros(EXPORTED, namespace=[f"n{number}" for number in range(10)]),
        groups=dict.fromkeys((m.PENDING_BY_TASK_QUEUE, m.OLDEST, m.TIMEOUT_USED), groups),
    )
    registry = registry_of(collector)
    began = time.process_time()
    generate_latest(registry)
    assert time.process_time() - began < 0.5  # 30 ms here
