"""Mutations that keep to the structure of texts: words, brackets and lines are exchanged.

Coverage tells atheris which bytes matter; what a number, a time or a tag may be is known here. The
same mutations serve the tests that hypothesis drives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

_WORD = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\s"\[\]{},:]+|[\[\]{},:]')

ODD = (
    *(b"null", b"true", b"0", b"-1", b"1e999", b"-1e999", b"1e308", b"NaN", b"Infinity", b"0x1f"),
    *(b"9" * 30, b"9" * 5_000, b"-0.0", b"1_000", b"0o8", b"1:60:99", b".inf", b"\xd9\xa3"),
    *(b'""', b'"\\ud800"', b'"\\u0000"', b'"\xc3\xa9"', b'"=="', b'"\\u2028\\u001b[2J"'),
    *(b"[]", b"{}", b"[[]]", b'{"":{}}', b"[null]", b'{"a":1,"a":2}'),
    *(b"2026-13-45", b"2026-02-30T25:61:61", b"0001-01-01T00:00:00+23:59", b"2026-11-24"),
    *(b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59-23:59"', b'"2026-11-24T00:00:00"'),
    *(b"!!python/object/apply:os.system [id]", b"!!binary xx", b"!!timestamp x", b"!!int x"),
    *(b"!!float x", b"!!bool x", b"!!null x", b"!!set {a}", b"!!omap [a]", b"!!pairs [a]", b"!<x>"),
    *(b"&a [*a]", b"&a {k: *a}", b"*a", b"<<: *a", b"<<: [1]", b"? [a]\n: b", b"--- x", b"%YAML 9"),
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\xe2\x80\xa8", b"\x85", b"\x1b]0;x\x07"),
)
"""Words that readers have been known to stumble over."""

_DEEP = (30, 300, 3_000, 100_000)

Mutation = Callable[[bytes, Sequence[bytes], Random], bytes]


def mutated(content: bytes, seeds: Sequence[bytes], random: Random, *, limit: int) -> bytes:
    """Content after one to four mutations.

    Args:
        content: What to begin with.
        seeds: Others, from which parts are taken.
        random: Where choices come from.
        limit: Bytes at most.
    """
    for _ in range(random.randint(1, 4)):
        content = random.choice(_MUTATIONS)(content, seeds, random)[:limit]
    return content


def _exchange(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, end = _word(content, random)
    return content[:start] + random.choice(ODD) + content[end:]


def _insert(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, _ = _word(content, random)
    return content[:start] + random.choice(ODD) + content[start:]


def _nest(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, end = _word(content, random)
    before, after = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"- ", b""), (b"(", b")")))
    depth = random.choice(_DEEP)
    inside = content[start:end] or b"0"
    return content[:start] + before * depth + inside + after * depth + content[end:]


def _leave_out(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random)
    return content[:start] + content[end:]


def _repeat(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    start, end = _span(content, random)
    return content[:end] + content[start:end] * random.choice((1, 2, 50)) + content[end:]


def _move(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    one, other = sorted((_word(content, random), _word(content, random)))
    if one[1] > other[0]:
        return content
    swapped = content[slice(*other)] + content[one[1] : other[0]] + content[slice(*one)]
    return content[: one[0]] + swapped + content[other[1] :]


def _splice(content: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(seeds) if seeds else b""
    start, end = _span(content, random)
    return content[:start] + other[slice(*_span(other, random))] + content[end:]


def _flip(content: bytes, _seeds: Sequence[bytes], random: Random) -> bytes:
    if not content:
        return random.randbytes(8)
    at = random.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :]


_MUTATIONS: tuple[Mutation, ...] = (
    *(_exchange, _exchange, _insert, _nest, _leave_out, _repeat, _move, _splice, _flip),
)


def _word(content: bytes, random: Random) -> tuple[int, int]:
    """Beginning and end of a word, looked for from a random place on."""
    found = _WORD.search(content, random.randint(0, len(content)))
    return found.span() if found else (len(content), len(content))


def _span(content: bytes, random: Random) -> tuple[int, int]:
    start, end = sorted(random.randint(0, len(content)) for _ in range(2))
    return start, min(end, start + 200)
