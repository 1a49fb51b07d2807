"""Opening log files: plain or compressed, by what is in them and not by their names."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from stigmer_ops.errors import InputError
from stigmer_ops.logs.scan import ByteStream

STANDARD_INPUT = "-"

READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a damaged or truncated file raises."""

_BUFFER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Compression:
    magic: bytes
    open: Callable[[BinaryIO], ByteStream]


def _gzip(stream: BinaryIO) -> ByteStream:
    return gzip.GzipFile(fileobj=stream, mode="rb")


def _bzip2(stream: BinaryIO) -> ByteStream:
    return bz2.BZ2File(stream)


def _xz(stream: BinaryIO) -> ByteStream:
    return lzma.LZMAFile(stream)


_COMPRESSIONS = (
    _Compression(b"\x1f\x8b", _gzip),
    _Compression(b"BZh", _bzip2),
    _Compression(b"\xfd7zXZ\x00", _xz),
)
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_LONGEST_MAGIC = 6


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log to read.

    Attributes:
        name: As the person gave it, "-" for standard input.
        written: When it was last written: the year and day of times that lack them.
        bytes: How much there is to read; None where that is not known, as of compressed files.
    """

    name: str
    written: datetime
    bytes: int | None = None


def log_file(name: str, now: datetime) -> LogFile:
    """Look at a log file before anything is read.

    Args:
        name: Its path, or "-" for standard input. That and other pipes count as written now.
        now: The current time.

    Raises:
        InputError: It does not exist or is not a file that can be read.
    """
    if name == STANDARD_INPUT:
        return LogFile(name, now)
    path = Path(name)
    try:
        stat = path.stat()
        if path.is_dir():
            raise InputError(f"{name} is a directory", next_step="name the log files in it")
        if not path.is_file():  # a pipe, whose bytes are gone once they were looked at
            return LogFile(name, now)
        with path.open("rb") as stream:
            plain = _compression_of(stream.peek(_LONGEST_MAGIC)) is None
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror}") from error
    written = datetime.fromtimestamp(stat.st_mtime, UTC)
    return LogFile(name, written, stat.st_size if plain else None)


@contextmanager
def opened(log: LogFile, standard_input: BinaryIO) -> Iterator[ByteStream]:
    """The bytes of a log file, decompressed.

    Raises:
        InputError: It is compressed in a way that Python's standard library cannot undo, or UTF-16.
        OSError: It can no longer be opened.
    """
    if log.name == STANDARD_INPUT:
        yield _decompressed(log, standard_input)
        return
    with Path(log.name).open("rb", buffering=_BUFFER_BYTES) as stream:
        yield _decompressed(log, stream)


def _decompressed(log: LogFile, stream: BinaryIO) -> ByteStream:
    peekable = stream if isinstance(stream, io.BufferedReader) else _buffered(stream)
    start = peekable.peek(_LONGEST_MAGIC)
    if start.startswith(_ZSTANDARD):
        raise InputError(
            f"{log.name} is compressed with zstd",
            next_step=f"zstd -dc {log.name} | stigmer-ops logs correlate -",
        )
    if start.startswith(_UTF_16):
        raise InputError(
            f"{log.name}:1: not UTF-8, but UTF-16, which PowerShell writes",
            next_step=f"iconv -f UTF-16 -t UTF-8 {log.name} | stigmer-ops logs correlate -",
        )
    compression = _compression_of(start)
    return compression.open(peekable) if compression else peekable


def _compression_of(start: bytes) -> _Compression | None:
    return next((each for each in _COMPRESSIONS if start.startswith(each.magic)), None)


def _buffered(stream: BinaryIO) -> io.BufferedReader:
    # io.BytesIO and the like: whole in memory anyhow.
    return io.BufferedReader(io.BytesIO(stream.read()))
