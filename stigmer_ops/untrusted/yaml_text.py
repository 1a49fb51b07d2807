"""YAML within limits: of depth, of what aliases expand to, and of what a tag may raise.

libyaml's composer recurses in C, so that a file of brackets ends the process, and the time that its
scanner takes grows with the square of the depth. PyYAML's constructors raise whatever the
conversion of a scalar raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

MAXIMUM_DEPTH = 100
"""Of lists and mappings in each other; the deepest files that people write have about ten."""
MAXIMUM_WEIGHT = 1_000_000
"""Values in a document when its aliases are written out; more is an attack on the reader."""

QUICK: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml, where it is there: ten times as quick, and terser about what is wrong."""

_TOO_DEEP = "nested too deeply"
_OTHERS = (ValueError, LookupError, TypeError, AttributeError, OverflowError)
"""What PyYAML's constructors raise at a scalar that is not of its tag."""


class YamlProblem(ValueError):
    """A text is no YAML, or more than anybody needs.

    Attributes:
        problem: What is wrong, without the place.
        line: Where, from 1.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(f"line {line}: {problem}")
        self.problem = problem
        self.line = line


def yaml_value(text: str | bytes, loader: Any = yaml.SafeLoader) -> Any:  # noqa: ANN401 - any YAML value
    """The value of a document; None where there is none.

    Args:
        text: The document.
        loader: `QUICK`, or the one that says best what is wrong.

    Raises:
        YamlProblem: It cannot be read within the limits.
    """
    node = yaml_node(text, loader)
    return None if node is None else value_of(node)


def yaml_node(text: str | bytes, loader: Any = yaml.SafeLoader) -> yaml.Node | None:  # noqa: ANN401 - as above
    """The nodes of a document, with their places; None where there is none.

    Args:
        text: The document.
        loader: As for `yaml_value`.

    Raises:
        YamlProblem: It cannot be read within the limits.
    """
    with _told():
        _require_flat(text)
        node: yaml.Node | None = yaml.compose(text, loader)
    if node is not None:
        _require_light(node)
    return node


def value_of(node: yaml.Node) -> Any:  # noqa: ANN401 - any YAML value
    """What a node of `yaml_node` stands for.

    Raises:
        YamlProblem: A value is not of its tag.
    """
    with _told(_line(node)):
        return SafeConstructor().construct_object(node, deep=True)


def depth_after(event: yaml.Event, depth: int) -> int:
    """How many lists and mappings are open behind an event.

    Raises:
        yaml.MarkedYAMLError: Too many.
    """
    if isinstance(event, yaml.CollectionStartEvent):
        if depth == MAXIMUM_DEPTH:
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=event.start_mark)  # type: ignore[arg-type] # libyaml's marks are not Python's
        return depth + 1
    return depth - isinstance(event, yaml.CollectionEndEvent)


def _require_flat(text: str | bytes) -> None:
    """Refuse what goes too deep; other errors are left to the loader, which words them."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=QUICK):
            depth = depth_after(event, depth)
    except yaml.YAMLError as error:
        if getattr(error, "problem", None) == _TOO_DEEP:
            raise


@contextmanager
def _told(line: int = 1) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "no YAML"
        raise YamlProblem(problem, mark.line + 1 if mark else line) from None
    except yaml.YAMLError as error:
        raise YamlProblem(str(error).partition("\n")[0], line) from None
    except RecursionError:
        raise YamlProblem(_TOO_DEEP, line) from None
    except _OTHERS:
        raise YamlProblem("a value is not of the type that its tag names", line) from None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _require_light(root: yaml.Node) -> None:
    """Refuse what is small as a text, and endless or enormous once its aliases are followed."""
    measured: dict[int, tuple[int, int]] = {}
    open_nodes: set[int] = set()
    path = [root]
    while path:
        node = path[-1]
        if id(node) in measured:
            path.pop()
            continue
        children = _children(node)
        if id(node) not in open_nodes:
            open_nodes.add(id(node))
            path.extend(child for child in children if id(child) not in measured)
            if any(id(child) in open_nodes for child in children):
                raise YamlProblem("an alias that stands for what it is in", _line(node))
            continue
        path.pop()
        open_nodes.discard(id(node))
        measured[id(node)] = _measured(node, [measured[id(child)] for child in children])


def _measured(node: yaml.Node, inside: list[tuple[int, int]]) -> tuple[int, int]:
    """Weight and depth of a node, from those of its children."""
    weight = 1 + sum(each for each, _ in inside)
    depth = 1 + max((each for _, each in inside), default=0)
    if weight > MAXIMUM_WEIGHT:
        raise YamlProblem("its aliases expand to more than a million values", _line(node))
    if depth > MAXIMUM_DEPTH + 1:
        raise YamlProblem(_TOO_DEEP, _line(node))
    return weight, depth


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
