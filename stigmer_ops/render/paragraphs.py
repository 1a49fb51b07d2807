"""Paragraphs that keep their indent when the terminal breaks their lines."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_NARROWEST = 40


def paragraph(console: Console, text: str, indent: int, mark: str = "") -> None:
    """Print a text with its lines indented, those after the first by the mark's width more.

    An id in it stays whole, to be copied: one that is too long is left to the terminal to break.

    Args:
        console: Where to; its width breaks the lines.
        text: One paragraph, made visible where it is foreign.
        indent: Columns before each line.
        mark: What stands before the first line, such as "- ".
    """
    lines = textwrap.wrap(
        text,
        max(console.width, _NARROWEST),
        initial_indent=" " * indent + mark,
        subsequent_indent=" " * (indent + len(mark)),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        console.print(line, soft_wrap=True)
