"""The lines of a table's rows, in columns whose widths are known."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

GAP = 2
"""Blanks between columns."""
INDENT = "    "
"""Before what stands below a row."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the cells of a column go: its width, and whether longer ones have their own line."""

    width: int
    justify: Literal["left", "right"]
    own_line: bool


@dataclass(frozen=True, slots=True)
class _Placed:
    """The lines of a cell, and the terminal column in which each begins."""

    start: int
    lines: Sequence[Text]
    slot: Slot

    def put_into(self, line: Text, number: int) -> None:
        """Append the cell's line of that number, if it has one."""
        if number < len(self.lines):
            text = self.lines[number]
            blanks = self.slot.width - text.cell_len if self.slot.justify == "right" else 0
            line.pad_right(self.start + blanks - line.cell_len)
            line.append_text(text)


class Layout:
    """Puts the cells of rows into columns.

    Args:
        console: For which it is.
        slots: The columns.
        room: Terminal columns of the whole.
        folds_ids: Whether an id that is longer than `room` is folded there, and not left to the
            terminal, which copies it as one line.
    """

    def __init__(
        self, console: Console, slots: Sequence[Slot], room: int, *, folds_ids: bool
    ) -> None:
        self._console = console
        self._room = room
        self._folds_ids = folds_ids
        self._slots: list[tuple[int, Slot]] = []
        start = 0
        for slot in slots:
            self._slots.append((start, slot))
            start += slot.width + GAP

    def row(self, cells: Sequence[Text]) -> Iterator[Text]:
        """The lines of one row."""
        beside: list[_Placed] = []
        for (start, slot), cell in zip(self._slots, cells, strict=True):
            if slot.own_line and width_of(cell) > slot.width:
                yield from self._own_line(beside, cell, start)
                beside = []
            else:
                beside.append(_Placed(start, self._folded(cell, slot.width), slot))
        yield from self._lines(beside)

    def _own_line(self, beside: Sequence[_Placed], cell: Text, start: int) -> Iterator[Text]:
        """What stands to the left of a long id, and the id, on the same line if it has room."""
        lines = list(self._lines(beside))
        free = self._room - cell.cell_len
        if start > free:
            yield from lines
            lines = []
            start = max(free, 0)
        first = lines[0] if lines else Text()
        first.pad_right(start - first.cell_len)
        first.append_text(cell)
        yield from self._folded(first, self._room) if self._folds_ids else [first]
        yield from lines[1:]

    def _lines(self, beside: Sequence[_Placed]) -> Iterator[Text]:
        if not any(text for placed in beside for text in placed.lines):
            return
        for number in range(max(len(placed.lines) for placed in beside)):
            line = Text()
            for placed in beside:
                placed.put_into(line, number)
            yield line

    def _folded(self, cell: Text, width: int) -> Sequence[Text]:
        if cell.cell_len <= width and "\n" not in cell.plain:
            return [cell]
        return list(cell.wrap(self._console, width, overflow="fold"))


def below_row(console: Console, text: Text, room: int, *, folds_ids: bool) -> Iterator[Text]:
    """What stands below a row, indented, broken between words: an id in it stays whole."""
    width = max(room - len(INDENT), 1)
    if folds_ids:
        lines = list(text.wrap(console, width, overflow="fold"))
    else:
        broken = textwrap.wrap(text.plain, width, break_long_words=False, break_on_hyphens=False)
        lines = [Text(line, text.style) for line in broken]
    for line in lines:
        yield Text.assemble(INDENT, line)


def width_of(cell: Text) -> int:
    """Terminal columns of a cell's longest line."""
    return max((line.cell_len for line in cell.split("\n")), default=0)
