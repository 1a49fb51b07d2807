"""Grafana dashboards: the classic schema, older ones with rows, and v2; read as one model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from stigmer_ops.monitoring.lint.model import Place
from stigmer_ops.monitoring.lint.sources.expression import Expression, Role
from stigmer_ops.monitoring.lint.sources.files import SourceFile
from stigmer_ops.monitoring.lint.sources.grafana_variables import filled_in
from stigmer_ops.monitoring.lint.sources.tree import Mapping, Node, Scalar, nodes

_MAXIMUM_PANELS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class DataSource:
    """A reference to a data source; empty where there is none."""

    kind: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A variable: its type in the classic schema, and what it is filled from.

    Attributes:
        node: Its keys.
        kind: query, datasource, custom, interval and so on.
        key: Its name.
        label: What is shown before it.
        query: What it is filled from; of a data source, the plugin.
        refresh: 2 or onTimeRangeChanged where it follows the time range.
        multi: Whether several values can be chosen.
        all_value: What All stands for.
        data_source: What is asked.
    """

    node: Mapping
    kind: str
    key: str
    label: str
    query: str
    refresh: str
    multi: bool
    all_value: str
    data_source: DataSource


@dataclass(eq=False)
class Target:
    """A query of a panel."""

    panel: Panel
    node: Mapping
    expr: Scalar | None
    data_source: DataSource
    hidden: bool

    @property
    def path(self) -> str:
        """The file."""
        return self.panel.path

    @property
    def name(self) -> str:
        """That of its panel."""
        return self.panel.name

    @property
    def place(self) -> Place:
        """Where its expression is."""
        return self.expr.place if self.expr else self.node.place

    @property
    def span(self) -> tuple[int, int]:
        """That of its panel."""
        return self.panel.span

    @property
    def data_source_kind(self) -> str:
        """prometheus, loki or another plugin: its own, else its panel's, else the dashboard's."""
        for source in (self.data_source, self.panel.data_source):
            kind = self.panel.dashboard.kind_of(source)
            if kind:
                return kind
        return self.panel.dashboard.data_source_kind

    @property
    def is_promql(self) -> bool:
        """Whether its expression is for Prometheus."""
        return self.data_source_kind in ("prometheus", "")

    @cached_property
    def expression(self) -> Expression | None:
        """Its expression, with variables filled in; None if it has none for Prometheus."""
        if self.expr is None or not self.expr.text.strip() or not self.is_promql:
            return None
        text = self.panel.dashboard.source.text
        return Expression(
            filled_in(self.expr.text),
            self.path,
            self.name,
            self.expr.place,
            (text, self.expr.start, self.expr.end),
            Role.PANEL,
            self.span,
        )


@dataclass(eq=False)
class Panel:
    """A panel.

    Attributes:
        dashboard: What it is on.
        node: Its keys; of schema v2, those of its spec.
        kind: Its plugin, such as timeseries.
        field_config: How values are shown.
        data_source: Its own; of schema v2, that of its first query.
        targets: Its queries.
    """

    dashboard: Dashboard
    node: Mapping
    kind: str
    field_config: Mapping
    data_source: DataSource
    targets: list[Target] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The file."""
        return self.dashboard.path

    @property
    def title(self) -> str:
        """Its title."""
        return self.node.text("title")

    @property
    def name(self) -> str:
        """Dashboard and panel."""
        return f"{self.dashboard.title}/{self.title or self.node.text('id')}"

    @property
    def place(self) -> Place:
        """Where its title is, or where it begins."""
        return self.node.place_of("title")

    @property
    def span(self) -> tuple[int, int]:
        """Its first and last line."""
        text = self.dashboard.source.text
        return self.node.line, self.node.line + text.count("\n", self.node.start, self.node.end)

    @property
    def draws(self) -> bool:
        """Whether it shows data: text, rows and lists of dashboards do not."""
        return self.kind not in ("row", "text", "dashlist", "news", "alertlist", "welcome", "")


@dataclass(eq=False)
class Dashboard:
    """A dashboard; `root` holds its keys in either schema."""

    source: SourceFile
    root: Mapping
    uid: str
    is_v2: bool
    variables: list[Variable] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The file."""
        return self.source.path

    @property
    def title(self) -> str:
        """Its title."""
        return self.root.text("title")

    @property
    def name(self) -> str:
        """Its title."""
        return self.title

    @property
    def place(self) -> Place:
        """Where its title is."""
        return self.root.place_of("title")

    @property
    def span(self) -> tuple[int, int]:
        """All of the file."""
        return self.source.span

    @property
    def data_source_variables(self) -> list[Variable]:
        """The variables that choose a data source."""
        return [variable for variable in self.variables if variable.kind == "datasource"]

    @property
    def data_source_kind(self) -> str:
        """The plugin of its first data source variable."""
        return next((variable.query for variable in self.data_source_variables), "")

    def kind_of(self, source: DataSource) -> str:
        """The plugin of a data source: as it says, or its variable, or its name; else empty."""
        if source.kind:
            return source.kind
        for variable in self.data_source_variables:
            if source.uid in (f"${variable.key}", f"${{{variable.key}}}"):
                return variable.query
        return "loki" if "loki" in source.uid.lower() else ""

    @property
    def targets(self) -> Iterator[Target]:
        """Every query of every panel."""
        return (target for panel in self.panels for target in panel.targets)

    @cached_property
    def texts(self) -> list[Scalar]:
        """Every scalar in it."""
        return [node for node in nodes(self.root) if isinstance(node, Scalar)]


def dashboard(source: SourceFile) -> Dashboard | None:
    """The dashboard that `source` is; None if its document is no mapping."""
    document = next((node for node in source.documents if isinstance(node, Mapping)), None)
    if document is None:
        return None
    inner = document.get("dashboard")
    if isinstance(inner, Mapping):
        document = inner
    root, uid = document, document.text("uid")
    if "spec" in document:
        root, uid = document.mapping("spec"), document.mapping("metadata").text("name")
    found = Dashboard(source, root, uid, is_v2="elements" in root)
    found.variables = list(_v2_variables(root) if found.is_v2 else _variables(root))
    found.panels = list(_v2_panels(found) if found.is_v2 else _panels(found))
    return found


def _variables(root: Mapping) -> Iterator[Variable]:
    for node in root.mapping("templating").mappings("list"):
        query = node.get("query")
        yield Variable(
            node,
            node.text("type"),
            node.text("name"),
            node.text("label"),
            query.text("query") if isinstance(query, Mapping) else node.text("query"),
            node.text("refresh"),
            _is_true(node.get("multi")),
            node.text("allValue"),
            _data_source(node.get("datasource")),
        )


def _v2_variables(root: Mapping) -> Iterator[Variable]:
    for item in root.mappings("variables"):
        node = item.mapping("spec")
        kind = item.text("kind").removesuffix("Variable").lower()
        query = node.mapping("query")
        yield Variable(
            node,
            kind,
            node.text("name"),
            node.text("label"),
            node.text("pluginId") or query.mapping("spec").text("query"),
            node.text("refresh"),
            _is_true(node.get("multi")),
            node.text("allValue"),
            _v2_data_source(query),
        )


def _panels(found: Dashboard) -> Iterator[Panel]:
    rows = found.root.mappings("rows")
    waiting = [*found.root.mappings("panels"), *(p for row in rows for p in row.mappings("panels"))]
    seen = 0
    while waiting and seen < _MAXIMUM_PANELS:
        node = waiting.pop(0)
        seen += 1
        waiting[:0] = node.mappings("panels")
        yield _panel(found, node)


def _panel(found: Dashboard, node: Mapping) -> Panel:
    panel = Panel(
        found,
        node,
        node.text("type"),
        node.mapping("fieldConfig"),
        _data_source(node.get("datasource")),
    )
    for target in node.mappings("targets"):
        source = _data_source(target.get("datasource"))
        hidden = _is_true(target.get("hide"))
        panel.targets.append(Target(panel, target, target.scalar("expr"), source, hidden))
    return panel


def _v2_panels(found: Dashboard) -> Iterator[Panel]:
    for element in found.root.mapping("elements").values.values():
        if not isinstance(element, Mapping) or element.text("kind") != "Panel":
            continue
        node = element.mapping("spec")
        visual = node.mapping("vizConfig")
        queries = node.mapping("data").mapping("spec").mappings("queries")
        asked = [query.mapping("spec") for query in queries]
        first = _v2_data_source(asked[0].mapping("query")) if asked else DataSource()
        kind = visual.text("group") or visual.text("kind")
        panel = Panel(found, node, kind, visual.mapping("spec").mapping("fieldConfig"), first)
        for query in asked:
            inner = query.mapping("query")
            spec = inner.mapping("spec")
            hidden = _is_true(query.get("hidden"))
            source = _v2_data_source(inner)
            panel.targets.append(Target(panel, spec, spec.scalar("expr"), source, hidden))
        yield panel


def _data_source(node: Node | None) -> DataSource:
    if isinstance(node, Mapping):
        return DataSource(node.text("type"), node.text("uid"))
    return DataSource("", node.text) if isinstance(node, Scalar) else DataSource()


def _v2_data_source(query: Mapping) -> DataSource:
    return DataSource(query.text("group"), query.mapping("datasource").text("name"))


def _is_true(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.is_true
