"""How `config show` looks to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from stigmer_ops.render.tables import Column, table_of


def config_table(
    console: Console,
    temporal: Mapping[str, Any],
    origins: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    *,
    wide: bool,
) -> None:
    """Temporal's connection first, then every setting (if wide with its variable); with origins."""
    console.print(
        table_of(
            [Column("TEMPORAL"), Column("VALUE"), Column("FROM")],
            [[name, _shown(value), origins[name]] for name, value in temporal.items()],
        )
    )
    console.print()
    columns = [Column("SETTING"), Column("VALUE"), Column("FROM")]
    cells = [[row["setting"], _shown(row["value"]), row["origin"]] for row in rows]
    if wide:
        columns.append(Column("VARIABLE"))
        cells = [[*row, source["variable"]] for row, source in zip(cells, rows, strict=True)]
    console.print(table_of(columns, cells))


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(value) or "-"
        case float():
            return f"{value:g}"
        case _:
            return str(value)
