"""What a page of the runbook says of its alert: severity, threshold, panel and expression."""

from __future__ import annotations

from stigmer_ops.monitoring.catalogue.alerts.texts import limit
from stigmer_ops.monitoring.catalogue.model import Alert, Catalogue, Operator
from stigmer_ops.monitoring.catalogue.promql import duration
from stigmer_ops.monitoring.rules import laid_out

_WORDS = {Operator.ABOVE: "above", Operator.BELOW: "below"}


def facts(alert: Alert, catalogue: Catalogue) -> str:
    """The facts in Markdown: a table and the expression."""
    thresholds = " or ".join(
        f"{_WORDS[operator]} {limit(threshold, alert.unit)}"
        for operator, threshold in alert.thresholds
    )
    panel = catalogue.panel(alert.panel)
    return (
        "| severity | fires when | for | panel of the dashboard |\n|---|---|---|---|\n"
        f"| {alert.severity} | {thresholds or 'there is any'} | {duration(alert.for_)} "
        f"| {panel.title} |\n\n"
        f"```promql\n{laid_out(alert.expr)}\n```\n"
    )
