from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.audit import (
    GENESIS,
    AuditRecord,
    Defect,
    Entry,
    Fingerprint,
    Intent,
    Outcome,
    Parameters,
    Phase,
    Result,
    Target,
    verify,
)
from stigmer_ops.audit.line import INTENT_LIMIT, decode, digest, encode
from stigmer_ops.audit.record import DETAIL_LIMIT
from stigmer_ops.errors import AuditError, DeniedError, StaleError, UnavailableError
from support.audit import NOW, intent, records, trail_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit.jsonl"


# What is written


def test_operation_done_leaves_intent_and_outcome_joined_and_chained(path: Path) -> None:
    with trail_at(path).operation(intent()) as operation:
        (before,) = records(path)
        operation.done(proof_event_id=17, detail="ActivityTaskCompleted")

    first, second = records(path)
    assert first == before
    assert first.phase is Phase.INTENT
    assert (first.sequence, first.previous, first.time) == (1, GENESIS, NOW)
    assert second.phase is Phase.OUTCOME
    assert second.outcome == Outcome(
        result=Result.DONE, detail="ActivityTaskCompleted", proof_event_id=17
    )
    assert second.operation_id == first.operation_id == operation.operation_id
    assert second.intent == first.intent == intent()
    assert second.previous == digest(path.read_bytes().splitlines()[0])


def test_line_is_flat_json_with_rfc3339_time_and_durations_in_seconds(path: Path) -> None:
    parameters = Parameters(start_to_close_timeout=timedelta(hours=1, milliseconds=500))
    trail_at(path).append(Entry.opening(intent(parameters=parameters)))

    document = json.loads(path.read_text())
    assert document["schema_version"] == 1
    assert document["phase"] == "intent"
    assert document["time"] == "2026-11-24T03:12:09.123456Z"
    assert document["operator"] == "alice"
    assert document["target"]["scheduled_event_id"] == 5
    assert document["parameters"] == {"start_to_close_timeout_seconds": 3600.5}
    assert records(path)[0].intent.parameters == parameters


def test_directory_and_file_are_private_to_the_operator(path: Path) -> None:
    trail_at(path).append(Entry.opening(intent()))

    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


def test_append_many_keeps_order_and_chains_across_calls(path: Path) -> None:
    trail = trail_at(path)
    opened = [Entry.opening(intent(reason=f"INC-{n}")) for n in range(100)]
    trail.append_many(opened)
    written = trail.append_many(
        entry.closing(Outcome(result=Result.REFUSED, detail="stale")) for entry in opened
    )

    assert [r.sequence for r in written] == list(range(101, 201))
    assert [r.intent.reason for r in written] == [f"INC-{n}" for n in range(100)]
    report = verify(path)
    assert report.intact
    assert (report.records, report.outcomes, report.unfinished) == (200, {Result.REFUSED: 100}, ())


def test_append_many_of_nothing_makes_no_file(path: Path) -> None:
    assert trail_at(path).append_many([]) == []
    assert not path.exists()


def test_append_reads_only_the_end_of_a_long_trail(path: Path) -> None:
    trail = trail_at(path)
    trail.append_many([Entry.opening(intent()) for _ in range(50)])
    with path.open("r+b") as stream:
        stream.write(b"x" * 100)  # nobody who appends looks there

    assert trail.append(Entry.opening(intent())).sequence == 51


# Hostile values

HOSTILE = [
    "two\nlines\r\n",
    "\x00\x07\x1b[2J\x7f\x85",
    "\u202eevil\u2066",
    "👩‍🚒 é 漢",
    os.fsdecode(b"\xff\xfe"),
    "w" * 1000,
    "漢" * 333,
    '"}\\,{"sequence":1}',
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_round_trips_in_one_printable_line(path: Path, text: str) -> None:
    written = trail_at(path).append(
        Entry.opening(intent(reason=text, operator=text, target=Target(workflow_id=text)))
    )

    content = path.read_bytes()
    assert content.count(b"\n") == 1
    assert content[:-1].decode("ascii").isprintable()
    assert records(path) == [written]
    assert verify(path).intact


_texts = st.text(st.characters(exclude_categories=()), max_size=50).filter(
    # Two lone surrogates that happen to make a pair are one character in JSON.
    lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") == text
)
_fingerprints = st.builds(Fingerprint, sha256=_texts, size_bytes=st.integers(0, 2**40))
_records = st.builds(
    AuditRecord,
    sequence=st.integers(1, 2**53),
    time=st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1)),  # noqa: DTZ001
    intent=st.builds(
        Intent,
        reason=_texts,
        parameters=st.builds(
            Parameters,
            result=st.none() | _fingerprints,
            retryable=st.none() | st.booleans(),
            heartbeat_timeout=st.none() | st.timedeltas(timedelta(0), timedelta(days=10_000)),
        ),
    ),
    outcome=st.none()
    | st.builds(Outcome, result=st.sampled_from(Result), detail=_texts, proof_event_id=st.none()),
    torn=st.none() | _fingerprints,
)


@given(record=_records)
def test_encode_then_decode_returns_the_record(record: AuditRecord) -> None:
    assert decode(encode(record)) == record


@given(line=st.binary(max_size=200) | st.text().map(str.encode))
def test_decode_of_any_bytes_names_a_defect(line: bytes) -> None:
    assert isinstance(decode(line), Defect)


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"schema_version":' + b"9" * 5000 + b"}", b"1"])
def test_decode_of_costly_json_names_a_defect(line: bytes) -> None:
    assert isinstance(decode(line), Defect)


def test_value_of_a_wrong_type_is_refused_without_quoting_it(path: Path) -> None:
    with pytest.raises(TypeError) as caught:
        trail_at(path).append(Entry.opening(intent(reason=b"s3cret")))

    assert "s3cret" not in str(caught.value)
    assert path.read_bytes() == b""


def test_missing_value_is_refused_before_it_spoils_the_trail(path: Path) -> None:
    with pytest.raises(TypeError):
        trail_at(path).append(Entry.opening(intent(operator=None)))
    assert path.read_bytes() == b""


# How an operation ends


@pytest.mark.parametrize(
    ("error", "result", "detail"),
    [
        (StaleError("moved to attempt 2"), Result.REFUSED, "moved to attempt 2"),
        (DeniedError("no permission"), Result.FAILED, "no permission"),
        (UnavailableError("no answer in 10 s"), Result.UNKNOWN, "no answer in 10 s"),
        (RuntimeError("payload: s3cret"), Result.UNKNOWN, "RuntimeError"),
        (KeyboardInterrupt(), Result.UNKNOWN, "KeyboardInterrupt"),
    ],
)
def test_block_left_by_exception_leaves_the_outcome_it_makes_certain(
    path: Path, error: BaseException, result: Result, detail: str
) -> None:
    with pytest.raises(type(error)), trail_at(path).operation(intent()):
        raise error

    assert records(path)[1].outcome == Outcome(result=result, detail=detail)


def test_exception_after_the_outcome_does_not_change_it(path: Path) -> None:
    with pytest.raises(RuntimeError), trail_at(path).operation(intent()) as operation:  # noqa: PT012
        operation.done(proof_event_id=9)
        raise RuntimeError

    assert [r.outcome.result for r in records(path) if r.outcome] == [Result.DONE]


def test_block_that_says_nothing_is_unknown(path: Path) -> None:
    with trail_at(path).operation(intent()):
        pass

    outcome = records(path)[1].outcome
    assert outcome is not None
    assert outcome.result is Result.UNKNOWN


def test_second_outcome_is_an_error_and_is_not_written(path: Path) -> None:
    with trail_at(path).operation(intent()) as operation:
        operation.refused("stale")
        with pytest.raises(ValueError, match="refused"):
            operation.failed("once more")
    assert len(records(path)) == 2


@pytest.mark.parametrize("character", ["x", "\x00", "\U0001f692"])
def test_outcome_always_fits_where_its_intent_did(path: Path, character: str) -> None:
    room = INTENT_LIMIT - len(encode(trail_at(path).append(Entry.opening(intent(reason="")))))
    with trail_at(path).operation(intent(reason="r" * room)) as operation:
        operation.unknown(character * 1_000_000)

    outcome = records(path)[2].outcome
    assert outcome is not None
    assert len(outcome.detail) == DETAIL_LIMIT
    assert trail_at(path).append(Entry.opening(intent())).sequence == 4


def test_intent_that_is_too_long_is_refused_before_anything_is_sent(path: Path) -> None:
    with (
        pytest.raises(AuditError, match="bytes") as caught,
        trail_at(path).operation(intent(reason="x" * INTENT_LIMIT)),
    ):
        pytest.fail("the call was made")
    assert caught.value.not_done == "nothing was sent to Temporal"
    assert path.read_bytes() == b""
