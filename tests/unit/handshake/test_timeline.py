"""A handshake in time, without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stigmer_ops.handshake.activity import ActivityState, Failure
from stigmer_ops.handshake.timeline import MOMENTS_KEPT, ExecutionSteps, Step, Tone, timeline
from support.incident import HOUR, NOW, diagnosis, execution

MINUTE = timedelta(minutes=1)


def callback(**more: object) -> Step:
    began = NOW - HOUR + MINUTE
    step = Step("stigmer/system/complete-external-activity", True, began, started=began + MINUTE)
    return replace(step, **more)  # type: ignore[arg-type] # fields of Step


def test_failed_callback_is_told_with_its_attempts_and_its_event() -> None:
    found = execution()
    step = callback(
        ended=NOW - HOUR + 2 * MINUTE,
        outcome="FAILED",
        attempts=3,
        failure=Failure("refused"),
        end_event_id=27,
    )
    steps = ExecutionSteps(found, (step,), NOW - HOUR + 2 * MINUTE, 30)
    drawn = timeline(diagnosis(executions=[found]), NOW, [steps])
    assert [lane.title for lane in drawn.lanes] == [
        "external activity: waits, attempt 1",
        "execution: FAILED after 2m00s",
        "callback: FAILED after 3 attempts",
    ]
    (span,) = drawn.lanes[-1].spans
    assert span.tone is Tone.FAILED
    assert span.marks == (step.scheduled, step.started)
    told = [moment.what for moment in drawn.moments]
    assert told[-2:] == [
        "now: it is still pending",
        "deadline: the START_TO_CLOSE timeout ends the attempt",
    ]
    (failed,) = [moment for moment in drawn.moments if moment.event_id == 27]
    assert failed.what.endswith("FAILED after 3 attempts: refused")
    assert failed.workflow_id == found.workflow_id
    assert drawn.moments == tuple(sorted(drawn.moments, key=lambda moment: moment.time))
    assert drawn.action == (NOW - HOUR, NOW - HOUR + 2 * MINUTE)


def test_open_execution_goes_on_until_now() -> None:
    found = execution(status="RUNNING")
    waiting = callback(started=None)
    drawn = timeline(diagnosis(executions=[found]), NOW, [ExecutionSteps(found, (waiting,))])
    assert drawn.lanes[1].title == "execution: RUNNING for 1h00m"
    assert drawn.lanes[2].title == "callback: waits for a worker"
    assert drawn.lanes[2].spans[0].tone is Tone.QUEUED
    assert drawn.action == (NOW - HOUR, NOW)
    retried = callback(attempts=2, failure=Failure("no"))
    again = timeline(diagnosis(executions=[found]), NOW, [ExecutionSteps(found, (retried,))])
    assert again.lanes[2].title == "callback: keeps failing, attempt 2"
    assert again.lanes[2].spans[0].tone is Tone.FAILED
    (told,) = [moment for moment in again.moments if "keeps failing, attempt 2" in moment.what]
    assert (told.time, told.what[-4:]) == (NOW, ": no")


def test_retried_activity_shows_what_was_before() -> None:
    one = diagnosis(
        attempt=2,
        first_scheduled_time=NOW - 2 * HOUR,
        scheduled_time=NOW - HOUR,
        last_started_time=NOW - HOUR + MINUTE,
    )
    drawn = timeline(one, NOW, [])
    assert [span.tone for span in drawn.activity.spans] == [
        Tone.QUEUED,
        Tone.QUEUED,
        Tone.WAITS,
    ]
    assert drawn.start == NOW - 2 * HOUR
    assert drawn.end == NOW + 23 * HOUR + MINUTE
    assert drawn.action is None
    assert "attempt 2 scheduled" in [moment.what for moment in drawn.moments]


def test_unstarted_activity_waits_for_a_worker() -> None:
    one = diagnosis(state=ActivityState.SCHEDULED, last_started_time=None)
    drawn = timeline(one, NOW, [])
    assert drawn.deadline is None
    assert drawn.activity.title == "external activity: waits for a worker, attempt 1"
    assert drawn.end == NOW


def test_long_history_keeps_its_beginning_and_its_end() -> None:
    found = execution()
    steps = tuple(
        Step(f"Step{n}", False, NOW - HOUR + n * MINUTE / 10, ended=NOW, outcome="COMPLETED")
        for n in range(300)
    )
    drawn = timeline(diagnosis(executions=[found]), NOW, [ExecutionSteps(found, steps)])
    assert len(drawn.moments) == MOMENTS_KEPT
    assert drawn.left_out > 500
    assert drawn.moments[0].what == "external activity scheduled"
    assert drawn.moments[-1].what.startswith("deadline")
