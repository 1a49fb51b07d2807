from __future__ import annotations

import io

import pytest
from rich.console import Console

from stigmer_ops.render.paragraphs import paragraph

TEXT = "the callback failed after 3 attempts, and nobody holds the token of this one"
ID = "execution-" + "0123456789" * 6


def printed(width: int, text: str = TEXT, mark: str = "") -> list[str]:
    out = io.StringIO()
    paragraph(Console(file=out, width=width, markup=False), text, 4, mark)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("mark", ["", "- "])
def test_each_line_keeps_the_indent_and_fits(mark: str) -> None:
    lines = printed(40, mark=mark)
    assert len(lines) > 1
    assert lines[0].startswith(f"    {mark}the")
    assert all(line.startswith(" " * (4 + len(mark))) for line in lines[1:])
    assert max(map(len, lines)) <= 40
    assert " ".join(line.strip().removeprefix("- ") for line in lines) == TEXT


def test_id_stays_whole() -> None:
    assert printed(40, f"execution {ID} holds it") == ["    execution", f"    {ID}", "    holds it"]


def test_away_from_a_terminal_it_is_one_line() -> None:
    assert printed(10_000, mark="- ") == [f"    - {TEXT}"]
