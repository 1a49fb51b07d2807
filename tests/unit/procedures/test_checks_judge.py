"""What the checks conclude from what they have read."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stigmer_ops.diagnosis.diagnose import DiagnosisReport
from stigmer_ops.handshake.case import Confidence, Diagnosis
from stigmer_ops.handshake.queue_verdicts import QueueCheck
from stigmer_ops.handshake.registration import (
    Answer,
    NotRegistered,
    ProbeAnswer,
    Registration,
)
from stigmer_ops.handshake.scan_report import Unreadable
from stigmer_ops.handshake.verdicts import (
    NEAR_DEADLINE,
    RUNNING,
    STIGMER_TIMED_OUT,
    TOKEN_NOT_PASSED,
    UNSAFE_SETTINGS,
    Verdict,
)
from stigmer_ops.handshake.workers import Backlog, ExpectedQueue, Poller, QueueWorkers, TaskKind
from stigmer_ops.procedures.checks.check import Fail, Ok, Outcome, Skip, Warn
from stigmer_ops.procedures.checks.handshake import all_read, judged, none_of, none_stuck
from stigmer_ops.procedures.checks.settings import unsafe_thresholds, why_not_writable
from stigmer_ops.procedures.checks.task_queues import backlogs
from stigmer_ops.procedures.checks.temporal import (
    CAPABILITIES,
    judged_capabilities,
    judged_skew,
)
from stigmer_ops.procedures.checks.workers import agreed, answered, registered
from stigmer_ops.settings import CALLBACK_ACTIVITY_TYPE, Thresholds
from stigmer_ops.settings_sources import load
from stigmer_ops.temporal.recent_callbacks import RecentCallbacks
from stigmer_ops.temporal.server import ServerDescription
from support.activities import pending

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)

# --- settings ------------------------------------------------------------------------------------


def test_default_thresholds_are_effective() -> None:
    assert list(unsafe_thresholds(load(None, {}).settings)) == []


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("THRESHOLDS_STUCK_AFTER", "24h", "thresholds.stuck_after"),
        ("THRESHOLDS_SUSPECT_AFTER", "5h", "thresholds.suspect_after"),
        ("THRESHOLDS_HANDSHAKE_GRACE", "10m", "thresholds.handshake_grace"),
        ("THRESHOLDS_POLLER_STALE_AFTER", "5m", "thresholds.poller_stale_after"),
        ("STIGMER_WORKFLOW_RUN_TIMEOUT", "25h", "stigmer.workflow_run_timeout"),
    ],
)
def test_threshold_that_cannot_strike_in_time_is_named(
    variable: str, value: str, named: str
) -> None:
    settings = load(None, {f"STIGMER_OPS_{variable}": value}).settings
    (problem,) = unsafe_thresholds(settings)
    assert named in problem


def test_audit_file_is_writable_where_it_is_or_could_be_made(tmp_path: Path) -> None:
    assert why_not_writable(tmp_path / "new" / "folder" / "audit.jsonl") == ""
    file = tmp_path / "audit.jsonl"
    file.touch()
    assert why_not_writable(file) == ""


def test_audit_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    assert why_not_writable(tmp_path) == "not a regular file"
    file = tmp_path / "file"
    file.touch()
    assert "is not a folder" in why_not_writable(file / "audit.jsonl")


def test_audit_file_without_permission_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "audit.jsonl"
    file.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    assert why_not_writable(file) == "no permission to read and write it"
    assert why_not_writable(tmp_path / "new") == f"no permission to write in {tmp_path}"


# --- temporal ------------------------------------------------------------------------------------


def test_capabilities_that_are_missing_are_named_with_what_that_takes() -> None:
    whole = ServerDescription("1.32.0", "", frozenset(CAPABILITIES), None)
    assert judged_capabilities(whole) == Ok("Temporal Server 1.32.0")
    old = replace(whole, capabilities=frozenset(CAPABILITIES) - {"standalone_activities"})
    outcome = judged_capabilities(old)
    assert isinstance(outcome, Warn)
    assert outcome.message.startswith("no standalone activities: ")
    mute = judged_capabilities(replace(whole, version=""))
    assert mute == Warn("the server does not tell its version")


@pytest.mark.parametrize(
    ("skew", "expected"),
    [
        (timedelta(0), Ok()),
        (timedelta(seconds=4), Ok()),
        (timedelta(hours=1), Fail("this machine's clock is at least 3600 s behind the server's")),
        (
            -timedelta(minutes=1),
            Fail("this machine's clock is at least 60 s ahead of the server's"),
        ),
    ],
)
def test_clock_skew_beyond_seconds_fails(skew: timedelta, expected: Outcome) -> None:
    assert judged_skew(skew) == expected


def test_clock_that_cannot_be_measured_is_skipped() -> None:
    assert isinstance(judged_skew(None), Skip)


# --- task queues and workers ---------------------------------------------------------------------


def queue(*backlogs: tuple[TaskKind, Backlog], name: str = "orders") -> QueueWorkers:
    expected = ExpectedQueue(name, "default", activity_types=(CALLBACK_ACTIVITY_TYPE,))
    return QueueWorkers(expected, NOW, timedelta(minutes=1), backlogs=backlogs)


def said(*types: str, identity: str = "w1") -> ProbeAnswer:
    return ProbeAnswer(Answer.REGISTERED_TYPES, identity, NotRegistered("probe", types))


def asked(*answers: ProbeAnswer, **changes: object) -> QueueCheck:
    registration = replace(Registration(probed=True, answers=answers), **changes)  # type: ignore[arg-type]
    return QueueCheck(queue(), registration)


@pytest.mark.parametrize(
    ("backlog", "behind"),
    [
        (Backlog(), False),
        (Backlog(count=100, age=timedelta(minutes=4)), False),
        (Backlog(count=101, age=timedelta(seconds=1)), True),
        (Backlog(count=1, age=timedelta(minutes=6)), True),
        (Backlog(count=0, age=timedelta(minutes=6)), False),
    ],
)
def test_backlog_is_too_many_or_too_old(backlog: Backlog, behind: bool) -> None:
    found = list(backlogs(queue((TaskKind.ACTIVITY, backlog)), Thresholds()))
    assert [line.startswith("orders: ") for line in found] == [True] * behind


def test_workers_that_all_answered_are_counted() -> None:
    assert answered([asked(said("a")), asked(said("b"))]) == Ok("answers: 2")


def test_worker_that_did_not_answer_is_named() -> None:
    check = asked(said("a"), silent=("w2",))
    polls = Poller(identity="w2", kind=TaskKind.ACTIVITY, last_access_time=NOW)
    outcome = answered([replace(check, workers=replace(check.workers, pollers=(polls,)))])
    assert isinstance(outcome, Fail)
    assert "w2" in outcome.message
    assert outcome.message.endswith("did not take the probe")


def test_workers_that_were_not_asked_are_no_finding() -> None:
    outcome = answered([asked(probed=False, unknown="read-only mode; no failure names the types")])
    assert isinstance(outcome, Skip)
    assert "read-only mode" in outcome.reason


def test_registered_types_are_told() -> None:
    whole = asked(said(CALLBACK_ACTIVITY_TYPE))
    assert registered([whole]) == Ok(CALLBACK_ACTIVITY_TYPE)


def test_worker_without_the_type_fails_and_is_named() -> None:
    outcome = registered([asked(said(CALLBACK_ACTIVITY_TYPE), said("other", identity="w2"))])
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith(f"orders: w2 lacks {CALLBACK_ACTIVITY_TYPE}")
    assert "w1" not in outcome.message


def test_queue_of_which_no_worker_speaks_proves_nothing() -> None:
    assert registered([asked()]) == Skip("no worker of orders says what it has")


def test_workers_that_differ_are_named() -> None:
    outcome = agreed([asked(said("a"), said("a", "b", identity="w2"))])
    assert outcome == Fail("orders: w1 has a\norders: w2 has a, b")
    assert agreed([asked(said("a"), said("a", identity="w2"))]) == Ok()


# --- handshake -----------------------------------------------------------------------------------


def diagnosed(verdict: Verdict, *also: Verdict) -> Diagnosis:
    return Diagnosis(pending(), verdict, Confidence.PROVED, (), also)


def test_what_could_not_be_read_fails() -> None:
    report = DiagnosisReport(unreadable=[Unreadable("order-1", "run", "UNAVAILABLE")])
    assert isinstance(all_read(report), Fail)
    assert all_read(DiagnosisReport()) == Ok("external activities: 0, executions: 0")


def test_stuck_activities_are_counted_by_verdict_most_first() -> None:
    report = DiagnosisReport(
        [
            diagnosed(STIGMER_TIMED_OUT),
            diagnosed(TOKEN_NOT_PASSED),
            diagnosed(TOKEN_NOT_PASSED),
            diagnosed(RUNNING, UNSAFE_SETTINGS),
        ]
    )
    outcome = none_stuck(report)
    assert isinstance(outcome, Fail)
    assert [line.split(":")[0] for line in outcome.message.splitlines()] == [
        "2 x token-not-passed",
        "1 x stigmer-workflow-timed-out",
    ]
    assert none_stuck(DiagnosisReport([diagnosed(RUNNING)])) == Ok("waiting: 1")


def test_verdict_counts_beside_another_too() -> None:
    report = DiagnosisReport([diagnosed(RUNNING, UNSAFE_SETTINGS), diagnosed(UNSAFE_SETTINGS)])
    assert none_of(NEAR_DEADLINE)(report) == Ok()
    assert none_of(UNSAFE_SETTINGS)(report) == Fail("activity 5 of workflow order-42 and 1 more")


@pytest.mark.parametrize(
    ("recent", "kind"),
    [
        (RecentCallbacks(), Ok),
        (RecentCallbacks(succeeded=3), Ok),
        (RecentCallbacks(succeeded=18, failed=1), Skip),
        (RecentCallbacks(succeeded=19, failed=1), Fail),
        (RecentCallbacks(succeeded=96, failed=4), Ok),
        (RecentCallbacks(succeeded=95, failed=5, none=900), Fail),
        (RecentCallbacks(failed=30), Fail),
        (RecentCallbacks(succeeded=100, unreadable=1), Warn),
    ],
)
def test_error_rate_needs_traffic_and_counts_attempted_callbacks(
    recent: RecentCallbacks, kind: type[Outcome]
) -> None:
    assert type(judged(recent)) is kind
