"""The counters and the histogram."""

from __future__ import annotations

from datetime import timedelta

import pytest

from stigmer_ops.exporter.callbacks import totals as totals_module
from stigmer_ops.exporter.callbacks.news import CallbackEnd, ErrorType, Status
from stigmer_ops.exporter.callbacks.totals import BOUNDS, Durations, Totals, handshake_of
from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.handshake.execution import Claim, TokenState

LABELS = ("default", "go", "success")


def end(
    status: Status | None = "success",
    error_type: ErrorType | None = None,
    activity_id: str = "5",
    seconds: float = 0.1,
) -> CallbackEnd:
    claim = Claim(TokenState.WHOLE, workflow_id="w", run_id="r", activity_id=activity_id)
    return CallbackEnd(claim, "default", "go", status, timedelta(seconds=seconds), error_type)


def test_histogram_is_that_of_the_catalogue_with_inclusive_bounds() -> None:
    totals = Totals()
    for seconds in (0.0, 0.005, 0.0051, 180, 181):
        totals.count(end(seconds=seconds))
    durations = totals.durations[LABELS]
    cumulative = dict(durations.cumulative)
    assert list(cumulative) == [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    assert (cumulative["0.005"], cumulative["0.01"], cumulative["180"]) == (2, 3, 4)
    assert cumulative["+Inf"] == totals.completions[LABELS] == 5
    assert durations.sum_seconds == pytest.approx(361.0101)


def test_empty_histogram_is_all_zero() -> None:
    assert {count for _, count in Durations().cumulative} == {0}


def test_callback_without_a_token_is_only_an_error() -> None:
    totals = Totals()
    totals.count(end(status=None, error_type="token_empty"))
    assert not totals.completions
    assert not totals.durations
    assert totals.errors == {("default", "go", "token_empty"): 1}


def test_handshake_that_went_wrong_twice_is_one_error() -> None:
    totals = Totals()
    key = ActivityKey("w", "r", "5")
    totals.count(end("failure", "client_error"))
    assert not totals.count_error("default", "go", "timeout", key)
    assert totals.count_error("default", "go", "timeout", ActivityKey("w", "r", "6"))
    totals.count(end("failure", "client_error", activity_id="6"))  # after its timeout
    assert totals.errors == {
        ("default", "go", "client_error"): 1,
        ("default", "go", "timeout"): 1,
    }
    assert totals.completions["default", "go", "failure"] == 2
    again = Totals.from_json(totals.to_json())
    assert not again.count_error("default", "go", "timeout", key)
    assert again.count_error("elsewhere", "go", "timeout", key)  # another activity altogether


def test_what_names_no_activity_is_counted_each_time() -> None:
    truncated = Claim(TokenState.TRUNCATED, workflow_id="", run_id="", activity_id="")
    assert handshake_of(truncated) is None
    totals = Totals()
    assert totals.count_error("default", "go", "client_error", None)
    assert totals.count_error("default", "go", "client_error", None)
    assert totals.errors.total() == 2


def test_only_the_last_handshakes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals_module, "REMEMBERED", 10)
    totals = Totals()
    for number in range(12):
        totals.count_error("default", "go", "timeout", ActivityKey("w", "r", str(number)))
    assert len(totals.to_json()["went_wrong"]) == 10
    assert totals.count_error("default", "go", "timeout", ActivityKey("w", "r", "0"))
    assert not totals.count_error("default", "go", "timeout", ActivityKey("w", "r", "11"))


def test_histogram_of_other_bounds_begins_anew_and_counters_go_on() -> None:
    totals = Totals()
    totals.count(end())
    plain = totals.to_json()
    plain["bounds"] = [1, 2, 3]
    read = Totals.from_json(plain)
    assert read.completions == totals.completions
    assert read.durations == {}
