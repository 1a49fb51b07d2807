"""What a live view concludes from what was read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from stigmer_ops.handshake import verdicts
from stigmer_ops.handshake.live import (
    CALLBACKS_SHOWN,
    MINUTE,
    SAMPLES,
    CallbackLog,
    Choice,
    History,
    Live,
    Mark,
    Part,
    unpolled,
)
from stigmer_ops.handshake.selection import SortKey
from stigmer_ops.handshake.workers import TaskKind
from support.live_values import HOUR, MARKS, NOW, diagnosis, live, minutes, queue, waiting


def ids(view: Live, choice: Choice) -> list[str]:
    return [one.key.workflow_id for one in choice.of(view)]


@pytest.mark.parametrize(
    ("age", "timeout", "mark"),
    [
        (HOUR, 24 * HOUR, Mark.NONE),
        (4 * HOUR, 24 * HOUR, Mark.OLD),
        (4 * HOUR, 5 * HOUR, Mark.NEAR_DEADLINE),
        (2 * HOUR, 2 * HOUR, Mark.OVERDUE),
        (5 * HOUR, None, Mark.OLD),
    ],
)
def test_mark_is_the_most_urgent_that_applies(
    age: timedelta, timeout: timedelta | None, mark: Mark
) -> None:
    assert MARKS.mark(waiting("order", age=age, timeout=timeout), NOW) is mark


def test_callbacks_are_counted_in_their_minutes_and_forgotten_after_those_shown() -> None:
    log = CallbackLog()
    log.add(NOW, succeeded=True)
    log.add(NOW - MINUTE, succeeded=True)
    log.add(NOW - MINUTE, succeeded=False)
    log.add(NOW - CALLBACKS_SHOWN - MINUTE, succeeded=False)
    told = log.minutes(NOW)
    assert len(told) == CALLBACKS_SHOWN // MINUTE + 1
    assert (told[-1].succeeded, told[-1].failed) == (1, 0)
    assert (told[-2].succeeded, told[-2].failed) == (1, 1)
    assert sum(minute.ended for minute in told) == 3
    assert sum(minute.ended for minute in log.minutes(NOW + HOUR)) == 0


def test_callback_rate_is_of_whole_minutes_only() -> None:
    view = live(callbacks=minutes((100, 0), (1, 0), (2, 0), (3, 1), (0, 0), (3, 0), (50, 0)))
    assert view.callbacks_per_minute == 2
    assert view.callbacks_failed == 1
    assert live().callbacks_per_minute == 0


def test_list_comes_in_every_order() -> None:
    view = live(
        waiting("b", age=3 * HOUR, timeout=24 * HOUR),
        waiting("c", age=HOUR, timeout=2 * HOUR, attempt=3),
        waiting("a", age=2 * HOUR, timeout=None),
    )
    assert ids(view, Choice()) == ["c", "b", "a"]
    assert ids(view, Choice(SortKey.AGE)) == ["b", "a", "c"]
    assert ids(view, Choice(SortKey.ATTEMPT))[0] == "c"
    assert ids(view, Choice(SortKey.WORKFLOW, reverse=True)) == ["c", "b", "a"]
    assert [one.key.workflow_id for one in view.nearest(5)] == ["c", "b"]


def test_filter_wants_every_word_somewhere_whatever_the_case() -> None:
    lost, other = waiting("Order-4711"), waiting("order-4712")
    found = {lost.key: diagnosis(lost, verdicts.TOKEN_NOT_PASSED)}
    view = live(lost, other, verdicts=found)
    assert ids(view, Choice(words="ORDER zigflow")) == ["Order-4711", "order-4712"]
    assert ids(view, Choice(words="order not-passed")) == ["Order-4711"]
    assert ids(view, Choice(words="4711 4712")) == []


def test_verdicts_are_counted_the_most_severe_first() -> None:
    every = [waiting(f"order-{number}") for number in range(3)]
    found = {one.key: diagnosis(one, verdicts.RUNNING) for one in every[:2]}
    found[every[2].key] = diagnosis(every[2], verdicts.TOKEN_NOT_PASSED)
    view = live(*every, verdicts=found)
    assert [(name, count) for name, (count, _) in view.verdict_counts().items()] == [
        ("token-not-passed", 1),
        ("running", 2),
    ]
    assert view.stuck == 1


def test_only_a_kind_that_must_be_polled_is_missed() -> None:
    both = (TaskKind.WORKFLOW, TaskKind.ACTIVITY)
    assert unpolled(queue("runner", 0, TaskKind.ACTIVITY)) == [TaskKind.ACTIVITY]
    assert unpolled(queue("runner", 1, TaskKind.ACTIVITY)) == []
    assert set(unpolled(queue("stigmer", 0, *both))) == set(both)


def test_history_forgets_its_beginning() -> None:
    history = History()
    for second in range(SAMPLES + 1):
        history.add([waiting("order")] * (second % 2), NOW + timedelta(seconds=second))
    assert len(history.samples) == SAMPLES
    assert history.samples[0].time == NOW + timedelta(seconds=1)
    assert history.samples[0].by_age["1-4h"] == 1


def test_one_trouble_of_several_parts_is_told_once() -> None:
    lost = Part(NOW - HOUR).failed("connection refused")
    view = live(pending=lost, callback_reading=lost, queue_reading=Part(NOW).failed("denied"))
    assert view.troubles == ["connection refused", "denied"]
    assert lost.read_at == NOW - HOUR
    assert not view.complete
    assert live().complete
