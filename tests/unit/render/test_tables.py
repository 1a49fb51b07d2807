"""Tables that do not fit: prose folds, columns are spared in order, ids stay whole."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from stigmer_ops.render.output import console
from stigmer_ops.render.tables import (
    Cell,
    Column,
    FittedTable,
    Row,
    id_column,
    table_of,
    table_with_notes,
)

PROSE = "the agent has waited for its runner since the morning"
DIGEST = "0123456789abcdef" * 4


def drawn(table: FittedTable, width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, markup=False).print(table, crop=False)
    return stream.getvalue().splitlines()


COLUMNS = (
    Column("NAME", fold=False),
    Column("WHY"),
    Column("COUNT", "right", fold=False),
    Column("TREND", fold=False, spared=1),
    Column("SINCE", fold=False, spared=2),
)
ROW = ["queue", PROSE, "17", "▁▂▃▄▅▆▇█", "2026-11-24T14:00Z"]


def test_a_table_with_room_has_one_line_a_row_and_no_trailing_blanks() -> None:
    heading, first, second = drawn(table_of(COLUMNS, [ROW, ["q", "short", "1", "", ""]]), 200)
    assert heading.split() == ["NAME", "WHY", "COUNT", "TREND", "SINCE"]
    assert first.split("  ")[0] == "queue"
    assert second == second.rstrip()
    assert first.index("17") + 2 == heading.index("COUNT") + len("COUNT")


@pytest.mark.parametrize(
    ("width", "gone"),
    [(100, []), (55, []), (54, ["TREND"]), (44, ["TREND", "SINCE"])],
)
def test_prose_folds_first_and_columns_go_in_their_order(width: int, gone: list[str]) -> None:
    heading, *lines = drawn(table_of(COLUMNS, [ROW]), width)
    kept = [name for name in ("NAME", "WHY", "COUNT", "TREND", "SINCE") if name not in gone]
    assert heading.split() == kept
    assert all(len(line) <= width for line in lines)
    start, end = heading.index("WHY"), heading.index("COUNT")
    assert " ".join(line[start:end].strip() for line in lines) == PROSE


def test_an_id_without_room_stands_on_a_line_of_its_own_and_its_row_below() -> None:
    columns = [id_column("BATCH"), Column("STATUS", fold=False), Column("REASON")]
    lines = drawn(table_of(columns, [[DIGEST, "running", PROSE], ["ab", "paused", "x"]]), 40)
    assert lines[0].split() == ["BATCH", "STATUS", "REASON"]
    assert lines[1] == DIGEST
    assert lines[2].split()[0] == "running"
    assert lines[-1].split() == ["ab", "paused", "x"]


def test_a_later_id_without_room_begins_as_near_to_its_column_as_it_can() -> None:
    columns = [Column("ROW", "right", fold=False), id_column("RUN"), Column("WHY", least=30)]
    lines = drawn(table_of(columns, [["1", DIGEST, PROSE]]), 70)
    assert lines[1] == "  1  " + DIGEST
    assert lines[2].strip() == PROSE[: len(lines[2].strip())]
    long = drawn(table_of(columns, [["1", DIGEST + DIGEST, PROSE]]), 70)
    assert long[1:3] == ["  1", DIGEST + DIGEST]


def test_columns_are_spared_again_where_ids_stand_apart() -> None:
    columns = [id_column("BATCH"), Column("ROWS", "right", fold=False), *COLUMNS[3:]]
    row = [DIGEST, "17", *ROW[3:]]
    for width, kept in ((99, 4), (98, 3), (88, 2), (69, 4), (40, 4), (39, 3), (29, 2)):
        assert len(drawn(table_of(columns, [row]), width)[0].split()) == kept, width


def test_lines_below_a_row_span_the_table_and_leave_its_columns_alone() -> None:
    row = Row(["queue", "x"], [(PROSE, "dim"), (f"run {DIGEST}", "")])
    lines = drawn(table_of([Column("NAME"), Column("WHY")], [row]), 40)
    assert lines[:2] == ["NAME   WHY", "queue  x"]
    assert all(line.startswith("    ") for line in lines[2:])
    assert " ".join(line.strip() for line in lines[2:]) == f"{PROSE} run {DIGEST}"
    assert lines[-1] == "    " + DIGEST


def test_the_last_column_stands_below_its_rows_where_it_has_no_room() -> None:
    columns = [Column("ROW", "right", fold=False), Column("WHY")]
    rows: list[list[Cell]] = [["1", PROSE], ["2", ("", "dim")], ["3", [("a", ""), ("b", "")]]]
    screen = Console(file=io.StringIO(), width=40)
    narrow = drawn(table_with_notes(screen, columns, rows), 40)
    assert narrow == [
        "ROW",
        "  1",
        "    the agent has waited for its runner",
        "    since the morning",
        "  2",
        "  3",
        "    a",
        "    b",
    ]
    screen.width = 80
    assert drawn(table_with_notes(screen, columns, rows), 80)[1] == f"  1  {PROSE}"


def test_a_terminal_shows_a_long_id_whole_through_the_console_of_the_commands() -> None:
    stream = io.StringIO()
    screen = console(stream)
    screen.width = 40
    screen.print(table_of([id_column("RUN")], [[DIGEST]]))
    assert stream.getvalue() == f"RUN\n{DIGEST}\n"


def test_a_column_with_nothing_in_it_takes_no_room() -> None:
    assert drawn(table_of([Column("A"), Column(""), Column("B")], [["1", "", "2"]]), 80) == [
        "A  B",
        "1  2",
    ]


CELLS = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), max_size=60)
KINDS = st.sampled_from(
    [Column("PROSE"), Column("NUMBER", "right", fold=False), id_column("ID"), Column("")]
)


@given(
    columns=st.lists(KINDS, min_size=1, max_size=5),
    texts=st.lists(st.lists(CELLS, min_size=5, max_size=5), max_size=4),
    width=st.integers(10, 120),
)
def test_whatever_the_width_no_character_is_lost(
    columns: Sequence[Column], texts: list[list[str]], width: int
) -> None:
    rows: list[list[Cell]] = [list(row[: len(columns)]) for row in texts]
    table = table_of(columns, rows)
    table.show_header = False
    shown = "".join("".join(line.split()) for line in drawn(table, width))
    assert sorted(shown) == sorted("".join(str(cell) for row in rows for cell in row))
