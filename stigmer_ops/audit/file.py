"""The trail's file: opening it, locking it, finding its last record, adding to its end.

Functions here raise OSError as the system does; what that means for an operation is the caller's
to say.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from stigmer_ops.audit.line import Defect, decode, digest
from stigmer_ops.audit.record import GENESIS, AuditRecord, Fingerprint

TAIL_LIMIT = 1024 * 1024
"""Bytes at the end of the file in which the last record must lie; also the longest line read."""

_FIRST_WINDOW = 8 * 1024
_LOCK_POLL = timedelta(milliseconds=2)


class TailError(Exception):
    """The end of the file is not what this program writes, so nothing may be chained to it."""

    def __init__(self, defect: Defect) -> None:
        super().__init__(defect)
        self.defect = defect


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What the next record follows.

    Attributes:
        sequence: The last record's sequence number, 0 in an empty trail.
        digest: SHA-256 of the last record's line.
        torn: Stands for what an interrupted write left after the last record.
        ended: Whether the file's last byte is a newline (true of an empty file).
    """

    sequence: int = 0
    digest: str = GENESIS
    torn: Fingerprint | None = None
    ended: bool = True


def is_missing(path: Path) -> bool:
    """Whether nothing was ever written there; one that nobody may look at is not missing."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


@contextlib.contextmanager
def open_locked(path: Path, *, timeout: timedelta) -> Iterator[int]:
    """Open the file for appending, made if it is missing, and hold its exclusive lock.

    The lock (`flock(2)`) belongs to the open file, so it keeps threads apart as well as processes,
    and the system gives it back when the process dies.

    Args:
        path: The file. It is made with mode 0600, its directory with 0700.
        timeout: How long to wait for other writers.

    Yields:
        A file descriptor.

    Raises:
        OSError: It cannot be opened or locked, or is not a regular file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        lock(descriptor, fcntl.LOCK_EX, timeout=timeout)
        yield descriptor
    finally:
        os.close(descriptor)


def lock(descriptor: int, kind: int, *, timeout: timedelta) -> None:
    """Take a lock on an open file.

    Raises:
        TimeoutError: Another process held it all the while.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                waited = f"{timeout.total_seconds():g} s"
                raise TimeoutError(f"another process has held its lock for {waited}") from None
            time.sleep(_LOCK_POLL.total_seconds())
        else:
            return


def read_tail(descriptor: int) -> Tail:
    """Find the last record, reading from the end only.

    Raises:
        TailError: The last line is neither a record nor the remains of an interrupted write.
    """
    size = os.fstat(descriptor).st_size
    window = _FIRST_WINDOW
    while True:
        start = max(0, size - window)
        tail = _last_record(os.pread(descriptor, size - start, start), whole=start == 0)
        if tail is not None:
            return tail
        if window >= TAIL_LIMIT:
            raise TailError(Defect.EDITED)
        window *= 2


def append_durably(descriptor: int, content: bytes, *, directory: Path) -> None:
    """Add bytes to the end of the file and wait until they are on disk; all of them, or none.

    Raises:
        OSError: They could not be written. The file is as it was before, unless the system refused
            that as well; then it ends in a torn line, which the next append seals.
    """
    size = os.fstat(descriptor).st_size
    try:
        written = 0
        while written < len(content):
            written += os.write(descriptor, memoryview(content)[written:])
        os.fsync(descriptor)
        if size == 0:
            _sync_directory(directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _last_record(content: bytes, *, whole: bool) -> Tail | None:
    """Return the tail, or None when the last record begins before `content` does."""
    if not content:
        return Tail()
    ended = content.endswith(b"\n")
    lines = (content[:-1] if ended else content).split(b"\n")
    first = 0 if whole else 1
    for index in range(len(lines) - 1, first - 1, -1):
        entry = decode(lines[index])
        if isinstance(entry, AuditRecord):
            return Tail(
                sequence=entry.sequence,
                digest=digest(lines[index]),
                torn=_remains(lines[index + 1 :]),
                ended=ended,
            )
        if entry is not Defect.TORN:
            raise TailError(entry)
    return Tail(torn=_remains(lines), ended=ended) if whole else None


def _remains(lines: list[bytes]) -> Fingerprint | None:
    return Fingerprint.of(b"\n".join(lines)) if lines else None


def _sync_directory(directory: Path) -> None:
    # fsync of a new file does not make its name durable: fsync(2), the third paragraph.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
