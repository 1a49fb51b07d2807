"""The wrappings in which a token travels, one function each: what was peeled off, and the inside.

A function yields nothing when the data does not have its form. It never decides whether the inside
is a token: hexadecimal text is also valid base64, so `forms` tries each and sees.
"""

from __future__ import annotations

import binascii
import codecs
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

TOKEN_KEYS = (
    "callbackToken",
    "callback_token",
    "CallbackToken",
    "taskToken",
    "task_token",
    "token",
)

_KEY = "|".join((*TOKEN_KEYS, "tokenPreview", "token_preview"))
_WHITESPACE = re.compile(rb"\s+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_HEX_NOISE = re.compile(rb"0[xX]|[\s:,-]+")
_HEX = re.compile(rb"[0-9A-Fa-f]+")
_DECIMAL_LIST = re.compile(r"\[?\s*-?\d{1,3}(?:[\s,]+-?\d{1,3})+\s*\]?")
_ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ELLIPSIS = re.compile(r"(?:\.\.\.|\N{HORIZONTAL ELLIPSIS})$")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "text with a byte-order mark"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16 text"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16 text"),
)
# Sixteen characters: shorter than the 20 of the preview in the logs, longer than most words.
_RUN = re.compile(
    rf"(?:\b(?P<key>{_KEY})[\"']?\s*[=:]\s*[\"']?)?(?P<run>[A-Za-z0-9+/_-]{{16,}}={{0,2}})"
)


class Layer(NamedTuple):
    """One wrapping: its name for people, and what was inside it."""

    form: str
    inside: bytes


def base64_text(data: bytes) -> Iterator[Layer]:
    """Base64, RFC 4648 section 4 or 5, padded or not, with white space anywhere."""
    text = _WHITESPACE.sub(b"", data)
    if not _BASE64.fullmatch(text):
        return
    body = text.rstrip(b"=")
    details = []
    if b"-" in body or b"_" in body:
        details.append("URL-safe")
    if len(text) % 4:
        details.append("unpadded")
    if len(text) != len(data.strip()):
        details.append("with white space inside")
    if len(body) % 4 == 1:
        # One character holds 6 bits, less than a byte: the text itself was cut here.
        details.append("its last character is incomplete")
        body = body[:-1]
    body = body.replace(b"-", b"+").replace(b"_", b"/")
    inside = binascii.a2b_base64(body + b"=" * (-len(body) % 4))
    yield Layer(_described("base64", details), inside)


def hexadecimal(data: bytes) -> Iterator[Layer]:
    """Hexadecimal digits of either case, with 0x, colons, commas, dashes or white space between."""
    digits = _HEX_NOISE.sub(b"", data)
    if not _HEX.fullmatch(digits):
        return
    details = ["its last digit is incomplete"] if len(digits) % 2 else []
    yield Layer(
        _described("hexadecimal", details), bytes.fromhex(digits[: len(digits) & ~1].decode())
    )


def decimal_list(data: bytes) -> Iterator[Layer]:
    """Byte values as Go (`[10 36 48]`) and Java (`[10, 36, -8]`) print an array of bytes."""
    text = _text(data)
    if text is None or not _DECIMAL_LIST.fullmatch(text):
        return
    numbers = [int(number) for number in re.findall(r"-?\d+", text)]
    if all(-128 <= number <= 255 for number in numbers):
        yield Layer("list of byte values", bytes(number & 0xFF for number in numbers))


def json_document(data: bytes) -> Iterator[Layer]:
    """A JSON string, or a document that holds a token under one of `TOKEN_KEYS` at any depth."""
    text = _text(data)
    if text is None or text[:1] not in {"{", "[", '"'}:
        return
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(document, str):
        yield Layer("JSON string", _utf8(document))
    else:
        yield from _json_fields(document)


def _json_fields(document: object) -> Iterator[Layer]:
    pending = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(reversed(node))
        elif isinstance(node, dict):
            for key in TOKEN_KEYS:
                value = node.get(key, False)
                if value is None or isinstance(value, str):
                    yield Layer(f"JSON field {key}", _utf8(value or ""))
                elif isinstance(value, list):
                    yield Layer(f"JSON field {key}", json.dumps(value).encode())
            pending.extend(reversed([each for each in node.values() if not isinstance(each, str)]))


def quoted(data: bytes) -> Iterator[Layer]:
    """Text in single, double or back quotes."""
    text = data.strip()
    if len(text) >= 2 and text[:1] == text[-1:] and text[:1] in {b"'", b'"', b"`"}:
        yield Layer("quotes", text[1:-1])


def shortened(data: bytes) -> Iterator[Layer]:
    """Text that somebody cut and marked with an ellipsis."""
    text = _text(data)
    if text is not None and _ELLIPSIS.search(text):
        yield Layer("text that ends in an ellipsis", _utf8(_ELLIPSIS.sub("", text)))


def marked_text(data: bytes) -> Iterator[Layer]:
    """Text behind a byte-order mark, as editors and shells of Windows write it.

    No token begins so: as a tag, neither mark has a wire type.
    """
    for mark, encoding, form in _MARKS:
        if data.startswith(mark):
            with suppress(UnicodeDecodeError):
                yield Layer(form, data.removeprefix(mark).decode(encoding).encode())


def line_end(data: bytes) -> Iterator[Layer]:
    """Bytes to which an editor, or `echo`, added a line end."""
    stripped = data.rstrip(b"\r\n")
    if stripped != data:
        yield Layer("bytes before a line end", stripped)


def text_runs(data: bytes) -> Iterator[Layer]:
    """Whatever looks like base64 or hexadecimal inside log lines or other prose.

    Covers both editions' logs: zerolog's console and JSON output, and Java's `tokenPreview=`.
    """
    text = _text(data)
    if text is None:
        return
    lines = _ANSI_COLOUR.sub("", text).splitlines()
    for number, line in enumerate(lines, start=1):
        for match in _RUN.finditer(line):
            if match["run"] != text:
                named = f"field {match['key']}" if match["key"] else "text"
                yield Layer(f"{named} in line {number}", match["run"].encode())


def _described(form: str, details: list[str]) -> str:
    return f"{form} ({', '.join(details)})" if details else form


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None


def _utf8(text: str) -> bytes:
    # JSON may spell a lone surrogate, which UTF-8 cannot hold.
    return text.encode("utf-8", "replace")
