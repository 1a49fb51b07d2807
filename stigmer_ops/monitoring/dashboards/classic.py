"""The dashboard in Grafana's classic schema, which every version provisions from files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.builders import prometheus as p
from grafana_foundation_sdk.builders import stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common as cm
from grafana_foundation_sdk.models import dashboard as dm
from grafana_foundation_sdk.models import prometheus as pm

from stigmer_ops.monitoring.catalogue.model import Catalogue, Panel, PanelKind, Unit, Variable
from stigmer_ops.monitoring.catalogue.promql import Scope
from stigmer_ops.monitoring.dashboards.appearance import (
    ALERTS_TITLE,
    FIRING_ALERTS,
    IDLE,
    TAGS,
    PlacedPanel,
    PlacedRow,
    placed,
)
from stigmer_ops.monitoring.dashboards.visual import (
    DATASOURCE,
    DATASOURCE_REFERENCE,
    FROM,
    REFRESH,
    TIMEZONE,
    TO,
    coloured_by_thresholds,
    draw,
    legend_of,
    ref_id,
)
from stigmer_ops.settings import Settings

SCHEMA_VERSION = 39
"""Grafana 11.0. Grafana migrates older schemas when it loads them, but not newer ones."""

_PROMETHEUS = cm.DataSourceRef(type_val="prometheus", uid=DATASOURCE_REFERENCE)
_ClassicPanel = stat.Panel | timeseries.Panel | statetimeline.Panel
_PANELS: Mapping[PanelKind, Callable[[], _ClassicPanel]] = {
    PanelKind.STAT: stat.Panel,
    PanelKind.TIMESERIES: timeseries.Panel,
    PanelKind.STATE_TIMELINE: statetimeline.Panel,
}


def classic(catalogue: Catalogue, settings: Settings) -> dm.Dashboard:
    """The dashboard of `catalogue`."""
    dashboard = catalogue.dashboard
    builder = (
        d.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .tags(list(TAGS))
        .readonly()
        .timezone(TIMEZONE)
        .time(FROM, TO)
        .refresh(REFRESH)
        .tooltip(dm.DashboardCursorSync.CROSSHAIR)
        .annotation(_firing_alerts())
        .link(_related())
        .with_variable(d.DatasourceVariable(DATASOURCE).label("Data source").type("prometheus"))
    )
    for variable, query in queries_of_variables(dashboard.variables, settings):
        builder.with_variable(_variable(variable, query))
    for row in placed(catalogue, settings):
        _add_row(builder, row, settings)
    model = builder.build()
    model.schema_version = SCHEMA_VERSION
    _take_out_of_the_menu(model)
    return model


def _take_out_of_the_menu(model: dm.Dashboard) -> None:
    """Show links and annotations; the builders put them into a menu, and know no other place."""
    panels = [panel for panel in model.panels or () if isinstance(panel, dm.Panel)]
    links = [*(model.links or ()), *(link for panel in panels for link in panel.links or ())]
    hidden: tuple[Any, ...] = (*links, *(model.annotations.list_val or ()))
    for item in hidden:
        item.placement = None  # which the encoder allows, and the type does not


def queries_of_variables(
    variables: tuple[Variable, ...], settings: Settings
) -> Iterator[tuple[Variable, str]]:
    """Each variable with the query for its values, of which those before it narrow the choice."""
    scope = Scope(settings)
    for variable in variables:
        selector = scope.select(variable.series)
        yield variable, f"label_values({selector}, {variable.label.name})"
        chosen = {**scope.variables, variable.label.name: f"${variable.name}"}
        scope = replace(scope, variables=chosen)


def title_of(variable: Variable) -> str:
    """What stands before the choice."""
    return variable.name.replace("_", " ").capitalize()


def _variable(variable: Variable, query: str) -> d.QueryVariable:
    return (
        d.QueryVariable(variable.name)
        .label(title_of(variable))
        .description(variable.label.help)
        .datasource(_PROMETHEUS)
        .query({"query": query, "refId": variable.name, "qryType": 1})
        .definition(query)
        .refresh(dm.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dm.VariableSort.ALPHABETICAL_ASC)
        .include_all(True)
        .all_value(".+")
        .multi(True)
        .current(dm.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _firing_alerts() -> d.AnnotationQuery:
    return (
        d.AnnotationQuery()
        .name(ALERTS_TITLE)
        .datasource(_PROMETHEUS)
        .enable(True)
        .icon_color("red")
        .expr(FIRING_ALERTS)
        .title_format("{{alertname}}")
        .text_format("{{severity}} {{namespace}} {{task_queue}}")
    )


def _related() -> d.DashboardLink:
    return (
        d.DashboardLink("Temporal and Stigmer")
        .type(dm.DashboardLinkType.DASHBOARDS)
        .tags([tag for tag in TAGS if tag != "generated"])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _add_row(builder: d.Dashboard, row: PlacedRow, settings: Settings) -> None:
    position = dm.GridPos(x=0, y=row.y, w=24, h=1)
    builder.with_row(d.Row(row.row.title).id(row.number).grid_pos(position))
    for panel in row.panels:
        builder.with_panel(_panel(panel, settings.monitoring.installation_labels))


def _panel(placed_panel: PlacedPanel, installation_labels: tuple[str, ...]) -> _ClassicPanel:
    panel, at = placed_panel.panel, placed_panel.position
    builder = _PANELS[panel.kind]()
    builder.id(panel.number).title(panel.title).description(placed_panel.description)
    builder.grid_pos(dm.GridPos(x=at.x, y=at.y, w=at.width, h=at.height)).datasource(_PROMETHEUS)
    if placed_panel.links:
        builder.links([_link(link.title, link.url) for link in placed_panel.links])
    steps = [dm.Threshold(value=step.value, color=step.colour) for step in placed_panel.steps]
    builder.thresholds(d.ThresholdsConfig().mode(dm.ThresholdsMode.ABSOLUTE).steps(steps))
    builder.color_scheme(d.FieldColor().mode(_colour_mode(panel)))
    builder.mappings(_texts(panel.unit))
    draw(builder, placed_panel)
    for index, target in enumerate(panel.targets):
        builder.with_target(
            p.Dataquery()
            .ref_id(ref_id(index))
            .datasource(_PROMETHEUS)
            .editor_mode(pm.QueryEditorMode.CODE)
            .expr(target.expr)
            .legend_format(legend_of(target.legend, installation_labels))
            .range()
        )
    return builder


def _link(title: str, url: str) -> d.DashboardLink:
    return d.DashboardLink(title).type(dm.DashboardLinkType.LINK).url(url).target_blank(True)


def _colour_mode(panel: Panel) -> dm.FieldColorModeId:
    if coloured_by_thresholds(panel):
        return dm.FieldColorModeId.THRESHOLDS
    return dm.FieldColorModeId.PALETTE_CLASSIC


def _texts(unit: Unit) -> list[dm.ValueMapping]:
    """What is written for values that are no plain numbers."""
    match unit:
        case Unit.BOOLEAN:
            no, yes = (dm.ValueMappingResult(text=text) for text in ("no", "yes"))
            return [dm.ValueMap(options={"0": no, "1": yes})]
        case Unit.RATIO:
            idle = dm.ValueMappingResult(text=IDLE)
            nan = dm.DashboardSpecialValueMapOptions(dm.SpecialValueMatch.NA_N, idle)
            return [dm.SpecialValueMap(options=nan)]
        case _:
            return []
