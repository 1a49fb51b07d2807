from __future__ import annotations

import errno
import fcntl
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from stigmer_ops.audit import (
    AuditTrail,
    Entry,
    Fingerprint,
    OutcomeNotRecordedError,
    Parameters,
    Reason,
    verify,
)
from stigmer_ops.audit.line import decode
from stigmer_ops.errors import AuditError, ExitCode, StigmerOpsError
from support.audit import intent, records, trail_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit.jsonl"


@pytest.fixture
def plain_directory() -> Iterator[Path]:
    """A directory in which file permissions hold, also when the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if os.geteuid() != 0:
            yield directory
            return
        os.chown(directory, 65534, 65534)
        os.seteuid(65534)
        try:
            yield directory
        finally:
            os.seteuid(0)


@contextmanager
def file_size_limited_to(size_bytes: int) -> Iterator[None]:
    """A disk that is full after `size_bytes`: write(2) stops there, then fails with EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# Several writers


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from stigmer_ops.audit import AuditTrail, Entry, Intent
path, operator, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
trail = AuditTrail(path, now=lambda: datetime.now(UTC))
for n in range(count):
    texts = dict.fromkeys(("command", "host", "identity", "namespace", "server_address"), "x" * 500)
    trail.append(Entry.opening(Intent(operator=operator, reason=str(n), **texts)))
    print(n, flush=True)
"""


def writer(path: Path, operator: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(path), operator, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_processes_that_append_at_once_make_one_chain(path: Path) -> None:
    writers = [writer(path, f"operator-{n}", 50) for n in range(8)]
    for process in writers:
        process.communicate()

    report = verify(path)
    assert [process.returncode for process in writers] == [0] * 8
    assert (report.broken, report.records, report.sealed) == (None, 8 * 50, 0)
    for n in range(8):
        mine = [r.intent.reason for r in records(path) if r.intent.operator == f"operator-{n}"]
        assert mine == [str(count) for count in range(50)]


def test_threads_that_append_at_once_make_one_chain(path: Path) -> None:
    trail = trail_at(path)
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(trail.append, [Entry.opening(intent()) for _ in range(100)]))

    assert sorted(r.sequence for r in written) == list(range(1, 101))
    assert (verify(path).broken, verify(path).records) == (None, 100)


def test_writer_that_is_killed_loses_no_record_that_it_was_told_is_written(path: Path) -> None:
    acknowledged = 0
    for n in range(4):
        process = writer(path, f"operator-{n}", 100_000)
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(20 + 7 * n)]
        process.kill()
        heard += process.communicate()[0].splitlines()
        acknowledged += len(heard)

    trail_at(path).append(Entry.opening(intent()))
    report = verify(path)
    assert report.broken is None
    # Each kill may also have hit between a record and its acknowledgement.
    assert acknowledged <= report.records - 1 <= acknowledged + 4


def test_lock_held_by_another_is_waited_for_and_then_reported(path: Path) -> None:
    trail = trail_at(path, lock_timeout=timedelta(milliseconds=50))
    trail.append(Entry.opening(intent()))
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(AuditError, match=r"held its lock for 0\.05 s") as caught:
            trail.append(Entry.opening(intent()))
    assert "fuser" in caught.value.next_step
    assert trail.append(Entry.opening(intent())).sequence == 2


# Interrupted writes


def test_write_torn_at_every_byte_is_sealed_and_loses_no_other_record(path: Path) -> None:
    trail = trail_at(path)
    lean = intent(reason="", target=None, parameters=Parameters())
    trail.append_many([Entry.opening(lean) for _ in range(3)])
    content = path.read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for cut in range(last + 1, len(content) - 1):
        path.write_bytes(content[:cut])
        torn = verify(path)
        assert torn.broken is not None
        assert (torn.broken.line, torn.broken.reason) == (3, Reason.TORN)

        written = trail.append(Entry.opening(lean))
        assert written.sequence == 3
        assert written.torn == Fingerprint.of(content[last:cut])
        sealed = verify(path)
        assert (sealed.broken, sealed.records, sealed.sealed) == (None, 3, 1)
        lines = path.read_bytes().splitlines()
        assert lines[:2] == content.splitlines()[:2]
        assert decode(lines[3]) == written


def test_record_that_lacks_only_its_newline_counts(path: Path) -> None:
    trail = trail_at(path)
    trail.append_many([Entry.opening(intent()) for _ in range(2)])
    path.write_bytes(path.read_bytes()[:-1])

    assert verify(path).intact
    assert verify(path).records == 2
    assert trail.append(Entry.opening(intent())).sequence == 3
    assert verify(path).intact


@pytest.mark.parametrize("cut", [1, 2, 30, 200, -1])
def test_seal_that_is_torn_itself_is_sealed(path: Path, cut: int) -> None:
    trail = trail_at(path)
    trail.append(Entry.opening(intent()))
    with path.open("ab") as stream:
        stream.write(b'{"schema_ver')
    before = path.stat().st_size
    trail.append(Entry.opening(intent()))
    content = path.read_bytes()
    path.write_bytes(content[: before + cut] if cut > 0 else content[:cut])

    sequence = trail.append(Entry.opening(intent())).sequence
    report = verify(path)
    assert (report.broken, report.records, report.sealed) == (None, sequence, 1)
    assert sequence == (2 if cut > 0 else 3)


@pytest.mark.parametrize("size", [1, 300, 5_000, 100_000])
def test_gap_of_zeros_after_power_loss_is_sealed(path: Path, size: int) -> None:
    trail = trail_at(path)
    trail.append(Entry.opening(intent()))
    with path.open("ab") as stream:
        stream.write(b"\0" * size)

    assert trail.append(Entry.opening(intent())).sequence == 2
    assert verify(path).intact


def test_first_record_of_all_torn_is_sealed(path: Path) -> None:
    trail = trail_at(path)
    trail.append(Entry.opening(intent()))
    path.write_bytes(path.read_bytes()[:40])

    assert trail.append(Entry.opening(intent())).sequence == 1
    assert (verify(path).records, verify(path).sealed, verify(path).intact) == (1, 1, True)


# What cannot be written


def _refused(trail: AuditTrail) -> StigmerOpsError:
    with pytest.raises(AuditError) as caught, trail.operation(intent()):
        pytest.fail("the call was made")
    assert caught.value.not_done == "nothing was sent to Temporal"
    assert caught.value.exit_code is ExitCode.REFUSED
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize("room", [0, 1, 100, 600])
def test_full_disk_refuses_the_operation_and_leaves_the_file_as_it_was(
    path: Path, room: int
) -> None:
    trail = trail_at(path)
    trail.append(Entry.opening(intent()))
    before = path.read_bytes()
    with file_size_limited_to(len(before) + room):
        error = _refused(trail)

    assert os.strerror(errno.EFBIG) in error.happened
    assert "free some space" in error.next_step
    assert path.read_bytes() == before
    assert trail.append(Entry.opening(intent())).sequence == 2


def test_disk_that_fills_between_intent_and_outcome_says_that_the_call_was_made(
    path: Path,
) -> None:
    with (
        pytest.raises(OutcomeNotRecordedError) as caught,
        trail_at(path).operation(intent()) as operation,
        file_size_limited_to(path.stat().st_size),
    ):
        operation.done(proof_event_id=3)

    assert caught.value.exit_code is ExitCode.PARTIAL
    assert "the call to Temporal was made" in caught.value.not_done
    assert str(operation.operation_id) in caught.value.not_done
    (left,) = verify(path).unfinished
    assert left.operation_id == operation.operation_id


def test_disk_that_fails_to_sync_refuses_the_operation_and_takes_the_record_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = trail_at(path)
    trail.append(Entry.opening(intent()))
    before = path.read_bytes()

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        error = _refused(trail)
    assert os.strerror(errno.EIO) in error.happened
    assert path.read_bytes() == before


def test_bulk_that_does_not_fit_writes_none_of_it(path: Path) -> None:
    trail = trail_at(path)
    with file_size_limited_to(10_000), pytest.raises(AuditError):
        trail.append_many([Entry.opening(intent()) for _ in range(100)])
    assert path.read_bytes() == b""


def test_unwritable_directory_refuses_the_operation(plain_directory: Path) -> None:
    plain_directory.chmod(0o500)
    error = _refused(trail_at(plain_directory / "audit.jsonl"))
    assert os.strerror(errno.EACCES) in error.happened
    assert f"ls -ld {plain_directory}" in error.next_step


def test_read_only_file_refuses_the_operation(plain_directory: Path) -> None:
    path = plain_directory / "audit.jsonl"
    trail_at(path).append(Entry.opening(intent()))
    path.chmod(0o400)
    assert os.strerror(errno.EACCES) in _refused(trail_at(path)).happened
    assert verify(path).intact


def test_file_where_the_directory_should_be_refuses_the_operation(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    _refused(trail_at(tmp_path / "state" / "audit.jsonl"))


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_device_is_refused(device: str) -> None:
    assert "not a regular file" in _refused(trail_at(Path(device))).happened


def test_pipe_is_refused_without_waiting_for_a_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in _refused(trail_at(tmp_path / "pipe")).happened


@pytest.mark.parametrize("content", ["root:x:0:0:root:/root:/bin/bash\n", '{"a": 1}\n', "x" * 3000])
def test_file_of_another_kind_is_refused_and_left_alone(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    assert "not one that stigmer-ops wrote" in _refused(trail_at(path)).happened
    assert path.read_text() == content


def test_trail_of_a_later_version_is_refused(path: Path) -> None:
    trail_at(path).append(Entry.opening(intent()))
    path.write_bytes(path.read_bytes().replace(b'"schema_version":1', b'"schema_version":2'))
    assert "later version" in _refused(trail_at(path)).happened
