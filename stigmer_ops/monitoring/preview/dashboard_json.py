"""Grafana's classic JSON, as far as a preview needs it. Whatever else is there is passed over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from stigmer_ops.errors import InputError
from stigmer_ops.untrusted.json_text import json_value


class _Node(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)


def _unless_none(default: object) -> BeforeValidator:
    """Grafana writes null for what is not set."""
    return BeforeValidator(lambda value: default if value is None else value)


Text = Annotated[str, _unless_none("")]


class GridPos(_Node):
    """In Grafana's grid of 24 columns."""

    x: int = 0
    y: int = 0
    w: int = Field(default=12, ge=1, le=24)
    h: int = Field(default=8, ge=1, le=1000)


class Threshold(_Node):
    """A colour from a value on."""

    value: Annotated[float, _unless_none(-math.inf)] = -math.inf
    color: Text = "green"


class Thresholds(_Node):
    """The steps, the lowest first; in percent of the axis if `mode` says so."""

    mode: Text = "absolute"
    steps: tuple[Threshold, ...] = ()


class Mapping(_Node):
    """What is written in the place of a value."""

    type: Text = "value"
    options: Any = None


class Mode(_Node):
    """Something whose kind is all that matters."""

    mode: Text = ""


class Color(_Node):
    """Whether the series, the value or nothing decides the colour."""

    mode: Text = "palette-classic"
    fixed_color: Text = ""


class Custom(_Node):
    """What only time series have."""

    fill_opacity: Annotated[float, _unless_none(0)] = 0
    line_width: Annotated[float, _unless_none(1)] = 1
    axis_soft_max: float | None = None
    stacking: Mode = Mode()
    thresholds_style: Mode = Mode(mode="off")


class Defaults(_Node):
    """How the values of a panel are shown."""

    unit: Text = ""
    min: float | None = None
    max: float | None = None
    decimals: int | None = None
    no_value: Text = ""
    color: Annotated[Color, _unless_none({})] = Color()
    thresholds: Thresholds = Thresholds()
    mappings: Annotated[tuple[Mapping, ...], _unless_none(())] = ()
    custom: Custom = Custom()


class FieldConfig(_Node):
    """Overrides are not drawn."""

    defaults: Defaults = Defaults()


class Legend(_Node):
    """Which numbers stand beside the names."""

    show_legend: bool = True
    display_mode: Text = "list"
    calcs: tuple[str, ...] = ()
    sort_by: Text = ""
    sort_desc: Annotated[bool, _unless_none(default=False)] = False


class Reduction(_Node):
    """How a series becomes one number."""

    calcs: tuple[str, ...] = ()


class Options(_Node):
    """What the panel's kind has for options."""

    legend: Legend = Legend()
    reduce_options: Reduction = Reduction()


class Target(_Node):
    """A query; without `expr`, it is not for Prometheus."""

    expr: Text = ""
    legend_format: Text = ""
    ref_id: Text = ""
    hide: Annotated[bool, _unless_none(default=False)] = False


class Panel(_Node):
    """A panel, or a row: a heading, which holds its panels while it is collapsed."""

    id: Annotated[int, _unless_none(0)] = 0
    type: Text = ""
    title: Text = ""
    description: Text = ""
    grid_pos: GridPos = GridPos()
    field_config: Any = None
    options: Any = None
    targets: Annotated[tuple[Target, ...], _unless_none(())] = ()
    panels: Annotated[tuple[Panel, ...], _unless_none(())] = ()


class Variable(_Node):
    """A choice at the head of the dashboard."""

    name: Text = ""
    label: Text = ""
    type: Text = ""
    query: Any = None
    current: Any = None
    all_value: Text = ""
    hide: Any = 0


class Templating(_Node):
    """The variables."""

    list: Annotated[tuple[Variable, ...], _unless_none(())] = ()


class Annotation(_Node):
    """Events that are drawn into every graph, where a query returns something."""

    name: Text = ""
    expr: Text = ""
    enable: Annotated[bool, _unless_none(default=True)] = True
    icon_color: Text = "red"
    title_format: Text = ""
    text_format: Text = ""


class Annotations(_Node):
    """All of them."""

    list: Annotated[tuple[Annotation, ...], _unless_none(())] = ()


class Time(_Node):
    """The range that is shown at first."""

    from_: Text = Field(default="now-6h", alias="from")
    to: Text = "now"


class Dashboard(_Node):
    """A dashboard."""

    title: Text = ""
    uid: Text = ""
    tags: Annotated[tuple[str, ...], _unless_none(())] = ()
    time: Annotated[Time, _unless_none({})] = Time()
    templating: Annotated[Templating, _unless_none({})] = Templating()
    annotations: Annotated[Annotations, _unless_none({})] = Annotations()
    panels: Annotated[tuple[Panel, ...], _unless_none(())] = ()

    def sections(self) -> Iterator[tuple[str, tuple[Panel, ...]]]:
        """The panels from top to bottom under their headings; those of no row under none."""
        heading, below = "", list[Panel]()
        for panel in sorted(self.panels, key=_place):
            if panel.type != "row":
                below.append(panel)
                continue
            yield heading, tuple(below)
            heading, below = panel.title, list(panel.panels)
        yield heading, tuple(below)


def _place(panel: Panel) -> tuple[int, int]:
    return panel.grid_pos.y, panel.grid_pos.x


def look_of(panel: Panel) -> tuple[Defaults, Options]:
    """How a panel of a kind that we can draw is to look.

    Raises:
        InputError: It holds what Grafana would not write.
    """
    try:
        return (
            FieldConfig.model_validate(panel.field_config or {}).defaults,
            Options.model_validate(panel.options or {}),
        )
    except ValidationError as error:
        raise InputError(f"panel {panel.id} ({panel.title}): {_problem(error)}") from None


def read(text: str, place: str) -> Dashboard:
    """The dashboard in `text`; also in what Grafana's API wraps around it.

    Args:
        text: JSON.
        place: Where it is from, for messages.

    Raises:
        InputError: It is no JSON, or no dashboard of the classic schema.
    """
    try:
        document = json_value(text)
    except ValueError as error:
        raise InputError(f"{place}: not JSON: {error}") from None
    if isinstance(document, dict) and isinstance(document.get("dashboard"), dict):
        document = document["dashboard"]
    if isinstance(document, dict) and "apiVersion" in document:
        raise InputError(
            f"{place}: a dashboard of the v2 schema; a preview reads the classic one",
            next_step="stigmer-ops dashboards generate --schema classic",
        )
    if not isinstance(document, dict) or "panels" not in document:
        raise InputError(f"{place}: not a Grafana dashboard: it has no panels")
    try:
        return Dashboard.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{place}: {_problem(error)}") from None


def _problem(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
