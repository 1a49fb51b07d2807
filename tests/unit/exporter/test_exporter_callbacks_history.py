"""Histories as the Java SDK leaves them, event by event: what no worker here can produce."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import ActivityFailureInfo, ApplicationFailureInfo, Failure
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes

from stigmer_ops.exporter.callbacks import history
from stigmer_ops.handshake.execution import Callback, CallbackState, Edition

START = datetime(2026, 11, 24, 10, tzinfo=UTC)
TASK_SCHEDULED = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
TASK_STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
TASK_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(event_type: EventType.ValueType, seconds: float) -> HistoryEvent:
    made = HistoryEvent(event_type=event_type)
    made.event_time.FromDatetime(at(seconds))
    return made


def marker(
    seconds: float,
    first: float | None = None,
    *,
    backoff: int | None = None,
    failure: Failure | None = None,
) -> HistoryEvent:
    made = event(EventType.EVENT_TYPE_MARKER_RECORDED, seconds)
    details: dict[str, Any] = {"type": "CompleteExternalActivity"}
    if first is not None:
        milliseconds = round(at(first).timestamp() * 1000)
        details["meta"] = {"firstSkd": milliseconds, "atpt": 1, "backoff": backoff}
    made.marker_recorded_event_attributes.CopyFrom(
        MarkerRecordedEventAttributes(
            marker_name="LocalActivity",
            failure=failure,
            details={
                name: Payloads(payloads=[Payload(data=json.dumps(value).encode())])
                for name, value in details.items()
            },
        )
    )
    return made


def task(scheduled: float, started: float, completed: float) -> list[HistoryEvent]:
    return [
        event(TASK_SCHEDULED, scheduled),
        event(TASK_STARTED, started),
        event(TASK_COMPLETED, completed),
    ]


async def read(monkeypatch: pytest.MonkeyPatch, *events: HistoryEvent) -> list[Callback]:
    async def given(*_: object) -> AsyncIterator[HistoryEvent]:
        for each in events:
            yield each

    with monkeypatch.context() as patched:
        patched.setattr(history, "_events", given)
        frontend: Any = None
        return (await history.read_whole(frontend, "w", "r", "call-back")).callbacks


@pytest.mark.parametrize(
    ("first", "scheduled"),
    [
        (1.2, 1.2),
        (0.2, 1.0),  # the worker's clock is behind: not before the start of its task
        (9.0, 2.0),  # it is ahead: not after the marker
        (None, 1.0),  # an SDK that does not say
    ],
)
async def test_scheduling_is_as_the_worker_says_within_what_the_server_knows(
    monkeypatch: pytest.MonkeyPatch, first: float | None, scheduled: float
) -> None:
    (callback,) = await read(monkeypatch, *task(0.5, 1, 2), marker(2, first))
    assert callback.scheduled == at(scheduled)
    assert callback.time == at(2)
    assert (callback.state, callback.edition) == (CallbackState.SUCCEEDED, Edition.JAVA)


@pytest.mark.parametrize(("between", "scheduled"), [(False, 1.0), (True, 9.1)])
async def test_local_activity_that_outlasts_its_task_began_in_the_first_one(
    monkeypatch: pytest.MonkeyPatch, between: bool, scheduled: float
) -> None:
    other = [event(EventType.EVENT_TYPE_TIMER_STARTED, 9)] if between else []
    events = [*task(0.5, 1, 9), *other, *task(9, 9.1, 12), marker(12)]
    (callback,) = await read(monkeypatch, *events)
    assert callback.scheduled == at(scheduled)


async def test_marker_with_a_backoff_is_an_attempt_and_no_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failure = Failure(message="refused")
    attempt = marker(2, 1.1, backoff=20_000, failure=failure)
    end = marker(25, 1.1)
    events = [*task(0.5, 1, 2), attempt, *task(22, 23, 25), end]
    (callback,) = await read(monkeypatch, *events)
    assert callback.state is CallbackState.SUCCEEDED
    assert await read(monkeypatch, *task(0.5, 1, 2), attempt) == []


async def test_failure_is_what_the_activity_failed_with(monkeypatch: pytest.MonkeyPatch) -> None:
    cause = Failure(
        message="gone",
        application_failure_info=ApplicationFailureInfo(
            type="io.temporal.client.ActivityNotExistsException"
        ),
    )
    wrapped = Failure(
        message="Activity task failed", activity_failure_info=ActivityFailureInfo(), cause=cause
    )
    (callback,) = await read(monkeypatch, *task(0.5, 1, 2), marker(2, 1.1, failure=wrapped))
    assert callback.state is CallbackState.FAILED
    assert callback.failure is not None
    assert callback.failure.message == "gone"
    assert callback.failure.type == "io.temporal.client.ActivityNotExistsException"


@pytest.mark.parametrize("first", [True, -1, 10**30, "soon", None, [1]])
async def test_marker_that_says_nonsense_is_read_all_the_same(
    monkeypatch: pytest.MonkeyPatch, first: object
) -> None:
    odd = marker(2, 1.1)
    payload = Payload(data=json.dumps({"firstSkd": first}).encode())
    odd.marker_recorded_event_attributes.details["meta"].CopyFrom(Payloads(payloads=[payload]))
    (callback,) = await read(monkeypatch, *task(0.5, 1, 2), odd)
    assert callback.scheduled == at(1)
