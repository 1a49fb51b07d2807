from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stigmer_ops.handshake.activity import ActivityKey
from stigmer_ops.logs.messages import MESSAGES, Message, Outcome, Side, message_in
from stigmer_ops.logs.scan import Record
from stigmer_ops.logs.sighting import Sighting, sighting_in
from stigmer_ops.logs.stages import STAGES
from stigmer_ops.logs.times import LineClock
from support.log_lines import (
    ACTIVITY,
    AT,
    CARRIERS,
    EXECUTION,
    LAYOUTS,
    RUN,
    STIGMER_RUN,
    WORKFLOW,
    Layout,
    ids_of,
    zerolog_console,
)

WRITTEN = datetime(2026, 1, 22, 12, tzinfo=UTC)


def seen(line: bytes) -> Sighting:
    sighting = sighting_in(Record(7, line.rstrip(b"\n")), LineClock(UTC, WRITTEN))
    assert sighting is not None
    return sighting


def names(value: object) -> str:
    return str(getattr(value, "id", None) or getattr(value, "__name__", ""))


# Words that both editions use are Java's in a Spring layout, whoever they were made for.
SHARED = {message.text for message in MESSAGES if message.id.startswith("java-")}
CASES = [
    (message, layout)
    for message in MESSAGES
    for layout in LAYOUTS
    if not (message.id.startswith("go-") and message.text in SHARED and "spring" in names(layout))
]


@pytest.mark.parametrize(("message", "layout"), CASES, ids=names)
def test_every_message_is_recognised_with_its_ids_in_every_layout(
    message: Message, layout: Layout
) -> None:
    sighting = seen(layout(message, ids_of(message), AT))

    assert sighting.message.id == message.id
    assert sighting.line == 7
    assert sighting.execution_id == EXECUTION
    if message.side is Side.EXTERNAL:
        assert sighting.activity == ActivityKey(WORKFLOW, RUN, ACTIVITY)
        assert sighting.attempt == 1
        assert sighting.stigmer_run_id == ""
    else:
        assert sighting.activity is None
        assert sighting.stigmer_run_id == STIGMER_RUN
    assert sighting.time is not None
    precision = timedelta(minutes=1 if layout is zerolog_console else 0, seconds=1)
    assert abs(sighting.time.at - AT) < precision


@pytest.mark.parametrize("carrier", CARRIERS, ids=names)
@pytest.mark.parametrize("layout", LAYOUTS, ids=names)
def test_a_carrier_around_the_line_hides_nothing(layout: Layout, carrier: object) -> None:
    assert callable(carrier)
    message = MESSAGES[4]

    sighting = seen(carrier(layout(message, ids_of(message), AT)))

    assert sighting.message.id == message.id
    assert sighting.execution_id == EXECUTION
    assert sighting.time is not None
    assert abs(sighting.time.at - AT) < timedelta(minutes=1)


def test_ids_and_texts_are_unique_and_stages_are_ranked_by_their_place() -> None:
    assert len({message.id for message in MESSAGES}) == len(MESSAGES)
    assert len({(m.text, m.markers) for m in MESSAGES}) == len(MESSAGES)
    assert [stage.rank for stage in STAGES] == list(range(len(STAGES)))
    assert {stage.follows for stage in STAGES} - {""} <= {stage.id for stage in STAGES}


def test_every_stage_is_told_by_some_message() -> None:
    told = {message.stage.id for message in MESSAGES if message.outcome is Outcome.REACHED}

    assert told == {stage.id for stage in STAGES}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "INFO SystemActivitiesImpl - External activity completed successfully",
            "java-callback-delivered",
        ),
        (
            "INFO [ASYNC-PATTERN] External activity completed successfully execution_id=a",
            "go-workflow-saw-delivery",
        ),
        (
            "ERROR Failed to complete external activity with success error=x execution_id=a",
            "go-callback-failed",
        ),
        (
            "ERROR SystemActivitiesImpl - Failed to complete external activity error=x",
            "java-callback-failed",
        ),
        (
            "INFO Callback token detected - will complete external activity on finish",
            "go-token-detected",
        ),
        (
            "INFO StartWorkflowStep - Callback token detected (async completion pattern)",
            "java-token-received",
        ),
    ],
)
def test_words_that_both_editions_use_are_told_apart(line: str, expected: str) -> None:
    message = message_in(line)

    assert message is not None
    assert message.id == expected


def test_other_lines_hold_no_message() -> None:
    assert message_in("INFO external activity, callback token, task token") is None
