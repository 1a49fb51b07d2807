"""Protobuf wire format, read with exact byte offsets and written back without loss.

The protobuf runtime cannot say where a message breaks off nor hand out what it does not know, and
importing it costs more than the rest of `token decode` together; the wire format itself is small
(https://protobuf.dev/programming-guides/encoding/).

A message is described by a table `{field number: Field}`. `Message.read` fills `values` by field
name and keeps everything else, byte for byte, in `unknown`; `write` is its inverse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, NamedTuple

_MAX_VARINT_BYTES = 10
_MAX_FIELD_NUMBER = (1 << 29) - 1
_UINT64 = (1 << 64) - 1


class WireType(IntEnum):
    """How a field's value is laid out after its tag."""

    VARINT = 0
    FIXED64 = 1
    LENGTH_DELIMITED = 2
    START_GROUP = 3
    END_GROUP = 4
    FIXED32 = 5


class FaultKind(Enum):
    """Why reading stopped."""

    TRUNCATED = "truncated"
    """The data ends inside a field."""
    MALFORMED = "malformed"
    """No protobuf parser accepts this."""
    MISMATCH = "mismatch"
    """Valid protobuf, but a known field has the wrong wire type, or occurs twice.

    So this is another message, or several. Go's parser accepts both: a field of the wrong type
    counts as unknown, of one that occurs twice the last counts.
    """


class Fault(Exception):
    """Reading stopped.

    Args:
        kind: Why.
        offset: Byte at which the field begins that could not be read, counted from 0.
        reason: A clause without any of the data.
        number: Number of that field; None when its tag could not be read.
        missing: Bytes that are missing, at the least; 0 unless truncated.
    """

    def __init__(
        self, kind: FaultKind, offset: int, reason: str, number: int | None = None, missing: int = 0
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.offset = offset
        self.reason = reason
        self.number = number
        self.missing = missing


class RawField(NamedTuple):
    """One field as it stands in the data: value is an int for VARINT, bytes for all others."""

    number: int
    wire_type: WireType
    value: int | bytes
    offset: int
    value_offset: int
    end: int


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A field that the table does not name.

    Attributes:
        number: Field number.
        wire_type: Its layout.
        value: The number, if it is a varint; else None.
        length: Length of the value in bytes.
        encoded: Tag and value as they were, for writing back.
    """

    number: int
    wire_type: WireType
    value: int | None
    length: int
    encoded: bytes = field(repr=False)


class Field(NamedTuple):
    """A known field: its name, its layout, and how its value is read and written.

    `write` returns None for a value that is not written (protobuf's defaults).
    """

    name: str
    wire_type: WireType
    read: Callable[[Any], Any]
    write: Callable[[Any], int | bytes | None]


Schema = Mapping[int, Field]


class _Cursor:
    """A position in the data; every read either moves past a whole item or raises `Fault`."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.begin = 0
        self.number: int | None = None

    def fault(self, kind: FaultKind, reason: str, missing: int = 0) -> Fault:
        return Fault(kind, self.begin, reason, self.number, missing)

    def varint(self) -> int:
        value = 0
        for index in range(_MAX_VARINT_BYTES):
            if self.at >= len(self.data):
                raise self.fault(FaultKind.TRUNCATED, "the data ends inside a number", 1)
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                break
        else:
            raise self.fault(FaultKind.MALFORMED, "a number is longer than 10 bytes")
        if value > _UINT64:
            raise self.fault(FaultKind.MALFORMED, "a number exceeds 64 bits")
        return value

    def take(self, length: int) -> bytes:
        missing = self.at + length - len(self.data)
        if missing > 0:
            raise self.fault(FaultKind.TRUNCATED, "the data ends inside a value", missing)
        start, self.at = self.at, self.at + length
        return self.data[start : self.at]

    def tag(self) -> tuple[int, WireType]:
        tag = self.varint()
        number, wire_type = tag >> 3, tag & 7
        if not 1 <= number <= _MAX_FIELD_NUMBER:
            raise self.fault(FaultKind.MALFORMED, "there is no such field number")
        if wire_type > WireType.FIXED32:
            raise self.fault(FaultKind.MALFORMED, f"there is no wire type {wire_type}")
        return number, WireType(wire_type)

    def value(self, number: int, wire_type: WireType) -> int | bytes:
        match wire_type:
            case WireType.VARINT:
                return self.varint()
            case WireType.FIXED64:
                return self.take(8)
            case WireType.FIXED32:
                return self.take(4)
            case WireType.LENGTH_DELIMITED:
                return self.take(self.varint())
            case WireType.START_GROUP:
                return self.group(number)
            case WireType.END_GROUP:
                raise self.fault(FaultKind.MALFORMED, "a group ends that never began")

    def group(self, number: int) -> bytes:
        # Groups are obsolete, but a parser must skip them; a stack, so that nesting cannot exhaust
        # Python's own.
        start, open_groups = self.at, [number]
        while open_groups:
            inner, wire_type = self.tag()
            if wire_type is WireType.START_GROUP:
                open_groups.append(inner)
            elif wire_type is not WireType.END_GROUP:
                self.value(inner, wire_type)
            elif open_groups.pop() != inner:
                raise self.fault(FaultKind.MALFORMED, "a group ends that never began")
        return self.data[start : self.at]


def read_fields(data: bytes) -> Iterator[RawField]:
    """Yield the fields of a message in order.

    Raises:
        Fault: TRUNCATED or MALFORMED, after all the whole fields before it were yielded.
    """
    cursor = _Cursor(data)
    while cursor.at < len(data):
        cursor.begin, cursor.number = cursor.at, None
        cursor.number, wire_type = cursor.tag()
        number, value_offset = cursor.number, cursor.at
        value = cursor.value(number, wire_type)
        if isinstance(value, bytes) and wire_type is WireType.LENGTH_DELIMITED:
            value_offset = cursor.at - len(value)
        yield RawField(number, wire_type, value, cursor.begin, value_offset, cursor.at)


LONGEST = 1 << 14
"""Bytes that are read: a token has a few hundred, and ids of 1,000 at most.

Whoever may start a workflow may put megabytes where its token belongs, which take seconds each.
"""


class Message:
    """What was read of a message so far.

    After a `Fault`, `values` and `unknown` hold the fields before it.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.values: dict[str, Any] = {}
        self.unknown: list[UnknownField] = []

    def read(self, data: bytes) -> Message:
        """Read a whole message.

        A known field may occur once. Parsers let the last one count, so that two tokens in a row
        would pass for the second; no server writes one twice.

        Raises:
            Fault: The data is truncated, malformed or another message, or enormous.
        """
        if len(data) > LONGEST:
            raise Fault(FaultKind.MALFORMED, LONGEST, "there is more than any token has")
        for raw in read_fields(data):
            known = self.schema.get(raw.number)
            if known is None:
                self.unknown.append(_unknown(raw, data))
            elif known.wire_type is not raw.wire_type:
                reason = f"{known.name} has wire type {raw.wire_type}, not {known.wire_type}"
                raise Fault(FaultKind.MISMATCH, raw.offset, reason, raw.number)
            elif known.name in self.values:
                reason = f"{known.name} occurs a second time"
                raise Fault(FaultKind.MISMATCH, raw.offset, reason, raw.number)
            else:
                self.values[known.name] = _known(known, raw)
        return self


def _unknown(raw: RawField, data: bytes) -> UnknownField:
    number = raw.value if isinstance(raw.value, int) else None
    length = raw.end - raw.value_offset
    encoded = data[raw.offset : raw.end]
    return UnknownField(raw.number, raw.wire_type, number, length, encoded)


def _known(known: Field, raw: RawField) -> Any:  # noqa: ANN401 - the table knows the type
    inner: Fault | None = None
    try:
        return known.read(raw.value)
    except Fault as fault:
        inner = fault
    # An inner length that runs past the end of its field is not a cut: the outer length was met.
    kind = FaultKind.MALFORMED if inner.kind is FaultKind.TRUNCATED else inner.kind
    reason = f"in {known.name}: {inner.reason}"
    raise Fault(kind, raw.value_offset + inner.offset, reason, raw.number)


def write(schema: Schema, values: Mapping[str, Any], unknown: Sequence[UnknownField] = ()) -> bytes:
    """Write known fields in the order of their numbers, as Go does, then the unknown ones."""
    parts = []
    for number, known in sorted(schema.items()):
        value = known.write(values.get(known.name))
        if value is not None:
            parts.append(_encoded(number, known.wire_type, value))
    parts += [each.encoded for each in unknown]
    return b"".join(parts)


def _encoded(number: int, wire_type: WireType, value: int | bytes) -> bytes:
    tag = _varint(number << 3 | wire_type)
    if isinstance(value, int):
        return tag + _varint(value)
    return tag + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    value &= _UINT64  # negative numbers are written as their two's complement in 64 bits
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _signed(bits: int) -> Callable[[int], int]:
    def read(value: int) -> int:
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> (bits - 1) else value

    return read


def _read_text(data: bytes) -> str:
    text = data.decode("utf-8", "surrogateescape")
    # Proto3 parsers refuse it, and an UnicodeDecodeError would carry the data along.
    for index, character in enumerate(text):
        if "\udc80" <= character <= "\udcff":
            at = len(text[:index].encode("utf-8", "surrogateescape"))
            raise Fault(FaultKind.MALFORMED, at, "text is not UTF-8")
    return text


def int32(name: str) -> Field:
    """A field of type int32, or of an enum."""
    return Field(name, WireType.VARINT, _signed(32), lambda value: value or None)


def int64(name: str) -> Field:
    """A field of type int64."""
    return Field(name, WireType.VARINT, _signed(64), lambda value: value or None)


def uint32(name: str) -> Field:
    """A field of type uint32."""
    return Field(
        name, WireType.VARINT, lambda value: value & 0xFFFFFFFF, lambda value: value or None
    )


def text(name: str) -> Field:
    """A field of type string."""
    return Field(
        name,
        WireType.LENGTH_DELIMITED,
        _read_text,
        lambda value: value.encode() if value else None,
    )
