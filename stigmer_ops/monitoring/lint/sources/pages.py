"""Runbook pages: Markdown, of which only headings, links and fenced blocks matter here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stigmer_ops.monitoring.lint.model import Place
from stigmer_ops.monitoring.lint.sources.expression import Expression, Role
from stigmer_ops.monitoring.lint.sources.files import SourceFile

_HEADING = re.compile(r"(#{1,6})[ \t](.*)")
_LINK = re.compile(r"\]\(([^()\s\]]+)(?: \"[^\"\n]*\")?\)")


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


@dataclass(frozen=True, slots=True)
class _Block:
    """A fenced block of code: its language, and the lines between the fences, from 0."""

    language: str
    first: int
    end: int


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
    def _lines(self) -> list[str]:
        return self.source.text.split("\n")

    @cached_property
    def _blocks(self) -> list[_Block]:
        found: list[_Block] = []
        begun: tuple[str, int] | None = None
        for number, line in enumerate(self._lines):
            if not line.lstrip().startswith("```"):
                continue
            if begun is None:
                begun = line.strip("` \t").partition(" ")[0].lower(), number + 1
            else:
                found.append(_Block(*begun, number))
                begun = None
        return found

    @cached_property
    def _prose(self) -> list[tuple[int, str]]:
        """The lines outside of blocks, with their numbers from 1."""
        code = {n for block in self._blocks for n in range(block.first - 1, block.end + 1)}
        return [(n + 1, line) for n, line in enumerate(self._lines) if n not in code]

    @cached_property
    def headings(self) -> list[Heading]:
        """Its headings, in order."""
        matches = ((number, _HEADING.fullmatch(line)) for number, line in self._prose)
        return [
            Heading(len(match[1]), match[2].strip("# \t"), Place(number))
            for number, match in matches
            if match is not None
        ]

    @cached_property
    def links(self) -> list[Link]:
        """Its links, in order."""
        return [
            Link(match[1], Place(number, match.start(1) + 1))
            for number, line in self._prose
            for match in _LINK.finditer(line)
        ]

    @cached_property
    def expressions(self) -> list[Expression]:
        """The blocks that are marked as PromQL."""
        return [self._expression(block) for block in self._blocks if block.language == "promql"]

    def _expression(self, block: _Block) -> Expression:
        text = "\n".join(self._lines[block.first : block.end])
        start = sum(len(line) + 1 for line in self._lines[: block.first])
        source = (self.source.text, start, start + len(text))
        place = Place(block.first + 1)
        return Expression(text, self.path, "", place, source, Role.PAGE, self.span)
