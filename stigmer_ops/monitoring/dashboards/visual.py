"""How a kind of panel is drawn, in the words that Grafana's two schemas share."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common as c
from grafana_foundation_sdk.builders import stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common as cm

from stigmer_ops.monitoring.catalogue.model import Panel, PanelKind
from stigmer_ops.monitoring.dashboards.appearance import PlacedPanel

Timeseries = timeseries.Panel | timeseries.VisualizationV2
Stat = stat.Panel | stat.VisualizationV2
Timeline = statetimeline.Panel | statetimeline.VisualizationV2
Visual = Timeseries | Stat | Timeline

DATASOURCE = "datasource"
"""Name of the variable that chooses the data source; everything refers to it."""
DATASOURCE_REFERENCE = f"${{{DATASOURCE}}}"
TIMEZONE = "utc"
FROM, TO = "now-6h", "now"
REFRESH = "1m"


def draw(visual: Visual, placed: PlacedPanel) -> None:
    """Set everything but thresholds, colours and mappings, which each schema has types for."""
    panel = placed.panel
    visual.unit(panel.unit.value).min(0).no_value("no data")
    if panel.maximum is not None:
        visual.max(panel.maximum)
    if isinstance(visual, Timeseries):
        _draw_timeseries(visual, panel, thresholds=len(placed.steps) > 1)
        if placed.at_least is not None:
            visual.axis_soft_max(placed.at_least)
    elif isinstance(visual, Stat):
        _draw_stat(visual)
    else:
        _draw_timeline(visual)


def legend_of(legend: str, installation_labels: tuple[str, ...]) -> str:
    """A legend that also tells installations apart."""
    return " ".join([legend, *(f"{{{{{label}}}}}" for label in installation_labels)])


def ref_id(index: int) -> str:
    """The name of a panel's query: A, B, C."""
    return chr(ord("A") + index)


def coloured_by_thresholds(panel: Panel) -> bool:
    """Whether the value decides the colour; otherwise each series has its own."""
    return panel.kind is not PanelKind.TIMESERIES


def _draw_timeseries(visual: Timeseries, panel: Panel, *, thresholds: bool) -> None:
    mode = cm.GraphThresholdsStyleMode.DASHED if thresholds else cm.GraphThresholdsStyleMode.OFF
    visual.draw_style(cm.GraphDrawStyle.LINE)
    visual.line_width(1).fill_opacity(30 if panel.stacked else 0)
    visual.show_points(cm.VisibilityMode.NEVER)
    visual.thresholds_style(c.GraphThresholdsStyleConfig().mode(mode))
    visual.tooltip(
        c.VizTooltipOptions().mode(cm.TooltipDisplayMode.MULTI).sort(cm.SortOrder.DESCENDING)
    )
    visual.legend(
        c.VizLegendOptions()
        .show_legend(True)
        .display_mode(cm.LegendDisplayMode.TABLE)
        .placement(cm.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
        .sort_by("Max")
        .sort_desc(True)
    )
    if panel.stacked:
        visual.stacking(c.StackingConfig().mode(cm.StackingMode.NORMAL).group("A"))


def _draw_stat(visual: Stat) -> None:
    visual.reduce_options(c.ReduceDataOptions().calcs(["lastNotNull"]))
    visual.color_mode(cm.BigValueColorMode.VALUE).graph_mode(cm.BigValueGraphMode.AREA)
    visual.text_mode(cm.BigValueTextMode.AUTO)


def _draw_timeline(visual: Timeline) -> None:
    visual.show_value(cm.VisibilityMode.AUTO).row_height(0.8).merge_values(True)
    visual.legend(c.VizLegendOptions().show_legend(False))
