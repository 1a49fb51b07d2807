"""A file is written whole or not at all, and never over another one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stigmer_ops.cli.new_file import require_new, write_new_file
from stigmer_ops.errors import InputError


def test_new_file_has_the_rights_that_the_user_gives(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    before = os.umask(0o027)
    try:
        write_new_file(path, "text\u2026", overwrite=False)
    finally:
        os.umask(before)
    assert path.read_text(encoding="utf-8") == "text\u2026"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_file_that_is_there_is_kept_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(InputError, match="exists") as caught:
        write_new_file(path, "new", overwrite=False)
    assert "--overwrite" in caught.value.next_step
    assert path.read_text() == "old"
    write_new_file(path, "new", overwrite=True)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_would_fail_fails_before_the_work(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    require_new(path, overwrite=False)
    with pytest.raises(InputError, match="there is no folder"):
        require_new(tmp_path / "missing" / "report.html", overwrite=True)
    path.touch()
    require_new(path, overwrite=True)
    with pytest.raises(InputError, match="exists"):
        require_new(path, overwrite=False)


def test_full_disk_leaves_nothing_behind() -> None:
    full = Path("/dev/full")
    with pytest.raises(InputError, match="cannot write"):
        # Beside a device no file can be made that takes its place.
        write_new_file(full / "report.html", "text", overwrite=True)


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_new_file(path, "broken \ud800", overwrite=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path, __: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "report.html"
    write_new_file(path, "text", overwrite=False)
    assert path.read_text() == "text"
    with pytest.raises(InputError, match="exists"):
        write_new_file(path, "other", overwrite=False)
    assert path.read_text() == "text"
