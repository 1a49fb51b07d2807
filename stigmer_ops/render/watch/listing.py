"""The list of what waits, which keeps its place while what it shows changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from stigmer_ops.handshake.live import Live, Waiting
from stigmer_ops.render.watch.rows import cells, columns, heading

SHOWN = 500
"""Rows at most: beyond that a person filters."""


class Listing(DataTable[Text]):
    """A row for each activity; the cursor stays on its activity when rows come and go."""

    DEFAULT_CSS = """
    Listing > .datatable--header, Listing:focus > .datatable--header {
        background: ansi_default; text-style: bold;
    }
    Listing > .datatable--even-row, Listing > .datatable--odd-row { background: ansi_default; }
    Listing > .datatable--cursor, Listing:focus > .datatable--cursor {
        background: ansi_default; color: ansi_default; text-style: reverse;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.why", "Why"),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False)
        self._rows: Sequence[Waiting] = ()
        self._cells: list[tuple[Text, ...]] = []
        self._width = 0

    @property
    def chosen(self) -> Waiting | None:
        """The activity under the cursor; None where nothing is listed."""
        return self._rows[self.cursor_row] if self.cursor_row < len(self._rows) else None

    def show(self, found: Sequence[Waiting], live: Live, width: int) -> None:
        """List the first of `found`, as they are at the time of `live`."""
        rows = found[:SHOWN]
        chosen = columns(width)
        drawn = [cells(one, live, chosen) for one in rows]
        if width == self._width and [r.key for r in rows] == [r.key for r in self._rows]:
            self._change(drawn)
        else:
            self._rebuild(rows, drawn, width)
        self._rows, self._cells = rows, drawn

    def _change(self, drawn: list[tuple[Text, ...]]) -> None:
        for row, (before, after) in enumerate(zip(self._cells, drawn, strict=True)):
            for column, cell in enumerate(after):
                if cell != before[column] or cell.style != before[column].style:
                    self.update_cell_at((row, column), cell)  # type: ignore[arg-type] # a Coordinate is a tuple

    def _rebuild(self, rows: Sequence[Waiting], drawn: list[tuple[Text, ...]], width: int) -> None:
        chosen = self.chosen
        place, scrolled = self.cursor_row, self.scroll_offset
        columns_changed = width != self._width
        self.clear(columns=columns_changed)
        if columns_changed:
            self._width = width
            for column in columns(width):
                self.add_column(heading(column), width=column.width)
        self.add_rows(drawn)
        keys = [one.key for one in rows]
        if chosen is not None and chosen.key in keys:
            place = keys.index(chosen.key)
        self.move_cursor(row=min(place, max(0, len(rows) - 1)), scroll=False)
        self.scroll_to(y=scrolled.y, animate=False)
