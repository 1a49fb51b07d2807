"""A plan as YAML, parsed event by event, so that its rows come one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

from stigmer_ops.errors import InputError
from stigmer_ops.procedures.plan_records import Parsed, Problem
from stigmer_ops.untrusted.yaml_text import YamlProblem, depth_after, value_of

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Where libyaml is there, it parses; composing and constructing are Python in any case."""


class _Nodes(Composer, Resolver):
    """Composes the nodes of a parser of either kind."""

    def __init__(self, parser: Any) -> None:  # noqa: ANN401 - one of two unrelated classes
        Composer.__init__(self)
        Resolver.__init__(self)
        self.line = 1
        self.check_event = parser.check_event
        self.peek_event = parser.peek_event
        self._next = parser.get_event
        self._depth = 0

    def get_event(self) -> yaml.Event:
        """The next event.

        Raises:
            yaml.MarkedYAMLError: It goes too deep.
        """
        event: yaml.Event = self._next()
        self._depth = depth_after(event, self._depth)
        return event

    def node(self) -> yaml.Node:
        """The next node as a whole.

        Raises:
            yaml.MarkedYAMLError: It is none, or holds an anchor.
        """
        node = self.compose_node(None, 0)
        assert node is not None
        if self.anchors:
            raise yaml.MarkedYAMLError(
                problem="a plan has no anchors: each row stands by itself",
                problem_mark=node.start_mark,
            )
        return node

    def skip(self) -> None:
        """Pass over the next node, whatever is in it."""
        depth = 0
        while True:
            event = self.get_event()
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return


def yaml_records(file: IO[bytes], path: Path) -> Iterator[Parsed | Problem]:
    """The header and then the rows, as `parsed_records`.

    It is parsed twice: the keys of a mapping have no order, so the header may follow the rows.
    """
    with _told(path):
        yield _header(_opened(file))
        yield from _rows(_opened(file))


def _opened(file: IO[bytes]) -> _Nodes:
    """The file before the first key of its mapping."""
    file.seek(0)
    nodes = _Nodes(_PARSER(file))
    while not nodes.check_event(yaml.MappingStartEvent):
        if nodes.check_event(yaml.StreamEndEvent, yaml.SequenceStartEvent, yaml.ScalarEvent):
            raise yaml.MarkedYAMLError(
                problem="a plan is a mapping: schema_version, kind, namespace and rows",
                problem_mark=nodes.peek_event().start_mark,
            )
        nodes.get_event()
    nodes.line = _line(nodes.get_event())
    return nodes


def _header(nodes: _Nodes) -> Parsed | Problem:
    """Every entry of the mapping but `rows`."""
    entries: list[tuple[yaml.Node, yaml.Node]] = []
    rows = 0
    while not nodes.check_event(yaml.MappingEndEvent):
        key = nodes.node()
        if key.value == "rows":
            rows += 1
            if rows > 1:
                return Problem(_line(key), "'rows' is given twice")
            nodes.skip()
        else:
            entries.append((key, nodes.node()))
    _require_end(nodes)
    return _parsed(nodes.line, entries)


def _require_end(nodes: _Nodes) -> None:
    """Refuse rows that would be passed over in silence: those of a second document."""
    for _ in ("the mapping", "the document"):
        nodes.get_event()
    if not nodes.check_event(yaml.StreamEndEvent):
        raise yaml.MarkedYAMLError(
            problem="a plan is one document, and another one follows",
            problem_mark=nodes.peek_event().start_mark,
        )


def _rows(nodes: _Nodes) -> Iterator[Parsed | Problem]:
    """The elements of `rows`."""
    while not nodes.check_event(yaml.MappingEndEvent):
        if nodes.node().value == "rows":
            yield from _sequence(nodes)
            return
        nodes.skip()


def _sequence(nodes: _Nodes) -> Iterator[Parsed | Problem]:
    opening = nodes.get_event()
    if not isinstance(opening, yaml.SequenceStartEvent):
        yield Problem(_line(opening), "rows must be a list")
        return
    while not nodes.check_event(yaml.SequenceEndEvent):
        node = nodes.node()
        if isinstance(node, yaml.MappingNode):
            yield _parsed(_line(node), node.value)
        else:
            yield Problem(_line(node), "a row is a mapping")
    nodes.get_event()


def _parsed(line: int, pairs: list[tuple[yaml.Node, yaml.Node]]) -> Parsed | Problem:
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in pairs:
        name = str(key.value)
        if name in values:
            return Problem(_line(key), f"{name[:40]!r} is given twice")
        lines[name] = _line(key)
        values[name] = value_of(value)
    return Parsed(line, values, lines)


def _line(place: Any) -> int:  # noqa: ANN401 - an event or a node; both have a mark
    return int(place.start_mark.line) + 1


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InputError(f"{path}:{line}: {error.problem or error.context}") from None
    except YamlProblem as error:
        raise InputError(f"{path}:{error.line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path}: not YAML: {error}") from None
