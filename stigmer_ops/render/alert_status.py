"""How the alerts and rules of a running Prometheus look to a person and to a program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from stigmer_ops.render.tables import (
    Cell,
    Column,
    FittedTable,
    id_column,
    table_of,
    table_with_notes,
)
from stigmer_ops.render.text import rfc3339, short_duration, visible

if TYPE_CHECKING:
    from stigmer_ops.monitoring.loaded_rules import ActiveAlert, Comparison

_SEVERITIES = {"critical": "bold red", "warning": "yellow"}
_OWN = frozenset({"alertname", "severity"})


@dataclass(frozen=True, slots=True)
class Status:
    """What was found.

    Attributes:
        prometheus: Where.
        alerts: Our alerts that are pending or firing.
        rules: How the loaded rules differ from the generated ones.
        now: When.
    """

    prometheus: str
    alerts: tuple[ActiveAlert, ...]
    rules: Comparison
    now: datetime

    @property
    def healthy(self) -> bool:
        """Whether nothing fires that somebody is told of, and the rules are ours."""
        firing = (a for a in self.alerts if a.state == "firing" and a.severity in _SEVERITIES)
        return self.rules.equal and not any(firing)

    @property
    def ordered(self) -> list[ActiveAlert]:
        """Firing before pending, critical before the rest, the longest first."""
        order = list(_SEVERITIES)
        return sorted(
            self.alerts,
            key=lambda alert: (
                alert.state != "firing",
                order.index(alert.severity) if alert.severity in order else len(order),
                alert.since,
            ),
        )


def status_record(status: Status) -> Mapping[str, Any]:
    """The whole status."""
    return {
        "prometheus": status.prometheus,
        "healthy": status.healthy,
        "alerts": [_alert_record(alert) for alert in status.ordered],
        "rules": {
            "equal": status.rules.equal,
            "missing": list(status.rules.missing),
            "different": [
                {"rule": name, "parts": list(parts)} for name, parts in status.rules.different
            ],
            "surplus": list(status.rules.surplus),
            "failing": [{"rule": name, "error": error} for name, error in status.rules.failing],
        },
    }


def _alert_record(alert: ActiveAlert) -> Mapping[str, Any]:
    return {
        "alert": alert.name,
        "state": alert.state,
        "severity": alert.severity,
        "since": rfc3339(alert.since),
        # JSON has no NaN.
        "value": alert.value if math.isfinite(alert.value) else None,
        "labels": _labels(alert),
        "description": alert.annotations.get("description", ""),
        "page": f"runbooks/alerts/{alert.name}.md",
        "runbook_url": alert.annotations.get("runbook_url", ""),
        "dashboard_url": alert.annotations.get("dashboard_url", ""),
    }


def _labels(alert: ActiveAlert) -> dict[str, str]:
    return {name: value for name, value in alert.labels.items() if name not in _OWN}


_COLUMNS = (
    Column("SEVERITY", fold=False),
    Column("STATE", fold=False),
    Column("FOR", fold=False),
    id_column("ALERT"),
)


def status_table(console: Console, status: Status, *, wide: bool) -> None:
    """The alerts with what is the case, their pages, and how the rules differ."""
    if status.alerts:
        console.print(_alerts_table(console, status, wide=wide))
        for name in dict.fromkeys(alert.name for alert in status.ordered):
            console.print(Text(f"stigmer-ops runbook show {visible(name)}"), soft_wrap=True)
    else:
        console.print("no alert is pending or firing")
    console.print()
    for line in _rule_lines(status.rules):
        console.print(line, soft_wrap=True)


def _alerts_table(console: Console, status: Status, *, wide: bool) -> FittedTable:
    """A row an alert; where it has no room, what is the case stands below it."""
    columns = [*_COLUMNS, Column("WHAT IS THE CASE")]
    rows = [[*_cells(status, alert), _what(alert)] for alert in status.ordered]
    if not wide:
        return table_with_notes(console, columns, rows)
    dashboards = [alert.annotations.get("dashboard_url", "") for alert in status.ordered]
    return table_of(
        [*columns, Column("DASHBOARD")],
        [[*row, dashboard] for row, dashboard in zip(rows, dashboards, strict=True)],
    )


def _cells(status: Status, alert: ActiveAlert) -> list[Cell]:
    return [
        (alert.severity, _SEVERITIES.get(alert.severity, "")),
        alert.state,
        short_duration(status.now - alert.since),
        alert.name,
    ]


def _what(alert: ActiveAlert) -> Cell:
    what = alert.annotations.get("description") or str(_labels(alert))
    return [(line, "") for line in what.splitlines()]


def _rule_lines(rules: Comparison) -> Iterator[Text]:
    if rules.equal:
        yield Text("the rules are those of `stigmer-ops alerts generate`", style="green")
        return
    for name in rules.missing:
        yield Text(f"{visible(name)} is not loaded", style="red")
    for name, parts in rules.different:
        text = f"{visible(name)} differs from the generated rule in {', '.join(parts)}"
        yield Text(text, style="red")
    for name in rules.surplus:
        yield Text(f"{visible(name)} is loaded, and not generated", style="red")
    for name, error in rules.failing:
        yield Text(f"{visible(name)} cannot be evaluated: {visible(error)}", style="red")
