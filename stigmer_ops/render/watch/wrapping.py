"""Long lines, broken so that what goes on stands below what it goes on from."""

from __future__ import annotations

import io
import re

from rich.console import Console
from rich.text import Text

_FIRST = re.compile(r" *([-$!] |\S.{,30}?  +)?")
"""What the rest of a line hangs under: its indent, and a bullet, a prompt or a first column."""
_LEAST = 20


def hanging(text: Text, width: int) -> Text:
    """`text` with no line wider than `width` cells."""
    console = Console(file=io.StringIO(), width=width)
    lines: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        if line.cell_len <= width:
            lines.append(line)
            continue
        found = _FIRST.match(line.plain)
        indent = len(found[0]) if found else 0
        if indent > width - _LEAST:
            indent = 0
        first, rest = line[:indent], line[indent:]
        for place, piece in enumerate(rest.wrap(console, width - indent)):
            piece.rstrip()
            lines.append((Text(" " * indent) if place else first) + piece)
    return Text("\n").join(lines)
