from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.monitoring.catalogue.model import (
    Alert,
    Catalogue,
    Condition,
    Dashboard,
    Operator,
    Panel,
    PanelKind,
    Row,
    Severity,
    Target,
    Unit,
)
from stigmer_ops.monitoring.dashboards.appearance import PlacedPanel, Position, Step, placed
from stigmer_ops.settings import Monitoring, Settings

ABOVE, BELOW = Operator.ABOVE, Operator.BELOW
SETTINGS = Settings(monitoring=Monitoring(runbook_url="https://pages/{alert}"))


def panel(
    id: str = "p",
    kind: PanelKind = PanelKind.TIMESERIES,
    unit: Unit = Unit.SECONDS,
    width: int = 12,
) -> Panel:
    return Panel(id, 1, "Title", "What.", kind, unit, (Target("x", "x"),), width)


def alert(severity: Severity, *limits: tuple[Operator, float], unit: Unit = Unit.SECONDS) -> Alert:
    conditions = tuple(Condition("x", operator, value) for operator, value in limits)
    return Alert(
        f"Alert{severity.title()}",
        "group",
        severity,
        timedelta(minutes=5),
        conditions or (Condition("absent(x)"),),
        unit,
        "p",
        "Summary.",
        "Description.",
        "next",
    )


def place(*panels: Panel, alerts: tuple[Alert, ...] = ()) -> list[PlacedPanel]:
    dashboard = Dashboard("uid", "Title", (), (Row("Row", panels),))
    rows = placed(Catalogue((), (), alerts, (), dashboard), SETTINGS)
    return [panel for row in rows for panel in row.panels]


def test_panels_flow_and_one_that_is_left_over_takes_the_whole_line() -> None:
    stats = [panel(str(i), PanelKind.STAT, width=6) for i in range(4)]
    positions = [each.position for each in place(*stats, panel(), panel(), panel())]
    assert positions == [
        *(Position(x, 1, 6, 4) for x in (0, 6, 12, 18)),
        Position(0, 5, 12, 10),
        Position(12, 5, 12, 10),
        Position(0, 15, 24, 10),
    ]


def test_panels_of_one_line_are_equally_high_and_lines_never_overlap() -> None:
    mixed = place(panel(kind=PanelKind.STAT), panel(), panel(width=20), panel(width=6))
    assert [each.position for each in mixed] == [
        Position(0, 1, 12, 10),
        Position(12, 1, 12, 10),
        Position(0, 11, 24, 10),
        Position(0, 21, 24, 10),
    ]


@pytest.mark.parametrize(
    ("kind", "unit", "alerts", "expected"),
    [
        (PanelKind.TIMESERIES, Unit.SECONDS, (), [(None, "transparent")]),
        (
            PanelKind.TIMESERIES,
            Unit.SECONDS,
            (alert(Severity.CRITICAL, (ABOVE, 9)), alert(Severity.WARNING, (ABOVE, 4))),
            [(None, "transparent"), (4, "orange"), (9, "red")],
        ),
        (
            PanelKind.TIMESERIES,
            Unit.COUNT,
            (alert(Severity.CRITICAL, (BELOW, 1)),),
            [(None, "transparent"), (1, "red")],
        ),
        (
            PanelKind.TIMESERIES,
            Unit.RATIO,
            (alert(Severity.CRITICAL, (ABOVE, 0.5)), alert(Severity.INFO, (ABOVE, 0.5))),
            [(None, "transparent"), (0.5, "red")],
        ),
        (PanelKind.STAT, Unit.COUNT, (), [(None, "green")]),
        (
            PanelKind.STAT,
            Unit.COUNT,
            (alert(Severity.INFO, (ABOVE, 0)),),
            [(None, "green"), (1, "blue")],
        ),
        (
            PanelKind.STAT,
            Unit.RATIO,
            (alert(Severity.WARNING, (BELOW, 0.9)), alert(Severity.CRITICAL, (BELOW, 0.5))),
            [(None, "red"), (0.5, "orange"), (0.9, "green")],
        ),
        (
            PanelKind.STATE_TIMELINE,
            Unit.BOOLEAN,
            (alert(Severity.WARNING, (BELOW, 1)), alert(Severity.CRITICAL)),
            [(None, "orange"), (1, "green")],
        ),
        (
            PanelKind.STAT,
            Unit.SECONDS,
            (alert(Severity.WARNING, (BELOW, 2)), alert(Severity.CRITICAL, (ABOVE, 8))),
            [(None, "orange"), (2, "green"), (8, "red")],
        ),
    ],
)
def test_steps_are_where_alerts_begin_in_the_colour_of_the_most_urgent(
    kind: PanelKind,
    unit: Unit,
    alerts: tuple[Alert, ...],
    expected: list[tuple[float | None, str]],
) -> None:
    (found,) = place(panel(kind=kind, unit=unit), alerts=alerts)
    assert list(found.steps) == [Step(value, colour) for value, colour in expected]


def test_the_description_names_each_alert_with_its_page_and_when_it_begins() -> None:
    stuck = alert(Severity.CRITICAL, (ABOVE, 43_200))
    missing = alert(Severity.WARNING)
    (found,) = place(panel(), alerts=(stuck, missing))
    assert found.description.splitlines() == [
        "What.",
        "",
        "Alerts:",
        "- [AlertCritical](https://pages/AlertCritical) (critical): above 12h for 5m",
        "- [AlertWarning](https://pages/AlertWarning) (warning): no such series for 5m",
    ]
    assert [(link.title, link.url) for link in found.links] == [
        ("AlertCritical (critical)", "https://pages/AlertCritical"),
        ("AlertWarning (warning)", "https://pages/AlertWarning"),
    ]


@pytest.mark.parametrize(
    ("given", "alerts", "expected"),
    [
        (panel(), (alert(Severity.CRITICAL, (ABOVE, 9), (ABOVE, 4)),), 4.4),
        (panel(), (alert(Severity.CRITICAL, (ABOVE, 0)),), None),
        (panel(), (), None),
        (replace(panel(), maximum=1), (alert(Severity.CRITICAL, (ABOVE, 0.5)),), None),
        (panel(kind=PanelKind.STAT), (alert(Severity.CRITICAL, (ABOVE, 9)),), None),
    ],
)
def test_the_axis_reaches_the_lowest_line(
    given: Panel, alerts: tuple[Alert, ...], expected: float | None
) -> None:
    (found,) = place(given, alerts=alerts)
    assert found.at_least == expected


def test_every_threshold_of_the_catalogue_is_a_step_of_its_panel() -> None:
    everything = catalogue(Settings())
    steps = {
        each.panel.id: {step.value for step in each.steps}
        for row in placed(everything, Settings())
        for each in row.panels
    }
    for each in everything.alerts:
        for operator, value in each.thresholds:
            exact = value in steps[each.panel]
            assert exact or (operator is ABOVE and value + 1 in steps[each.panel]), each.name
