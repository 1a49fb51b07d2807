from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stigmer_ops.errors import InputError
from stigmer_ops.logs.sources import LogFile, log_file, opened

NOW = datetime(2026, 1, 22, 12, tzinfo=UTC)
TEXT = b"first\r\nsecond \xf0\x9f\x93\x9d\n" * 1000
NOTHING = io.BytesIO()


def content(path: Path) -> bytes:
    with opened(log_file(str(path), NOW), NOTHING) as stream:
        return b"".join(iter(lambda: stream.read1(100), b""))


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_what_a_file_is_is_seen_from_its_bytes(
    tmp_path: Path, packed: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(packed(TEXT))

    assert content(path) == TEXT


def test_gzip_members_one_after_the_other_are_read_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "rotated.gz"
    path.write_bytes(gzip.compress(TEXT) + gzip.compress(b"more"))

    assert content(path) == TEXT + b"more"


@pytest.mark.parametrize("data", [b"", b"\x1f", b"B", b"plain"])
def test_files_shorter_than_any_magic(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "short"
    path.write_bytes(data)

    assert content(path) == data


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
def test_standard_input_may_be_compressed_too(packed: Callable[[bytes], bytes]) -> None:
    log = log_file("-", NOW)

    with opened(log, io.BytesIO(packed(TEXT))) as stream:
        assert b"".join(iter(lambda: stream.read1(4096), b"")) == TEXT
    assert log == LogFile("-", NOW)


def test_a_pipe_is_read_as_it_is(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, gzip.compress(b"through a pipe"))
    os.close(writer)

    with (
        os.fdopen(reader, "rb") as standard_input,
        opened(LogFile("-", NOW), standard_input) as stream,
    ):
        assert stream.read1(100) == b"through a pipe"


def test_a_named_pipe_loses_nothing_to_being_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    log = log_file(str(path), NOW)
    writer = threading.Thread(target=lambda: path.write_bytes(gzip.compress(TEXT)))
    writer.start()

    with opened(log, NOTHING) as stream:
        assert b"".join(iter(lambda: stream.read1(4096), b"")) == TEXT
    writer.join()
    assert log == LogFile(str(path), NOW)


def test_the_age_of_a_file_is_that_of_its_last_write(tmp_path: Path) -> None:
    path = tmp_path / "old.log"
    path.write_bytes(b"x")
    os.utime(path, (1769076672, 1769076672))

    assert log_file(str(path), NOW).written == datetime(2026, 1, 22, 10, 11, 12, tzinfo=UTC)


def test_only_of_plain_files_it_is_known_how_much_there_is_to_read(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(TEXT)
    (tmp_path / "packed").write_bytes(gzip.compress(TEXT))

    assert log_file(str(tmp_path / "plain"), NOW).bytes == len(TEXT)
    assert log_file(str(tmp_path / "packed"), NOW).bytes is None
    assert log_file("-", NOW).bytes is None


def test_zstd_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "new.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd rest")

    with (
        pytest.raises(InputError, match="compressed with zstd") as refused,
        opened(log_file(str(path), NOW), NOTHING),
    ):
        pass

    assert "zstd -dc" in refused.value.next_step


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_lines_in_utf_16_are_not_passed_over(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "windows.log"
    path.write_bytes("\ufeff".join(("", TEXT.decode())).encode(encoding))

    with (
        pytest.raises(InputError, match=r"windows\.log:1: not UTF-8") as refused,
        opened(log_file(str(path), NOW), NOTHING),
    ):
        pass

    assert "iconv" in refused.value.next_step


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*missing\.log: No such file"):
        log_file(str(tmp_path / "missing.log"), NOW)
    with pytest.raises(InputError, match="is a directory"):
        log_file(str(tmp_path), NOW)
