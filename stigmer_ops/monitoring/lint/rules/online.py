"""What only a running Prometheus can tell."""

from __future__ import annotations

from stigmer_ops.monitoring.lint.model import AnyRule

RULES: tuple[AnyRule, ...] = ()
