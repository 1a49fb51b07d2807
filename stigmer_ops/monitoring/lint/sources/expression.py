"""An expression in a file: of a rule, a panel, or a page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from stigmer_ops.monitoring.lint.model import Place
from stigmer_ops.monitoring.lint.promql.reading import parse
from stigmer_ops.monitoring.lint.promql.syntax import Expr, Selector, Visited, selectors, walk
from stigmer_ops.monitoring.promql_guard import PromQLError, TooDeepError


class Role(StrEnum):
    """What an expression is for."""

    ALERT = "alert"
    RECORD = "record"
    PANEL = "panel"
    PAGE = "page"


@dataclass(eq=False)
class Expression:
    """An expression, parsed when it is first asked for.

    Attributes:
        text: As PromQL; of a panel, with Grafana's variables filled in.
        path: The file.
        name: Of what it belongs to.
        place: Of its key.
        source: Where its text is in the file: the text of the file, and first and last offset.
        role: What it is for.
        span: Of what it belongs to.
    """

    text: str
    path: str
    name: str
    place: Place
    source: tuple[str, int, int]
    role: Role
    span: tuple[int, int]
    error: PromQLError | None = field(default=None, init=False)

    @cached_property
    def root(self) -> Expr | None:
        """The parsed expression; None if it cannot be parsed, and then `error` says why."""
        try:
            return parse(self.text)
        except PromQLError as error:
            self.error = error
            return None

    @property
    def too_deep(self) -> bool:
        """Whether it was not parsed because parsers fail on it."""
        return self.root is None and isinstance(self.error, TooDeepError)

    @cached_property
    def nodes(self) -> tuple[Visited, ...]:
        """Every node with its parents; none if it cannot be parsed."""
        return () if self.root is None else tuple(walk(self.root))

    @cached_property
    def selectors(self) -> tuple[Selector, ...]:
        """Every selector in it."""
        return tuple(v.node for v in self.nodes if isinstance(v.node, Selector))

    def place_at(self, line: int, column: int) -> Place:
        """Where a line and column of it are in the file; its key if that cannot be told."""
        written = self.text.rstrip().split("\n")
        if line > len(written):  # what is missing at the end
            line, column = len(written), len(written[-1]) + 1
        wanted = written[line - 1].strip()
        text, start, end = self.source
        at = text.find(wanted, start, end)
        if at < 0 or not wanted:
            return self.place
        indent = len(written[line - 1]) - len(written[line - 1].lstrip())
        return _place(text, min(at + max(column - 1 - indent, 0), end))

    def place_of(self, word: str) -> Place:
        """Where a word of it is; its key if the word cannot be found."""
        text, start, end = self.source
        found = re.compile(rf"(?<![\w:]){re.escape(word)}(?![\w:])").search(text, start, end)
        if not word or found is None:
            return self.place
        return _place(text, found.start())

    def place_of_part(self, part: Expr) -> Place:
        """Where the first metric is that a part of it selects."""
        return self.place_of(next((s.name for s in selectors(part) if s.name), ""))


def _place(text: str, offset: int) -> Place:
    return Place(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))
