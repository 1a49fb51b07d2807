"""Generated files are written, compared and removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from stigmer_ops.errors import InputError
from stigmer_ops.monitoring.generated import State, compare, write

HEADER = "# Written by a program"


def text(body: str) -> str:
    return f"{HEADER}\n{body}\n"


def states(directory: Path, wanted: dict[str, str]) -> dict[str, State]:
    found = compare(directory, wanted, HEADER)
    return {str(file.path.relative_to(directory)): file.state for file in found}


def test_files_that_are_not_there_are_missing_and_then_the_same(tmp_path: Path) -> None:
    out = tmp_path / "new"
    wanted = {"a.yaml": text("a"), "below/b.yaml": text("b")}
    assert states(out, wanted) == {"a.yaml": State.MISSING, "below/b.yaml": State.MISSING}
    write(compare(out, wanted, HEADER))
    assert states(out, wanted) == {"a.yaml": State.SAME, "below/b.yaml": State.SAME}


def test_what_a_former_run_left_is_removed_and_other_files_are_not(tmp_path: Path) -> None:
    write(compare(tmp_path, {"old.yaml": text("x"), "below/b.yaml": text("b")}, HEADER))
    (tmp_path / "mine.yaml").write_text("groups: []\n")
    wanted = {"new.yaml": text("y"), "below/b.yaml": text("b")}
    assert states(tmp_path, wanted)["old.yaml"] is State.SURPLUS
    write(compare(tmp_path, wanted, HEADER))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["below", "mine.yaml", "new.yaml"]


def test_difference_goes_from_what_is_there_to_what_should_be(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text("old"))
    (file,) = compare(tmp_path, {"a.yaml": text("new")}, HEADER)
    assert file.state is State.CHANGED
    assert "-old\n+new\n" in file.difference


def test_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(InputError, match=r"cannot read .*a\.yaml"):
        compare(tmp_path, {"a.yaml": text("x")}, HEADER)


def test_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    files = compare(tmp_path / "out", {"a.yaml": text("x")}, HEADER)
    with pytest.raises(InputError, match="cannot write"):
        write(files)
