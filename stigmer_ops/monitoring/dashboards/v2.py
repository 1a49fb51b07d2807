"""The dashboard as a resource of Grafana's v2 schema: for its API, Terraform and Git Sync.

Grafana 13 does not provision this schema from files (grafana/grafana#122663); use `classic` there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from grafana_foundation_sdk.builders import dashboardv2 as d
from grafana_foundation_sdk.builders import prometheus as p
from grafana_foundation_sdk.builders import stat, statetimeline, timeseries
from grafana_foundation_sdk.models import dashboardv2 as dm
from grafana_foundation_sdk.models import prometheus as pm
from grafana_foundation_sdk.models import resource as rm

from stigmer_ops.monitoring.catalogue.model import Catalogue, Panel, PanelKind, Unit, Variable
from stigmer_ops.monitoring.dashboards.appearance import (
    ALERTS_TITLE,
    FIRING_ALERTS,
    IDLE,
    TAGS,
    PlacedPanel,
    PlacedRow,
    placed,
)
from stigmer_ops.monitoring.dashboards.classic import queries_of_variables, title_of
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

_Visual = stat.VisualizationV2 | timeseries.VisualizationV2 | statetimeline.VisualizationV2
_VISUALS: Mapping[PanelKind, Callable[[], _Visual]] = {
    PanelKind.STAT: stat.VisualizationV2,
    PanelKind.TIMESERIES: timeseries.VisualizationV2,
    PanelKind.STATE_TIMELINE: statetimeline.VisualizationV2,
}


def v2(catalogue: Catalogue, settings: Settings) -> rm.Manifest:
    """The dashboard of `catalogue`, with apiVersion, kind, metadata and spec."""
    dashboard = catalogue.dashboard
    rows = list(placed(catalogue, settings))
    layout = d.rows()
    for row in rows:
        layout.row(_row(row))
    builder = (
        d.Dashboard(dashboard.title)
        .tags(list(TAGS))
        .editable(False)
        .cursor_sync(dm.DashboardCursorSync.CROSSHAIR)
        .time_settings(
            d.TimeSettings().timezone(TIMEZONE).from_val(FROM).to(TO).auto_refresh(REFRESH)
        )
        .annotations([_firing_alerts()])
        .links([_related()])
        .variable(d.DatasourceVariable(DATASOURCE).label("Data source").plugin_id("prometheus"))
        .layout(layout)
    )
    for variable, query in queries_of_variables(dashboard.variables, settings):
        builder.variable(_variable(variable, query))
    for panel in (panel for row in rows for panel in row.panels):
        builder.element(panel.panel.id, _panel(panel, settings.monitoring.installation_labels))
    return d.manifest(dashboard.uid, builder).build()


def _row(row: PlacedRow) -> d.Row:
    grid = d.grid()
    for panel in row.panels:
        at = panel.position
        item = d.grid_item(panel.panel.id).x(at.x).y(at.y - row.y - 1)
        grid.item(item.width(at.width).height(at.height))
    return d.row(row.row.title).layout(grid)


def _variable(variable: Variable, query: str) -> d.QueryVariable:
    return (
        d.QueryVariable(variable.name)
        .label(title_of(variable))
        .description(variable.label.help)
        .query(_QueryOfVariable(variable.name, query))
        .definition(query)
        .refresh(dm.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dm.VariableSort.ALPHABETICAL_ASC)
        .include_all(True)
        .all_value(".+")
        .multi(True)
        .current(dm.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


class _QueryOfVariable(p.QueryV2):
    """What the data source's editor of variables writes, for which there is no builder."""

    def __init__(self, name: str, query: str) -> None:
        super().__init__()
        self.datasource(d.Dashboardv2DataQueryKindDatasource().name(DATASOURCE_REFERENCE))
        self._internal.spec = {"query": query, "refId": name, "qryType": 1}


def _prometheus() -> p.QueryV2:
    return p.QueryV2().datasource(d.Dashboardv2DataQueryKindDatasource().name(DATASOURCE_REFERENCE))


def _firing_alerts() -> d.AnnotationQuery:
    return (
        d.AnnotationQuery()
        .name(ALERTS_TITLE)
        .enable(True)
        .icon_color("red")
        .query(_prometheus().expr(FIRING_ALERTS))
        .legacy_options(
            {
                "titleFormat": "{{alertname}}",
                "textFormat": "{{severity}} {{namespace}} {{task_queue}}",
            }
        )
    )


def _related() -> d.DashboardLink:
    return (
        d.DashboardLink()
        .title("Temporal and Stigmer")
        .type(dm.DashboardLinkType.DASHBOARDS)
        .tags([tag for tag in TAGS if tag != "generated"])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _panel(placed_panel: PlacedPanel, installation_labels: tuple[str, ...]) -> d.Panel:
    panel = placed_panel.panel
    data = d.QueryGroup()
    for index, target in enumerate(panel.targets):
        query = (
            _prometheus()
            .editor_mode(pm.QueryEditorMode.CODE)
            .expr(target.expr)
            .legend_format(legend_of(target.legend, installation_labels))
            .range(True)
        )
        data.target(d.Target().ref_id(ref_id(index)).query(query))
    return (
        d.Panel()
        .id(panel.number)
        .title(panel.title)
        .description(placed_panel.description)
        .links(
            [
                d.DataLink().title(link.title).url(link.url).target_blank(True)
                for link in placed_panel.links
            ]
        )
        .data(data)
        .visualization(_visual(placed_panel))
    )


def _visual(placed_panel: PlacedPanel) -> _Visual:
    panel = placed_panel.panel
    visual = _VISUALS[panel.kind]()
    steps = [dm.Threshold(value=step.value, color=step.colour) for step in placed_panel.steps]
    visual.thresholds(d.ThresholdsConfig().mode(dm.ThresholdsMode.ABSOLUTE).steps(steps))
    visual.color_scheme(d.FieldColor().mode(_colour_mode(panel)))
    visual.mappings(_texts(panel.unit))
    draw(visual, placed_panel)
    return visual


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
            nan = dm.Dashboardv2SpecialValueMapOptions(dm.SpecialValueMatch.NA_N, idle)
            return [dm.SpecialValueMap(options=nan)]
        case _:
            return []
