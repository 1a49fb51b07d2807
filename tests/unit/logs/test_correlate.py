from __future__ import annotations

import gzip
import io
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmer_ops.errors import UnavailableError
from stigmer_ops.handshake.execution import Edition
from stigmer_ops.handshake.token.task import fingerprint
from stigmer_ops.logs.correlate import Correlator
from stigmer_ops.logs.selection import Selector
from stigmer_ops.logs.sources import LogFile
from stigmer_ops.logs.verdicts import VERDICTS
from support.correlations import (
    ENDS,
    KEY,
    NOISE,
    SUCCESS,
    WRITTEN,
    correlate,
    line,
    only,
    stigmer,
    zigflow,
)
from support.log_lines import (
    ACTIVITY,
    AT,
    EXECUTION,
    LAYOUTS,
    MESSAGE,
    PREVIEW,
    RUN,
    STIGMER_RUN,
    WORKFLOW,
    Layout,
    spring_console,
    temporal_go,
    token,
    token_text,
    zerolog_json,
)


def test_a_handshake_over_three_services_is_one_timeline() -> None:
    found = correlate(SUCCESS, Selector(execution_id=EXECUTION))

    handshake = only(found)
    assert [entry.message.id for entry in handshake.timeline] == [
        "zigflow-token-extracted",
        "go-token-received",
        "zigflow-execution-created",
        "zigflow-returned-pending",
        "go-workflow-started",
        "go-token-detected",
        "runner-started",
        "runner-completed",
        "go-workflow-completed",
        "go-callback-scheduled",
        "go-callback-started",
        "go-callback-delivered",
    ]
    assert [str(entry.place) for entry in handshake.timeline][:3] == [
        "zigflow.log:2",
        "stigmer.log:4",
        "zigflow.log:3",
    ]
    assert handshake.timeline[0].time == AT.replace(microsecond=0)
    assert handshake.verdict.id == "delivered"
    assert handshake.reached is not None
    assert handshake.reached.id == "callback-delivered"
    assert handshake.expected is None
    assert handshake.unseen == ()
    assert handshake.activities == (KEY,)
    assert handshake.execution_ids == (EXECUTION,)
    assert handshake.attempts == (1,)
    assert handshake.editions == (Edition.GO,)
    assert handshake.services == ("workflow-runner", "stigmer-server", "agent-runner")
    assert handshake.notes == ()
    assert [(file.lines, file.recognised) for file in found.files] == [(5, 3), (10, 7), (2, 2)]


def test_without_a_selector_there_is_one_summary_a_handshake_and_no_timeline() -> None:
    found = correlate(SUCCESS)

    handshake = only(found)
    assert handshake.timeline == ()
    assert handshake.lines == 12
    assert handshake.last is not None
    assert handshake.first is not None
    assert handshake.last - handshake.first == timedelta(seconds=62)


@pytest.mark.parametrize("verdict", ENDS)
def test_where_it_stopped(verdict: str) -> None:
    assert only(correlate(ENDS[verdict])).verdict.id == verdict


def test_every_verdict_has_its_example() -> None:
    by_selection = {"token-not-seen"}

    assert {verdict.id for verdict in VERDICTS} == ENDS.keys() | by_selection


def test_a_failed_callback_says_where_and_why_and_what_should_have_come() -> None:
    handshake = only(correlate({"z.log": NOISE + ENDS["callback-failed"]}))

    assert handshake.failure is not None
    assert handshake.failure.error == "workflow execution already completed"
    assert str(handshake.failure.place) == "z.log:7"
    assert handshake.reached is not None
    assert handshake.reached.id == "callback-started"
    assert handshake.expected is not None
    assert handshake.expected.id == "callback-delivered"
    assert [stage.id for stage in handshake.unseen] == [
        "token-received",
        "agent-started",
        "agent-finished",
    ]


def test_a_failure_that_a_retry_overcame_is_none() -> None:
    handshake = only(
        correlate(stigmer("go-token-detected", "go-callback-failed", "go-callback-delivered"))
    )

    assert handshake.verdict.id == "delivered"
    assert handshake.failure is None


def test_an_agents_failure_is_not_the_end_of_the_handshake() -> None:
    handshake = only(
        correlate(stigmer("go-token-detected", "go-workflow-failed", "go-callback-delivered"))
    )

    assert handshake.verdict.id == "delivered"
    assert any("agent failed" in note for note in handshake.notes)


def test_a_line_whose_only_link_is_the_preview_joins_nothing_and_is_counted() -> None:
    previews = (b"INFO Completing external activity token_preview=" + PREVIEW.encode() + b"\n") * 7
    found = correlate({"s.log": previews + line("go-token-received") + NOISE, "z.log": zigflow()})

    assert found.preview_only.count == 7
    assert found.preview_only.by_message == {"go-callback-started": 7}
    assert [str(place) for place in found.preview_only.places] == [
        f"s.log:{n}" for n in range(1, 6)
    ]
    assert only(found).lines == 4


def test_the_same_preview_does_not_join_two_executions() -> None:
    both = line("go-token-received", execution="aex_1") + line(
        "go-token-received", execution="aex_2"
    )

    assert [each.execution_ids for each in correlate(both).handshakes] == [("aex_1",), ("aex_2",)]


def test_a_line_with_no_ids_at_all_is_counted_apart() -> None:
    found = correlate(b"INFO Successfully completed external activity\n")

    assert found.without_ids.count == 1
    assert found.preview_only.count == 0
    assert found.handshakes == ()


def test_several_activities_of_one_workflow_are_several_handshakes() -> None:
    found = correlate(
        zigflow(execution="aex_1", activity="5") + zigflow(execution="aex_2", activity="6")
    )

    assert [(each.execution_ids, each.activities[0].activity_id) for each in found.handshakes] == [
        (("aex_1",), "5"),
        (("aex_2",), "6"),
    ]


def run_only(message: str) -> bytes:
    return f"2026/01/22 10:20:00 INFO  {message} RunID {STIGMER_RUN}\n".encode()


def test_a_run_id_is_enough_even_before_the_line_that_ties_it_to_an_execution() -> None:
    found = correlate(
        run_only("Completing external activity") + line("go-token-detected"),
        Selector(execution_id=EXECUTION),
    )

    assert {e.message.id for e in only(found).timeline} == {
        "go-callback-started",
        "go-token-detected",
    }


def test_a_line_without_run_means_the_only_run_there_is() -> None:
    runless = (
        f"INF Extracted Temporal task token for async completion workflow_id={WORKFLOW} "
        f"activity_id={ACTIVITY}\n"
    ).encode()

    assert only(correlate(runless + zigflow())).lines == 4
    two_runs = correlate(
        runless + zigflow(execution="aex_1") + zigflow(execution="aex_2", run=RUN.replace("1", "2"))
    )
    assert sorted(each.lines for each in two_runs.handshakes) == [1, 3, 3]


def test_both_editions_in_one_handshake_are_told() -> None:
    handshake = only(
        correlate(
            {
                "go.log": line("go-token-received", 0, zerolog_json),
                "java.log": line("java-callback-started", 5, spring_console),
            }
        )
    )

    assert set(handshake.editions) == {Edition.GO, Edition.JAVA}


def test_a_retried_activity_is_judged_by_its_newest_execution() -> None:
    first = zigflow(execution="aex_1") + stigmer(
        "go-token-detected", "go-callback-delivered", execution="aex_1"
    )
    second = stigmer("go-token-detected", start=500, execution="aex_2") + line(
        "zigflow-returned-pending", 501, execution="aex_2"
    )

    handshake = only(correlate(second + first))

    assert set(handshake.execution_ids) == {"aex_1", "aex_2"}
    assert handshake.verdict.id == "stopped"
    assert any("2 executions" in note for note in handshake.notes)


def test_a_create_that_failed_in_the_last_attempt_counts_only_if_it_is_the_last_line() -> None:
    failed = line("zigflow-create-failed", 500, temporal_go, " error unavailable", execution="")
    first = zigflow() + stigmer("go-token-detected")

    assert only(correlate(first + failed)).verdict.id == "create-failed"
    later = stigmer("go-callback-delivered", start=900)
    assert only(correlate(failed + first + later)).verdict.id == "delivered"


def test_a_whole_token_in_a_line_joins_and_is_never_shown() -> None:
    secret = token_text(token(attempt=3))
    found = correlate(
        b'ERROR Failed to complete external activity error="bad token '
        + secret.encode()
        + b'"\n'
        + zigflow(),
        Selector(execution_id=EXECUTION),
    )

    handshake = only(found)
    assert handshake.activities == (KEY,)
    assert handshake.attempts == (1, 3)
    assert handshake.fingerprints == (fingerprint(token(attempt=3)),)
    assert secret[:50] not in repr(found)
    assert fingerprint(token(attempt=3)) in handshake.timeline[0].error


def test_a_full_disk_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stigmer_ops.logs.spool._IN_MEMORY_BYTES", 1)
    monkeypatch.setattr("tempfile.tempdir", "/dev/full")

    with (
        pytest.raises(UnavailableError, match="cannot write a temporary file"),
        Correlator(selector=Selector(execution_id=EXECUTION)) as correlator,
    ):
        correlator.read(LogFile("s.log", WRITTEN), io.BytesIO(SUCCESS["stigmer.log"]))


def test_executions_without_a_token_are_left_out_and_counted_unless_asked_for() -> None:
    plain = stigmer("go-workflow-started", "go-workflow-completed")

    assert correlate(plain).handshakes == ()
    assert correlate(plain).without_token == 1
    asked = only(correlate(plain, Selector(execution_id=EXECUTION)))
    assert asked.verdict.id == "token-not-seen"


def test_lines_without_a_time_stay_below_the_line_above_them() -> None:
    bare = f"INFO Completing external activity execution_id={EXECUTION}\n".encode()
    content = bare + line("go-token-received", 10) + bare + line("go-token-detected", 5)

    timeline = only(correlate(content, Selector(execution_id=EXECUTION))).timeline

    assert [entry.place.line for entry in timeline] == [1, 4, 2, 3]
    assert [entry.time is None for entry in timeline] == [True, False, False, True]


def test_days_that_were_counted_are_corrected_in_timeline_and_summary() -> None:
    content = b"".join(
        f"{clock} INF {text} execution_id={EXECUTION}\n".encode()
        for clock, text in [
            ("11:50PM", "Callback token detected"),
            ("12:10AM", "Completing external activity"),
        ]
    )

    for selector in (None, Selector(execution_id=EXECUTION)):
        handshake = only(correlate(content, selector))
        assert handshake.first == datetime(2026, 1, 21, 23, 50, tzinfo=UTC)
        assert handshake.last == datetime(2026, 1, 22, 0, 10, tzinfo=UTC)
        assert [entry.time for entry in handshake.timeline] in (
            [],
            [handshake.first, handshake.last],
        )
        assert len(handshake.notes) == 3  # no activity, to the minute, day counted


def test_a_truncated_archive_tells_where_it_ended_and_keeps_what_was_read() -> None:
    whole = gzip.compress(b"".join(SUCCESS.values()) + random.Random(1).randbytes(200_000))
    correlator = Correlator()
    correlator.read(
        LogFile("cut.gz", WRITTEN), gzip.GzipFile(fileobj=io.BytesIO(whole[: len(whole) // 2]))
    )

    found = correlator.result()

    assert "cannot be read beyond line" in found.files[0].problem
    assert only(found).lines == 12


def test_hostile_content_is_data() -> None:
    hostile = "aex_\x07[bold red]\u202e\x9b2J"
    record = {"execution_id": hostile, "message": "Callback token detected", "error": "[/x]\x00"}

    handshake = only(correlate(_json(record), Selector(execution_id=hostile)))

    assert handshake.execution_ids == (hostile,)
    assert handshake.timeline[0].error == "[/x]\x00"


def _json(record: Mapping[str, str]) -> bytes:
    import json

    return json.dumps(record).encode()


def shuffled(lines: Iterable[bytes], seed: int) -> bytes:
    mixed = list(lines)
    random.Random(seed).shuffle(mixed)
    return b"".join(mixed)


@given(st.integers(), st.sampled_from(sorted(ENDS)))
def test_the_order_of_lines_in_files_changes_no_verdict(seed: int, verdict: str) -> None:
    lines = ENDS[verdict].splitlines(keepends=True)

    assert only(correlate(shuffled(lines, seed))).verdict.id == verdict


@given(st.integers(min_value=0, max_value=2**32), st.sampled_from(LAYOUTS))
def test_many_handshakes_in_one_log_come_apart_again(seed: int, layout: Layout) -> None:
    lines = [
        line(message_id, n, layout, execution=f"aex_{n}", workflow=f"order-{n}", run=f"run-{n}")
        for n in range(8)
        for message_id in ("zigflow-returned-pending", "runner-started")
    ]

    found = correlate(shuffled(lines, seed))

    assert {each.execution_ids for each in found.handshakes} == {(f"aex_{n}",) for n in range(8)}
    assert all(each.lines == 2 for each in found.handshakes)


words = st.sampled_from(sorted({message.text for message in MESSAGE.values()})).map(str.encode)
mess = st.lists(
    st.one_of(st.binary(max_size=60), words, st.just(b"\n"), st.just(b" execution_id=")),
    max_size=30,
).map(b"".join)


@given(mess, st.booleans())
def test_any_bytes_are_survived(content: bytes, selected: bool) -> None:
    found = correlate(content, Selector(execution_id="x") if selected else None)

    assert found.files[0].bytes == len(content)
    assert found.files[0].problem == ""


def test_what_an_edition_does_not_log_is_neither_missed_nor_expected() -> None:
    received = only(correlate(line("java-token-received", 0, spring_console)))
    started = only(correlate(ENDS["outcome-not-joined"]))

    assert received.expected is not None
    assert received.expected.id == "agent-started"
    assert "workflow-started" not in [stage.id for stage in started.unseen]
    assert "agent-started" in [stage.id for stage in started.unseen]
