r"""One record as one line of bytes, and back.

The encoding is canonical: one record has exactly one line, and a line that does not come out again
byte for byte is not a record. Everything outside printable ASCII is escaped (`\u001b`), so that a
line never contains a newline, is safe to print on a terminal, and keeps lone surrogates.

A line ends with a CRC-32 of what precedes it in the line. It guards against damage, not against
forgery (the chain of digests does that as far as it can), and it names the damaged line itself
where the digest in the next line would only say that one of the two is wrong.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, get_args, get_type_hints
from uuid import UUID

from stigmer_ops.audit.record import SCHEMA_VERSION, AuditRecord, Intent, Result

INTENT_LIMIT = 32 * 1024
"""Bytes of an intent's line. Temporal's ids have at most 1,000 bytes, so only a text can be larger.

An outcome repeats its intent and adds at most DETAIL_LIMIT characters of at most 12 bytes, so it
always fits where the intent did.
"""

_PREFIX = b'{"schema_version":'
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


class Defect(StrEnum):
    """Why a line is not a record."""

    TORN = "torn"
    """The beginning of a line whose writing was interrupted, or a page that never reached disk."""
    EDITED = "edited"
    """Anything else that this program does not write."""
    UNKNOWN_SCHEMA = "unknown schema"
    """Written by a later version of stigmer-ops."""


def digest(line: bytes) -> str:
    """Return the SHA-256 of a line without its newline, in hexadecimal."""
    return hashlib.sha256(line).hexdigest()


def to_document(record: AuditRecord, version: int = SCHEMA_VERSION) -> dict[str, Any]:
    """Return a record as JSON types: times in RFC 3339, durations in `_seconds`, no null values.

    Args:
        record: The record.
        version: The schema that it was, or is to be, written by.
    """
    document: dict[str, Any] = _to_plain(AuditRecord, record)
    intent: dict[str, Any] = document.pop("intent")
    head = {"schema_version": version, "phase": record.phase.value}
    previous = {"previous": document.pop("previous")}
    opening = {name: document.pop(name) for name in ("sequence", "time", "operation_id")}
    return head | opening | intent | document | previous


def encode(record: AuditRecord, version: int = SCHEMA_VERSION) -> bytes:
    """Return the line of a record, without a newline."""
    body = _ENCODER.encode(to_document(record, version))[:-1].encode("ascii")
    return b'%s,"crc32":"%08x"}' % (body, zlib.crc32(body))


def decode(line: bytes) -> AuditRecord | Defect:
    """Return the record that a line (without newline) holds, or why it is not one."""
    try:
        document = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        return Defect.TORN if _looks_torn(line) else Defect.EDITED
    if not isinstance(document, dict):
        return Defect.EDITED
    version = document.get("schema_version")
    if type(version) is not int or version < 1:
        return Defect.EDITED
    if version > SCHEMA_VERSION:
        return Defect.UNKNOWN_SCHEMA
    try:
        record = _from_document(document)
        # An older record has none of the newer fields, which are all optional: it comes out again
        # as it was, by its own version.
        return record if encode(record, version) == line else Defect.EDITED
    except (KeyError, TypeError, ValueError, OverflowError):
        return Defect.EDITED


def _looks_torn(line: bytes) -> bool:
    # A file system may extend a file before its data arrive: the gap then reads as NUL bytes.
    return b"\0" in line or line.startswith(_PREFIX) or _PREFIX.startswith(line)


def _from_document(document: dict[str, Any]) -> AuditRecord:
    for derived in ("schema_version", "phase", "crc32"):
        del document[derived]
    names = _members(Intent).keys() & document.keys()
    document["intent"] = {name: document.pop(name) for name in names}
    record: AuditRecord = _from_plain(AuditRecord, document)
    return record


def _to_plain(kind: type, value: object) -> Any:  # noqa: ANN401 - any JSON type
    """Turn an instance of `kind` into JSON types.

    Raises:
        TypeError: It is none. The value is not quoted: what got here by mistake may be a secret.
    """
    if not isinstance(value, kind):
        raise TypeError(f"an audit record needs a {kind.__name__}, not a {type(value).__name__}")
    if kind in _SCALARS:
        return _SCALARS[kind].to_plain(value)
    plain = {}
    for key, member in _members(kind).items():
        part = getattr(value, member.name)
        if part is None and member.optional:
            continue
        # Text is most of a record, and needs no further call.
        as_it_is = member.kind is str and type(part) is str
        plain[key] = part if as_it_is else _to_plain(member.kind, part)
    return plain


def _from_plain(kind: type, value: object) -> Any:  # noqa: ANN401 - an instance of kind
    """Build a `kind` out of JSON types.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: `value` is not the form of a `kind`.
    """
    if kind in _SCALARS:
        scalar = _SCALARS[kind]
        if type(value) is not scalar.plain:
            raise TypeError(kind)
        return scalar.from_plain(value)
    if not isinstance(value, dict):
        raise TypeError(kind)
    members = _members(kind)
    built = {}
    for key, plain in value.items():
        built[members[key].name] = _from_plain(members[key].kind, plain)
    return kind(**built)


class _Scalar(NamedTuple):
    """How a field's type that is no dataclass looks in JSON."""

    plain: type
    to_plain: Callable[[Any], object]
    from_plain: Callable[[Any], object]


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


_SCALARS: dict[type, _Scalar] = {
    str: _Scalar(str, str, str),
    int: _Scalar(int, int, int),
    bool: _Scalar(bool, bool, bool),
    datetime: _Scalar(str, _rfc3339, datetime.fromisoformat),
    timedelta: _Scalar(float, timedelta.total_seconds, lambda value: timedelta(seconds=value)),
    UUID: _Scalar(str, str, UUID),
    Result: _Scalar(str, str, Result),
}


class _Member(NamedTuple):
    """A field of a dataclass."""

    name: str
    kind: type
    optional: bool

    @property
    def key(self) -> str:
        return f"{self.name}_seconds" if self.kind is timedelta else self.name


@cache
def _members(kind: type[Any]) -> dict[str, _Member]:
    """Map the JSON key of each field of a dataclass to the field."""
    hints = get_type_hints(kind).items()
    members = (
        _Member(name, next(iter(get_args(hint)), hint), bool(get_args(hint)))
        for name, hint in hints
    )
    return {member.key: member for member in members}
