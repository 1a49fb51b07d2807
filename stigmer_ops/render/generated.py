"""How generated files look to a person and to a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.console import Console
from rich.text import Text

from stigmer_ops.render.tables import Column, table_of
from stigmer_ops.render.text import visible


class File(Protocol):
    """A file that was compared with what it should be."""

    @property
    def path(self) -> object:
        """Where it is."""

    @property
    def state(self) -> str:
        """same, changed, missing or surplus."""

    @property
    def difference(self) -> str:
        """From what is there to what should be, as a unified diff."""


_DONE = {"same": "unchanged", "changed": "rewritten", "missing": "written", "surplus": "removed"}
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def written_record(file: File) -> Mapping[str, Any]:
    """A file, and what was done to it."""
    return {"path": str(file.path), "done": _DONE[file.state]}


def compared_record(file: File) -> Mapping[str, Any]:
    """A file, how it relates to what it should be, and the difference."""
    return {"path": str(file.path), "state": str(file.state), "difference": file.difference}


def written_table(console: Console, files: Sequence[File]) -> None:
    """Each file with what was done to it."""
    rows = [[str(file.path), _DONE[file.state]] for file in files]
    console.print(table_of([Column("FILE"), Column("")], rows))


def print_differences(console: Console, files: Sequence[File]) -> None:
    """The differences, coloured as usual."""
    for file in files:
        for line in file.difference.splitlines():
            console.print(Text(visible(line), style=_COLOURS.get(line[:1], "")), soft_wrap=True)
