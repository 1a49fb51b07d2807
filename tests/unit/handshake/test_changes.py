"""What a watch tells from one scan to the next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from stigmer_ops.handshake.activity import ActivityKey, ActivityState, PendingActivity
from stigmer_ops.handshake.changes import ChangeKind, Cycle, next_cycle
from stigmer_ops.handshake.scan_report import Unreadable
from support.activities import NOW, RUN_ID, pending


def snapshot(*activities: PendingActivity) -> dict[ActivityKey, PendingActivity]:
    return {activity.key: activity for activity in activities}


def cycle(before: Cycle | None, *activities: PendingActivity, **more: Any) -> Cycle:
    return next_cycle(before, snapshot(*activities), now=NOW, **more)


def told(of: Cycle) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (change.kind.value, change.activity.workflow_id, change.fields) for change in of.changes
    ]


A, B = pending(workflow_id="a"), pending(workflow_id="b")


def test_in_the_first_cycle_everything_appears() -> None:
    first = cycle(None, A, B)
    assert told(first) == [("appeared", "a", ()), ("appeared", "b", ())]
    assert (first.number, first.complete) == (1, True)


def test_nothing_is_told_of_what_stays_as_it_is() -> None:
    second = cycle(cycle(None, A, B), A, B)
    assert told(second) == []
    assert second.number == 2


def test_change_names_the_fields_that_differ() -> None:
    retried = pending(workflow_id="a", attempt=2, state=ActivityState.SCHEDULED)
    assert told(cycle(cycle(None, A), retried)) == [("changed", "a", ("state", "attempt"))]


def test_heartbeat_is_no_change() -> None:
    beating = pending(workflow_id="a", last_heartbeat_time=NOW)
    later = pending(workflow_id="a", last_heartbeat_time=NOW + timedelta(seconds=5))
    assert told(cycle(cycle(None, beating), later)) == []


def test_what_ended_is_gone_as_it_last_was() -> None:
    third = cycle(cycle(cycle(None, A, B), A), A)
    assert told(cycle(cycle(None, A, B), A)) == [("gone", "b", ())]
    assert told(third) == []


def test_what_could_not_be_read_is_not_gone() -> None:
    unread = Unreadable("b", RUN_ID, "UNAVAILABLE")
    second = cycle(cycle(None, A, B), A, unreadable=[unread])
    assert told(second) == []
    assert set(second.activities) == {A.key, B.key}
    assert not second.complete
    assert told(cycle(second, A)) == [("gone", "b", ())]


def test_after_an_error_everything_stays_and_what_was_found_is_new() -> None:
    second = cycle(cycle(None, A), B, error="the server is gone")
    assert told(second) == [("appeared", "b", ())]
    assert set(second.activities) == {A.key, B.key}
    assert not second.complete
    assert second.count(ChangeKind.APPEARED) == 1
    assert second.count(ChangeKind.GONE) == 0
