"""Documents as trees whose every value and key knows its place in the file.

YAML and JSON become the same tree, so that every check is written once. Scalars are kept as text:
what they mean depends on the field that they are in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from stigmer_ops.monitoring.lint.model import Place

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})


@dataclass(slots=True, eq=False)
class Node:
    """A value.

    Attributes:
        line: Where it begins, from 1.
        column: Where it begins, from 1.
        start: Offset of its first character in the file's text.
        end: Offset behind its last character.
        weight: How many scalars it holds when aliases are written out.
        repeats: Whether a mapping below it has a key twice.
    """

    line: int
    column: int
    start: int
    end: int
    weight: int = field(default=1, init=False)
    repeats: bool = field(default=False, init=False)

    @property
    def place(self) -> Place:
        """Where it begins."""
        return Place(self.line, self.column)


@dataclass(slots=True, eq=False)
class Scalar(Node):
    """Text; `plain` tells whether it stands without quotes, so that it may be a number or null."""

    text: str
    plain: bool

    @property
    def is_null(self) -> bool:
        """Whether it is YAML's or JSON's null."""
        return self.plain and self.text in _NULLS

    @property
    def is_true(self) -> bool:
        """Whether it is the boolean true."""
        return self.plain and self.text in _TRUE

    def number(self) -> float | None:
        """Its value as a number; None if it is none."""
        if not self.plain:
            return None
        try:
            return float(self.text)
        except ValueError:
            return None


@dataclass(slots=True, eq=False)
class Sequence(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapping(Node):
    """Keys and values; of a key that occurs twice the last value, and the key in `repeated`."""

    keys: dict[str, Scalar] = field(default_factory=dict)
    values: dict[str, Node] = field(default_factory=dict)
    repeated: list[Scalar] = field(default_factory=list)

    def put(self, key: Scalar, value: Node) -> None:
        """Add an entry."""
        if key.text in self.keys:
            self.repeated.append(key)
            self.repeats = True
        self.keys[key.text] = key
        self.values[key.text] = value

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def get(self, key: str) -> Node | None:
        """The value of `key`; None if it is absent or null."""
        value = self.values.get(key)
        return None if isinstance(value, Scalar) and value.is_null else value

    def scalar(self, key: str) -> Scalar | None:
        """The value of `key` where it is a scalar that is not null."""
        value = self.get(key)
        return value if isinstance(value, Scalar) else None

    def text(self, key: str) -> str:
        """The text of `key`; empty if there is none."""
        value = self.scalar(key)
        return value.text if value else ""

    def mapping(self, key: str) -> Mapping:
        """The mapping at `key`; an empty one in its place if there is none."""
        value = self.get(key)
        return value if isinstance(value, Mapping) else empty_at(self.place_of(key))

    def items(self, key: str) -> list[Node]:
        """The items of the list at `key`; empty if there is none."""
        value = self.get(key)
        return value.items if isinstance(value, Sequence) else []

    def mappings(self, key: str) -> list[Mapping]:
        """Those items of the list at `key` that are mappings."""
        return [item for item in self.items(key) if isinstance(item, Mapping)]

    def place_of(self, key: str) -> Place:
        """Where `key` is; where the mapping begins if it has no such key."""
        return self.keys[key].place if key in self.keys else self.place

    def scalars(self) -> dict[str, Scalar]:
        """The entries that are scalars, null ones as empty text."""
        return {name: value for name, value in self.values.items() if isinstance(value, Scalar)}


def empty_at(place: Place) -> Mapping:
    """An empty mapping."""
    return Mapping(place.line, place.column, 0, 0)


def nodes(root: Node) -> Iterator[Node]:
    """The node and all below it, each place of the file once."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, Sequence):
            waiting.extend(reversed(node.items))
        elif isinstance(node, Mapping):
            waiting.extend(reversed(node.values.values()))


def last_line(node: Node, text: str) -> int:
    """The line on which the node's text ends."""
    return node.line + text.count("\n", node.start, node.end)
