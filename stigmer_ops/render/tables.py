"""Tables as operators know them: capital headings, no lines, full ids, nothing cut off.

A table that is too wide for the terminal gives way in this order: columns of prose fold, columns
that can be spared go, ids stand on lines of their own. Rich's own `Table` does none of this but the
first: it cuts what may not fold, knows no line across all columns, and pads the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.text import Text

from stigmer_ops.render.table_rows import GAP, Layout, Slot, below_row, width_of
from stigmer_ops.render.text import visible

LEAST = 12
"""Terminal columns that a column of prose keeps as long as another column can be spared."""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and how its cells sit.

    Attributes:
        heading: In capitals, or empty.
        justify: Numbers stand to the right.
        fold: Whether a long cell may continue on the next line; numbers and times may not.
        own_line: Whether a cell that finds no room even so stands whole on a line of its own, with
            the rest of its row below.
        least: Terminal columns to which it may be folded, never less than its heading.
        spared: Where there is no room, columns go in this order, 1 first; 0 stays.
    """

    heading: str
    justify: Literal["left", "right"] = "left"
    fold: bool = True
    own_line: bool = False
    least: int = LEAST
    spared: int = 0

    def floor(self, natural: int) -> int:
        """To what width it may be narrowed while others can be spared."""
        return min(natural, max(self.least, len(self.heading))) if self.fold else natural


def id_column(heading: str) -> Column:
    """A column of ids: they are copied, and so never broken."""
    return Column(heading, fold=False, own_line=True)


Cell = str | tuple[str, str] | list[tuple[str, str]]
"""Text; text with a Rich style; or several lines of them, one below the other."""


@dataclass(frozen=True, slots=True)
class Row:
    """Cells, and texts with their styles that stand below them across all columns."""

    cells: Sequence[Cell]
    below: Sequence[tuple[str, str]] = ()


def table_of(columns: Sequence[Column], rows: Iterable[Sequence[Cell] | Row]) -> FittedTable:
    """A table whose cells are foreign text: made visible, never read as markup."""
    return FittedTable(
        columns,
        [
            ([_text(cell) for cell in row.cells], [_text(line) for line in row.below])
            for row in (row if isinstance(row, Row) else Row(row) for row in rows)
        ],
    )


def table_with_notes(
    console: Console, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]
) -> FittedTable:
    """A table whose last column stands below each row, where the terminal is too narrow for it."""
    whole = list(rows)
    table = table_of(columns, whole)
    if table.width <= console.width:
        return table
    return table_of(columns[:-1], [Row(row[:-1], _lines(row[-1])) for row in whole])


class FittedTable:
    """A table that fits itself to the terminal when it is printed.

    Attributes:
        show_header: Whether the headings are printed.
        header_style: Their Rich style.
        redrawn: Whether it is part of a screen that Rich draws over and over, and whose lines it
            cuts: there ids fold at the screen's edge.
    """

    def __init__(
        self, columns: Sequence[Column], rows: Sequence[tuple[Sequence[Text], Sequence[Text]]]
    ) -> None:
        self._columns = columns
        self._rows = rows
        self._natural = [
            max(len(column.heading), *(width_of(cells[place]) for cells, _ in rows), 0)
            for place, column in enumerate(columns)
        ]
        self.show_header = True
        self.header_style = "bold"
        self.redrawn = False

    @property
    def width(self) -> int:
        """Terminal columns that it needs to show every row in one line."""
        return _total(self._natural)

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        """What it needs, and to what it can be narrowed."""
        floors = [column.floor(w) for column, w in zip(self._columns, self._natural, strict=True)]
        return Measurement(_total(floors), self.width).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it without trailing blanks; only an id may be longer than the terminal is wide."""
        for line in self._lines(console, options.max_width):
            line.rstrip()
            yield from line.render(console)
            yield Segment.line()

    def _lines(self, console: Console, room: int) -> Iterator[Text]:
        widths = self._fitted(room)
        layout = Layout(
            console,
            [
                Slot(width, self._columns[place].justify, self._columns[place].own_line)
                for place, width in widths.items()
            ],
            room,
            folds_ids=self.redrawn,
        )
        if self.show_header:
            yield from layout.row(
                [Text(self._columns[place].heading, self.header_style) for place in widths]
            )
        for cells, below in self._rows:
            yield from layout.row([cells[place] for place in widths])
            for text in below:
                yield from below_row(console, text, room, folds_ids=self.redrawn)

    def _fitted(self, room: int) -> dict[int, int]:
        """The columns that stay, by their place, and the width of each."""
        natural = {place: width for place, width in enumerate(self._natural) if width}
        floors = {place: self._columns[place].floor(width) for place, width in natural.items()}
        fitted = (
            self._spared(natural, floors, room)
            or self._spared(natural, self._ids_apart(floors), room)
            or self._spared(natural, dict.fromkeys(natural, 1), room)
            or dict.fromkeys(natural, 1)  # there is less than a character for each
        )
        return {place: self._closed(place, width) for place, width in fitted.items()}

    def _spared(
        self, natural: dict[int, int], floors: dict[int, int], room: int
    ) -> dict[int, int] | None:
        """The widths of as many columns as fit with these floors; None if too few can go."""
        going = sorted(
            (place for place in natural if self._columns[place].spared),
            key=lambda place: self._columns[place].spared,
        )
        for count in range(len(going) + 1):
            kept = {p: width for p, width in natural.items() if p not in going[:count]}
            if (fitted := _narrowed(kept, floors, room)) is not None:
                return fitted
        return None

    def _ids_apart(self, floors: dict[int, int]) -> dict[int, int]:
        """The floors of columns whose ids may stand on lines of their own."""
        return {
            place: min(width, len(column.heading)) if column.own_line else width
            for place, width in floors.items()
            for column in (self._columns[place],)
        }

    def _closed(self, place: int, width: int) -> int:
        """The width without what only those ids would need that stand on their own lines."""
        column = self._columns[place]
        if not column.own_line or width >= self._natural[place]:
            return width
        fitting = [found for cells, _ in self._rows if (found := width_of(cells[place])) <= width]
        return max([min(len(column.heading), width), *fitting])


def _narrowed(natural: dict[int, int], floors: dict[int, int], room: int) -> dict[int, int] | None:
    """The widths of columns in `room`, the widest narrowed first; None if it is too small."""
    if _total(natural.values()) <= room:
        return natural
    for level in range(room, 0, -1):
        widths = {p: max(floors[p], min(width, level)) for p, width in natural.items()}
        if _total(widths.values()) <= room:
            return widths
    return None


def _total(widths: Iterable[int]) -> int:
    taken = [width for width in widths if width]
    return sum(taken) + GAP * max(len(taken) - 1, 0)


def _lines(cell: Cell) -> list[tuple[str, str]]:
    if isinstance(cell, list):
        return cell
    line = cell if isinstance(cell, tuple) else (cell, "")
    return [line] if line[0] else []


def _text(cell: Cell) -> Text:
    if isinstance(cell, list):
        return Text("\n").join(_text(line) for line in cell)
    text, style = cell if isinstance(cell, tuple) else (cell, "")
    return Text(visible(text), style=style)
