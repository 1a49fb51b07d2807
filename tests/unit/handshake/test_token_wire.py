"""The wire format, against the protobuf runtime as the oracle."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stigmer_ops.handshake.token.task import TASK, TaskToken, encode
from stigmer_ops.handshake.token.wire import Fault, FaultKind, Message, WireType, read_fields
from support.task_tokens import ALL, MESSAGES

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
TEXT = st.text(max_size=40)

TASKS = st.fixed_dictionaries(
    {},
    optional={
        "namespace_id": TEXT,
        "workflow_id": TEXT,
        "run_id": TEXT,
        "scheduled_event_id": INT64,
        "attempt": INT32,
        "activity_id": TEXT,
        "workflow_type": TEXT,
        "activity_type": TEXT,
        "clock": st.fixed_dictionaries({"shard_id": INT32, "clock": INT64, "cluster_id": INT64}),
        "started_event_id": INT64,
        "version": INT64,
        "started_time": st.fixed_dictionaries({"seconds": INT64, "nanos": INT32}),
        "start_version": INT64,
        "component_ref": st.builds(
            lambda **fields: MESSAGES["t.Ref"](**fields).SerializeToString(),
            namespace_id=TEXT,
            business_id=TEXT,
            run_id=TEXT,
            archetype_id=st.integers(0, (1 << 32) - 1),
        ),
        "activity_attempt_stamp": INT32,
    },
)


def read(data: bytes) -> TaskToken:
    message = Message(TASK).read(data)
    return TaskToken(data, **message.values, unknown_fields=tuple(message.unknown))


TOO_MANY_BITS = "a number exceeds 64 bits"
# What Go's parser, the server's, refuses, and this runtime does not (everywhere).
STRICT = {TOO_MANY_BITS, "there is no such field number"}


def fault_of(data: bytes) -> Fault | None:
    try:
        list(read_fields(data))
    except Fault as fault:
        return fault
    return None


@given(TASKS)
def test_read_any_task_agrees_with_the_protobuf_runtime(fields: dict[str, Any]) -> None:
    oracle = MESSAGES["t.Task"](**fields)
    token = read(oracle.SerializeToString())
    for name in (known.name for known in TASK.values()):
        if name not in {"clock", "started_timestamp", "component_ref"}:
            assert getattr(token, name) == getattr(oracle, name)
    assert (token.clock is None) == ("clock" not in fields)
    for part, nested in ((token.clock, "clock"), (token.started_timestamp, "started_time")):
        for name, value in fields.get(nested, {}).items():
            assert getattr(part, name) == value
    if fields.get("component_ref"):
        reference = MESSAGES["t.Ref"].FromString(fields["component_ref"])
        assert token.component_ref is not None
        for name in ("namespace_id", "business_id", "run_id", "archetype_id"):
            assert getattr(token.component_ref, name) == getattr(reference, name)


@given(TASKS)
def test_encode_any_task_gives_the_runtimes_bytes(fields: dict[str, Any]) -> None:
    data = MESSAGES["t.Task"](**fields).SerializeToString()
    assert encode(read(data)) == data


@pytest.mark.parametrize("raw", ALL)
def test_encode_real_tokens_gives_the_same_bytes(raw: bytes) -> None:
    assert encode(read(raw)) == raw


@given(st.binary(max_size=80))
@example(b"\x0b\x0c")  # an empty group
@example(b"\x0b\x13\x14\x0c")  # a group in a group
@example(b"\x0b\x13\x0c\x14")  # crossed
@example(b"\x00\x00")  # field number 0
def test_read_fields_any_bytes_accepts_what_the_runtime_accepts(data: bytes) -> None:
    fault = fault_of(data)
    if fault is not None and fault.reason in STRICT:
        return
    try:
        MESSAGES["t.VectorClock"].FromString(data)
    except DecodeError:
        assert fault is not None
        assert 0 <= fault.offset <= len(data)
        assert (fault.missing > 0) == (fault.kind is FaultKind.TRUNCATED)
    else:
        assert b"".join(data[each.offset : each.end] for each in read_fields(data)) == data


@given(st.binary(max_size=60), st.integers(16, 5000), st.sampled_from(ALL))
def test_unknown_fields_of_any_kind_survive_a_round_trip(
    value: bytes, number: int, raw: bytes
) -> None:
    def tag(wire_type: WireType) -> bytes:
        word = number << 3 | wire_type
        out = b""
        while word > 0x7F:
            out += bytes([word & 0x7F | 0x80])
            word >>= 7
        return out + bytes([word])

    extra = (
        tag(WireType.LENGTH_DELIMITED) + bytes([len(value)]) + value
        + tag(WireType.VARINT) + b"\x96\x01"
        + tag(WireType.FIXED64) + b"12345678"
        + tag(WireType.FIXED32) + b"1234"
        + tag(WireType.START_GROUP) + b"\x08\x01" + tag(WireType.END_GROUP)
    )  # fmt: skip
    token = read(raw + extra)
    assert encode(token) == raw + extra
    shown = [(each.number, each.wire_type, each.value) for each in token.unknown_fields[:4]]
    assert shown == [
        (number, WireType.LENGTH_DELIMITED, None),
        (number, WireType.VARINT, 150),
        (number, WireType.FIXED64, None),
        (number, WireType.FIXED32, None),
    ]
    assert [each.length for each in token.unknown_fields[:4]] == [len(value), 2, 8, 4]


def test_read_fields_number_of_more_than_64_bits_is_refused_as_by_go() -> None:
    largest = b"\x08" + b"\xff" * 9
    assert next(read_fields(largest + b"\x01")).value == (1 << 64) - 1
    fault = fault_of(largest + b"\x02")
    assert fault is not None
    assert (fault.kind, fault.reason) == (FaultKind.MALFORMED, TOO_MANY_BITS)


def test_deep_groups_do_not_exhaust_the_stack() -> None:
    depth = 100_000
    with pytest.raises(Fault) as caught:
        list(read_fields(b"\x0b" * depth))
    assert caught.value.kind is FaultKind.TRUNCATED
    assert len(list(read_fields(b"\x0b" * depth + b"\x0c" * depth))) == 1


@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=30))
def test_text_that_is_not_utf8_is_refused_at_its_byte(text: bytes) -> None:
    data = b"\x0a" + bytes([len(text)]) + text
    whole = text.decode("utf-8", "ignore").encode()
    if whole == text:
        assert Message(TASK).read(data).values["namespace_id"] == text.decode()
        return
    with pytest.raises(Fault) as caught:
        Message(TASK).read(data)
    begin = caught.value.offset - 2
    assert caught.value.kind is FaultKind.MALFORMED
    assert text[:begin].decode("utf-8").encode() == text[:begin]
