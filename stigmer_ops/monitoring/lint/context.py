"""What checks may ask besides their subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

from stigmer_ops.monitoring.lint.judge import Judge
from stigmer_ops.monitoring.lint.known import OF_PROMETHEUS, Known
from stigmer_ops.monitoring.lint.project import Project
from stigmer_ops.monitoring.lint.promql.bounds import Limits
from stigmer_ops.monitoring.lint.promql.inference import Inference
from stigmer_ops.monitoring.lint.promql.lifetimes import Lifetimes


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
        errors: Path to the lines of the errors that were found so far.
    """

    project: Project
    known: Known
    scrape_interval: timedelta
    today: date
    judge: Judge
    generated: Mapping[str, str] = field(default_factory=dict)
    errors: dict[str, set[int]] = field(default_factory=dict)

    def has_error(self, path: str, span: tuple[int, int]) -> bool:
        """Whether an error was found within these lines."""
        return any(span[0] <= line <= span[1] for line in self.errors.get(path, ()))

    @cached_property
    def inference(self) -> Inference:
        """Conclusions on labels and types."""
        return Inference(OF_PROMETHEUS | self.known, self.project.recordings)

    @cached_property
    def limits(self) -> Limits:
        """Conclusions on values."""
        return Limits(self.inference)

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """Conclusions on how long conditions last."""
        return Lifetimes(self.limits)
