from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stigmer_ops.audit import (
    GENESIS,
    AuditRecord,
    AuditTrail,
    Entry,
    Intent,
    Outcome,
    Reason,
    Result,
    verify,
)
from stigmer_ops.audit.line import decode, encode
from stigmer_ops.errors import InputError

NOW = datetime(2026, 11, 24, 3, 12, 9, tzinfo=UTC)
INTENT = Intent(
    command="activity fail",
    operator="alice",
    host="bastion-1",
    identity="stigmer-ops:alice@bastion-1 INC-7",
    reason="INC-7",
    namespace="orders",
    server_address="127.0.0.1:7233",
)
SIZE = 8


def write_trail(path: Path, count: int = SIZE) -> list[bytes]:
    """Write `count` records and return their lines."""
    trail = AuditTrail(path, now=lambda: NOW)
    trail.append_many(
        [Entry.opening(replace(INTENT, reason=f"INC-{n}")) for n in range(1, count + 1)]
    )
    return path.read_bytes().splitlines()


def verdict(path: Path, lines: list[bytes]) -> tuple[int, Reason] | None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    broken = verify(path).broken
    return None if broken is None else (broken.line, broken.reason)


def forged(line: bytes, **changes: object) -> bytes:
    """`line` with changes, by somebody who knows the format."""
    record = decode(line)
    assert isinstance(record, AuditRecord)
    return encode(replace(record, **changes))  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def lines(path: Path) -> list[bytes]:
    return write_trail(path)


def test_untouched_trail_is_intact_and_tells_its_head(path: Path, lines: list[bytes]) -> None:
    report = verify(path)
    assert report.intact
    assert report.records == SIZE
    assert report.head == hashlib.sha256(lines[-1]).hexdigest()


def test_empty_trail_is_intact(path: Path) -> None:
    path.touch()
    assert verify(path).intact
    assert verify(path).head == GENESIS


def test_missing_trail_is_an_input_error(path: Path) -> None:
    with pytest.raises(InputError, match="no audit trail"):
        verify(path)


def test_what_is_no_regular_file_is_an_input_error(path: Path) -> None:
    os.mkfifo(path)
    for other in (path, path.parent, Path("/dev/null")):
        with pytest.raises(InputError, match="not a regular file"):
            verify(other)


def test_writer_that_is_under_way_is_waited_for(path: Path, lines: list[bytes]) -> None:
    with path.open("ab") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        writer.write(lines[0][:50])
        writer.flush()
        with ThreadPoolExecutor(1) as pool:
            report = pool.submit(verify, path)
            with pytest.raises(TimeoutError):
                report.result(timeout=0.1)
            os.ftruncate(writer.fileno(), sum(len(line) + 1 for line in lines))
            fcntl.flock(writer, fcntl.LOCK_UN)
            assert report.result().intact


@pytest.mark.parametrize("index", range(SIZE))
def test_changed_word_is_edited_on_its_own_line(path: Path, lines: list[bytes], index: int) -> None:
    lines[index] = lines[index].replace(b"alice", b"mallo")
    assert verdict(path, lines) == (index + 1, Reason.EDITED)


@pytest.mark.parametrize("index", range(SIZE - 1))
def test_forged_line_with_a_right_checksum_is_edited(
    path: Path, lines: list[bytes], index: int
) -> None:
    lines[index] = forged(lines[index], intent=replace(INTENT, operator="mallory"))
    assert verdict(path, lines) == (index + 1, Reason.EDITED)


def test_forged_last_line_with_a_right_checksum_needs_the_noted_head(
    path: Path, lines: list[bytes]
) -> None:
    head = verify(path).head
    lines[-1] = forged(lines[-1], intent=replace(INTENT, operator="mallory"))
    assert verdict(path, lines) is None
    broken = verify(path, expect=head).broken
    assert broken is not None
    assert broken.reason is Reason.HEAD_MISSING


@pytest.mark.parametrize("index", range(SIZE - 1))
def test_line_taken_out_is_removed(path: Path, lines: list[bytes], index: int) -> None:
    del lines[index]
    assert verdict(path, lines) == (index + 1, Reason.REMOVED)


def test_beginning_cut_off_is_removed(path: Path, lines: list[bytes]) -> None:
    assert verdict(path, lines[3:]) == (1, Reason.REMOVED)


@pytest.mark.parametrize("index", range(1, SIZE))
def test_line_put_in_is_inserted(path: Path, lines: list[bytes], index: int) -> None:
    lines.insert(index, lines[index - 1])
    assert verdict(path, lines) == (index + 1, Reason.INSERTED)


def test_forged_line_put_in_is_found_where_the_numbers_repeat(
    path: Path, lines: list[bytes]
) -> None:
    lines.insert(4, forged(lines[4], intent=replace(INTENT, reason="forged")))
    assert verdict(path, lines) == (6, Reason.INSERTED)


@pytest.mark.parametrize(("from_", "to"), [(1, 2), (0, 5), (6, 2), (0, 7)])
def test_line_moved_is_reordered(path: Path, lines: list[bytes], from_: int, to: int) -> None:
    lines.insert(to, lines.pop(from_))
    assert verdict(path, lines) == (min(from_, to) + 1, Reason.REORDERED)


@pytest.mark.parametrize("text", [b"", b"# a note", b"{}", b'{"schema_version":1}', b"\0"])
@pytest.mark.parametrize("index", [0, 4])
def test_line_of_another_kind_is_edited(
    path: Path, lines: list[bytes], text: bytes, index: int
) -> None:
    lines.insert(index, text)
    assert verdict(path, lines) == (index + 1, Reason.EDITED)


def test_line_of_a_later_version_is_unknown_and_not_called_tampering(
    path: Path, lines: list[bytes]
) -> None:
    lines.append(lines[-1].replace(b'"schema_version":1', b'"schema_version":2'))
    assert verdict(path, lines) == (SIZE + 1, Reason.UNKNOWN_SCHEMA)


def test_line_of_an_earlier_version_is_read_as_it_was_written(
    path: Path, lines: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stigmer_ops.audit.line.SCHEMA_VERSION", 2)
    assert verdict(path, lines) is None


@pytest.mark.parametrize("version", [b"true", b"0", b'"1"', b"1.0"])
def test_line_of_an_odd_version_is_edited(path: Path, lines: list[bytes], version: bytes) -> None:
    lines.append(lines[-1].replace(b'"schema_version":1', b'"schema_version":' + version))
    assert verdict(path, lines) == (SIZE + 1, Reason.EDITED)


def test_remains_of_a_torn_write_that_were_changed_or_removed_are_found(
    path: Path, lines: list[bytes]
) -> None:
    with path.open("ab") as stream:
        stream.write(lines[0][:100])
    AuditTrail(path, now=lambda: NOW).append(Entry.opening(INTENT))
    torn = path.read_bytes().splitlines()

    assert verdict(path, torn) is None
    assert verdict(path, [*torn[:SIZE], torn[SIZE][:90], *torn[SIZE + 1 :]]) == (
        SIZE + 1,
        Reason.EDITED,
    )
    assert verdict(path, [*torn[:SIZE], *torn[SIZE + 1 :]]) == (SIZE + 1, Reason.REMOVED)


def test_end_cut_off_is_seen_only_with_the_noted_head(path: Path, lines: list[bytes]) -> None:
    head = verify(path).head
    assert verdict(path, lines[:-2]) is None
    report = verify(path, expect=head)
    assert report.broken is not None
    assert (report.broken.line, report.broken.reason) == (SIZE - 2, Reason.HEAD_MISSING)


def test_noted_head_holds_after_the_trail_has_grown(path: Path, lines: list[bytes]) -> None:
    head = verify(path).head
    AuditTrail(path, now=lambda: NOW).append(Entry.opening(INTENT))
    assert verify(path).head != head
    assert verify(path, expect=head.upper()).intact
    assert verify(path, expect=GENESIS).intact
    assert len(lines) == SIZE


def test_unfinished_operations_are_told_apart(path: Path) -> None:
    trail = AuditTrail(path, now=lambda: NOW)
    first, second = (Entry.opening(replace(INTENT, reason=r)) for r in ("first", "second"))
    trail.append_many([first, second])
    trail.append(first.closing(Outcome(result=Result.DONE, proof_event_id=8)))

    report = verify(path)
    assert [r.intent.reason for r in report.unfinished] == ["second"]
    assert report.outcomes == {Result.DONE: 1}
    assert report.intact


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_bytes_anywhere_are_found(path: Path, data: st.DataObject) -> None:
    original = path.read_bytes() if path.exists() else b"\n".join(write_trail(path)) + b"\n"
    start = data.draw(st.integers(0, len(original) - 2), label="start")
    # Cutting whole lines off the end is what only a noted head can show.
    length = data.draw(st.integers(0, min(2000, len(original) - 2 - start)), label="length")
    new = data.draw(st.binary(max_size=40), label="new")
    changed = original[:start] + new + original[start + length :]
    path.write_bytes(changed)
    try:
        assert verify(path).intact == (changed == original)
    finally:
        path.write_bytes(original)


MEMORY_PROBE = """
import re, sys
from pathlib import Path
from stigmer_ops.audit import verify
report = verify(Path(sys.argv[1]))
print(report.records, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_memory_does_not_grow_with_the_trail(path: Path) -> None:
    long = replace(INTENT, reason="x" * 8_000)
    trail = AuditTrail(path, now=lambda: NOW)
    peaks = []
    for count in (100, 1_000):
        opened = [Entry.opening(long) for _ in range(count)]
        done = Outcome(result=Result.DONE)
        trail.append_many(record for e in opened for record in (e, e.closing(done)))
        probe = [sys.executable, "-c", MEMORY_PROBE, str(path)]
        answer = subprocess.run(probe, capture_output=True, check=True, text=True).stdout
        peaks.append([int(word) for word in answer.split()])
    (small, small_kib), (large, large_kib) = peaks
    assert (small, large) == (200, 2_200)
    assert path.stat().st_size > 16 * 1024**2
    assert large_kib - small_kib < 2 * 1024


def test_line_without_end_is_read_in_pieces(path: Path, lines: list[bytes]) -> None:
    with path.open("ab") as stream:
        stream.write(b"x" * 5_000_000)
    broken = verify(path).broken
    assert broken is not None
    assert (broken.line, broken.reason) == (SIZE + 1, Reason.EDITED)
    assert len(lines) == SIZE
