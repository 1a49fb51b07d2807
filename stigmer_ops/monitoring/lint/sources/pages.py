"""Runbook pages: Markdown, of which only headings, links and fenced blocks matter here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stigmer_ops.monitoring.lint.model import Place
from stigmer_ops.monitoring.lint.sources.expression import Expression, Role
from stigmer_ops.monitoring.lint.sources.files import SourceFile

_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_BLOCK = re.compile(r"^```+[ \t]*(\w*)[^\n]*\n(.*?)^```+[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; the title has level 1."""

    level: int
    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another place."""

    target: str
    place: Place


@dataclass(eq=False)
class Page:
    """A runbook page."""

    source: SourceFile

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
    def stem(self) -> str:
        """The name of the file, without .md."""
        return Path(self.path).stem

    @cached_property
    def _prose(self) -> str:
        """The text, with blocks of code blanked out but as long as before."""
        return _BLOCK.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), self.source.text)

    @cached_property
    def headings(self) -> list[Heading]:
        """Its headings, in order."""
        return [
            Heading(len(match[1]), match[2], self._place(match.start()))
            for match in _HEADING.finditer(self._prose)
        ]

    @cached_property
    def links(self) -> list[Link]:
        """Its links, in order."""
        return [
            Link(match[1], self._place(match.start(1))) for match in _LINK.finditer(self._prose)
        ]

    @cached_property
    def expressions(self) -> list[Expression]:
        """The blocks that are marked as PromQL."""
        return [
            Expression(
                match[2],
                self.path,
                "",
                self._place(match.start(2)),
                (self.source.text, match.start(2), match.end(2)),
                Role.PAGE,
                self.span,
            )
            for match in _BLOCK.finditer(self.source.text)
            if match[1].lower() == "promql" and match[2].strip()
        ]

    def _place(self, offset: int) -> Place:
        text = self.source.text
        line = text.count("\n", 0, offset) + 1
        return Place(line, offset - text.rfind("\n", 0, offset))
