"""Tables as operators know them: capital headings, no lines, full ids, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text

from stigmer_ops.render.text import visible


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and how its cells sit."""

    heading: str
    justify: Literal["left", "right"] = "left"
    fold: bool = True
    """Whether a long cell may continue on the next line; numbers and times may not."""


Cell = str | tuple[str, str] | list[tuple[str, str]]
"""Text; text with a Rich style; or several lines of them, one below the other."""


def table_of(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> Table:
    """A table whose cells are foreign text: made visible, never read as markup."""
    table = Table(
        box=None, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 2, 0, 0)
    )
    for column in columns:
        table.add_column(
            column.heading,
            justify=column.justify,
            overflow="fold",
            no_wrap=not column.fold,
        )
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    return table


def _text(cell: Cell) -> Text:
    if isinstance(cell, list):
        return Text("\n").join(_text(line) for line in cell)
    text, style = cell if isinstance(cell, tuple) else (cell, "")
    return Text(visible(text), style=style)
