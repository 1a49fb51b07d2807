"""A metrics page, read by prometheus_client's own parsers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class MetricsPage:
    """The families of a page, and its samples by name and labels."""

    families: tuple[Any, ...]

    @classmethod
    def parse(cls, text: str) -> MetricsPage:
        """Read the text format, version 0.0.4."""
        return cls(tuple(text_string_to_metric_families(text)))

    @classmethod
    def parse_open_metrics(cls, text: str) -> MetricsPage:
        """Read OpenMetrics, whose parser is strict."""
        return cls(tuple(openmetrics_parser.text_string_to_metric_families(text)))  # type: ignore[no-untyped-call] # as above

    @classmethod
    def of(cls, registry: CollectorRegistry) -> MetricsPage:
        """What a registry exposes now."""
        return cls.parse(generate_latest(registry).decode())

    @classmethod
    def open_metrics_of(cls, registry: CollectorRegistry) -> MetricsPage:
        """The same as OpenMetrics."""
        text: bytes = openmetrics_exposition.generate_latest(registry)  # type: ignore[no-untyped-call] # as above
        return cls.parse_open_metrics(text.decode())

    @property
    def samples(self) -> Iterator[Any]:
        """All samples."""
        return (sample for family in self.families for sample in family.samples)

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name which have these labels; there must be one."""
        found = [
            float(sample.value)
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"no {name} with {labels}"
        return sum(found)

    def has(self, name: str, **labels: str) -> bool:
        """Whether there is such a sample."""
        return any(
            sample.name == name and labels.items() <= sample.labels.items()
            for sample in self.samples
        )
