"""When a deployment is well, when it is not, and when it is rolled back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stigmer_ops.errors import InputError
from stigmer_ops.handshake.execution import Callback, CallbackState
from stigmer_ops.monitoring.catalogue import catalogue
from stigmer_ops.procedures.deployment.sample import Handshakes, Measure, Sample, Workers
from stigmer_ops.procedures.deployment.snapshot import Snapshot, read_snapshot, write_snapshot
from stigmer_ops.procedures.deployment.sources import measured
from stigmer_ops.procedures.deployment.watched import (
    CALLBACK_ALERT,
    ERROR_ALERT,
    FAILURE_ALERT,
    State,
    Terms,
    Verification,
)
from stigmer_ops.settings import Settings
from stigmer_ops.temporal.callback_window import Ended

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SETTINGS = Settings()
TERMS = Terms(SETTINGS, catalogue(SETTINGS), Snapshot(NOW, "default", pending=30))

WELL = Sample(
    NOW,
    Handshakes(Measure(100.0), Measure(0.0), Measure(0.0), Measure(0.05)),
    Measure(30.0),
    Workers((), note="answers: 5"),
    alerts=(),
)


def errors(ratio: float | None, failures: float | None = 0.0, ended: float = 100.0) -> Sample:
    return replace(
        WELL,
        handshakes=replace(
            WELL.handshakes,
            ended=Measure(ended),
            error_ratio=Measure(ratio),
            failure_ratio=Measure(failures),
        ),
    )


def verified(*samples: tuple[float, Sample]) -> Verification:
    """Samples with the minutes at which they were taken."""
    verification = Verification(TERMS)
    for minutes, sample in samples:
        verification.take(replace(sample, time=NOW + minutes * MINUTE))
    return verification


def broken(verification: Verification) -> set[str]:
    return {standing.watched.id for standing in verification.broken}


def triggered(verification: Verification) -> set[str]:
    return {standing.watched.id for standing in verification.triggered}


def test_well_is_well() -> None:
    found = verified((0, WELL), (1, WELL))
    assert (broken(found), triggered(found), found.unknown) == (set(), set(), ())
    assert found.samples == 2


@pytest.mark.parametrize(
    ("sample", "limit"),
    [
        (errors(0.011), "errors"),
        (
            replace(WELL, handshakes=replace(WELL.handshakes, completion_p99=Measure(0.101))),
            "completion-p99",
        ),
        (replace(WELL, pending=Measure(61.0)), "pending"),
        (replace(WELL, workers=Workers(("q: pod-1 lacks X",))), "workers"),
    ],
)
def test_limit_that_does_not_hold_at_the_end_fails(sample: Sample, limit: str) -> None:
    assert broken(verified((0, WELL), (1, sample))) == {limit}
    assert broken(verified((0, sample), (1, WELL))) == set()


@pytest.mark.parametrize(
    "sample",
    [
        errors(0.01),
        replace(WELL, handshakes=replace(WELL.handshakes, completion_p99=Measure(0.1))),
        replace(WELL, pending=Measure(60.0)),
    ],
)
def test_limit_itself_still_holds(sample: Sample) -> None:
    assert broken(verified((0, sample))) == set()


def test_limit_that_did_not_hold_for_too_long_fails_though_it_holds_again() -> None:
    bad = errors(0.02)
    assert broken(verified((0, bad), (5, bad), (6, WELL))) == {"errors"}
    assert broken(verified((0, bad), (4.9, bad), (6, WELL))) == set()
    assert broken(verified((0, bad), (3, WELL), (4, bad), (8, bad), (9, WELL))) == set()


def test_few_that_wait_may_become_some_more() -> None:
    terms = replace(TERMS, before=Snapshot(NOW, "default", pending=0))
    verification = Verification(terms)
    verification.take(replace(WELL, pending=Measure(20.0)))
    assert broken(verification) == set()
    verification.take(replace(WELL, pending=Measure(21.0)))
    assert broken(verification) == {"pending"}


def test_error_rate_rolls_back_after_five_minutes_in_a_row() -> None:
    bad = errors(0.11)
    assert triggered(verified((0, bad), (4.9, bad))) == set()
    assert triggered(verified((0, bad), (3, WELL), (4, bad), (6, bad))) == set()
    assert triggered(verified((0, bad), (5, bad))) == {"rollback-error-rate"}
    assert triggered(verified((0, errors(0.1)), (9, errors(0.1)))) == set()


def test_completion_failures_roll_back_after_five_minutes() -> None:
    bad = errors(0.0, failures=0.51)
    assert triggered(verified((0, bad), (5, bad))) == {"rollback-completion-failures"}


def test_too_few_handshakes_roll_back_nothing() -> None:
    few = errors(1.0, failures=1.0, ended=SETTINGS.monitoring.minimum_completions - 1)
    found = verified((0, few), (9, few))
    assert (broken(found), triggered(found)) == (set(), set())
    assert "too few to judge" in found.standings[0].judged.seen


def test_a_gap_in_the_readings_neither_ends_nor_begins_a_break() -> None:
    bad, gap = errors(0.11), errors(None, None)
    assert triggered(verified((0, bad), (2, gap), (5, bad))) == {"rollback-error-rate"}
    assert triggered(verified((0, gap), (9, gap))) == set()
    assert [one.watched.id for one in verified((0, gap)).unknown] == ["errors"]


def test_critical_alert_rolls_back_at_once() -> None:
    found = verified((0, replace(WELL, alerts=("StigmerPollersMissing",))))
    assert triggered(found) == {"rollback-critical-alert"}
    assert found.triggered[0].judged.seen == "StigmerPollersMissing"


def test_alerts_that_nobody_can_tell_are_not_known() -> None:
    found = verified((0, replace(WELL, alerts=None, alerts_note="cannot reach Prometheus")))
    assert found.standings[-1].judged.state is State.UNKNOWN
    assert triggered(found) == set()


def test_worker_without_callback_rolls_back_as_its_alert_would() -> None:
    lacking = replace(WELL, workers=Workers(("q: lacks",), lacking=("q: lacks",)))
    assert triggered(verified((0, lacking), (5, lacking))) == {"rollback-callback-missing"}
    assert triggered(verified((0, lacking), (4, lacking))) == set()


def test_condition_of_the_alert_decides_where_prometheus_was_asked() -> None:
    sample = errors(0.5, failures=0.9)
    quiet = replace(sample, handshakes=replace(sample.handshakes, raised=frozenset()))
    both = frozenset({ERROR_ALERT, FAILURE_ALERT})
    raised = replace(sample, handshakes=replace(sample.handshakes, raised=both))
    assert triggered(verified((0, quiet), (9, quiet))) == set()
    assert triggered(verified((0, raised), (5, raised))) == {
        "rollback-error-rate",
        "rollback-completion-failures",
    }


def test_triggers_wait_as_long_as_their_alerts() -> None:
    patience = {
        standing.watched.id: standing.watched.patience(TERMS)
        for standing in Verification(TERMS).standings
        if standing.watched.trigger
    }
    waits = {alert: TERMS.catalogue.alert(alert).for_ for alert in (ERROR_ALERT, CALLBACK_ALERT)}
    assert patience["rollback-error-rate"] == waits[ERROR_ALERT] == 5 * MINUTE
    assert patience["rollback-callback-missing"] == waits[CALLBACK_ALERT]
    assert patience["rollback-critical-alert"] == timedelta(0)


def ended(state: CallbackState | None, milliseconds: int = 50, *, completed: bool = True) -> Ended:
    if state is None:
        return Ended(NOW, completed, None)
    took = timedelta(milliseconds=milliseconds)
    return Ended(NOW, completed, Callback(state, time=NOW, scheduled=NOW - took))


def test_temporal_alone_counts_failed_and_lost_callbacks() -> None:
    found = measured(
        [
            *(ended(CallbackState.SUCCEEDED, number) for number in range(1, 98)),
            ended(CallbackState.FAILED, 3000),
            ended(CallbackState.NOT_ATTEMPTED, completed=False),
            ended(CallbackState.UNDER_WAY, completed=False),
            ended(CallbackState.NOT_ATTEMPTED),
            ended(None, completed=False),
        ],
        "5m",
    )
    assert found.ended.value == 100
    assert found.error_ratio == Measure(0.03, "3 of 100 in 5m, 1 could not be read")
    assert found.failure_ratio == Measure(1 / 98, "1 of 98 in 5m")
    assert found.raised is None


def test_p99_is_of_the_slowest_percent() -> None:
    found = measured([ended(CallbackState.SUCCEEDED, n) for n in range(1, 101)], "5m")
    assert found.completion_p99.value == pytest.approx(0.099)


def test_nothing_ended_is_no_error() -> None:
    found = verified((0, replace(WELL, handshakes=measured([], "5m"))))
    assert (broken(found), found.unknown) == (set(), ())


def test_snapshot_survives_being_written_and_is_of_its_namespace(tmp_path: Path) -> None:
    path = tmp_path / "before.json"
    taken = Snapshot(NOW, "orders", 7, {"0-1h": 7}, {"stigmer-server": 12})
    write_snapshot(taken, path)
    assert read_snapshot(path, "orders") == taken
    with pytest.raises(InputError, match="namespace 'orders'"):
        read_snapshot(path, "default")


@pytest.mark.parametrize("text", ["", "[]", '{"kind": "Plan", "schema_version": 1}', "{}"])
def test_what_is_no_snapshot_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "before.json"
    path.write_text(text)
    with pytest.raises(InputError, match="is no snapshot"):
        read_snapshot(path, "default")


def test_snapshot_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_snapshot(tmp_path / "missing", "default")
    with pytest.raises(InputError, match="cannot write"):
        write_snapshot(Snapshot(NOW, "default", 1), tmp_path / "no" / "folder")


def test_limit_of_which_nothing_was_measured_is_not_judged() -> None:
    quiet = errors(0.0, ended=0)
    few = errors(0.0, ended=SETTINGS.monitoring.minimum_completions - 1)

    def unjudged(*samples: Sample) -> list[str]:
        found = verified(*((minute, sample) for minute, sample in enumerate(samples)))
        return [one.watched.id for one in found.unjudged]

    assert unjudged(quiet, quiet) == ["errors", "completion-p99"]
    assert unjudged(quiet, few) == ["errors", "completion-p99"]
    assert unjudged(quiet, WELL, quiet) == []
    assert unjudged(errors(None)) == []
