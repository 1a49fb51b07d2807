from __future__ import annotations

from datetime import timedelta

import pytest

from stigmer_ops.sandbox import names
from stigmer_ops.sandbox.plan import ANNOTATION, Agent, Deployment, Edition, Script
from stigmer_ops.sandbox.scale import LATENCY_FLOOR, TimeScale


def test_scale_makes_ten_minutes_ten_seconds() -> None:
    assert TimeScale(1 / 60)(timedelta(minutes=10)) == timedelta(seconds=10)


def test_scale_never_exceeds_the_nominal_time() -> None:
    assert TimeScale(1 / 60)(timedelta(seconds=2), floor=timedelta(seconds=9)) == timedelta(
        seconds=2
    )
    assert TimeScale(1 / 60)(timedelta(minutes=1), floor=timedelta(seconds=9)) == timedelta(
        seconds=9
    )


@pytest.mark.parametrize("factor", [0, -1, 1.5, float("nan")])
def test_scale_refuses_factors_that_are_none(factor: float) -> None:
    with pytest.raises(ValueError, match="time scale"):
        TimeScale(factor)


def test_script_is_read_back_from_its_annotation() -> None:
    script = Script(handshake="h", edition=Edition.JAVA, run_timeout=timedelta(minutes=3))

    assert Script.of({ANNOTATION: script.to_json()}) == script


def test_script_of_a_foreign_execution_is_healthy() -> None:
    assert Script.of({"team": "billing"}) == Script()


@pytest.mark.parametrize(
    ("script", "queue"),
    [
        (Script(), "agent_execution_stigmer"),
        (Script(edition=Edition.WORKFLOW), "workflow_execution_stigmer"),
        (Script(edition=Edition.JAVA), "agent_execution_stigmer_java"),
        (Script(deployment=Deployment.CUT_OFF), "agent_execution_stigmer_cut_off"),
    ],
)
def test_each_deployment_has_a_queue_of_its_own(script: Script, queue: str) -> None:
    assert script.stigmer_queue == queue


def test_missing_runner_is_looked_for_where_nobody_polls() -> None:
    assert Script(runner_polled=False).runner_queue == names.UNPOLLED_RUNNER_QUEUE


def test_timeouts_that_measure_the_machine_are_not_scaled_away() -> None:
    script = Script(time_scale=1 / 6000)

    assert script.runner_wait == LATENCY_FLOOR
    assert script.heartbeat_timeout == LATENCY_FLOOR
    assert Script(time_scale=1 / 60, agent=Agent.FALLS_SILENT).heartbeat_timeout == timedelta(
        seconds=1
    )


def test_raised_run_timeout_leaves_the_agent_as_much_time() -> None:
    assert Script(run_timeout=timedelta(hours=20)).work_timeout == timedelta(hours=20)
    assert Script(run_timeout=timedelta(minutes=1)).work_timeout == timedelta(minutes=10)
