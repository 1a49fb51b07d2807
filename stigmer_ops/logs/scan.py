"""Finding the lines of the registry in gigabytes of others, at the speed of memory.

Nearly every line is of no interest, so no line is looked at as such: blocks of raw bytes are
searched for the registered texts, and only around a hit are the ends of its line looked for.
Memory is bounded by the block and the longest line allowed, not by the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from ahocorasick_rs import BytesAhoCorasick, MatchKind

from stigmer_ops.logs.messages import MESSAGES

BLOCK_BYTES = 512 * 1024
LINE_LIMIT_BYTES = 4 * 1024 * 1024
"""A longer line is read in pieces of this size, each taken for a line of the same number."""
CONTINUATION_LINES = 8
"""Indented lines below a record that belong to it: fields on lines of their own, a traceback."""

_INDENT = b" \t"


class ByteStream(Protocol):
    """What is read: an open binary file, compressed or not."""

    def read1(self, size: int = -1, /) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Record:
    """A line that holds a registered text, with its continuation lines.

    Attributes:
        line: Its line number, counted from 1.
        content: Its bytes without the final line end.
    """

    line: int
    content: bytes


@cache
def _registered_texts() -> BytesAhoCorasick:
    # Of the matchers that Python has, this one alone searches for thirty texts at once at the
    # speed of memory (the Teddy algorithm, for which the match kind must be leftmost).
    texts = {message.text.encode() for message in MESSAGES}
    return BytesAhoCorasick(sorted(texts), matchkind=MatchKind.LeftmostLongest)


class Scanner:
    """Reads one stream; iterate over it once.

    Attributes:
        lines: Lines read so far.
        bytes: Bytes read so far (after decompression).
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.lines = 0
        self.bytes = 0

    def __iter__(self) -> Iterator[Record]:
        rest = b""
        try:
            # read1 hands out what it has before it fails at damaged data; read would lose that.
            while block := self._stream.read1(BLOCK_BYTES):
                self.bytes += len(block)
                data = rest + block if rest else block
                end = _record_boundary(data)
                yield from self._records(data, end)
                rest = data[end:]
        except Exception:
            yield from self._last(rest)
            raise
        yield from self._last(rest)

    def _last(self, rest: bytes) -> Iterator[Record]:
        yield from self._records(rest, len(rest))
        self.lines += rest != b"" and not rest.endswith(b"\n")

    def _records(self, data: bytes, end: int) -> Iterator[Record]:
        if not end:
            return
        counted = done = 0
        for _, hit, _ in _registered_texts().find_matches_as_indexes(data):
            if hit < done:
                continue
            if hit >= end:
                break
            start = data.rfind(b"\n", 0, hit) + 1
            done = _end_of_record(data, start, hit, end)
            self.lines += data.count(b"\n", counted, start)
            counted = start
            yield Record(self.lines + 1, data[start:done].rstrip(b"\r\n"))
        self.lines += data.count(b"\n", counted, end)


def _record_boundary(data: bytes) -> int:
    """Where the last record that is surely complete ends; 0 if none is, and more must be read.

    The line after the last line end may continue the record, if it is indented or not yet read.
    """
    last = end = data.rfind(b"\n")
    for _ in range(CONTINUATION_LINES):
        if end < 0:
            break
        if end + 1 < len(data) and data[end + 1] not in _INDENT:
            return end + 1
        end = data.rfind(b"\n", 0, end)
    if len(data) >= LINE_LIMIT_BYTES:
        return last + 1 or len(data)
    return last + 1 if end >= 0 else 0


def _end_of_record(data: bytes, start: int, hit: int, end: int) -> int:
    line_end = data.find(b"\n", hit, end)
    if data[start] in _INDENT:
        return end if line_end < 0 else line_end + 1
    for _ in range(CONTINUATION_LINES):
        if line_end < 0:
            return end
        if line_end + 1 >= end or data[line_end + 1] not in _INDENT:
            break
        line_end = data.find(b"\n", line_end + 1, end)
    return end if line_end < 0 else line_end + 1
