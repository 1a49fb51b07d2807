"""Rule files of Prometheus, and PrometheusRule resources of its operator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from stigmer_ops.monitoring.lint.model import Place
from stigmer_ops.monitoring.lint.sources.expression import Expression, Role
from stigmer_ops.monitoring.lint.sources.files import SourceFile, rule_resources
from stigmer_ops.monitoring.lint.sources.tree import Mapping, Node, Scalar

_UNITS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_DURATION = re.compile(
    r"(?=[0-9])" + "".join(rf"(?:(?P<{unit}>[0-9]+){unit}(?![a-z]))?" for unit in _UNITS)
)


def duration(text: str) -> timedelta | None:
    """A length of time as rule files have it, such as 5m or 1h30m; None if it is none."""
    if text == "0":
        return timedelta(0)
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    try:
        return timedelta(seconds=sum(int(match[u] or 0) * size for u, size in _UNITS.items()))
    except (OverflowError, ValueError):  # of digits without end
        return None


@dataclass(eq=False)
class Rule:
    """An alerting or recording rule.

    Attributes:
        group: What it is in.
        node: Its keys.
        number: Its place in the group, from 1.
        span: Its first and last line.
    """

    group: Group
    node: Mapping
    number: int
    span: tuple[int, int]

    @property
    def path(self) -> str:
        """The file."""
        return self.group.path

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.node.place

    @property
    def is_alert(self) -> bool:
        """Whether it is an alerting rule."""
        return "alert" in self.node

    @cached_property
    def key(self) -> str:
        """The name of the alert or of the recorded series."""
        return self.node.text("alert") or self.node.text("record")

    @property
    def name(self) -> str:
        """Group and name."""
        return f"{self.group.key}/{self.key or self.number}"

    @cached_property
    def labels(self) -> dict[str, Scalar]:
        """The labels that it adds."""
        return self.node.mapping("labels").scalars()

    @cached_property
    def annotations(self) -> dict[str, Scalar]:
        """The annotations of an alert."""
        return self.node.mapping("annotations").scalars()

    @cached_property
    def label_texts(self) -> dict[str, str]:
        """The labels that it adds, as text."""
        return {name: value.text for name, value in self.labels.items()}

    @cached_property
    def for_(self) -> timedelta | None:
        """How long the condition must hold; None if that is not written."""
        return duration(self.node.text("for"))

    @cached_property
    def expression(self) -> Expression | None:
        """Its expression; None if it has none."""
        value = self.node.scalar("expr")
        if value is None:
            return None
        return Expression(
            value.text,
            self.path,
            self.name,
            self.node.place_of("expr"),
            (self.group.source.text, value.start, value.end),
            Role.ALERT if self.is_alert else Role.RECORD,
            self.span,
        )

    def place_of(self, *keys: str) -> Place:
        """Where a key is, or a key below it: the last of `keys` that there is."""
        node: Mapping = self.node
        place = node.place
        for key in keys:
            if key not in node:
                break
            place = node.place_of(key)
            node = node.mapping(key)
        return place


@dataclass(eq=False)
class Group:
    """A rule group."""

    source: SourceFile
    node: Mapping
    span: tuple[int, int]
    rules: list[Rule] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The file."""
        return self.source.path

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.node.place

    @property
    def key(self) -> str:
        """Its name in the file."""
        return self.node.text("name")

    @property
    def name(self) -> str:
        """Its name in the file."""
        return self.key

    @cached_property
    def interval(self) -> timedelta | None:
        """How often it is evaluated, where it says so."""
        return duration(self.node.text("interval"))


@dataclass(eq=False)
class RuleFile:
    """A rule file, or the manifest of a PrometheusRule.

    Attributes:
        source: The file.
        roots: What holds `groups`: the document, or the spec of each resource.
        ignored: Documents that Prometheus passes over in silence.
        native: Whether Prometheus itself can load it.
    """

    source: SourceFile
    roots: list[Mapping]
    ignored: list[Node]
    native: bool
    groups: list[Group] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The file."""
        return self.source.path

    @property
    def name(self) -> str:
        """A file has no name within itself."""
        return ""

    @property
    def place(self) -> Place:
        """Its beginning."""
        return Place(1)

    @property
    def span(self) -> tuple[int, int]:
        """All of it."""
        return self.source.span

    @property
    def rules(self) -> Iterator[Rule]:
        """Every rule."""
        return (rule for group in self.groups for rule in group.rules)


def rule_file(source: SourceFile) -> RuleFile:
    """The rule file that `source` is. What is not of its form is left to the checks."""
    roots, ignored, native = _roots(source)
    found = RuleFile(source, roots, ignored, native)
    for root in roots:
        nodes = root.mappings("groups")
        for node, span in zip(nodes, _spans(nodes, source), strict=True):
            found.groups.append(_group(source, node, span))
    return found


def _roots(source: SourceFile) -> tuple[list[Mapping], list[Node], bool]:
    documents = [document for document in source.documents if isinstance(document, Mapping)]
    resources = [resource for document in documents for resource in rule_resources(document)]
    if resources:
        return [resource.mapping("spec") for resource in resources], [], False
    first, *others = source.documents or (None,)
    ignored = [d for d in others if not (isinstance(d, Scalar) and d.is_null)]
    return ([first] if isinstance(first, Mapping) else []), [d for d in ignored if d], True


def _group(source: SourceFile, node: Mapping, span: tuple[int, int]) -> Group:
    group = Group(source, node, span)
    rules = node.mappings("rules")
    for number, (rule, lines) in enumerate(zip(rules, _spans(rules, source, span[1]), strict=True)):
        group.rules.append(Rule(group, rule, number + 1, lines))
    return group


def _spans(
    nodes: list[Mapping], source: SourceFile, last: int | None = None
) -> list[tuple[int, int]]:
    """First and last line of each: it ends where the next one begins, comments included."""
    firsts = [node.line for node in nodes]
    ends = [*(first - 1 for first in firsts[1:]), last or source.span[1]]
    return [(first, max(first, end)) for first, end in zip(firsts, ends, strict=False)]
