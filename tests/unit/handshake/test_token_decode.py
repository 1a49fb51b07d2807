"""Decoding: what a token says, and the exact name of what is wrong with bytes."""

from __future__ import annotations

import base64
import traceback
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.errors import ExitCode
from stigmer_ops.handshake.token import (
    PREVIEW_BYTES,
    Damage,
    DamageKind,
    TokenDamagedError,
    VectorClock,
    damage_of,
    decode,
    fingerprint,
)
from stigmer_ops.handshake.token.wire import read_fields
from support.task_tokens import (
    ALL,
    FIRST_ATTEMPT,
    MESSAGES,
    NAMESPACE_ID,
    SECOND_ATTEMPT,
    STANDALONE,
    WORKFLOW_ACTIVITY,
)

RUN_ID = "01a20c32-a6fc-766b-971c-5ac26e529d4e"
TASK = MESSAGES["t.Task"]


def damaged(raw: bytes) -> Damage:
    with pytest.raises(TokenDamagedError) as caught:
        decode(raw)
    assert damage_of(raw) == caught.value.damage
    return caught.value.damage


def task(**fields: object) -> bytes:
    data: bytes = TASK(**fields).SerializeToString()
    return data


WHOLE = {
    "namespace_id": NAMESPACE_ID,
    "workflow_id": "external-1",
    "run_id": RUN_ID,
    "scheduled_event_id": 5,
    "attempt": 1,
    "activity_id": "1",
}


def test_decode_token_of_a_workflow_activity_gives_its_fields() -> None:
    token = decode(WORKFLOW_ACTIVITY)
    assert token.as_dict() == WHOLE | {
        "activity_type": "CallAgentActivity",
        "clock": {"shard_id": 1, "clock": 1048612, "cluster_id": 1},
    }
    assert token.clock == VectorClock(1, 1048612, 1)
    assert (token.standalone, token.fenced, token.remarks) == (False, True, ())


def test_decode_token_of_a_standalone_activity_gives_its_component_reference() -> None:
    token = decode(STANDALONE)
    assert (token.standalone, token.fenced, token.remarks) == (True, True, ())
    assert token.component_ref is not None
    assert token.component_ref.business_id == token.activity_id == "standalone-1"
    assert token.component_ref.namespace_id == token.namespace_id
    assert [field.number for field in token.component_ref.unknown_fields] == [5, 7]
    assert token.activity_attempt_stamp == 1


def test_decode_keeps_and_shows_unknown_fields() -> None:
    token = decode(WORKFLOW_ACTIVITY + b"\xa0\x06\x07\xaa\x06\x03abc")
    assert token.as_dict()["unknown_fields"] == [
        {"number": 100, "wire_type": "varint", "value": 7},
        {"number": 101, "wire_type": "length_delimited", "length": 3},
    ]


def test_decode_started_time_is_a_utc_datetime() -> None:
    token = decode(task(**WHOLE, started_time={"seconds": 1_800_000_000, "nanos": 123_456_789}))
    assert token.started_time == datetime(2027, 1, 15, 8, 0, 0, 123_456, tzinfo=UTC)
    assert token.as_dict()["started_time"] == "2027-01-15T08:00:00.123456Z"


def test_decode_started_time_beyond_the_calendar_is_no_error() -> None:
    token = decode(task(**WHOLE, started_time={"seconds": 1 << 62}))
    assert token.started_time is None
    assert token.as_dict()["started_time"] == {"seconds": 1 << 62}


@given(st.binary(max_size=200))
def test_decode_any_bytes_gives_a_token_or_named_damage(raw: bytes) -> None:
    if damage_of(raw) is None:
        assert decode(raw).raw == raw
    else:
        assert damaged(raw).reason


@given(st.sampled_from(ALL), st.data())
def test_decode_any_change_of_a_token_gives_a_token_or_named_damage(
    raw: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(raw)))
    changed = raw[:at] + data.draw(st.binary(max_size=5)) + raw[at + data.draw(st.integers(0, 5)) :]
    damage = damage_of(changed)
    if damage is not None and damage.offset is not None:
        assert 0 <= damage.offset <= len(changed)


@pytest.mark.parametrize("raw", ALL)
def test_decode_every_cut_is_told_where_a_cut_can_be_told(raw: bytes) -> None:
    """A cut between two fields can be told only by what is missing.

    Behind the attempt (or the component reference) nothing is missing: the server accepts such a
    token, and so does decode.
    """
    fields = list(read_fields(raw))
    ends = {field.end: field.number for field in fields}
    for cut in range(1, len(raw)):
        if cut not in ends:
            damage = damaged(raw[:cut])
            inside = next(field for field in fields if field.offset < cut < field.end)
            assert (damage.kind, damage.offset) == (DamageKind.TRUNCATED, cut)
            assert 1 <= damage.missing <= inside.end - cut
            assert f"begins at byte {inside.offset};" in damage.reason
            assert str(damage.server_answer) == (
                "INVALID_ARGUMENT: Error deserializing task token."
            )
            if inside.value_offset <= cut and isinstance(inside.value, bytes):
                assert damage.missing == inside.end - cut
        elif ends[cut] < (14 if raw is STANDALONE else 5):
            damage = damaged(raw[:cut])
            assert (damage.kind, damage.offset) == (DamageKind.TRUNCATED, cut)
            assert "between two fields" in damage.reason
        else:
            assert decode(raw[:cut]).attempt >= 1


@pytest.mark.parametrize(
    ("present", "missing", "answer"),
    [
        (["namespace_id"], "workflow_id", "Business ID is not set on request."),
        (["namespace_id", "workflow_id"], "scheduled_event_id", "activityID cannot be empty"),
        (
            ["namespace_id", "workflow_id", "run_id", "scheduled_event_id"],
            "attempt",
            "invalid activityID or activity already timed out or invoking workflow is completed",
        ),
        (["namespace_id", "attempt"], "component_ref", "Business ID is not set on request."),
    ],
)
def test_decode_cut_between_fields_names_the_missing_one_and_the_answer(
    present: list[str], missing: str, answer: str
) -> None:
    damage = damaged(task(**{name: WHOLE[name] for name in present}))
    assert (damage.kind, damage.field) == (DamageKind.TRUNCATED, missing)
    assert damage.server_answer is not None
    assert damage.server_answer.message == answer


def test_decode_cut_names_the_field() -> None:
    damage = damaged(WORKFLOW_ACTIVITY[:60])
    assert (damage.field, damage.offset, damage.missing) == ("run_id", 60, 28)


def test_decode_the_logs_preview_is_named_as_such_and_equal_for_all_tokens() -> None:
    previews = {base64.b64encode(raw)[:20] for raw in ALL}
    assert len(previews) == 1
    preview = base64.b64decode(previews.pop())
    assert len(preview) == PREVIEW_BYTES
    damage = damaged(preview)
    assert damage.kind is DamageKind.TRUNCATED
    assert "token preview" in damage.reason
    assert "same for every token of the namespace" in damage.reason


def test_decode_empty_is_named() -> None:
    damage = damaged(b"")
    assert TokenDamagedError.exit_code is ExitCode.USAGE
    assert damage.kind is DamageKind.EMPTY
    assert str(damage.server_answer) == "INVALID_ARGUMENT: Task token not set on request."


def test_decode_base64_text_as_bytes_is_named_however_often_encoded() -> None:
    once = base64.b64encode(WORKFLOW_ACTIVITY)
    for text in (once, once.rstrip(b"="), base64.b64encode(once), once + b"\n", once[:20]):
        damage = damaged(text)
        assert damage.kind is DamageKind.BASE64_TEXT
        assert str(damage.server_answer) == "INVALID_ARGUMENT: Error deserializing task token."
    assert "truncated at byte 15" in damaged(once[:20]).reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"spec": {}}', "text of 12 bytes"),
        (b" ", "text of 1 bytes"),
        (WORKFLOW_ACTIVITY.hex().encode(), "text of 248 bytes"),
        (b"\xff\xfe\x00", "at byte 0 of 3"),
        (b"\x00", "no such field number"),
        (b"\x0f", "no wire type 7"),
        (b"\x0a\xff\xff\xff\x7f" + b"0" * 50, "ends inside a value"),
        (WORKFLOW_ACTIVITY + b"\x0a", "at byte 124 of 125"),
        (WORKFLOW_ACTIVITY + SECOND_ATTEMPT, "namespace_id occurs a second time"),
        (task(**WHOLE | {"namespace_id": "default"}), "namespace_id is not a UUID"),
        (task(**WHOLE | {"namespace_id": ""}), "no namespace_id"),
        (task(**WHOLE | {"run_id": "latest"}), "run_id is not a UUID"),
        (task(**WHOLE | {"attempt": -1}), "negative"),
        (task(**WHOLE | {"workflow_id": ""}), "no workflow_id"),
        (task(**WHOLE | {"attempt": 0}), "no attempt"),
        (task(**WHOLE, component_ref=b"\x08"), "in component_ref"),
        (task(**WHOLE) + b"\x4a\x01\x08", "in clock: the data ends inside a number"),
        (task(namespace_id=NAMESPACE_ID) + b"\x10\x05", "workflow_id has wire type 0, not 2"),
    ],
)
def test_decode_something_else_is_not_a_token(raw: bytes, reason: str) -> None:
    damage = damaged(raw)
    if raw.startswith(WORKFLOW_ACTIVITY) and raw[-1:] == b"\x0a":
        assert damage.kind is DamageKind.TRUNCATED  # a further field began
        assert "begins at byte 124" in damage.reason
    else:
        assert damage.kind is DamageKind.NOT_A_TOKEN
        assert reason in damage.reason


def test_decode_token_without_scheduled_event_is_remarked_as_unfenced() -> None:
    token = decode(task(**WHOLE | {"scheduled_event_id": 0, "attempt": 0}))
    assert not token.fenced
    assert "whichever attempt is current" in token.remarks[0]


def test_decode_token_without_run_or_activity_is_remarked() -> None:
    token = decode(task(**WHOLE | {"run_id": "", "activity_id": ""}))
    assert token.fenced
    assert [remark.split(":")[0] for remark in token.remarks] == ["no run_id", "no activity_id"]


def test_damage_of_compares_the_namespace_only_when_asked() -> None:
    assert damage_of(WORKFLOW_ACTIVITY) is None
    assert damage_of(STANDALONE, NAMESPACE_ID.upper()) is None
    damage = damage_of(WORKFLOW_ACTIVITY, RUN_ID)
    assert damage is not None
    assert damage.kind is DamageKind.OTHER_NAMESPACE
    assert str(damage.server_answer) == (
        "INVALID_ARGUMENT: Operation requested with a token from a different namespace."
    )


def test_every_kind_of_damage_has_a_next_step() -> None:
    assert all("stigmer-ops" in Damage(kind, "x").next_step or "--namespace" in
               Damage(kind, "x").next_step for kind in DamageKind)  # fmt: skip


def test_fingerprint_tells_attempts_apart_and_is_stable() -> None:
    assert fingerprint(b"") == "sha256:e3b0c44298fc1c14"
    assert len({fingerprint(raw) for raw in ALL}) == len(ALL)
    assert decode(FIRST_ATTEMPT).fingerprint == fingerprint(FIRST_ATTEMPT)


@pytest.mark.parametrize("raw", ALL)
def test_repr_and_dict_do_not_hold_the_bytes(raw: bytes) -> None:
    token = decode(raw + b"\xaa\x06\x06secret")
    shown = repr(token) + repr(token.as_dict())
    for text in (base64.b64encode(raw).decode(), raw.hex(), repr(raw)[2:40], "secret"):
        assert text not in shown
    assert repr(replace(token, raw=b"")) == repr(token)


@given(st.binary(min_size=6, max_size=60))
def test_errors_never_quote_the_input(secret: bytes) -> None:
    raw = b"\x0a\x24" + NAMESPACE_ID.encode() + b"\x12\x7f" + secret
    with pytest.raises(TokenDamagedError) as caught:
        decode(raw)
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.damage)
    told += error.next_step + error.not_done
    for quoted in (repr(secret)[2:-1], secret.hex(), base64.b64encode(secret).decode().strip("=")):
        assert quoted not in told
    assert error.__context__ is None
