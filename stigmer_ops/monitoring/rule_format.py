"""The kinds of rule files, by themselves: `--help` names them without loading anything else."""

from __future__ import annotations

from enum import StrEnum


class RuleFormat(StrEnum):
    """Who reads the files."""

    PROMETHEUS = "prometheus"
    """Prometheus, through `rule_files`."""
    OPERATOR = "prometheus-operator"
    """The Prometheus Operator, as PrometheusRule resources."""
