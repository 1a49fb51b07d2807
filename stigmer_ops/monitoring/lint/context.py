"""What checks may ask besides their subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from stigmer_ops.monitoring.lint.judge import Judge
from stigmer_ops.monitoring.lint.known import NOTHING, OF_PROMETHEUS, Known
from stigmer_ops.monitoring.lint.project import Project
from stigmer_ops.monitoring.lint.promql.bounds import Limits
from stigmer_ops.monitoring.lint.promql.inference import Inference
from stigmer_ops.monitoring.lint.promql.lifetimes import Lifetimes

if TYPE_CHECKING:
    from stigmer_ops.monitoring.lint.live import Live


@dataclass
class Context:
    """One run's facts.

    Attributes:
        project: Everything that was read.
        known: What is known of the metrics; empty without a catalogue.
        scrape_interval: How often targets are scraped.
        today: For acknowledgements that end.
        judge: Who decides on syntax.
        generated: File name to the text that a generated file of ours should have.
        live: A running Prometheus, where one is asked.
        errors: Path to the lines on which something was found that promtool refuses too.
    """

    project: Project
    known: Known
    scrape_interval: timedelta
    today: date
    judge: Judge
    generated: Mapping[str, str] = field(default_factory=dict)
    live: Live | None = None
    errors: dict[str, set[int]] = field(default_factory=dict)

    def has_error(self, path: str, span: tuple[int, int]) -> bool:
        """Whether something that promtool refuses was found within these lines."""
        return any(span[0] <= line <= span[1] for line in self.errors.get(path, ()))

    @cached_property
    def inference(self) -> Inference:
        """Conclusions on labels and types."""
        live = self.live.known if self.live else NOTHING
        return Inference(live | OF_PROMETHEUS | self.known, self.project.recordings)

    @cached_property
    def limits(self) -> Limits:
        """Conclusions on values."""
        return Limits(self.inference)

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """Conclusions on how long conditions last."""
        return Lifetimes(self.limits)
