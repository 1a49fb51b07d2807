"""A reader of foreign content, and what it may do with it: read it, or say what is wrong."""

from __future__ import annotations

import atexit
import base64
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stigmer_ops.errors import StigmerOpsError
from support.http_answers import answering
from support.log_lines import token
from support.task_tokens import ALL

_QUOTED = 48
"""Characters of a token in a row that are no accident: names are quoted up to 40."""
_PUBLIC_BYTES = 51
"""Bytes at a token's beginning that are no secret: the namespace's UUID, and a workflow id."""


@dataclass(frozen=True)
class Target:
    """Something that reads what others wrote.

    Attributes:
        name: In kebab case; also that of its corpus.
        read: Reads the content to its end.
        seeds: Content that it reads without an error, or nearly.
        refuses: What it may raise, of whatever content.
        asks: Whether it needs a socket on the loopback interface, which unit tests lack.
    """

    name: str
    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    refuses: tuple[type[Exception], ...] = (StigmerOpsError,)
    asks: bool = False


def attempt(target: Target, content: bytes) -> Exception | None:
    """Have content read; returns what was raised, and must not quote a token.

    Raises:
        AssertionError: A message holds a part of a token.
        Exception: Whatever the target may not raise.
    """
    try:
        target.read(content)
    except target.refuses as error:
        for told in messages(error):
            assert not _quotes_a_token(told), f"a token is in: {told}"
        return error
    return None


def from_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of content from a reader of files; the folder is the same for all of a process."""

    def reader(content: bytes) -> object:
        path = _folder() / name
        path.write_bytes(content)
        return read(path)

    return reader


def from_answer(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """A reader of content from one that asks a URL, and is given the content in each answer."""

    def reader(content: bytes) -> object:
        with answering(headers={"Content-Type": "application/json"}, body=content) as (url, _):
            return read(url)

    return reader


@cache
def _folder() -> Path:
    memory = Path("/dev/shm")  # a file in memory is written in no time
    folder = tempfile.mkdtemp(dir=memory if memory.is_dir() else None)
    atexit.register(shutil.rmtree, folder)
    return Path(folder)


def messages(error: BaseException | None) -> Iterator[str]:
    """Everything that a person may see of an error, in a traceback too."""
    while error is not None:
        yield str(error)
        if isinstance(error, StigmerOpsError):
            yield from (error.not_done, error.advice)
        hidden = error.__suppress_context__ and error.__cause__ is None
        error = None if hidden else error.__cause__ or error.__context__


def _windows() -> Iterator[str]:
    for secret in (*ALL, token()):
        tail = secret[_PUBLIC_BYTES:]
        texts = (tail.hex(), *(base64.b64encode(tail[cut:]).decode() for cut in range(3)))
        for text in texts:
            yield from (text[at : at + _QUOTED] for at in range(len(text) - _QUOTED + 1))


_WINDOWS = frozenset(_windows())


def _quotes_a_token(text: str) -> bool:
    return any(text[at : at + _QUOTED] in _WINDOWS for at in range(len(text) - _QUOTED + 1))
