from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.logs.messages import MESSAGES
from stigmer_ops.logs.scan import BLOCK_BYTES, LINE_LIMIT_BYTES, Record, Scanner

WORDS = b"Completing external activity"


class Slow(io.BytesIO):
    """A stream that hands out a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self.step = step

    def read1(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002 - the protocol has it
        return super().read1(self.step)


def records(data: bytes) -> tuple[list[Record], Scanner]:
    scanner = Scanner(io.BytesIO(data))
    return list(scanner), scanner


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.id)
def test_every_registered_text_is_found(message: object) -> None:
    text = message.text.encode()  # type: ignore[attr-defined]

    found, _ = records(b"one\ntwo " + text + b" three\nfour\n")

    assert found == [Record(2, b"two " + text + b" three")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_line_ends_of_all_systems_and_none_at_the_end(end: bytes) -> None:
    found, scanner = records(b"a\r\n" + WORDS + end)

    assert found == [Record(2, WORDS)]
    assert scanner.lines == 2
    assert scanner.bytes == 3 + len(WORDS) + len(end)


def test_an_empty_file_has_no_lines() -> None:
    found, scanner = records(b"")

    assert found == []
    assert scanner.lines == 0


def test_two_messages_in_one_line_are_one_record() -> None:
    found, _ = records(WORDS + b" then " + WORDS + b"\n")

    assert [record.line for record in found] == [1]


def test_indented_lines_below_belong_to_the_record() -> None:
    fields = b"INFO " + WORDS + b"\n    execution_id=a\n\tat com.example\nnext\n"

    found, scanner = records(fields)

    assert found == [Record(1, b"INFO " + WORDS + b"\n    execution_id=a\n\tat com.example")]
    assert scanner.lines == 4


def test_an_indented_record_does_not_swallow_the_next_one() -> None:
    found, _ = records(b"  " + WORDS + b"\n  " + WORDS + b"\n")

    assert [record.line for record in found] == [1, 2]


def lines_with_hits() -> st.SearchStrategy[list[bytes]]:
    line = st.sampled_from([b"", b"x", b"noise of no interest", b"head " + WORDS, WORDS + b" tail"])
    return st.lists(line, max_size=30)


@given(lines_with_hits(), st.integers(min_value=1, max_value=80))
def test_what_is_found_does_not_depend_on_how_the_bytes_arrive(
    lines: list[bytes], step: int
) -> None:
    expected = [Record(n, line) for n, line in enumerate(lines, 1) if WORDS in line]

    scanner = Scanner(Slow(b"".join(line + b"\n" for line in lines), step))

    assert list(scanner) == expected
    assert scanner.lines == len(lines)


@given(st.binary(max_size=400), st.integers(min_value=1, max_value=50))
def test_any_bytes_are_counted_and_survived(data: bytes, step: int) -> None:
    scanner = Scanner(Slow(data, step))

    for record in scanner:
        assert record.line <= scanner.lines + 1
    assert scanner.bytes == len(data)
    assert scanner.lines == data.count(b"\n") + (data != b"" and not data.endswith(b"\n"))


def test_a_line_of_a_megabyte_is_read_whole() -> None:
    long = b"{" + b"y" * 1024 * 1024 + WORDS + b"z" * 1024 * 1024 + b"}"

    found, scanner = records(b"first\n" + long + b"\nlast " + WORDS + b"\n")

    assert [record.line for record in found] == [2, 3]
    assert found[0].content == long
    assert scanner.lines == 3


def test_a_line_without_end_is_read_in_pieces_and_keeps_its_number() -> None:
    endless = b"y" * (2 * LINE_LIMIT_BYTES) + WORDS + b"\n"

    found, scanner = records(endless + WORDS + b"\n")

    assert [record.line for record in found] == [1, 2]
    assert max(len(record.content) for record in found) <= LINE_LIMIT_BYTES + BLOCK_BYTES
    assert scanner.lines == 2


def test_a_file_of_indented_lines_only_does_not_pile_up() -> None:
    data = b" indented\n" * 200_000

    found, scanner = records(data)

    assert found == []
    assert scanner.lines == 200_000


class Endless:
    """A log that goes on for `blocks` blocks, made as it is read."""

    def __init__(self, blocks: int) -> None:
        self._blocks = iter(range(blocks))
        lines = BLOCK_BYTES // 64
        self._block = (b"2026-01-22T10:11:12Z INF nothing of interest".ljust(63) + b"\n") * lines

    def read1(self, size: int = -1, /) -> bytes:  # noqa: ARG002 - the protocol has it
        return self._block if next(self._blocks, None) is not None else b""


def peak_of(blocks: int) -> int:
    tracemalloc.start()
    try:
        scanner = Scanner(Endless(blocks))
        assert list(scanner) == []
        assert scanner.bytes == blocks * BLOCK_BYTES
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file() -> None:
    peak_of(1)  # what is imported and cached at first use

    assert peak_of(100) < 1.2 * peak_of(5)


def test_reading_stops_where_the_stream_breaks_and_keeps_what_came_before() -> None:
    class Broken:
        def __init__(self) -> None:
            self.parts: Iterator[bytes] = iter([WORDS + b"\nnext\n"])

        def read1(self, size: int = -1, /) -> bytes:  # noqa: ARG002 - the protocol has it
            for part in self.parts:
                return part
            raise EOFError("cut off")

    scanner = Scanner(Broken())
    reading = iter(scanner)

    assert next(reading) == Record(1, WORDS)
    with pytest.raises(EOFError):
        next(reading)
    assert scanner.lines == 2
