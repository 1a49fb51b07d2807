"""JSON to the same trees as YAML, with every place, which the standard library does not tell."""

from __future__ import annotations

import re
from bisect import bisect_right
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined] # not in the stubs

from stigmer_ops.monitoring.lint.model import Place
from stigmer_ops.monitoring.lint.sources.tree import Mapping, Node, Scalar, Sequence
from stigmer_ops.monitoring.lint.sources.yaml_tree import TreeError

_SPACE = re.compile(r"[ \t\n\r]*")
_LITERAL = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_MAXIMUM_DEPTH = 200
"""Of lists and objects in each other; the deepest dashboards have about twenty."""


def json_document(text: str) -> Node:
    """The value of a JSON text.

    Raises:
        TreeError: It is no JSON.
    """
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._at = 0

    def document(self) -> Node:
        root = self._value(0)
        self._space()
        if self._at < len(self._text):
            raise self._error("there is text behind the end")
        return root

    def _value(self, depth: int) -> Node:
        self._space()
        start = self._at
        character = self._text[start : start + 1]
        if depth > _MAXIMUM_DEPTH:
            raise self._error("nested too deeply")
        if character == "{":
            return self._object(start, depth)
        if character == "[":
            return self._array(start, depth)
        if character == '"':
            return self._string()
        literal = _LITERAL.match(self._text, start)
        if literal is None:
            raise self._error("expected a value")
        self._at = literal.end()
        return Scalar(*self._span(start), literal[0], plain=True)

    def _object(self, start: int, depth: int) -> Mapping:
        node = Mapping(*self._span(start))
        node.weight = 0
        self._at = start + 1
        if not self._next_is("}"):
            while True:
                self._space()
                if self._text[self._at : self._at + 1] != '"':
                    raise self._error("expected a key in quotes")
                key = self._string()
                self._expect(":")
                value = self._value(depth + 1)
                node.put(key, value)
                node.weight += value.weight
                node.repeats |= value.repeats
                if self._closes("}"):
                    break
        node.end = self._at
        return node

    def _array(self, start: int, depth: int) -> Sequence:
        node = Sequence(*self._span(start))
        node.weight = 0
        self._at = start + 1
        if not self._next_is("]"):
            while True:
                value = self._value(depth + 1)
                node.items.append(value)
                node.weight += value.weight
                node.repeats |= value.repeats
                if self._closes("]"):
                    break
        node.end = self._at
        return node

    def _string(self) -> Scalar:
        start = self._at
        try:
            text, self._at = scanstring(self._text, start + 1, True)
        except JSONDecodeError as error:
            self._at = error.pos
            raise self._error(error.msg) from error
        return Scalar(*self._span(start), text, plain=False)

    def _closes(self, bracket: str) -> bool:
        """Whether the list ends here; otherwise a comma must follow."""
        if self._next_is(bracket):
            return True
        self._expect(",")
        return False

    def _next_is(self, character: str) -> bool:
        self._space()
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def _expect(self, character: str) -> None:
        if not self._next_is(character):
            raise self._error(f"expected {character!r}")

    def _space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _span(self, start: int) -> tuple[int, int, int, int]:
        line = bisect_right(self._lines, start)
        return line, start - self._lines[line - 1] + 1, start, self._at

    def _error(self, message: str) -> TreeError:
        line, column, _, _ = self._span(min(self._at, len(self._text)))
        return TreeError(f"is no JSON: {message}", Place(line, column))
