"""YAML to trees, from libyaml's events: fast, without recursion, and with every place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from stigmer_ops.monitoring.lint.model import Place
from stigmer_ops.monitoring.lint.sources.tree import Mapping, Node, Scalar, Sequence
from stigmer_ops.untrusted.yaml_text import MAXIMUM_WEIGHT, depth_after

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TreeError(Exception):
    """The text is no YAML or JSON, or one that nobody can use."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


def yaml_documents(text: str) -> list[Node]:
    """The documents of a YAML text; an empty one is a null.

    Raises:
        TreeError: It is no YAML.
    """
    try:
        return list(_documents(yaml.parse(text, Loader=_LOADER)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1)
        told = ", ".join(part for part in (error.problem, error.context) if part)
        raise TreeError(told or "is no YAML", place) from error
    except yaml.YAMLError as error:
        raise TreeError(str(error).partition("\n")[0], Place(1)) from error


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    node: Sequence | Mapping
    anchor: str | None
    key: Scalar | None = None
    merged: list[Mapping] = field(default_factory=list)


def _documents(events: Iterator[Event]) -> Iterator[Node]:
    builder = _Builder()
    for event in events:
        if isinstance(event, DocumentStartEvent):
            builder = _Builder()
        else:
            finished = builder.take(event)
            if finished is not None:
                yield finished


class _Builder:
    """Builds one document."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: Event) -> Node | None:
        """Take the next event; returns the root when it is complete."""
        match event:
            case ScalarEvent():
                return self._add(_scalar(event), event.anchor)
            case SequenceStartEvent() | MappingStartEvent():
                self._begin(event)
            case CollectionEndEvent():
                return self._end(event)
            case AliasEvent():
                return self._add(self._aliased(event), None)
        return None

    def _begin(self, event: SequenceStartEvent | MappingStartEvent) -> None:
        depth_after(event, len(self._open))
        kind = Sequence if isinstance(event, SequenceStartEvent) else Mapping
        line, column, start, _ = _span(event)
        node = kind(line, column, start, start)
        node.weight = 0
        self._open.append(_Open(node, event.anchor))

    def _end(self, event: CollectionEndEvent) -> Node | None:
        finished = self._open.pop()
        node = finished.node
        if node.end == node.start:
            # Of a block, the event's mark is behind the comments that follow it.
            node.end = _span(event)[3]
        if isinstance(node, Mapping):
            for other in finished.merged:
                for name, key in other.keys.items():
                    if name not in node.keys:
                        node.put(key, other.values[name])
        return self._add(node, finished.anchor)

    def _aliased(self, event: AliasEvent) -> Node:
        # An anchor is known once its node is complete, so that no tree contains itself.
        found = self._anchors.get(event.anchor or "")
        if found is None:
            line, column, _, _ = _span(event)
            message = f"alias *{event.anchor} has no anchor before it"
            raise TreeError(message, Place(line, column))
        return found

    def _add(self, node: Node, anchor: str | None) -> Node | None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            return node
        parent = self._open[-1]
        parent.node.weight += node.weight
        parent.node.repeats |= node.repeats
        parent.node.end = max(parent.node.end, node.end)
        if parent.node.weight > MAXIMUM_WEIGHT:
            raise TreeError("its aliases expand to more than a million values", node.place)
        if isinstance(parent.node, Sequence):
            parent.node.items.append(node)
        elif parent.key is None:
            parent.key = node if isinstance(node, Scalar) else _no_key(node)
        else:
            _put(parent, parent.key, node)
            parent.key = None
        return None


def _put(parent: _Open, key: Scalar, value: Node) -> None:
    assert isinstance(parent.node, Mapping)
    if key.plain and key.text == "<<":
        others = value.items if isinstance(value, Sequence) else [value]
        parent.merged += [other for other in others if isinstance(other, Mapping)]
    else:
        parent.node.put(key, value)


def _scalar(event: ScalarEvent) -> Scalar:
    return Scalar(*_span(event), event.value, plain=event.style in (None, ""))


def _span(event: Event) -> tuple[int, int, int, int]:
    """Line, column, and the offsets of the first character and of what follows the last."""
    begin, end = event.start_mark, event.end_mark
    assert begin is not None
    assert end is not None
    return begin.line + 1, begin.column + 1, begin.index, end.index


def _no_key(node: Node) -> Scalar:
    """What stands for a key that is a list or mapping, which no file of ours has."""
    return Scalar(node.line, node.column, node.start, node.end, "? (not text)", plain=False)
