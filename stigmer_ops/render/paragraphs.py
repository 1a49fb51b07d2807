"""Paragraphs that keep their indent when the terminal breaks their lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_NARROWEST = 20


def paragraph(console: Console, text: str, indent: int, mark: str = "") -> None:
    """Print a text with its lines indented, those after the first by the mark's width more.

    Args:
        console: Where to; its width breaks the lines.
        text: One paragraph, made visible where it is foreign.
        indent: Columns before each line.
        mark: What stands before the first line, such as "- ".
    """
    for line in _lines(console, text, " " * indent, mark):
        console.print(line)


def _lines(console: Console, text: str, indent: str, mark: str) -> Iterator[str]:
    room = max(console.width - len(indent) - len(mark), _NARROWEST)
    before = mark
    for line in Text(text).wrap(console, room):
        yield f"{indent}{before}{line.plain}"
        before = " " * len(mark)
