"""A file is there whole or not at all, and what was there stays until then."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stigmer_ops.whole_files import write_whole


def failing() -> Iterator[bytes]:
    """What is written until the disk is full."""
    yield b"half"
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path, overwrite: bool) -> None:
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "new", failing(), overwrite=overwrite)
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_survives_a_write_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, failing(), overwrite=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replaced_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    path, link = tmp_path / "rules.yaml", tmp_path / "link.yaml"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    write_whole(link, [b"new"], overwrite=True)
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("dangling", [False, True])
def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path, dangling: bool) -> None:
    path = tmp_path / "plan.jsonl"
    if dangling:
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.write_text("reviewed")
    with pytest.raises(FileExistsError):
        write_whole(path, [b"new"], overwrite=False)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, [b"some", b"thing"], overwrite=True)
    reader.join(10)
    assert read == [b"something"]


def test_of_many_writers_one_wins_and_its_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    together = threading.Barrier(8)
    won: list[bytes] = []

    def write(content: bytes) -> None:
        together.wait()
        try:
            write_whole(path, [content] * 100, overwrite=False)
        except FileExistsError:
            return
        won.append(content)

    writers = [threading.Thread(target=write, args=(bytes([65 + n]),)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(10)
    assert len(won) == 1
    assert path.read_bytes() == won[0] * 100
    assert list(tmp_path.iterdir()) == [path]
